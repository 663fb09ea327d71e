//! What tree each method grows, and how it spends its budget on the way.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use std::collections::HashMap;

use insta::assert_snapshot;
use outthink_core::method::{BEAM, BEST_OF_N, COT, DVTS, MAJORITY, SUBPOOL, VALUE_GUIDED_SEARCH};
use outthink_core::{AnyMethod, Finished, Limits, Plan, Sampling, Stop, Tree, Until, draw_seed};
use proptest::prelude::*;
use scripted::{LIMITS, Scorer, Script, kept, path_of, plan, run, show};

fn solutions() -> Script {
    Script::cycling([("", "x/=1. y/=2. x/=1. x/=3.")])
}

#[test]
fn chain_of_thought_is_one_greedy_draw() {
    let policy = solutions();
    let tree = run(&plan(COT, 1, 0), LIMITS, &policy, None).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 1
      x/ ×1
        =1. ×1 Answer ×1 kept #1
    ");
    let requests = policy.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0][0].sampling, Sampling::GREEDY);
    assert_eq!(requests[0][0].until, Until::Answer);
    assert_eq!(requests[0][0].max_tokens, LIMITS.solution_tokens);
}

#[test]
fn majority_draws_whole_solutions_in_one_request_and_asks_no_verifier() {
    let policy = solutions();
    let verifier = Scorer::constant(0.5);
    let plan = plan(MAJORITY, 6, 0);
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 6
      x/ ×4
        =1. ×3 Answer ×3 kept #1
        =3. ×1 Answer ×1 kept #3
      y/ ×2
        =2. ×2 Answer ×2 kept #2
    ");
    assert_eq!(policy.calls(), [[(String::new(), 6)]]);
    assert_eq!(policy.requests()[0][0].sampling, Sampling::at(0.7));
    assert!(verifier.calls().is_empty());
}

#[test]
fn best_of_n_scores_each_distinct_solution_once_and_every_step_of_it() {
    let policy = solutions();
    let verifier = Scorer::table([
        ("x/", 0.5),
        ("x/=1.", 0.4),
        ("x/=3.", 0.9),
        ("y/", 0.9),
        ("y/=2.", 0.8),
    ]);
    let plan = plan(BEST_OF_N, 6, 0);
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 6
      x/ ×4 reward 0.5
        =1. ×3 reward 0.4 Answer ×3 kept #1
        =3. ×1 reward 0.9 Answer ×1 kept #3
      y/ ×2 reward 0.9
        =2. ×2 reward 0.8 Answer ×2 kept #2
    ");
    assert_eq!(
        verifier.calls(),
        [["x/=1. complete", "y/=2. complete", "x/=3. complete"]]
    );
    assert_eq!(tree.verifier.requests, 3);
    assert_eq!(tree.solutions()[0].rewards, [0.5, 0.4]);
    assert_eq!(tree.solutions()[0].count, 3);
}

#[test]
fn beam_keeps_the_best_steps_over_all_beams_together() {
    let policy = Script::cycling([
        ("", "a/ b/ c/ d/"),
        ("b/", "e/ f/"),
        ("d/", "g/ h/"),
        ("b/e/", "=1. =2."),
        ("b/f/", "=3. =4."),
    ]);
    let verifier = Scorer::table([
        ("a/", 0.1),
        ("b/", 0.9),
        ("c/", 0.2),
        ("d/", 0.8),
        ("b/e/", 0.6),
        ("b/f/", 0.7),
        ("d/g/", 0.3),
        ("d/h/", 0.5),
        ("b/e/=1.", 0.2),
        ("b/e/=2.", 0.4),
        ("b/f/=3.", 0.3),
        ("b/f/=4.", 0.1),
    ]);
    let tree = run(&plan(BEAM, 4, 2), LIMITS, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 4
      a/ ×1 reward 0.1
      b/ ×1 reward 0.9 drawn 2
        e/ ×1 reward 0.6 drawn 2
          =1. ×1 reward 0.2 Answer ×1
          =2. ×1 reward 0.4 Answer ×1 kept #1
        f/ ×1 reward 0.7 drawn 2
          =3. ×1 reward 0.3 Answer ×1 kept #2
          =4. ×1 reward 0.1 Answer ×1
      c/ ×1 reward 0.2
      d/ ×1 reward 0.8 drawn 2
        g/ ×1 reward 0.3
        h/ ×1 reward 0.5
    ");
    assert_eq!(tree.policy.requests, 5);
    assert_eq!(tree.policy.generated, 28);
}

/// A middling solution is complete after the first step; better ones follow.
fn early_finish(finished: Finished) -> (Tree, Vec<Vec<(String, usize)>>) {
    let policy = Script::cycling([
        ("", "=1. a/ b/ c/"),
        ("a/", "e/ f/"),
        ("b/", "d/ =2."),
        ("b/d/", "=4. =5."),
    ]);
    let verifier = Scorer::table([
        ("=1.", 0.6),
        ("a/", 0.5),
        ("b/", 0.55),
        ("c/", 0.1),
        ("a/e/", 0.3),
        ("a/f/", 0.2),
        ("b/d/", 0.7),
        ("b/=2.", 0.65),
        ("b/d/=4.", 0.3),
        ("b/d/=5.", 0.8),
    ]);
    let plan = Plan::new(BEAM, 4, 2, finished).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    (tree, policy.calls())
}

#[test]
fn official_beams_give_a_finished_path_its_slot_for_good() {
    let (tree, calls) = early_finish(Finished::Official);
    assert_snapshot!(show(&tree), @"
    root drawn 4
      =1. ×1 reward 0.6 Answer ×1 kept #1
      a/ ×1 reward 0.5
      b/ ×1 reward 0.55 drawn 2
        d/ ×1 reward 0.7 drawn 2
          =4. ×1 reward 0.3 Answer ×1
          =5. ×1 reward 0.8 Answer ×1 kept #2
        =2. ×1 reward 0.65 Answer ×1
      c/ ×1 reward 0.1
    ");
    assert_eq!(rounds(&calls), [":4", "b/:2", "b/d/:2"]);
}

#[test]
fn refilled_beams_stay_as_wide_until_enough_paths_are_finished() {
    let (tree, calls) = early_finish(Finished::Refill);
    assert_snapshot!(show(&tree), @"
    root drawn 4
      =1. ×1 reward 0.6 Answer ×1 kept #1
      a/ ×1 reward 0.5 drawn 2
        e/ ×1 reward 0.3
        f/ ×1 reward 0.2
      b/ ×1 reward 0.55 drawn 2
        d/ ×1 reward 0.7
        =2. ×1 reward 0.65 Answer ×1 kept #2
      c/ ×1 reward 0.1
    ");
    assert_eq!(rounds(&calls), [":4", "b/:2 a/:2"]);
}

#[test]
fn competing_beams_let_a_better_path_displace_a_finished_one() {
    let (tree, calls) = early_finish(Finished::Compete);
    assert_snapshot!(show(&tree), @"
    root drawn 4
      =1. ×1 reward 0.6 Answer ×1
      a/ ×1 reward 0.5
      b/ ×1 reward 0.55 drawn 2
        d/ ×1 reward 0.7 drawn 2
          =4. ×1 reward 0.3 Answer ×1
          =5. ×1 reward 0.8 Answer ×1 kept #2
        =2. ×1 reward 0.65 Answer ×1 kept #1
      c/ ×1 reward 0.1
    ");
    assert_eq!(rounds(&calls), [":4", "b/:2", "b/d/:2"]);
}

#[test]
fn equal_rewards_keep_their_order_of_appearance() {
    let lines = [
        ("", "c/ a/ b/ c/"),
        ("c/", "=2. d/"),
        ("a/", "=1. e/"),
        ("c/d/", "=3."),
        ("a/e/", "=4."),
    ];
    for finished in [Finished::Official, Finished::Refill, Finished::Compete] {
        let policy = Script::cycling(lines);
        let plan = Plan::new(BEAM, 4, 2, finished).unwrap();
        let tree = run(&plan, LIMITS, &policy, Some(&Scorer::constant(0.5))).unwrap();
        let calls = policy.calls();
        assert_eq!(rounds(&calls)[..2], [":4", "c/:2 a/:2"], "{finished:?}");
        let expected = match finished {
            // `a/e/` came after `c/d/`, which came after `c/=2.`.
            Finished::Official | Finished::Compete => ["c/=2.", "c/d/=3."],
            Finished::Refill => ["c/=2.", "a/=1."],
        };
        assert_eq!(kept(&tree), expected, "{finished:?}");
    }
}

#[test]
fn draws_of_merged_candidates_are_dealt_to_those_that_are_left() {
    let policy = Script::cycling([
        ("", "a/"),
        ("a/", "b/ c/ d/ b/"),
        ("a/b/", "=1."),
        ("a/c/", "=2."),
        ("a/d/", "=3."),
    ]);
    let verifier = Scorer::new(|path| match path {
        "a/b/" => 0.2,
        "a/c/" => 0.3,
        "a/d/" => 0.1,
        _ => 0.5,
    });
    let tree = run(&plan(BEAM, 8, 2), LIMITS, &policy, Some(&verifier)).unwrap();
    assert_eq!(
        rounds(&policy.calls()),
        [":8", "a/:8", "a/c/:3 a/b/:3 a/d/:2"]
    );
    let counts: Vec<usize> = tree.solutions().iter().map(|s| s.count).collect();
    assert_eq!(kept(&tree), ["a/c/=2.", "a/b/=1.", "a/d/=3."]);
    assert_eq!(counts, [3, 3, 2]);
}

#[test]
fn dvts_keeps_one_step_of_each_subtree() {
    let policy = Script::cycling([
        ("", "a/ b/ c/ d/"),
        ("b/", "=1. e/"),
        ("c/", "f/ g/"),
        ("c/f/", "=4. =5."),
    ]);
    let verifier = Scorer::table([
        ("a/", 0.8),
        ("b/", 0.9),
        ("c/", 0.2),
        ("d/", 0.1),
        ("b/=1.", 0.3),
        ("b/e/", 0.2),
        ("c/f/", 0.6),
        ("c/g/", 0.5),
        ("c/f/=4.", 0.4),
        ("c/f/=5.", 0.7),
    ]);
    let tree = run(&plan(DVTS, 4, 2), LIMITS, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 4
      a/ ×1 reward 0.8
      b/ ×1 reward 0.9 drawn 2
        =1. ×1 reward 0.3 Answer ×1 kept #1
        e/ ×1 reward 0.2
      c/ ×1 reward 0.2 drawn 2
        f/ ×1 reward 0.6 drawn 2
          =4. ×1 reward 0.4 Answer ×1
          =5. ×1 reward 0.7 Answer ×1 kept #2
        g/ ×1 reward 0.5
      d/ ×1 reward 0.1
    ");
    assert_eq!(rounds(&policy.calls()), [":2 :2", "b/:2 c/:2", "c/f/:2"]);
}

#[test]
fn subtrees_on_the_same_path_draw_apart_and_count_once() {
    let policy = Script::cycling([
        ("", "a/ b/"),
        ("a/", "c/ d/ e/ c/"),
        ("a/c/", "=1. =2. =1. =3."),
    ]);
    let verifier = Scorer::new(|path| match path {
        "a/" | "a/c/" | "a/c/=1." => 0.9,
        _ => 0.1,
    });
    let tree = run(&plan(DVTS, 4, 2), LIMITS, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 4
      a/ ×2 reward 0.9 drawn 4
        c/ ×2 reward 0.9 drawn 4
          =1. ×2 reward 0.9 Answer ×2 kept #1
          =2. ×1 reward 0.1 Answer ×1
          =3. ×1 reward 0.1 Answer ×1
        d/ ×1 reward 0.1
        e/ ×1 reward 0.1
      b/ ×2 reward 0.1
    ");
}

#[test]
fn a_tie_in_one_subtree_is_not_decided_by_what_another_drew_first() {
    let policy = Script::cycling([("", "a/ b/ c/ a/"), ("b/", "=1."), ("c/", "=2.")]);
    let verifier = Scorer::new(|path| if path == "b/" { 0.9 } else { 0.5 });
    let tree = run(&plan(DVTS, 4, 2), LIMITS, &policy, Some(&verifier)).unwrap();
    assert_eq!(kept(&tree), ["b/=1.", "c/=2."]);
}

/// One text a call: the paths asked for and their draws.
fn rounds(calls: &[Vec<(String, usize)>]) -> Vec<String> {
    let request = |(path, draws): &(String, usize)| format!("{path}:{draws}");
    calls
        .iter()
        .map(|call| call.iter().map(request).collect::<Vec<_>>().join(" "))
        .collect()
}

/// A world without end in which few steps are possible, so draws often agree, and few rewards, so they often tie.
#[derive(Clone, Copy, Debug)]
struct World(u64);

impl World {
    fn says(self, path: &str, index: usize) -> &'static str {
        let texts = ["a/", "b/", "c/", "d/", "=1.", "=2.", "=3."];
        texts[self.hash(path, index) % texts.len()]
    }

    fn reward(self, path: &str) -> f64 {
        (self.hash(path, usize::MAX) % 5) as f64 / 4.0
    }

    fn hash(self, path: &str, index: usize) -> usize {
        (draw_seed(self.0, path.chars().map(u32::from), index) >> 33) as usize
    }

    fn best_first(self, mut paths: Vec<String>) -> Vec<String> {
        paths.sort_by(|a, b| self.reward(b).total_cmp(&self.reward(a)));
        paths
    }
}

const STEPS: usize = 4;

/// The methods once more, over strings and as the papers tell them.
struct Retelling {
    world: World,
    drawn: HashMap<String, usize>,
    rounds: Vec<String>,
    done: Vec<String>,
}

impl Retelling {
    fn of(world: World) -> Self {
        Self {
            world,
            drawn: HashMap::new(),
            rounds: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Distinct new paths in order of appearance; one that has reached the most steps without an answer is lost.
    fn draw(&mut self, path: &str, draws: usize) -> Vec<String> {
        let drawn = self.drawn.entry(path.to_owned()).or_default();
        let mut children: Vec<String> = Vec::new();
        for index in *drawn..*drawn + draws {
            let child = format!("{path}{}", self.world.says(path, index));
            let lost = child.ends_with('/') && child.matches('/').count() == STEPS;
            if !lost && !children.contains(&child) {
                children.push(child);
            }
        }
        *drawn += draws;
        children
    }

    fn beam(&mut self, budget: usize, width: usize, finished: Finished) {
        let beams = budget / width;
        let is_done = |path: &String| path.ends_with('.');
        let mut live = vec![(String::new(), budget)];
        while !live.is_empty() {
            self.rounds.extend(rounds(std::slice::from_ref(&live)));
            let mut pool = Vec::new();
            for (path, draws) in live {
                pool.extend(self.draw(&path, draws));
            }
            let done = &mut self.done;
            let (mut top, slots) = match finished {
                Finished::Official => {
                    let free = beams - done.len();
                    let top: Vec<String> =
                        self.world.best_first(pool).into_iter().take(free).collect();
                    done.extend(top.iter().filter(|path| is_done(path)).cloned());
                    (top, beams - done.len())
                }
                Finished::Refill => {
                    let (finished, rest): (Vec<_>, Vec<_>) =
                        self.world.best_first(pool).into_iter().partition(is_done);
                    done.extend(finished);
                    let slots = if done.len() < beams { beams } else { 0 };
                    (rest.into_iter().take(slots).collect(), slots)
                }
                Finished::Compete => {
                    let mut all = done.clone();
                    all.extend(pool);
                    let top: Vec<String> =
                        self.world.best_first(all).into_iter().take(beams).collect();
                    done.retain(|path| top.contains(path));
                    for path in top.iter().filter(|path| is_done(path)) {
                        if !done.contains(path) {
                            done.push(path.clone());
                        }
                    }
                    (top, beams - done.len())
                }
            };
            top.retain(|path| !is_done(path));
            let draws = slots * width;
            let share = |rank| (rank..draws).step_by(top.len()).count();
            live = (0..top.len())
                .map(|at| (top[at].clone(), share(at)))
                .collect();
        }
    }

    fn dvts(&mut self, budget: usize, width: usize) {
        let mut live = vec![String::new(); budget / width];
        while !live.is_empty() {
            let asked: Vec<_> = live.iter().map(|path| (path.clone(), width)).collect();
            self.rounds.extend(rounds(&[asked]));
            let mut next = Vec::new();
            for path in live {
                let candidates = self.draw(&path, width);
                let Some(best) = self.world.best_first(candidates).into_iter().next() else {
                    continue;
                };
                if !best.ends_with('.') {
                    next.push(best);
                } else if !self.done.contains(&best) {
                    self.done.push(best);
                }
            }
            live = next;
        }
    }
}

/// All that spend a budget, and some with parameters that are not the usual ones.
fn methods() -> Vec<AnyMethod> {
    let with = [
        "rebase:temperature=0.01",
        "particle-filtering:temperature=0.1",
        "entropic-particle-filtering:threshold=1:early=1",
        "dora:alpha=1",
        "lookahead:steps=3",
    ];
    let with = with.map(|name| name.parse().unwrap());
    AnyMethod::all().into_iter().skip(1).chain(with).collect()
}

fn finished() -> impl Strategy<Value = Finished> {
    prop_oneof![
        Just(Finished::Official),
        Just(Finished::Refill),
        Just(Finished::Compete)
    ]
}

proptest! {
    #[test]
    fn stepwise_methods_do_as_a_plain_retelling_of_their_papers(
        seed: u64,
        beams in 1usize..6,
        width in 1usize..6,
        method in prop_oneof![Just(BEAM), Just(DVTS)],
        finished in finished(),
    ) {
        let world = World(seed);
        let policy = Script::new(move |draw| world.says(draw.path, draw.index()).to_owned());
        let verifier = Scorer::new(move |path| world.reward(path));
        let plan = Plan::new(method, beams * width, width, finished).unwrap();
        let limits = Limits { steps: STEPS, ..LIMITS };
        let tree = run(&plan, limits, &policy, Some(&verifier)).unwrap();
        let mut told = Retelling::of(world);
        match method {
            method if method == BEAM => told.beam(beams * width, width, finished),
            _ => told.dvts(beams * width, width),
        }
        prop_assert_eq!(rounds(&policy.calls()), told.rounds);
        prop_assert_eq!(kept(&tree), told.done);
    }

    #[test]
    fn more_subtrees_begin_with_the_draws_of_fewer(
        seed: u64,
        few in 1usize..4,
        more in 1usize..4,
        width in 1usize..5,
    ) {
        let world = World(seed);
        let verifier = Scorer::new(move |path| world.reward(path));
        // Cut-off and blank draws as well.
        let limits = Limits { draw_tokens: 3, solution_tokens: 20, steps: STEPS };
        let drawn = |subtrees: usize| {
            let policy = Script::new(move |draw| match world.hash(draw.path, draw.index()) % 10 {
                1 => "/".into(),
                2 => "ef".into(),
                _ => format!("{}a/=1.", world.says(draw.path, draw.index())),
            });
            let tree = run(&plan(DVTS, subtrees * width, width), limits, &policy, Some(&verifier)).unwrap();
            let requests = policy.requests().concat();
            let draws = requests.iter().flat_map(|request| {
                let path = path_of(&request.steps);
                request.seeds.iter().map(move |&seed| (path.clone(), seed))
            });
            let draws: std::collections::BTreeSet<(String, u64)> = draws.collect();
            (draws, kept(&tree))
        };
        let (small, large) = (drawn(few), drawn(few + more));
        prop_assert!(small.0.is_subset(&large.0));
        prop_assert!(small.1.iter().all(|path| large.1.contains(path)));
    }

    #[test]
    fn no_round_spends_more_than_the_budget_and_refilled_beams_spend_all_of_it(
        seed: u64,
        beams in 1usize..6,
        width in 1usize..6,
        method in prop::sample::select(methods()),
        finished in finished(),
    ) {
        let budget = beams * width;
        let world = World(seed);
        // Cut-off, blank and empty draws as well.
        let policy = Script::new(move |draw| match world.hash(draw.path, draw.index()) % 10 {
            0 => String::new(),
            1 => "/".into(),
            2 => "ef".into(),
            3 => ".".into(),
            _ => format!("{}a/=1.", world.says(draw.path, draw.index())),
        });
        let verifier = Scorer::new(move |path| world.reward(path));
        let plan = Plan::new(method, budget, width, finished).unwrap();
        let limits = Limits { draw_tokens: 3, solution_tokens: 20, steps: STEPS };
        let tree = run(&plan, limits, &policy, Some(&verifier)).unwrap();
        for call in policy.calls() {
            prop_assert!(call.iter().map(|(_, draws)| draws).sum::<usize>() <= budget);
        }
        let mut spent = [0; STEPS + 1];
        for (id, node) in tree.nodes().iter().enumerate() {
            if node.drawn > 0 {
                spent[tree.path(id).len()] += node.drawn;
            }
            // Every draw of a node is in a child of it or ended at it.
            let below: usize = tree.children(id).iter().map(|&child| tree.nodes()[child].draws).sum();
            let ended = node.finished.map_or(0, |(_, count)| count);
            if method == VALUE_GUIDED_SEARCH {
                // One draw may be many steps.
                prop_assert!(below <= node.drawn + node.draws && node.drawn <= below + ended);
            } else if method.is_stepwise() {
                prop_assert!(below <= node.drawn && node.drawn <= below + ended);
            } else if id != Tree::ROOT {
                prop_assert_eq!(node.draws, below + ended);
            }
        }
        match method {
            method if method == BEAM && finished == Finished::Refill => {
                prop_assert!(spent.iter().all(|&draws| draws == 0 || draws == budget));
            }
            method if [BEAM, DVTS].contains(&method) => {
                prop_assert!(spent.iter().all(|&draws| draws <= budget && draws % width == 0));
            }
            method if method == VALUE_GUIDED_SEARCH => {}
            // It may go back to where it was, however often.
            method if method == SUBPOOL => {
                prop_assert!(spent.iter().sum::<usize>() <= budget * STEPS);
            }
            method if method.is_stepwise() => {
                prop_assert!(spent.iter().all(|&draws| draws <= budget));
            }
            // The first population, and what was asked with its solutions.
            method if method.traits().prompts => prop_assert!(spent.iter().sum::<usize>() <= budget),
            _ => prop_assert_eq!((spent[0], &spent[1..]), (budget, &[0; STEPS][..])),
        }
        let refills = method.has_width() && ![DVTS, VALUE_GUIDED_SEARCH].contains(&method);
        let bound = if refills && finished == Finished::Refill {
            beams - 1 + budget
        } else if method.has_width() {
            beams
        } else {
            budget
        };
        prop_assert!(tree.kept.len() <= bound);
        for solution in tree.solutions() {
            prop_assert!(solution.stop == Stop::Answer || !method.is_stepwise());
        }
    }
}
