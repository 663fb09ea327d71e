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
use mock::{ALL, Bench, Place, bench, bench_of};
use outthink_core::{Answers, Selection, Tree};
use outthink_lab::store::Sample;
use outthink_lab::{
    Analysis, Caps, Halt, Key, MathAnswers, Rule, Shard, Status, Store, Study, export_jsonl,
    import, read_lines, run,
};

fn go(bench: &Bench, store: Store, shard: Shard, caps: Caps) -> (Store, Halt, Status) {
    let watch = &mut |_: &Status| {};
    block_on(run(
        &bench.study,
        &bench.models,
        store,
        shard,
        caps,
        &MathAnswers,
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
    let units = store.units(&study.name).unwrap();
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
        let (method, verifier) = match rule {
            Selection::Majority => (outthink_core::Method::Majority, None),
            _ => (outthink_core::Method::BestOfN, Some(0)),
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
            rule.choose(&tree.solutions(), &MathAnswers)
                .is_some_and(|chosen| MathAnswers.equal(&problem.gold, &chosen.answer))
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
        let read = read_lines(&mut file.as_slice()).unwrap();
        assert_eq!(read.len(), lines);
        let back = import("back", read, &mut store, &MathAnswers).unwrap();
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
        assert_eq!(
            after
                .entries
                .iter()
                .filter(|entry| entry.key.budget == 16)
                .count(),
            11
        );
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
