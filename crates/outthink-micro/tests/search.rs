//! The whole house on real models: kernel, engine, verifiers and trials.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::method::{BEAM, BEST_OF_N, DVTS};
use outthink_core::{
    AnyMethod, ExactAnswers, Finished, Limits, Plan, Policy, Prefix, Problem, Sampling, Selection,
    Step, Verifier,
};
use outthink_engine::{EmbeddedPolicy, EmbeddedVerifier};
use outthink_lab::{Question, Trial};
use outthink_micro::domain::{self, Kind, Split};
use outthink_micro::family::Member;
use outthink_micro::{Experts, StepChecker, domain::Problem as MicroProblem};

fn questions(count: usize) -> Vec<Question> {
    questions_of(None, count)
}

fn questions_of(kind: Option<Kind>, count: usize) -> Vec<Question> {
    let question = |problem: MicroProblem| Question {
        problem: Arc::new(Problem {
            id: problem.id,
            text: problem.problem,
        }),
        gold: problem.answer,
    };
    domain::generate(21, Split::Tune, kind, None)
        .take(count)
        .map(question)
        .collect()
}

fn policy(name: &str) -> EmbeddedPolicy {
    EmbeddedPolicy::load(&Member::find(name).unwrap().checkpoint(), None).unwrap()
}

fn verifier(name: &str) -> EmbeddedVerifier {
    EmbeddedVerifier::load(&Member::find(name).unwrap().checkpoint(), None, None).unwrap()
}

fn run(
    questions: &[Question],
    method: AnyMethod,
    budget: usize,
    in_flight: usize,
    verifier: &dyn Verifier,
) -> Trial {
    run_with(
        &policy("micro-90k"),
        questions,
        method,
        budget,
        in_flight,
        verifier,
    )
}

fn run_with(
    policy: &dyn Policy,
    questions: &[Question],
    method: AnyMethod,
    budget: usize,
    in_flight: usize,
    verifier: &dyn Verifier,
) -> Trial {
    let limits = Limits {
        draw_tokens: 96,
        solution_tokens: 320,
        steps: 16,
    };
    block_on(Trial::run(
        questions,
        &Plan::new(method, budget, 4, Finished::default()).unwrap(),
        "last-max".parse().unwrap(),
        Sampling::at(1.0),
        limits,
        5,
        in_flight,
        policy,
        Some(verifier),
        &ExactAnswers,
        &|_| {},
    ))
    .unwrap()
}

/// Each problem's solutions with their rewards, rounded: batches of other shapes may differ in the last bits.
fn trees(trial: &Trial) -> BTreeMap<String, Vec<(String, Vec<i64>)>> {
    let solutions = |tree: &outthink_core::Tree| {
        let each = tree.solutions().into_iter();
        each.map(|solution| {
            let rewards = solution
                .rewards
                .iter()
                .map(|reward| (reward * 1e4).round() as i64);
            (solution.text(), rewards.collect())
        })
        .collect()
    };
    let outcomes = trial.outcomes.iter();
    outcomes
        .map(|outcome| (outcome.tree.problem.id.clone(), solutions(&outcome.tree)))
        .collect()
}

#[test]
fn order_and_company_of_problems_change_nothing() {
    let verifier = verifier("micro-prm-likelihood");
    let mut questions = questions(12);
    for method in [BEST_OF_N, BEAM, DVTS] {
        let together = trees(&run(&questions, method, 8, 12, &verifier));
        questions.reverse();
        let reversed = trees(&run(&questions, method, 8, 5, &verifier));
        let one_by_one = trees(&run(&questions, method, 8, 1, &verifier));
        assert_eq!(together, reversed, "{method}");
        assert_eq!(together, one_by_one, "{method}");
    }
}

#[test]
fn a_pair_answers_each_kind_of_problem_as_the_model_for_it_does_alone() {
    let [numbers, grids] = [None, Some(Kind::Grid)].map(|kind| questions_of(kind, 6));
    let mixed: Vec<Question> = numbers
        .iter()
        .zip(&grids)
        .flat_map(|(number, grid)| [number.clone(), grid.clone()])
        .collect();
    let pair = Experts {
        arithmetic: policy("micro-90k"),
        grids: policy("grid-90k"),
    };
    let judges = Experts {
        arithmetic: verifier("micro-prm-likelihood"),
        grids: verifier("grid-prm"),
    };
    for method in [BEST_OF_N, DVTS] {
        let together = trees(&run_with(&pair, &mixed, method, 8, 5, &judges));
        let mut apart = trees(&run_with(
            &pair.arithmetic,
            &numbers,
            method,
            8,
            5,
            &judges.arithmetic,
        ));
        apart.extend(trees(&run_with(
            &pair.grids,
            &grids,
            method,
            8,
            5,
            &judges.grids,
        )));
        assert_eq!(together, apart, "{method}");
    }
}

#[test]
fn a_pair_is_named_after_its_models_in_either_order() {
    let named = |name: &str| Experts::find(name).map(|pair| pair.name());
    let both = Some("micro-90k+grid-prm".to_owned());
    assert_eq!(named("micro-90k+grid-prm"), both);
    assert_eq!(named("grid-prm+micro-90k"), both);
    for none in [
        "micro-90k",
        "micro-90k+micro-90k",
        "grid-90k+grid-24k",
        "micro-90k+other",
        "a+b+c",
        "+",
    ] {
        assert_eq!(named(none), None, "{none}");
    }
}

#[test]
fn the_exact_checker_makes_best_of_n_as_good_as_one_right_derivation() {
    let questions = questions(40);
    let trial = run(&questions, BEST_OF_N, 8, 40, &StepChecker);
    for (outcome, question) in trial.outcomes.iter().zip(&questions) {
        let solutions = outcome.tree.solutions();
        let answered = |text: &str| ExactAnswers::find(text) == Some(question.gold.as_str());
        let derived = solutions
            .iter()
            .any(|s| answered(&s.text()) && s.rewards.iter().all(|&r| r == 1.0));
        if derived {
            assert!(outcome.correct, "{}", question.problem.text);
        }
        for solution in &solutions {
            let exact = solution
                .rewards
                .iter()
                .all(|&reward| reward == 0.0 || reward == 1.0);
            assert!(exact && solution.rewards.is_sorted_by(|a, b| a >= b));
        }
    }
    let majority = trial.reselect(&questions, Selection::Majority, &ExactAnswers);
    let right = block_on(majority)
        .unwrap()
        .into_iter()
        .filter(|&right| right)
        .count();
    assert!(trial.accuracy().successes > right, "{right} by vote");
}

fn prefix(problem: &MicroProblem, steps: &[&str]) -> Prefix {
    let step = |&text: &&str| Arc::new(Step::written(text));
    Prefix {
        problem: Arc::new(Problem {
            id: problem.id.clone(),
            text: problem.problem.clone(),
        }),
        steps: steps.iter().map(step).collect(),
        complete: steps.len() == problem.steps.len(),
    }
}

#[test]
fn rewards_fall_where_a_derivation_slips() {
    let problem = MicroProblem::parse("Evaluate $17+4\\cdot 6-9$.").unwrap();
    let right: Vec<&str> = problem.steps.iter().map(String::as_str).collect();
    let wrong = [
        right[0],
        "$17+24=42$, so $42-9$.",
        "$42-9=33$.",
        "The answer is $\\boxed{33}$.",
    ];
    let asked = vec![prefix(&problem, &right), prefix(&problem, &wrong)];
    for verifier in [verifier("micro-prm-likelihood"), verifier("micro-prm")] {
        let judgements = block_on(verifier.score(asked.clone())).unwrap();
        let [good, bad] = &judgements[..] else {
            panic!("{judgements:?}")
        };
        assert!(good.rewards.iter().all(|&reward| reward > 0.5), "{good:?}");
        assert!(bad.rewards[0] > 0.5, "{bad:?}");
        assert!(
            bad.rewards[1..].iter().all(|&reward| reward < 0.05),
            "{bad:?}"
        );
    }
}

#[test]
fn a_verifier_is_indifferent_to_what_its_reference_finds_as_likely() {
    let problem = MicroProblem::parse("Evaluate $17+4\\cdot 6-9$.").unwrap();
    let asked = prefix(&problem, &[&problem.steps[0], "$17+24=42$, so $42-9$."]);
    let member = |name| Member::find(name).unwrap().checkpoint();
    let rewards = |name| {
        let model = member("micro-prm-likelihood");
        let verifier = EmbeddedVerifier::load(&model, Some(&member(name)), None).unwrap();
        let judgements = block_on(verifier.score(vec![asked.clone()])).unwrap();
        judgements[0].rewards.clone()
    };
    assert_eq!(
        rewards("micro-prm-likelihood"),
        [1.0, 1.0],
        "against itself"
    );
    let against_a_weak_one = rewards("micro-24k");
    assert!(
        against_a_weak_one[0] > against_a_weak_one[1],
        "{against_a_weak_one:?}"
    );
    // One that reads markers has no likelihood to compare.
    assert!(
        EmbeddedVerifier::load(&member("micro-prm"), Some(&member("micro-24k")), None).is_err()
    );
}
