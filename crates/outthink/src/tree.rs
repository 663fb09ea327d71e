//! `outthink tree`: one search of a study, to look at.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use outthink_core::AnyMethod;
use outthink_core::method::{BEAM, BEST_OF_N};
use outthink_core::{Prefix, Problem, Step, Stop};
use outthink_lab::store::Told;
use outthink_lab::tree_page::{CaseTree, stored_solutions};
use outthink_lab::{Cell, Config, Store, Study, unit_id};
use outthink_micro::domain;

use crate::cli::{TreeArguments, VerifierChoice};
use crate::failure::Failure;
use crate::{models, stores};

/// Columns of the terminal's tree.
const WIDTH: usize = 140;

/// Prefixes scored at once.
const BATCH: usize = 32;

pub(crate) fn run(arguments: &TreeArguments) -> Result<(), Failure> {
    let mut store = stores::read(arguments.store.as_deref(), Some(&arguments.study))?;
    let study = store
        .study(Some(&arguments.study))
        .map_err(Failure::input)?;
    let mut tree = stored(&mut store, &study, arguments)?;
    if tree.nodes.iter().all(|node| node.right.is_none()) {
        check(&mut tree);
    }
    if let Some(name) = &arguments.compare {
        compare(&mut tree, name)?;
    }
    if let Some(file) = &arguments.out {
        std::fs::write(file, tree.html())
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
        return Ok(());
    }
    print!("{}", tree.terminal(WIDTH, arguments.children));
    Ok(())
}

/// Marks every step as right or wrong, where the step checker knows.
fn check(tree: &mut CaseTree) {
    if let Ok(problem) = domain::Problem::parse(&tree.problem) {
        for id in 1..tree.nodes.len() {
            let right = problem.check(&tree.steps(id)).last().copied();
            tree.nodes[id].right = right;
        }
    }
}

/// The tree of a pool's first solutions with the rewards that a unit of the store holds, and a name for its page.
pub(crate) fn of_scores(
    store: &mut Store,
    study: &Study,
    unit: i64,
    first: usize,
) -> Result<Option<(String, CaseTree)>, Failure> {
    for cell in &study.cells {
        let (Config::Score { pool, .. }, Some(verifier)) = (cell.config(), cell.verifier) else {
            continue;
        };
        for (number, problem) in study.problems.iter().enumerate() {
            let of = |seed: &&u64| unit_id(cell.hash(), problem.key(), **seed) == unit;
            let Some(&seed) = study.seeds.iter().find(of) else {
                continue;
            };
            let policy = &study.policies[cell.policy].name;
            let verifier = &study.verifiers[verifier].name;
            let pool = unit_id(pool, problem.key(), seed);
            let solutions = stored_solutions(store, pool, Some(unit), first)?;
            let title = format!(
                "{}: the first {} solutions of {policy} with {verifier}, seed {seed}",
                problem.id,
                solutions.len()
            );
            let mut tree = CaseTree::of_solutions(
                &solutions,
                title,
                problem.text.clone(),
                problem.gold.clone(),
                Some(verifier.clone()),
            );
            check(&mut tree);
            let name = format!("{policy}-{verifier}-{}-{seed}", number + 1);
            let plain = |letter: char| match letter {
                letter if letter.is_ascii_alphanumeric() || "-.".contains(letter) => letter,
                _ => '-',
            };
            return Ok(Some((name.chars().map(plain).collect(), tree)));
        }
    }
    Ok(None)
}

/// Does a cell hold what is asked for?
fn fits(study: &Study, cell: &Cell, wanted: Option<AnyMethod>, arguments: &TreeArguments) -> bool {
    let (method, budget) = match cell.config() {
        Config::Search { plan, .. } => (plan.method(), plan.budget()),
        Config::Pool { draws, .. } => (BEST_OF_N, *draws),
        Config::Score { .. } | Config::Strategy { .. } => return false,
    };
    let named = |wanted: &Option<String>, own: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| own == Some(wanted))
    };
    let verifier = cell.verifier.map(|at| study.verifiers[at].name.as_str());
    let pool = matches!(cell.config(), Config::Pool { .. });
    wanted.is_none_or(|wanted| method == wanted)
        && !cell.is_greedy()
        && arguments.budget.is_none_or(|wanted| wanted == budget)
        && named(&arguments.policy, Some(&study.policies[cell.policy].name))
        && (pool || named(&arguments.verifier, verifier))
}

fn stored(
    store: &mut Store,
    study: &Study,
    arguments: &TreeArguments,
) -> Result<CaseTree, Failure> {
    let wanted = arguments.problem.as_str();
    let by_number = wanted
        .parse::<usize>()
        .ok()
        .and_then(|number| study.problems.get(number.checked_sub(1)?));
    let by_id = study
        .problems
        .iter()
        .find(|problem| problem.id == wanted || problem.text == wanted);
    let problem = by_id.or(by_number).ok_or_else(|| {
        Failure::Input(anyhow!(
            "the study {} has no problem `{wanted}`: name one by its id, its text, or its number from 1 to {}",
            study.name,
            study.problems.len()
        ))
    })?;
    let seed = match (arguments.seed, study.seeds.first()) {
        (Some(seed), _) | (None, Some(&seed)) => seed,
        (None, None) => 0,
    };
    let of = |wanted: Option<AnyMethod>| -> Vec<&Cell> {
        let cells = study.cells.iter();
        cells
            .filter(|cell| fits(study, cell, wanted, arguments))
            .collect()
    };
    let mut cells = of(arguments.method.or(Some(BEAM)));
    if cells.is_empty() && arguments.method.is_none() {
        cells = of(None);
    }
    if cells.is_empty() {
        return Err(Failure::Input(anyhow!(
            "the study {} has no such search; it has {}",
            study.name,
            searches(study)
        )));
    }
    // The largest that is there.
    for cell in cells.iter().rev() {
        let unit = unit_id(cell.hash(), problem.key(), seed);
        let title = |verifier: Option<&str>| {
            let (method, budget) = match cell.config() {
                Config::Pool { draws, .. } => (BEST_OF_N, *draws),
                _ => cell.plan().unwrap_or((BEST_OF_N, 0)),
            };
            let with = verifier.map_or(String::new(), |name| format!(" with {name}"));
            let policy = &study.policies[cell.policy].name;
            format!(
                "{}: {method} at N = {budget}, {policy}{with}, seed {seed}",
                problem.id
            )
        };
        if let Config::Pool { .. } = cell.config() {
            let scored = study.cells.iter().find(|other| {
                let of_it =
                    matches!(other.config(), Config::Score { pool, .. } if pool == cell.hash());
                let name = other.verifier.map(|at| study.verifiers[at].name.as_str());
                of_it
                    && arguments
                        .verifier
                        .as_deref()
                        .is_none_or(|wanted| name == Some(wanted))
            });
            let verifier = scored
                .and_then(|other| other.verifier)
                .map(|at| study.verifiers[at].name.clone());
            let score = scored.map(|other| unit_id(other.hash(), problem.key(), seed));
            let told = store.told(unit)?;
            // The tree that another program grew.
            if let Some(grown) = store.tree(unit)? {
                let title = format!(
                    "{}: the search of {}",
                    problem.id, study.policies[cell.policy].name
                );
                let mut tree = CaseTree::of(&grown, title, problem.gold.clone(), verifier);
                let labels = told.iter().find(|(number, _)| *number == Told::TREE);
                for (node, label) in tree
                    .nodes
                    .iter_mut()
                    .zip(labels.iter().flat_map(|own| &own.1.labels))
                {
                    node.right = *label;
                }
                return Ok(tree);
            }
            let solutions = stored_solutions(store, unit, score, usize::MAX)?;
            if !solutions.is_empty() {
                let mut tree = CaseTree::of_solutions(
                    &solutions,
                    title(verifier.as_deref()),
                    problem.text.clone(),
                    problem.gold.clone(),
                    verifier,
                );
                for (number, own) in &told {
                    let solution = usize::try_from(*number)
                        .ok()
                        .and_then(|at| solutions.get(at));
                    let steps = solution.map_or(&[][..], |own| &own.steps);
                    tree.label(steps, &own.labels);
                }
                return Ok(tree);
            }
        } else if study.source.is_some() {
            // Of another program's search there is what it kept.
            let solutions = stored_solutions(store, unit, Some(unit), usize::MAX)?;
            if !solutions.is_empty() {
                let verifier = cell.verifier.map(|at| study.verifiers[at].name.clone());
                return Ok(CaseTree::of_solutions(
                    &solutions,
                    title(verifier.as_deref()),
                    problem.text.clone(),
                    problem.gold.clone(),
                    verifier,
                ));
            }
        } else if let Some(tree) = store.tree(unit)? {
            let verifier = cell.verifier.map(|at| study.verifiers[at].name.clone());
            return Ok(CaseTree::of(
                &tree,
                title(verifier.as_deref()),
                problem.gold.clone(),
                verifier,
            ));
        }
    }
    Err(Failure::Input(anyhow!(
        "that search of {} with seed {seed} is not done, or kept no tree",
        problem.id
    )))
}

/// What a study holds, for a message.
fn searches(study: &Study) -> String {
    let mut names: Vec<String> = study
        .cells
        .iter()
        .filter_map(|cell| {
            let policy = &study.policies[cell.policy].name;
            match cell.config() {
                Config::Search { plan, .. } => Some(format!(
                    "{} N = {} of {policy}",
                    plan.method(),
                    plan.budget()
                )),
                Config::Pool { draws, .. } if !cell.is_greedy() => {
                    Some(format!("best-of-n N = {draws} of {policy}"))
                }
                _ => None,
            }
        })
        .collect();
    names.sort();
    names.dedup();
    names.join(", ")
}

/// Rewards of a second verifier for every step of the tree.
fn compare(tree: &mut CaseTree, name: &str) -> Result<(), Failure> {
    let Some(verifier) = models::verifier(&VerifierChoice::of(name))? else {
        return Err(Failure::Input(anyhow!(
            "--compare none compares with nothing"
        )));
    };
    let problem = Arc::new(Problem {
        id: tree.problem.clone(),
        text: tree.problem.clone(),
    });
    // A judgement of a leaf tells the rewards of all steps above it; an ended answer is read as ended.
    let mut rewards: HashMap<usize, f64> = HashMap::new();
    let leaves: Vec<usize> = tree.leaves().collect();
    for leaves in leaves.chunks(BATCH) {
        let mut asked = Vec::new();
        for &leaf in leaves {
            let path: Vec<usize> = tree
                .path(leaf)
                .into_iter()
                .filter(|&id| !tree.nodes[id].question && !tree.nodes[id].text.trim().is_empty())
                .collect();
            if path.is_empty() {
                continue;
            }
            let step = |&id: &usize| Arc::new(Step::written(tree.nodes[id].text.trim()));
            let prefix = Prefix {
                problem: Arc::clone(&problem),
                steps: path.iter().map(step).collect(),
                complete: tree.nodes[leaf].end == Some(Stop::Answer),
            };
            asked.push((path, prefix));
        }
        let prefixes = asked.iter().map(|(_, prefix)| prefix.clone()).collect();
        let judged = block_on(outthink_core::Verifier::score(&verifier, prefixes))
            .map_err(|error| anyhow!("{name} cannot score this tree: {error}"))?;
        for ((path, _), judgement) in asked.into_iter().zip(judged) {
            rewards.extend(path.into_iter().zip(judgement.rewards));
        }
    }
    for (id, reward) in rewards {
        tree.nodes[id].other = Some(reward);
    }
    tree.verifiers.1 = Some(name.to_owned());
    Ok(())
}
