//! `outthink solve --jsonl`: many problems, by one method or for one budget of a strategy, a line each.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use futures::StreamExt;
use futures::channel::mpsc;
use futures::executor::block_on;
use futures::future::join;
use indicatif::ProgressBar;
use outthink_core::{
    AnyMethod, Chosen, Domain, Plan, Policy, Problem, QuorumPolicy, Solution, Spending, Verifier,
};
use outthink_lab::{Columns, Golds, ModelInfo, Searches, read_dataset, read_dataset_from, short};
use outthink_strategy::{Batch, CostModel, SolveError, Solved, Unit};
use serde::Serialize;
use serde_json::json;

use crate::cli::Solve;
use crate::data;
use crate::failure::Failure;
use crate::interrupt::{self, Standing};
use crate::models::{self, AnyVerifier};
use crate::out::{Out, run_name};
use crate::solve::{Prepared, prepare, shown};
use crate::strategy::{self, Loaded, Named, costs};
use crate::wiring;

/// What is said of a problem.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    answer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    #[serde(flatten)]
    how: How<'a>,
    samples: usize,
    agreement: Option<f64>,
    /// The solution that the answer is of; without an answer, the best or the first.
    text: Option<String>,
    tokens: u64,
    verifier_tokens: u64,
    /// In full.
    flops: Option<f64>,
    run: &'a str,
}

/// How the answer came about.
#[derive(Serialize)]
#[serde(untagged)]
enum How<'a> {
    Method {
        method: AnyMethod,
        n: usize,
    },
    Strategy {
        choice: String,
        reason: &'a str,
        /// In the strategy's unit.
        spent: f64,
        confidence: Option<f64>,
        /// Why there is no confidence though the strategy was fitted.
        #[serde(skip_serializing_if = "Option::is_none")]
        unlike: Option<&'a str>,
    },
}

/// A problem of the file.
struct Asked {
    problem: Arc<Problem>,
    gold: Option<String>,
}

pub(crate) fn run(arguments: &Solve, file: &Path) -> Result<ExitCode, Failure> {
    let asked = read(file, arguments)?;
    match &arguments.strategy {
        Some(named) => by_strategy(arguments, named, &asked),
        None => by_method(arguments, &asked),
    }
}

/// The problems, read as a study reads them; a gold answer is not needed.
fn read(file: &Path, arguments: &Solve) -> Result<Vec<Asked>, Failure> {
    let asked = |problem: outthink_lab::Problem| Asked {
        problem: Arc::new(problem.question()),
        gold: (!problem.gold.is_empty()).then_some(problem.gold),
    };
    if let Some(problems) = wiring::fresh_problems(&file.to_string_lossy(), None)? {
        return Ok(problems.into_iter().map(asked).collect());
    }
    let columns = Columns {
        problem: arguments.problem_column.clone(),
        answer: arguments.answer_column.clone(),
        id: arguments.id_column.clone(),
    };
    let set = match file == Path::new("-") {
        true => read_dataset_from(
            "standard input",
            std::io::stdin().lock(),
            &columns,
            Golds::IfAny,
        ),
        false => read_dataset(
            &data::find(&file.to_string_lossy())?,
            &columns,
            Golds::IfAny,
        ),
    };
    let set = set.map_err(Failure::input)?;
    data::tell(&set.notes);
    Ok(set.problems.into_iter().map(asked).collect())
}

fn by_method(arguments: &Solve, asked: &[Asked]) -> Result<ExitCode, Failure> {
    if arguments.total.is_some() {
        return Err(Failure::Input(anyhow!(
            "--total is what a strategy shares out; name one with --strategy, or give each problem a --budget"
        )));
    }
    let prepared = prepare(arguments)?;
    let Prepared {
        policy,
        verifier,
        choice,
        plan,
        selection,
        sampling,
        limits,
    } = &prepared;
    let (typed, loader) = (arguments.policy.spec(), models::loader());
    let (name, identity) = loader.policy_identity(policy, &typed)?;
    let judge = verifier.as_ref().map(|own| models::identity(own, choice));
    let judge = judge.transpose()?;
    let beside = verifier
        .as_ref()
        .map_or(String::new(), |_| format!(" with {}", choice.name()));
    let run = run_name(
        &format!(
            "{name}{beside}, {}, N = {}, seed {}",
            plan.method(),
            plan.budget(),
            arguments.seed
        ),
        &json!({
            "policy": identity, "verifier": judge, "plan": plan, "selection": selection.to_string(),
            "sampling": sampling, "limits": limits, "seed": arguments.seed,
        }),
    );
    let mut work = Work::new(arguments, asked, run)?;
    // What cannot be asked is told, and the rest goes on.
    let mut fit = Vec::new();
    for &place in &work.open.clone() {
        match prepared.check(&asked[place].problem) {
            Ok(()) => fit.push(place),
            Err(failure) => work.failed(place, &failure),
        }
    }
    let problems: Vec<Arc<Problem>> = fit
        .iter()
        .map(|&place| Arc::clone(&asked[place].problem))
        .collect();
    let journal = std::mem::take(&mut work.out.journal);
    let quorum = arguments.quorum.get();
    let quorum = quorum.map(|quorum| QuorumPolicy::new(policy, quorum));
    let searches = Searches {
        policy: match &quorum {
            Some(quorum) => quorum as &dyn Policy,
            None => policy,
        },
        verifier: verifier.as_ref().map(|own| own as &dyn Verifier),
        plan: *plan,
        sampling: *sampling,
        limits: *limits,
        seed: arguments.seed,
        target_in_flight: policy.target_in_flight(),
        journal: &journal,
    };
    // Told in the order in which they end, and judged while others are searched.
    let (send, mut ended) = mpsc::unbounded();
    let run = async {
        let mut tell = |place: usize, tree| {
            // Who hears of it is there as long as this runs.
            let _ = send.unbounded_send((place, tree));
        };
        searches.run(&problems, &mut tell).await;
        send.close_channel();
    };
    let hear = async {
        while let Some((place, tree)) = ended.next().await {
            let place = fit[place];
            let tree = match tree {
                Ok(tree) => tree,
                Err(error) => {
                    work.failed(place, &error.into());
                    continue;
                }
            };
            let solutions = tree.solutions();
            let chosen = selection.choose(&tree.problem, &solutions, work.domain);
            let chosen = match chosen.await {
                Ok(chosen) => chosen,
                Err(error) => {
                    work.failed(place, &error.into());
                    continue;
                }
            };
            let read = verifier
                .as_ref()
                .map(|own: &AnyVerifier| (own.cost(), tree.verifier));
            let costs = Spending::of((policy.cost(), tree.policy), read);
            let how = How::Method {
                method: plan.method(),
                n: plan.budget(),
            };
            let samples = solutions.iter().map(|own| own.count).sum();
            let answered = work.answered(place, chosen.as_ref(), &solutions, samples, &costs, how);
            answered.await;
        }
    };
    block_on(join(run, hear));
    work.out.journal = journal;
    let all = asked.len();
    let (failed, right) = (work.failed, work.right());
    eprintln!("{} of {all} problems done{right}", all - failed);
    work.end()
}

fn by_strategy(arguments: &Solve, named: &str, asked: &[Asked]) -> Result<ExitCode, Failure> {
    let parsed = Named::parse(named)?;
    let count = asked.len() as f64;
    let total = match (arguments.total, arguments.budget) {
        (Some(total), _) => total,
        (None, budget) => budget.unwrap_or(Plan::USUAL_BUDGET as f64 * parsed.sample()) * count,
    };
    let share = total / count;
    let Loaded {
        strategy,
        policy,
        verifiers,
    } = strategy::load(
        parsed,
        (&arguments.policy, &arguments.verifier),
        share,
        true,
    )?;
    let unit = strategy.unit();
    if unit == Unit::Seconds {
        return Err(Failure::Input(anyhow!(
            "seconds depend on what else runs; share a total of samples, tokens, flops or money"
        )));
    }
    let infos: Vec<ModelInfo> = verifiers.iter().map(|own| own.info.clone()).collect();
    let cost_model = CostModel::new(unit, &policy.info, &infos).map_err(Failure::input)?;
    let names = strategy.asks(share, true).map_err(Failure::input)?;
    let judges: Vec<&serde_json::Value> = infos.iter().map(|own| &own.identity).collect();
    let run = run_name(
        &format!(
            "{}, strategy {named}, {} {unit} a problem, seed {}",
            policy.info.name,
            short(share),
            arguments.seed
        ),
        &json!({
            "policy": policy.info.identity, "verifiers": judges, "strategy": strategy.fingerprint(),
            "share": share, "sampling": policy.sampling, "limits": policy.limits, "seed": arguments.seed,
        }),
    );
    let mut work = Work::new(arguments, asked, run)?;
    let before = work.out.spent;
    let journal = std::mem::take(&mut work.out.journal);
    let batch = Batch {
        strategy: &strategy,
        policy: &policy,
        verifiers: names.into_iter().zip(&verifiers).collect(),
        cost_model: &cost_model,
        answers: work.domain,
        seed: arguments.seed,
        journal: &journal,
    };
    let open = work.open.clone();
    let problems: Vec<Arc<Problem>> = open
        .iter()
        .map(|&place| Arc::clone(&asked[place].problem))
        .collect();
    let read: Vec<&ModelInfo> = infos.iter().collect();
    let (send, mut ended) = mpsc::unbounded();
    let run = async {
        let mut tell = |place: usize, solved: Result<(Solved, f64), SolveError>| {
            // Who hears of it is there as long as this runs.
            let _ = send.unbounded_send((place, solved));
        };
        let spent = (total - before, total);
        let ran = batch.run(&problems, share, spent, &mut tell).await;
        send.close_channel();
        ran
    };
    let hear = async {
        while let Some((place, solved)) = ended.next().await {
            let place = open[place];
            let (solved, spent) = match solved {
                Ok(solved) => solved,
                Err(error) => {
                    work.failed(place, &error.into());
                    continue;
                }
            };
            work.out.spent += spent;
            let how = How::Strategy {
                choice: solved.chosen.candidate.to_string(),
                reason: &solved.chosen.reason,
                spent,
                confidence: solved.confidence,
                unlike: solved.unlike.as_deref(),
            };
            let costs = costs(&solved, &policy.info, &read);
            let solutions = solved.answered().solutions();
            let (chosen, samples) = (solved.answer.as_ref(), solved.samples);
            let answered = work.answered(place, chosen, &solutions, samples, &costs, how);
            answered.await;
        }
    };
    let (ran, ()) = block_on(join(run, hear));
    work.out.journal = journal;
    work.bar.finish_and_clear();
    ran.map_err(Failure::input)?;
    eprintln!(
        "{} of {} problems answered{}; {} {unit} spent of {}",
        asked.len() - work.failed,
        asked.len(),
        work.right(),
        short(work.out.spent),
        short(total)
    );
    work.end()
}

/// What is done, and what is still to do.
struct Work<'a> {
    asked: &'a [Asked],
    domain: &'static dyn Domain,
    run: String,
    out: Out,
    /// Places of the problems without an answer.
    open: Vec<usize>,
    bar: ProgressBar,
    standing: Standing,
    answered: usize,
    /// Of them, in earlier runs.
    before: usize,
    failed: usize,
    /// Of them, where a server refuses the key or the like.
    refused: usize,
    right: usize,
    graded: usize,
    broken: std::io::Result<()>,
}

impl<'a> Work<'a> {
    fn new(arguments: &Solve, asked: &'a [Asked], run: String) -> Result<Self, Failure> {
        let out = Out::open(arguments.out.as_deref(), &run)?;
        let is_open = |place: &usize| !out.done.contains(&asked[*place].problem.id);
        let open: Vec<usize> = (0..asked.len()).filter(is_open).collect();
        let before = asked.len() - open.len();
        let bar = match std::io::stderr().is_terminal() {
            true => ProgressBar::new(asked.len() as u64).with_position(before as u64),
            false => ProgressBar::hidden(),
        };
        let standing = Standing::default();
        standing.set(before, asked.len());
        let (told, goes_on) = (standing.clone(), out.goes_on());
        interrupt::tell(move || match goes_on {
            true => format!("{told} problems are answered; the same command goes on"),
            false => format!(
                "{told} problems were answered; with --out FILE the same command would go on"
            ),
        })?;
        Ok(Self {
            asked,
            domain: arguments.domain.get(),
            run,
            out,
            open,
            bar,
            standing,
            answered: before,
            before,
            failed: 0,
            refused: 0,
            right: 0,
            graded: 0,
            broken: Ok(()),
        })
    }

    /// How many answers are right, of those whose problem says what is right.
    fn right(&self) -> String {
        match self.graded {
            0 => String::new(),
            graded => format!("; {} of {graded} right", self.right),
        }
    }

    async fn answered(
        &mut self,
        place: usize,
        chosen: Option<&Chosen>,
        solutions: &[Solution],
        samples: usize,
        costs: &Spending,
        how: How<'_>,
    ) {
        let Asked { problem, gold } = &self.asked[place];
        let correct = match (gold, chosen) {
            (None, _) => None,
            (Some(_), None) => Some(false),
            (Some(gold), Some(chosen)) => match chosen.is_right(problem, gold, self.domain).await {
                Ok(right) => Some(right),
                Err(error) => return self.failed(place, &error.into()),
            },
        };
        self.graded += usize::from(correct.is_some());
        self.right += usize::from(correct == Some(true));
        self.answered += 1;
        let line = serde_json::to_string(&Told {
            id: &problem.id,
            answer: chosen.map(|own| own.answer.as_str()),
            correct,
            how,
            samples,
            agreement: chosen.map(|own| own.agreement),
            text: shown(chosen, solutions).map(|own| solutions[own].text()),
            tokens: costs.policy.generated,
            verifier_tokens: costs.verifier.computed,
            flops: costs.flops_full,
            run: &self.run,
        });
        self.write(line);
    }

    fn failed(&mut self, place: usize, failure: &Failure) {
        let id = &self.asked[place].problem.id;
        let told = failure.to_string();
        self.failed += 1;
        self.refused += usize::from(failure.is_refusal());
        self.bar.suspend(|| eprintln!("{id}: {told}"));
        let line = serde_json::to_string(&json!({"id": id, "error": told, "run": self.run}));
        self.write(line);
    }

    fn write(&mut self, line: serde_json::Result<String>) {
        self.bar.inc(1);
        self.standing.set(self.answered, self.asked.len());
        if self.broken.is_ok() {
            let line = line.map_err(std::io::Error::from);
            self.broken = line.and_then(|line| self.out.line(&line));
        }
    }

    fn end(self) -> Result<ExitCode, Failure> {
        self.bar.finish_and_clear();
        self.broken?;
        let is_whole = self.failed == 0;
        self.out.close(is_whole)?;
        let refused = self.answered == self.before && self.refused == self.failed;
        Ok(match is_whole {
            true => ExitCode::SUCCESS,
            false if refused => ExitCode::from(2),
            false => ExitCode::FAILURE,
        })
    }
}
