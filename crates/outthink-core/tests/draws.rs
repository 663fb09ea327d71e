//! How a draw becomes a step: cut-off and blank ones, silence, and the limits.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use futures::future::{BoxFuture, FutureExt, ready};
use insta::assert_snapshot;
use outthink_core::method::{BEAM, BEST_OF_N, COT, DVTS, MAJORITY, VALUE_GUIDED_SEARCH};
use outthink_core::{
    AnyMethod, Continuation, Extension, Limits, ModelError, Plan, Policy, Reply, Scoring,
    Selection, Stop, Tree, Usage, Voting,
};
use scripted::{
    AfterEquals, LIMITS, Scorer, Script, chosen_by, kept, path_of, plan, run, show, step,
};

/// Each draw says the one text, from where it stands.
fn saying(text: &'static str) -> Script {
    Script::new(move |draw| text.strip_prefix(draw.path).unwrap_or_default().to_owned())
}

fn every_plan() -> Vec<Plan> {
    let budget = |method| if method == COT { 1 } else { 4 };
    let all = AnyMethod::all().into_iter();
    all.map(|method| plan(method, budget(method), 2)).collect()
}

fn grow(plan: &Plan, limits: Limits, policy: &dyn Policy) -> Tree {
    run(plan, limits, policy, Some(&Scorer::constant(0.5))).unwrap()
}

#[test]
fn a_step_cut_off_is_drawn_on_and_becomes_one_step() {
    let limits = Limits {
        draw_tokens: 3,
        solution_tokens: 10,
        ..LIMITS
    };
    let policy = saying("abcdefg/=1.");
    let tree = grow(&plan(BEAM, 1, 1), limits, &policy);
    assert_snapshot!(show(&tree), @"
    root drawn 1
      abcdefg/ ×1 reward 0.5 drawn 1
        =1 ×1 Length ×1
    ");
    let asked: Vec<(String, usize)> = policy
        .requests()
        .iter()
        .flatten()
        .map(|request| (path_of(&request.steps), request.max_tokens))
        .collect();
    let expected = [("", 3), ("abc", 3), ("abcdef", 3), ("abcdefg/", 2)];
    assert_eq!(
        asked,
        expected.map(|(path, tokens)| (path.to_owned(), tokens))
    );
    let drawn = tree.nodes()[1].step.as_deref().unwrap();
    assert_eq!(*drawn, step("abcdefg/"));
    assert_eq!(tree.policy.requests, 4);
    assert_eq!(tree.policy.generated, 10);
}

#[test]
fn draws_cut_off_alike_go_on_apart() {
    let limits = Limits {
        draw_tokens: 2,
        ..LIMITS
    };
    let policy = Script::cycling([
        ("", "ab"),
        ("ab", "c/ d/ c/"),
        ("abc/", "=."),
        ("abd/", "=."),
    ]);
    let tree = grow(&plan(BEAM, 4, 1), limits, &policy);
    assert_eq!(policy.calls()[1], vec![("ab".to_owned(), 1); 4]);
    assert_snapshot!(show(&tree), @"
    root drawn 4
      abc/ ×3 reward 0.5 drawn 2
        =. ×2 reward 0.5 Answer ×2 kept #1
      abd/ ×1 reward 0.5 drawn 2
        =. ×2 reward 0.5 Answer ×2 kept #2
    ");
}

#[test]
fn a_whole_answer_that_its_server_cuts_off_is_drawn_on() {
    let policy = saying("ab/cde/=1.");
    let verifier = Scorer::constant(0.5);
    let limits = Limits {
        solution_tokens: 32,
        ..LIMITS
    };
    // The server stops at four tokens, whatever is asked.
    let server = Capped(policy, 4);
    let tree = run(&plan(BEST_OF_N, 2, 1), limits, &server, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 2
      ab/ ×2 reward 0.5
        cde/ ×2 reward 0.5
          =1. ×2 reward 0.5 Answer ×2 kept #1
    ");
    assert_eq!(verifier.calls(), [["ab/cde/=1. complete"]]);
}

struct Capped(Script, usize);

impl Policy for Capped {
    fn extend(
        &self,
        mut requests: Vec<Extension>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        for request in &mut requests {
            request.max_tokens = request.max_tokens.min(self.1);
        }
        self.0.extend(requests)
    }
}

#[test]
fn a_blank_step_collapses_into_the_next() {
    let policy = Script::cycling([
        ("", "/"),
        ("/", "/ a/"),
        ("//", "b/"),
        ("//b/", "=1."),
        ("/a/", "=2."),
    ]);
    let verifier = Scorer::constant(0.5);
    let tree = run(&plan(BEAM, 2, 1), LIMITS, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 2
      //b/ ×1 reward 0.5 drawn 1
        =1. ×1 reward 0.5 Answer ×1 kept #1
      /a/ ×1 reward 0.5 drawn 1
        =2. ×1 reward 0.5 Answer ×1 kept #2
    ");
    assert_eq!(verifier.calls()[0], ["//b/", "/a/"]);
    let first = tree.nodes()[1].step.as_deref().unwrap();
    assert_eq!((&*first.text, first.logprob), ("b", -4.0));
}

#[test]
fn a_step_keeps_its_tokens_and_loses_the_space_around_its_text() {
    let tree = grow(&plan(BEAM, 1, 1), LIMITS, &saying("\n a b /=1."));
    let first = tree.nodes()[1].step.as_deref().unwrap();
    assert_eq!((&*first.text, first.tokens.len()), ("a b", 7));
    assert_eq!(kept(&tree), ["\n a b /=1."]);
}

#[test]
fn steps_are_one_candidate_when_their_tokens_are_the_same() {
    let policy = Script::new(|draw| ["a/=1.", "\ta/=1.", "a/=1."][draw.index()].into());
    let tree = grow(&plan(MAJORITY, 3, 1), LIMITS, &policy);
    assert_eq!(kept(&tree), ["a/=1.", "\ta/=1."]);
    let chosen = chosen_by(Selection::Majority, &tree.solutions(), &AfterEquals);
    assert_eq!(chosen.unwrap().agreement, 1.0);
}

#[test]
fn steps_whose_tokens_nobody_told_are_one_candidate_when_their_texts_are_the_same() {
    struct Untold(Script);
    impl Policy for Untold {
        fn extend(&self, r: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
            async move {
                let mut replies = self.0.extend(r).await?;
                let drawn = replies.iter_mut().flat_map(|(drawn, _)| drawn);
                drawn
                    .flat_map(|continuation| &mut continuation.steps)
                    .for_each(|step| step.tokens.clear());
                Ok(replies)
            }
            .boxed()
        }
    }
    let script = Script::new(|draw| ["a/=1.", "b/=2.", "a/=1."][draw.index()].into());
    let tree = grow(&plan(MAJORITY, 3, 1), LIMITS, &Untold(script));
    let drawn: Vec<(String, usize)> = tree
        .solutions()
        .iter()
        .map(|solution| (solution.text(), solution.count))
        .collect();
    assert_eq!(drawn, [("a\n\n=1".into(), 2), ("b\n\n=2".into(), 1)]);
}

#[test]
fn an_answer_that_ends_after_a_separator_is_as_good_as_its_last_step() {
    let policy = saying("a/=1/.");
    let verifier = Scorer::table([("a/", 0.25), ("a/=1/", 0.75)]);
    for method in [BEST_OF_N, BEAM, DVTS] {
        let tree = run(&plan(method, 2, 2), LIMITS, &policy, Some(&verifier)).unwrap();
        let solution = &tree.solutions()[0];
        assert_eq!(solution.text(), "a\n\n=1");
        assert_eq!(solution.rewards, [0.25, 0.75]);
        assert_eq!(tree.nodes()[solution.node].reward, Some(0.75));
        assert!(verifier.calls().concat().contains(&"a/=1/ complete".into()));
    }
}

#[test]
fn an_empty_answer_is_never_chosen() {
    let policy = Script::cycling([("", ". =1. .")]);
    let selection = Selection::Scored(Scoring::LAST, Voting::VOTE);
    for method in [MAJORITY, BEST_OF_N, BEAM] {
        let tree = grow(&plan(method, 3, 1), LIMITS, &policy);
        let chosen = |selection: Selection| chosen_by(selection, &tree.solutions(), &AfterEquals);
        assert_eq!(chosen(Selection::Majority).unwrap().answer, "1");
        if method.needs_verifier() {
            assert_eq!(chosen(selection).unwrap().answer, "1");
        }
        let empty = &tree.nodes()[1];
        assert_eq!(
            (empty.finished, empty.reward),
            (Some((Stop::Answer, 2)), None)
        );
    }
}

/// Says nothing more after some text, and gives a reason.
struct Silent {
    text: &'static str,
    stop: Stop,
}

impl Policy for Silent {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let replies = requests.iter().map(|request| {
            let rest = self.text.strip_prefix(&*path_of(&request.steps)).unwrap();
            let stop = match rest.chars().last() {
                None => self.stop,
                Some('/') => Stop::Step,
                Some(_) => Stop::Length,
            };
            let steps = rest.split_inclusive('/').map(step).collect();
            let continuation = Continuation { steps, stop };
            (vec![continuation; request.seeds.len()], Usage::default())
        });
        ready(Ok(replies.collect())).boxed()
    }
}

#[test]
fn a_policy_with_nothing_to_say_ends_its_paths() {
    for plan in every_plan() {
        let stepwise = plan.method().is_stepwise();
        for text in ["", "/", "a", "a/"] {
            for stop in [Stop::Length, Stop::Answer, Stop::Step] {
                // Blocks are asked for as whole answers are, which do not stop at a step.
                let whole = !stepwise || plan.method() == VALUE_GUIDED_SEARCH;
                if whole && (text.ends_with('/') || stop == Stop::Step) {
                    continue;
                }
                let verifier = Scorer::constant(0.5);
                let policy = Silent { text, stop };
                let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
                let what = format!("{plan}, `{text}` then {stop:?}:\n{}", show(&tree));
                // What prompts of the method came to is the same once more.
                let plain = (0..tree.nodes().len()).filter(|&id| tree.question(id).is_none());
                let plain: Vec<usize> = plain.collect();
                assert_eq!(plain.len(), 1 + text.len().min(1), "{what}");
                let leaf = &tree.nodes()[*plain.last().unwrap()];
                let answered = stop == Stop::Answer;
                let ended = if answered { stop } else { Stop::Length };
                assert_eq!(leaf.finished.unwrap().0, ended, "{what}");
                let keeps_all = !stepwise && !plan.method().traits().live;
                assert_eq!(!tree.kept.is_empty(), answered || keeps_all, "{what}");
                // Only a step is drawn from; silence and blanks are none.
                let is_step = text == "a/" || (text == "a" && stop == Stop::Step);
                assert_eq!(leaf.drawn > 0, is_step || text.is_empty(), "{what}");
                assert!(verifier.calls().len() <= 1, "scored twice: {what}");
            }
        }
    }
}

#[test]
fn a_solution_ends_at_the_step_limit_without_reward_and_is_not_kept() {
    for method in [BEAM, DVTS] {
        let policy = Script::new(|_| "a/".into());
        let verifier = Scorer::constant(0.5);
        let limits = Limits { steps: 3, ..LIMITS };
        let tree = run(&plan(method, 4, 2), limits, &policy, Some(&verifier)).unwrap();
        let steps: Vec<_> = tree.nodes()[1..]
            .iter()
            .map(|node| (node.reward, node.finished))
            .collect();
        let cut_off = (None, Some((Stop::Length, 4)));
        assert_eq!(steps, [(Some(0.5), None), (Some(0.5), None), cut_off]);
        assert_eq!(verifier.calls(), [["a/"], ["a/a/"]]);
        assert!(tree.kept.is_empty());
    }
}

#[test]
fn a_solution_ends_at_the_token_limit_unless_its_answer_just_fits() {
    let limits = |solution_tokens| Limits {
        draw_tokens: 3,
        solution_tokens,
        steps: 8,
    };
    let tree = |text, tokens| {
        let policy = saying(text);
        let tree = grow(&plan(BEAM, 1, 1), limits(tokens), &policy);
        assert_eq!(
            tree.policy.generated, tokens as u64,
            "no token is drawn past the limit"
        );
        tree
    };
    assert_eq!(kept(&tree("a/=1.", 5)), ["a/=1."]);
    assert_snapshot!(show(&tree("a/=1.", 4)), @"
    root drawn 1
      a/ ×1 reward 0.5 drawn 1
        =1 ×1 Length ×1
    ");
    assert_snapshot!(show(&tree("a/bcdef/", 7)), @"
    root drawn 1
      a/ ×1 reward 0.5 drawn 1
        bcdef ×1 Length ×1
    ");
    assert_snapshot!(show(&tree("a/b/=1.", 4)), @"
    root drawn 1
      a/ ×1 reward 0.5 drawn 1
        b/ ×1 Length ×1
    ");
}

#[test]
fn a_cut_off_solution_votes_without_rewards_only() {
    // The second solution boxes another answer, then rambles until it is cut off. It shares a scored step.
    let policy = Script::cycling([("", "a/=1. a/=22")]);
    let verifier = Scorer::table([("a/", 0.9), ("a/=1.", 0.1)]);
    let limits = Limits {
        solution_tokens: 5,
        ..LIMITS
    };
    let tree = run(&plan(BEST_OF_N, 4, 1), limits, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 4
      a/ ×4 reward 0.9
        =1. ×2 reward 0.1 Answer ×2 kept #1
        =22 ×2 Length ×2 kept #2
    ");
    let solutions = tree.solutions();
    assert_eq!(solutions[0].rewards, [0.9, 0.1]);
    assert!(solutions[1].rewards.is_empty());
    for selection in Selection::rewarded().filter(|&selection| selection != Selection::Majority) {
        let chosen = chosen_by(selection, &solutions, &AfterEquals).unwrap();
        assert_eq!(
            (&*chosen.answer, chosen.agreement),
            ("1", 1.0),
            "{selection}"
        );
    }
    let chosen = chosen_by(Selection::Majority, &solutions, &AfterEquals).unwrap();
    assert_eq!((&*chosen.answer, chosen.agreement), ("1", 0.5));
}
