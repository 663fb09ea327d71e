//! One suite for both stores.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail by panicking, and says what it skips"
)]

mod mock;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};
use mock::{ALL, Bench, POOLS, Place, bench, bench_of};
use outthink_core::method::{BEAM, BEST_OF_N, MAJORITY};
use outthink_core::selection::Signal;
use outthink_core::{
    Domain, Extension, Judgement, ModelCost, ModelError, Policy, Prefix, Problem, Reply, Selection,
    Tree, Verifier,
};
use outthink_lab::store::Sample;
use outthink_lab::{
    Analysis, Caps, Choice, Entry, Estimate, Halt, ImportOptions, Key, Maths, Rule, RunError,
    Shard, Status, Store, Study, export_jsonl, import, run, samples_of,
};

fn go(bench: &Bench, store: Store, shard: Shard, caps: Caps) -> (Store, Halt, Status) {
    let watch = &mut |_: &Status| {};
    block_on(run(
        &bench.study,
        &bench.models,
        store,
        shard,
        caps,
        &Maths,
        watch,
    ))
    .unwrap()
}

/// A unit: id, state, solutions, rewards and tree.
type Held = (
    i64,
    String,
    Vec<Sample>,
    Vec<(usize, Vec<f64>)>,
    Option<Tree>,
);

/// All that a store holds of a study, in its order.
fn contents(study: &Study, store: &mut Store) -> Vec<Held> {
    let units = store.units(study).unwrap();
    units
        .into_iter()
        .map(|unit| {
            let samples = store.samples(unit.id).unwrap();
            let rewards = store.rewards(unit.id).unwrap();
            (
                unit.id,
                unit.state,
                samples,
                rewards,
                store.tree(unit.id).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_study_is_the_same_in_both_stores_and_its_trees_are_whole() {
    let bench = bench(6, Duration::ZERO, 64);
    let mut found = Vec::new();
    for place in Place::all() {
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let (mut store, halt, _) = go(&bench, store, Shard::WHOLE, Caps::default());
        assert_eq!(halt, Halt::Complete);
        assert_eq!(store.study(None).unwrap(), bench.study);
        let all = contents(&bench.study, &mut store);
        // A pool's samples are as many as asked for, each with its own seed.
        let pools = all
            .iter()
            .filter(|unit| unit.2.len() == 16 && unit.2[0].drawn.seed.is_some());
        assert_eq!(pools.count(), 6);
        // With what the policy told of each of their tokens.
        for unit in all
            .iter()
            .filter(|unit| unit.2.iter().any(|sample| sample.drawn.seed.is_some()))
        {
            let stats = store.token_stats(unit.0).unwrap();
            assert_eq!(stats.len(), unit.2.len());
            for ((number, stats), sample) in stats.iter().zip(&unit.2) {
                assert_eq!(*number, sample.number);
                assert_eq!(stats.logprobs, vec![-0.25; sample.drawn.tokens]);
                assert_eq!(stats.entropies, vec![1.5; sample.drawn.tokens]);
            }
        }
        // Every step of a search is there, kept or not, with tokens and reward; equal draws are one node.
        let tree = all.iter().find_map(|unit| unit.4.as_ref()).unwrap();
        assert!(
            tree.nodes()[1..]
                .iter()
                .all(|node| node.reward.is_some() && node.step.is_some())
        );
        assert_eq!(
            tree.nodes()[Tree::ROOT].led_to.len(),
            tree.nodes()[Tree::ROOT].drawn
        );
        found.push(all);
    }
    assert!(found.iter().all(|contents| *contents == found[0]));
}

#[test]
fn what_is_stored_is_never_drawn_again() {
    for place in Place::all() {
        let bench = bench(5, Duration::ZERO, 64);
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let (mut store, ..) = go(&bench, store, Shard::WHOLE, Caps::default());
        let (draws, prefixes) = (
            bench.draws.load(Ordering::Relaxed),
            bench.prefixes.load(Ordering::Relaxed),
        );
        store.put_study(&bench.study).unwrap();
        let (_, halt, status) = go(&bench, store, Shard::WHOLE, Caps::default());
        assert_eq!((halt, status.done), (Halt::Complete, 0));
        assert_eq!(draws, bench.draws.load(Ordering::Relaxed));
        assert_eq!(prefixes, bench.prefixes.load(Ordering::Relaxed));
    }
}

#[test]
fn shards_together_are_the_whole() {
    for place in Place::all() {
        let bench = bench(7, Duration::ZERO, 64);
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let mut done = 0;
        for index in 0..3 {
            let shard = Shard { index, count: 3 };
            let (next, _, status) = go(&bench, store, shard, Caps::default());
            store = next;
            done += status.done;
            assert!(status.done > 0);
        }
        let count = store.count("mock").unwrap();
        assert_eq!((count.done, count.open), (done, 0));
    }
}

#[test]
fn a_failed_problem_is_told_and_tried_again_and_never_becomes_a_score() {
    for place in Place::all() {
        let bad = bench_of(5, Duration::ZERO, 64, "[8]", ALL, Some("-3".into()));
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bad.study).unwrap();
        let (mut store, halt, status) = go(&bad, store, Shard::WHOLE, Caps::default());
        assert_eq!(halt, Halt::Complete);
        assert!(status.failure.unwrap().contains("told to fail"));
        let analysis = Analysis::of(bad.study.clone(), &mut store).unwrap();
        assert!(analysis.entries.iter().all(|entry| entry.problems == 4));
        assert!(
            analysis
                .failures
                .keys()
                .all(|error| error.contains("problem-3"))
        );
        let good = bench_of(5, Duration::ZERO, 64, "[8]", ALL, None);
        store.put_study(&good.study).unwrap();
        let (mut store, _, status) = go(&good, store, Shard::WHOLE, Caps::default());
        // Of the sixth that failed: CoT, pool, score, beam, DVTS.
        assert_eq!(status.done, 5);
        let analysis = Analysis::of(good.study, &mut store).unwrap();
        assert!(analysis.entries.iter().all(|entry| entry.problems == 5));
    }
}

#[test]
fn a_study_of_which_only_refusals_come_stops_and_goes_on_once_that_is_mended() {
    for place in Place::all() {
        let mut bad = bench_of(40, Duration::ZERO, 64, "[8]", POOLS, Some(String::new()));
        bad.models.is_hopeless = |cause| cause.to_string().contains("told to fail");
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bad.study).unwrap();
        let (study, models) = (&bad.study, &bad.models);
        let (whole, free) = (Shard::WHOLE, Caps::default());
        let watch = &mut |_: &Status| {};
        let ended = block_on(run(study, models, store, whole, free, &Maths, watch));
        let Err(RunError::Hopeless(told)) = ended else {
            panic!("it went on");
        };
        assert!(told.contains("told to fail"), "{told}");
        let mut store = Store::open(&place.name()).unwrap();
        let count = store.count("mock").unwrap();
        assert!(count.done == 0 && (1..40).contains(&count.failed));
        let good = bench_of(40, Duration::ZERO, 64, "[8]", POOLS, None);
        let (mut store, halt, _) = go(&good, store, Shard::WHOLE, Caps::default());
        let count = store.count("mock").unwrap();
        assert_eq!((halt, count.failed, count.open), (Halt::Complete, 0, 0));
    }
}

/// A model that panics on a problem.
struct Panics<M: ?Sized>(std::sync::Arc<M>, &'static str);

impl Policy for Panics<dyn Policy> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        assert!(requests[0].problem.id != self.1, "the policy lost its head");
        self.0.extend(requests)
    }
}

impl Verifier for Panics<dyn Verifier> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            assert!(
                prefixes[0].problem.id != self.1,
                "the verifier lost its head"
            );
            self.0.score(prefixes).await
        }
        .boxed()
    }
}

/// A grader that panics on a gold answer.
struct PanicsOn(&'static str);

impl Domain for PanicsOn {
    fn identity(&self) -> String {
        Maths.identity()
    }

    fn extract(&self, problem: &Problem, solution: &str) -> Option<String> {
        Maths.extract(problem, solution)
    }

    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        Maths.group(problem, answers)
    }

    fn grade<'a>(
        &'a self,
        problem: &'a Problem,
        gold: &'a str,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<bool>, ModelError>> {
        assert!(gold != self.0, "the grader lost its head");
        Maths.grade(problem, gold, answers)
    }
}

#[test]
fn a_panic_fails_its_unit_alone_and_the_unit_is_tried_again() {
    for place in Place::all() {
        let mut bad = bench(6, Duration::ZERO, 64).with_strategy();
        let policy = &mut bad.models.policies[0].model;
        *policy = std::sync::Arc::new(Panics::<dyn Policy>(policy.clone(), "problem-1"));
        let verifier = &mut bad.models.verifiers[0].model;
        *verifier = std::sync::Arc::new(Panics::<dyn Verifier>(verifier.clone(), "problem-2"));
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bad.study).unwrap();
        let watch = &mut |_: &Status| {};
        let grader = PanicsOn("3");
        let ran = run(
            &bad.study,
            &bad.models,
            store,
            Shard::WHOLE,
            Caps::default(),
            &grader,
            watch,
        );
        let (mut store, halt, status) = block_on(ran).unwrap();
        assert_eq!(halt, Halt::Complete);
        let mut blamed = [false; 3];
        for unit in store.units(&bad.study).unwrap() {
            // Problem 3 has the gold answer 3.
            let blame = ["the policy", "the verifier", "the grader"];
            let whose = unit.number.checked_sub(1).filter(|whose| *whose < 3);
            match (unit.state.as_str(), unit.error, whose) {
                ("done", None, _) => {}
                ("failed", Some(error), Some(whose)) => {
                    assert!(
                        error.contains(&format!("{} lost its head", blame[whose])),
                        "{error}"
                    );
                    blamed[whose] = true;
                }
                // A score of a pool that nobody could draw, or grade.
                ("open", None, Some(0 | 2)) => {}
                other => panic!("problem {}: {other:?}", unit.number),
            }
        }
        assert_eq!(blamed, [true; 3]);
        assert_eq!(store.count("mock").unwrap().failed, status.count.failed);
        let good = bench(6, Duration::ZERO, 64).with_strategy();
        let (mut store, ..) = go(&good, store, Shard::WHOLE, Caps::default());
        let count = store.count("mock").unwrap();
        assert_eq!((count.failed, count.open), (0, 0));
    }
}

#[test]
fn a_cap_that_nobody_can_count_is_refused() {
    let place = Place::sqlite();
    let mut bench = bench(1, Duration::ZERO, 64);
    bench.study.verifiers[0].cost = None;
    for (caps, told) in [
        (
            Caps {
                flops: Some(1e9),
                ..Caps::default()
            },
            "verifier has no parameters",
        ),
        (
            Caps {
                money: Some(1.0),
                ..Caps::default()
            },
            "policy has no price",
        ),
    ] {
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let watch = &mut |_: &Status| {};
        let (study, models) = (&bench.study, &bench.models);
        let ran = run(study, models, store, Shard::WHOLE, caps, &Maths, watch);
        let refused = block_on(ran).err().map(|error| error.to_string());
        assert!(
            refused.as_ref().is_some_and(|said| said.contains(told)),
            "{refused:?}"
        );
    }
}

#[test]
fn a_mixture_of_experts_costs_what_its_tokens_use_in_the_run_the_plan_and_the_report() {
    let place = Place::sqlite();
    let mut bench = bench(3, Duration::ZERO, 64);
    let (mut flops, mut computed) = (Vec::new(), 0.0_f64);
    for active in [None, Some(100)] {
        let cost = |cost: Option<ModelCost>| cost.map(|cost| ModelCost { active, ..cost });
        for model in bench
            .study
            .policies
            .iter_mut()
            .chain(&mut bench.study.verifiers)
        {
            model.cost = cost(model.cost);
        }
        bench.study.name = format!("mixture-{active:?}");
        // Another seed is other units of the same kind.
        bench.study.seeds = vec![active.unwrap_or_default()];
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let planned = Estimate::of(&bench.study, &mut store, 64)
            .unwrap()
            .flops
            .unwrap();
        let (mut store, _, status) = go(&bench, store, Shard::WHOLE, Caps::default());
        let analysis = Analysis::of(bench.study.clone(), &mut store).unwrap();
        let beam = |entry: &&Entry| entry.key.method == BEAM && entry.key.budget == 16;
        let beam = analysis.entries.iter().find(beam).unwrap();
        let (paper, full) = analysis.flops(beam);
        let attention =
            |computed: f64, full: f64| full - 2.0 * active.unwrap_or(1000) as f64 * computed;
        let of_run = attention(status.computed as f64, status.flops.unwrap());
        let of_beam = beam.cost.unwrap().policy.computed + beam.cost.unwrap().verifier.computed;
        let of_beam = attention(of_beam, full.unwrap());
        // The mock attends to nothing; a unit's own tokens do, to those before them.
        assert!(of_run.abs() < 1e-6 && of_beam > 0.0);
        let generated = beam.cost.unwrap().policy.generated;
        assert_eq!(
            paper.unwrap(),
            2.0 * active.unwrap_or(1000) as f64 * generated
        );
        flops.push(planned);
        computed = computed.max(status.computed as f64);
    }
    // The two plans differ by what the parameters cost each token, and the plan is a bound on the tokens.
    let tokens = (flops[0] - flops[1]) / (2.0 * 900.0);
    assert!(tokens >= computed, "{flops:?} for {computed}");
    assert!(flops[0] > 2.0 * 1000.0 * tokens, "attention is planned too");
}

#[test]
fn a_cap_stops_the_run_and_the_next_one_goes_on() {
    let place = Place::sqlite();
    let bench = bench(20, Duration::from_millis(5), 32);
    let mut store = Store::open(&place.name()).unwrap();
    store.put_study(&bench.study).unwrap();
    let caps = Caps {
        flops: Some(1.0),
        ..Caps::default()
    };
    let (store, halt, status) = go(&bench, store, Shard::WHOLE, caps);
    assert_eq!(halt, Halt::Capped("flops"));
    let (mut store, halt, rest) = go(&bench, store, Shard::WHOLE, Caps::default());
    assert_eq!(halt, Halt::Complete);
    assert_eq!(status.done + rest.done, store.count("mock").unwrap().done);
}

#[test]
fn the_analysis_of_a_pool_is_the_search_over_its_samples() {
    let place = Place::sqlite();
    let bench = bench(8, Duration::ZERO, 64);
    let mut store = Store::open(&place.name()).unwrap();
    store.put_study(&bench.study).unwrap();
    let (mut store, ..) = go(&bench, store, Shard::WHOLE, Caps::default());
    let analysis = Analysis::of(bench.study.clone(), &mut store).unwrap();
    for rule in Selection::all() {
        // The search itself, from the same models and seeds, without any store.
        let (method, verifier) = match rule.needs_rewards() {
            false => (MAJORITY, None),
            true => (BEST_OF_N, Some(0)),
        };
        let plan = outthink_core::Plan::new(method, 16, 1, outthink_core::Finished::default());
        let plan = plan.unwrap();
        let policy = &bench.models.policies[0];
        let judge = bench.models.verifiers[0].model.as_ref();
        let right = bench.study.problems.iter().filter(|problem| {
            let tree = block_on(outthink_core::search(
                std::sync::Arc::new(problem.question()),
                &plan,
                policy.sampling,
                policy.limits,
                0,
                policy.model.as_ref(),
                Some(judge),
            ))
            .unwrap();
            block_on(rule.choose(&tree.problem, &tree.solutions(), &Maths))
                .unwrap()
                .is_some_and(|chosen| Maths::equal(&problem.gold, &chosen.answer))
        });
        let key = Key {
            policy: 0,
            verifier,
            method,
            width: None,
            budget: 16,
            rule: Rule::Chosen(outthink_lab::Choice(rule)),
        };
        let entry = analysis.entry(&key).unwrap();
        assert_eq!(entry.accuracy, right.count() as f64 / 8.0, "{rule}");
    }
}

#[test]
fn exported_pools_come_back_with_the_same_estimates() {
    for place in Place::all() {
        let bench = bench(6, Duration::ZERO, 64);
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let (mut store, ..) = go(&bench, store, Shard::WHOLE, Caps::default());
        let mut file = Vec::new();
        let lines = export_jsonl(&bench.study, &mut store, &mut file).unwrap();
        assert!(lines > 6 * 16);
        let read = samples_of("samples.jsonl", file).unwrap();
        assert_eq!(read.lines.len(), lines);
        let options = ImportOptions::new("back", &Maths);
        let back = import(read, &options, Some(&mut store)).unwrap().study;
        let (before, after) = (
            Analysis::of(bench.study, &mut store).unwrap(),
            Analysis::of(back, &mut store).unwrap(),
        );
        for entry in after
            .entries
            .iter()
            .filter(|entry| entry.key.rule != Rule::InSample)
        {
            let same = before.entry(&entry.key).unwrap();
            // Other subsets may be drawn where an estimate is not exact.
            let allowed = 1e-12 + 6.0 * (entry.sampling_error + same.sampling_error);
            assert!(
                (entry.accuracy - same.accuracy).abs() <= allowed,
                "{:?}",
                entry.key
            );
        }
        // Searches and greedy solutions come back as what they were. Files hold no token statistics.
        let by_tokens = |rule: Rule| match rule {
            Rule::Chosen(Choice(Selection::Scored(scoring, _))) => {
                scoring.signal() == Signal::Tokens
            }
            _ => false,
        };
        let own = before.entries.iter();
        let own = own.filter(|entry| !by_tokens(entry.key.rule));
        for entry in own.filter(|entry| entry.key.rule != Rule::InSample) {
            assert!(after.entry(&entry.key).is_some(), "{:?}", entry.key);
        }
    }
}

#[test]
fn a_question_in_sql_is_answered_and_changes_nothing() {
    for place in Place::all() {
        let bench = bench(2, Duration::ZERO, 64);
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let mut rows = Vec::new();
        store
            .ask(
                "SELECT count(*) AS problems FROM problem",
                &mut |names, row| {
                    rows.push((names.to_vec(), row));
                },
            )
            .unwrap();
        assert_eq!(
            rows,
            [(vec!["problems".to_owned()], vec![Some("2".to_owned())])]
        );
        assert!(store.ask("DELETE FROM problem", &mut |_, _| {}).is_err());
    }
}

#[test]
fn a_run_that_is_given_up_has_written_what_came_and_holds_no_unit() {
    for place in Place::all() {
        let bench = bench(8, Duration::from_millis(2), 64);
        let mut store = Store::open(&place.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let (study, models) = (&bench.study, &bench.models);
        let done = std::cell::Cell::new(0);
        let watch = &mut |status: &Status| done.set(status.done);
        let ran = run(
            study,
            models,
            store,
            Shard::WHOLE,
            Caps::default(),
            &Maths,
            watch,
        );
        let mut ran = Box::pin(ran);
        while bench.draws.load(Ordering::Relaxed) < 64 {
            assert!(block_on(async { futures::poll!(&mut ran) }).is_pending());
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(ran);
        let mut store = Store::read(&place.name()).unwrap();
        let mut held = Vec::new();
        let leased = "SELECT count(*) FROM unit WHERE worker IS NOT NULL";
        store.ask(leased, &mut |_, row| held.push(row)).unwrap();
        assert_eq!(held, [[Some("0".to_owned())]]);
        drop(store);
        // What was drawn is not drawn again: one run and a half cost one.
        let store = Store::open(&place.name()).unwrap();
        go(&bench, store, Shard::WHOLE, Caps::default());
        let drawn = bench.draws.load(Ordering::Relaxed);
        let alone = mock::bench(8, Duration::ZERO, 64);
        let other = Place::like(&place);
        let mut store = Store::open(&other.name()).unwrap();
        store.put_study(&alone.study).unwrap();
        go(&alone, store, Shard::WHOLE, Caps::default());
        let under_way = 2 * 64;
        assert!(
            drawn <= alone.draws.load(Ordering::Relaxed) + under_way,
            "{drawn}"
        );
    }
}
