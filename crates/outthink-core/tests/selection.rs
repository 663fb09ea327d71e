//! Which answer wins: scoring × voting against a direct computation, ties, and what never votes.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use std::cmp::Reverse;
use std::sync::Arc;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use insta::assert_snapshot;
use outthink_core::{
    Chosen, Domain, ExactAnswers, ModelError, Problem, Scoring, Selection, Solution, Step, Stop,
    TokenStats, Voting,
};
use proptest::prelude::*;
use scripted::{AfterEquals, chosen_by, step};

fn solution(answer: Option<&str>, rewards: &[f64], count: usize) -> Solution {
    let last = answer.map_or("I give up.".into(), |answer| format!("={answer}."));
    Solution {
        node: 0,
        steps: vec![Arc::new(step("a/")), Arc::new(step(&last))],
        rewards: rewards.to_vec(),
        count,
        stop: Stop::Answer,
    }
}

fn choose(selection: &str, solutions: &[Solution]) -> Option<Chosen> {
    chosen_by(selection.parse().unwrap(), solutions, &AfterEquals)
}

fn answer(selection: &str, solutions: &[Solution]) -> String {
    choose(selection, solutions).map_or("none".into(), |chosen| chosen.answer)
}

#[test]
fn each_selection_has_its_own_favourite() {
    let solutions = [
        solution(Some("min"), &[0.6, 0.6, 0.6], 1),
        solution(Some("last"), &[0.1, 0.2, 1.0], 1),
        solution(Some("mean"), &[1.0, 0.4, 0.9], 1),
        solution(Some("product"), &[0.5, 1.0, 0.75], 1),
        solution(Some("votes"), &[0.25, 0.5, 0.5], 3),
    ];
    for (name, expected) in [
        ("majority", "votes"),
        ("min-max", "min"),
        ("last-max", "last"),
        ("mean-max", "mean"),
        ("product-max", "product"),
        ("min-vote", "votes"),
        ("last-vote", "votes"),
        ("mean-vote", "votes"),
        ("product-vote", "product"),
    ] {
        assert_eq!(answer(name, &solutions), expected, "{name}");
    }
}

#[test]
fn a_weighted_vote_adds_up_scores_over_draws_and_solutions() {
    // 3 × 0.25 + 0.5 = 1.25 against 0.75 + 0.625.
    let mut solutions = vec![
        solution(Some("1"), &[0.25], 3),
        solution(Some("2"), &[0.75], 1),
        solution(Some("1"), &[0.5], 1),
        solution(Some("2"), &[0.625], 1),
    ];
    let chosen = choose("last-vote", &solutions).unwrap();
    assert_eq!((&*chosen.answer, chosen.solution), ("2", 1));
    assert_eq!(chosen.agreement, 2.0 / 6.0);
    solutions[0].count = 4;
    let chosen = choose("last-vote", &solutions).unwrap();
    assert_eq!((&*chosen.answer, chosen.solution), ("1", 2));
    assert_eq!(chosen.agreement, 5.0 / 7.0);
}

#[test]
fn ties_go_to_more_votes_and_then_to_the_first() {
    let even = [
        solution(Some("3"), &[0.5], 1),
        solution(Some("1"), &[0.5], 1),
        solution(Some("2"), &[0.5], 1),
    ];
    for selection in Selection::rewarded() {
        let chosen = chosen_by(selection, &even, &AfterEquals).unwrap();
        assert_eq!((&*chosen.answer, chosen.solution), ("3", 0), "{selection}");
    }
    let more_votes = [
        solution(Some("1"), &[0.5], 1),
        solution(Some("2"), &[0.5], 1),
        solution(Some("2"), &[0.25], 1),
    ];
    assert_eq!(answer("last-max", &more_votes), "2");
    let weightless = [
        solution(Some("1"), &[0.0], 1),
        solution(Some("2"), &[0.0], 2),
    ];
    assert_eq!(answer("last-vote", &weightless), "2");
}

#[test]
fn no_answer_wins_only_where_there_is_none() {
    let silent = solution(None, &[1.0], 9);
    for selection in Selection::rewarded() {
        let with_one = [silent.clone(), solution(Some("1"), &[0.0], 1)];
        let chosen = chosen_by(selection, &with_one, &AfterEquals).unwrap();
        assert_eq!(
            (&*chosen.answer, chosen.agreement),
            ("1", 1.0),
            "{selection}"
        );
        assert_eq!(
            chosen_by(selection, std::slice::from_ref(&silent), &AfterEquals),
            None
        );
        assert_eq!(chosen_by(selection, &[], &AfterEquals), None);
    }
}

#[test]
fn a_solution_without_rewards_votes_by_count_only() {
    let solutions = [solution(Some("1"), &[], 5), solution(Some("2"), &[0.1], 1)];
    for selection in Selection::rewarded() {
        let expected = if selection == Selection::Majority {
            "1"
        } else {
            "2"
        };
        assert_eq!(answer(&selection.to_string(), &solutions), expected);
    }
    assert_eq!(answer("last-vote", &solutions[..1]), "none");
}

/// Numbers are the same however they are written.
struct Numbers;

impl Domain for Numbers {
    fn identity(&self) -> String {
        "numbers".into()
    }

    fn extract(&self, problem: &Problem, solution: &str) -> Option<String> {
        AfterEquals.extract(problem, solution)
    }

    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        let canonical: Vec<String> = answers
            .iter()
            .map(|answer| {
                answer
                    .parse::<f64>()
                    .map_or((*answer).into(), |x| x.to_string())
            })
            .collect();
        async move {
            let canonical: Vec<&str> = canonical.iter().map(String::as_str).collect();
            ExactAnswers.group(problem, &canonical).await
        }
        .boxed()
    }
}

#[test]
fn equal_answers_vote_together_and_the_best_of_them_is_the_one_shown() {
    let solutions = [
        solution(Some("3"), &[0.7], 1),
        solution(Some("0,5"), &[0.9], 1),
        solution(Some("0.50"), &[0.2], 1),
        solution(Some("0.5"), &[0.6], 1),
        solution(Some(".5"), &[0.6], 1),
    ];
    let shown = |selection: Selection| {
        let chosen = chosen_by(selection, &solutions, &Numbers).unwrap();
        (chosen.answer, chosen.solution)
    };
    let vote = Selection::Scored(Scoring::LAST, Voting::VOTE);
    let problem = Problem::new("p");
    assert_eq!(shown(vote), ("0.5".into(), 3));
    assert_eq!(shown(Selection::Majority), ("0.50".into(), 2));
    let verdicts = Numbers.grade(&problem, "1", &["1.0", "1.1"]);
    assert_eq!(block_on(verdicts).unwrap(), [true, false]);
}

/// Answers that someone else groups: any class, none, too many of them or too few.
struct Foreign(Vec<Option<usize>>);

impl Domain for Foreign {
    fn identity(&self) -> String {
        "foreign".into()
    }

    fn extract(&self, problem: &Problem, solution: &str) -> Option<String> {
        AfterEquals.extract(problem, solution)
    }

    fn group<'a>(
        &'a self,
        _: &'a Problem,
        _: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        ready(Ok(self.0.clone())).boxed()
    }
}

#[test]
fn selections_are_read_by_their_names() {
    let names: Vec<String> = Selection::all()
        .map(|selection| selection.to_string())
        .collect();
    assert_snapshot!(names.join(" "), @"majority min-max min-vote min-mob min-pessimistic last-max last-vote last-mob last-pessimistic mean-max mean-vote mean-mob mean-pessimistic product-max product-vote product-mob product-pessimistic certainty-vote certainty-softmax certainty-borda certainty-filtered likelihood-vote likelihood-softmax likelihood-borda likelihood-filtered group-vote group-softmax group-borda group-filtered tail-vote tail-softmax tail-borda tail-filtered bottom-vote bottom-softmax bottom-borda bottom-filtered short-max short-top");
    for (selection, name) in Selection::all().zip(&names) {
        assert_eq!(name.parse(), Ok(selection));
    }
    assert_eq!(
        "last-vote".parse(),
        Ok(Selection::Scored(Scoring::LAST, Voting::VOTE))
    );
    assert_snapshot!("best".parse::<Selection>().unwrap_err(), @"unknown selection `best` (majority, or SCORE-VOTE, the score one of min, last, mean, product, certainty, likelihood, group, tail, bottom, short and the vote one of max, vote, mob, pessimistic, softmax, borda, filtered, top)");
}

#[derive(Clone, Debug)]
struct Draw {
    answer: Option<u8>,
    rewards: Vec<f64>,
    count: usize,
}

/// Few answers and rewards, so that ties happen; the rewards' sums are exact in any order.
fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let reward = (0u8..=4).prop_map(|quarters| f64::from(quarters) / 4.0);
    let rewards = prop_oneof![1 => Just(1), 9 => Just(2)]
        .prop_flat_map(move |fewest| prop::collection::vec(reward.clone(), fewest - 1..5));
    let draw = (prop::option::weighted(0.9, 0u8..4), rewards, 1usize..4).prop_map(
        |(answer, rewards, count)| Draw {
            answer,
            rewards,
            count,
        },
    );
    prop::collection::vec(draw, 0..10)
}

fn as_solutions(draws: &[Draw]) -> Vec<Solution> {
    let one = |draw: &Draw| {
        let answer = draw.answer.map(|answer| answer.to_string());
        solution(answer.as_deref(), &draw.rewards, draw.count)
    };
    draws.iter().map(one).collect()
}

/// The score of a draw under a selection, straight from its name; none where it cannot vote.
fn score(selection: &str, draw: &Draw) -> Option<f64> {
    let Draw {
        answer, rewards, ..
    } = draw;
    let mut sorted = rewards.clone();
    sorted.sort_by(f64::total_cmp);
    let score = match selection.split('-').next().unwrap() {
        "majority" => Some(1.0),
        _ if rewards.is_empty() => None,
        "min" => Some(sorted[0]),
        "last" => Some(rewards[rewards.len() - 1]),
        "mean" => Some(rewards.iter().sum::<f64>() / rewards.len() as f64),
        "product" => Some(rewards.iter().fold(1.0, |product, reward| product * reward)),
        other => panic!("{other}"),
    };
    answer.and(score)
}

/// The selections that [`directly`] knows; other votes have tests of their own.
fn direct() -> impl Iterator<Item = Selection> {
    let known = |own: &Selection| match own {
        Selection::Majority => true,
        Selection::Scored(_, voting) => [Voting::MAX, Voting::VOTE].contains(voting),
    };
    Selection::rewarded().filter(known)
}

/// (answer, its share of votes, its best draw), answer by answer.
fn directly(selection: &str, draws: &[Draw]) -> Option<(u8, f64, usize)> {
    let voters = |answer: u8| {
        draws
            .iter()
            .enumerate()
            .filter_map(move |(index, draw)| Some((index, draw, score(selection, draw)?)))
            .filter(move |(_, draw, _)| draw.answer == Some(answer))
    };
    let count = |answer| voters(answer).map(|(_, draw, _)| draw.count).sum::<usize>();
    let best = |answer| voters(answer).max_by(|a, b| a.2.total_cmp(&b.2).then(b.0.cmp(&a.0)));
    let weight = |answer| {
        if selection.ends_with("-max") {
            best(answer).unwrap().2
        } else {
            voters(answer)
                .map(|(_, draw, score)| score * draw.count as f64)
                .sum()
        }
    };
    let rank = |&answer: &u8| {
        (
            weight(answer),
            count(answer),
            Reverse(voters(answer).next().unwrap().0),
        )
    };
    let answers = (0..12).filter(|&answer| count(answer) > 0);
    let winner = answers.max_by(|a, b| rank(a).partial_cmp(&rank(b)).unwrap())?;
    let votes: usize = (0..12).map(count).sum();
    Some((winner, count(winner) as f64 / votes as f64, best(winner)?.0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_selection_is_what_its_name_says(draws in draws()) {
        let solutions = as_solutions(&draws);
        for selection in direct() {
            let chosen = chosen_by(selection, &solutions, &AfterEquals);
            let chosen = chosen.map(|c| (c.answer.parse().unwrap(), c.agreement, c.solution));
            prop_assert_eq!(chosen, directly(&selection.to_string(), &draws), "{}", selection);
        }
    }

    #[test]
    fn the_order_of_solutions_with_equal_answers_does_not_change_the_answer(
        draws in draws(),
        order in prop::collection::vec(any::<u32>(), 10),
    ) {
        // Answers stay where they are; the draws that gave them change places.
        let mut shuffled: Vec<usize> = (0..draws.len()).collect();
        shuffled.sort_by_key(|&index| (draws[index].answer, order[index]));
        let mut places: Vec<usize> = (0..draws.len()).collect();
        places.sort_by_key(|&index| draws[index].answer);
        let mut permuted = draws.clone();
        for (&place, &from) in places.iter().zip(&shuffled) {
            permuted[place] = draws[from].clone();
        }
        for selection in Selection::rewarded() {
            let chosen = |draws: &[Draw]| {
                chosen_by(selection, &as_solutions(draws), &AfterEquals).map(|c| (c.answer, c.agreement))
            };
            // Thirds of a mean are not exact in any order.
            let exact = !matches!(selection, Selection::Scored(scoring, voting) if scoring == Scoring::MEAN && voting != Voting::MAX);
            // Nor has a draw without rewards a place among the candidates.
            if exact && draws.iter().all(|draw| !draw.rewards.is_empty()) {
                prop_assert_eq!(chosen(&draws), chosen(&permuted), "{}", selection);
            }
        }
    }

    #[test]
    fn classes_of_any_number_are_counted_and_no_class_is_no_vote(
        draws in draws(),
        classes in prop::collection::vec(prop::option::of(prop_oneof![0usize..3, any::<usize>()]), 0..12),
    ) {
        let solutions = as_solutions(&draws);
        for selection in direct() {
            let chosen = chosen_by(selection, &solutions, &Foreign(classes.clone()));
            // Those that have an answer and may vote, each with the class it was given.
            let mut given = classes.iter().copied().chain(std::iter::repeat(None));
            let mut voters: Vec<Draw> = draws.clone();
            let mut names: Vec<usize> = Vec::new();
            for draw in &mut voters {
                if score(&selection.to_string(), draw).is_some() {
                    draw.answer = given.next().flatten().map(|class| {
                        let known = names.iter().position(|name| *name == class);
                        known.unwrap_or_else(|| {
                            names.push(class);
                            names.len() - 1
                        }) as u8
                    });
                }
            }
            let expected = directly(&selection.to_string(), &voters);
            let chosen = chosen.map(|chosen| (chosen.agreement, chosen.solution));
            prop_assert_eq!(chosen, expected.map(|(_, share, best)| (share, best)), "{}", selection);
        }
    }

    #[test]
    fn the_answer_is_what_stands_in_the_last_box_that_closes(
        before in r"([{}\\ é1]|\\boxed\{1\}){0,8}",
        answer in r"([1é]|\{1\}| ){0,4}",
        after in r"([ é1{}]|\\boxed\{1){0,4}",
    ) {
        let unclosed = after.replace('}', "");
        let text = format!(r"{before}\boxed{{{answer}}}{unclosed}");
        let expected = Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty());
        prop_assert_eq!(ExactAnswers::find(&text).map(str::to_owned), expected);
    }
}

#[test]
fn what_the_policy_tells_decides_or_its_silence_is_an_error() {
    let told = |answer: &str, entropies: &[f32]| {
        let mut own = solution(Some(answer), &[], 1);
        let tokens = vec![0; entropies.len()];
        let stats = TokenStats::of(tokens.len(), vec![], entropies.to_vec());
        own.steps[0] = Arc::new(Step {
            tokens,
            stats,
            ..step("a/")
        });
        own.steps[1] = Arc::new(Step::written(format!("={answer}.").trim_end_matches('.')));
        own
    };
    let solutions = [
        told("sure", &[0.1, 0.1, 0.1]),
        told("short", &[2.0]),
        told("many", &[1.0, 1.0]),
        told("many", &[1.0, 1.0]),
    ];
    for (name, expected) in [
        ("certainty-vote", "sure"),
        ("certainty-filtered", "sure"),
        ("certainty-softmax", "many"),
        ("certainty-borda", "many"),
        ("short-max", "short"),
        ("short-top", "many"),
        ("short-top:m=2", "short"),
    ] {
        assert_eq!(answer(name, &solutions), expected, "{name}");
    }
    let choose = |name: &str, solutions: &[Solution]| {
        let selection: Selection = name.parse().unwrap();
        block_on(selection.choose(&Problem::new("p"), solutions, &AfterEquals))
    };
    let silent = [solution(Some("1"), &[0.5], 1)];
    assert_snapshot!(choose("tail-filtered", &silent).unwrap_err(), @"tail-filtered goes by the policy's tokens and their probabilities, and it told none on problem p; select by majority");
    assert_eq!(choose("tail-filtered", &[]).unwrap(), None);
    // One that was cut off never finished.
    let mut cut = told("cut", &[0.1]);
    cut.stop = Stop::Length;
    assert_eq!(choose("short-top", &[cut]).unwrap(), None);
}
