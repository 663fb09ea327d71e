//! `outthink demo`: the claim of the project, measured on this machine with the embedded models.

mod ground;
mod mixture;
mod report;

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::sync::Arc;

use futures::executor::block_on;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use outthink_answer::AnyDomain;
use outthink_core::{
    Finished, ModelCost, NodeId, Plan, Prefix, Problem, Selection, SharedTokens, Spending, Stop,
    Tree, Usage, Verifier,
};
use outthink_engine::{EmbeddedPolicy, EmbeddedVerifier};
use outthink_lab::{Outcome, Question, Trial};
use outthink_micro::domain;

use crate::cli::{Demo, PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::models::{self, AnyVerifier};
use ground::{ARITHMETIC, Entry, GRIDS, Ground};
use mixture::Mixture;
use outthink_models::limits;

/// Draws in flight, over all problems: enough for the matrix kernels, little enough for the cache.
const DRAWS_IN_FLIGHT: usize = 1024;

/// A ground with its rows.
struct Measured<'a> {
    ground: &'a Ground,
    questions: &'a [Question],
    rows: Vec<Row>,
}

/// An entry, measured.
struct Row {
    entry: Entry,
    parameters: u64,
    shape: ModelCost,
    verifier_shape: Option<ModelCost>,
    trial: Trial,
    policy: Usage,
    verifier: Usage,
    flops_paper: f64,
    flops_full: f64,
    reuse: Reuse,
}

/// Tokens computed over distinct tokens of the trees; 1 means that nothing was computed twice.
#[derive(Clone, Copy, Debug)]
struct Reuse {
    policy: f64,
    verifier: f64,
}

pub(crate) fn run(arguments: &Demo) -> Result<(), Failure> {
    if arguments.problems == 0 {
        return Err(Failure::Input(anyhow::anyhow!(
            "--problems must be at least 1"
        )));
    }
    let grounds: Vec<(&'static Ground, Vec<Question>)> = [&GRIDS, &ARITHMETIC]
        .into_iter()
        .map(|ground| {
            let asked = ground.times * arguments.problems;
            let questions = questions(ground, asked, arguments.seed, arguments.split);
            match questions.len() < asked {
                true => Err(Failure::Input(anyhow::anyhow!(
                    "there are only {} such problems",
                    questions.len()
                ))),
                false => Ok((ground, questions)),
            }
        })
        .collect::<Result<_, _>>()?;
    // Better to hear of it now than after the work.
    let chart = |error| {
        let why = format!("cannot write {}", arguments.chart.display());
        anyhow::Error::new(error).context(why)
    };
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&arguments.chart)
        .map_err(|error| Failure::Input(chart(error)))?;
    for (ground, questions) in grounds.iter().filter(|_| !arguments.json) {
        eprintln!("{}: {} problems", ground.name, questions.len());
    }
    // Both grounds at once: one alone leaves some of every core's time unused.
    let bars = MultiProgress::new();
    let all = |(ground, questions): &(&'static Ground, Vec<Question>)| {
        let mut rows: Vec<Row> = Vec::new();
        for entry in ground.entries(arguments.full) {
            // A majority vote has the samples of best-of-N, which no one needs to draw twice.
            let pool = rows.iter().find(|row| row.entry.is_pool_of(&entry));
            rows.push(match pool {
                Some(pool) => voted(pool, entry, questions)?,
                None => measure(ground, entry, questions, arguments, &bars)?,
            });
        }
        Ok(rows)
    };
    let rows: Vec<Result<Vec<Row>, Failure>> = std::thread::scope(|scope| {
        let own = grounds.iter().map(|ground| scope.spawn(|| all(ground)));
        let own: Vec<_> = own.collect();
        let joined = own.into_iter().map(|thread| thread.join());
        let joined =
            joined.map(|rows| rows.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect()
    });
    let measured = grounds.iter().zip(rows).map(|((ground, questions), rows)| {
        Ok(Measured {
            ground,
            questions,
            rows: rows?,
        })
    });
    let measured: Vec<Measured<'_>> = measured.collect::<Result<_, Failure>>()?;
    let mixture = Mixture::measure(&measured, arguments.seed)?;
    let report = report::Report::new(&measured, &mixture, arguments.seed);
    std::fs::write(&arguments.chart, report.chart()).map_err(chart)?;
    if arguments.json {
        crate::print::json(&serde_json::to_string(&report.json())?);
    } else {
        print!("{}", report.text());
        println!("\nchart: {}", arguments.chart.display());
    }
    Ok(())
}

/// Fresh problems. Cheap ones come from several seeds, so that no headline rests on one.
fn questions(ground: &Ground, count: usize, seed: u64, split: domain::Split) -> Vec<Question> {
    let mut seen = std::collections::HashSet::new();
    let each = count / ground.times;
    (0..ground.times as u64)
        .flat_map(|run| {
            domain::generate(seed.wrapping_add(run), split, ground.kind, None)
                .take(2 * each)
                .filter(|own| seen.insert(own.id.clone()))
                .take(each)
                .collect::<Vec<_>>()
        })
        .map(
            |domain::Problem {
                 id,
                 problem,
                 answer,
                 ..
             }| Question {
                problem: Arc::new(Problem { id, text: problem }),
                gold: answer,
            },
        )
        .collect()
}

/// The majority vote over the samples of best-of-N, and what it costs without the verifier. The time is that of best-of-N.
fn voted(pool: &Row, entry: Entry, questions: &[Question]) -> Result<Row, Failure> {
    let majority = Selection::Majority;
    let correct = pool
        .trial
        .reselect(questions, majority, AnyDomain::MATHS.get());
    let correct = block_on(correct)?;
    let outcomes = pool.trial.outcomes.iter().zip(correct);
    let outcomes = outcomes.map(|(outcome, correct)| Outcome {
        tree: outcome.tree.clone(),
        correct,
    });
    let trial = Trial {
        outcomes: outcomes.collect(),
        elapsed: pool.trial.elapsed,
    };
    let spending = Spending::of((Some(pool.shape), pool.policy), None);
    Ok(Row {
        entry,
        parameters: pool.parameters,
        shape: pool.shape,
        verifier_shape: None,
        flops_paper: spending.flops_paper.unwrap_or(f64::NAN),
        flops_full: spending.flops_full.unwrap_or(f64::NAN),
        policy: pool.policy,
        verifier: Usage::default(),
        reuse: Reuse {
            policy: pool.reuse.policy,
            verifier: 1.0,
        },
        trial,
    })
}

/// Runs one entry from an empty cache, so that its cost is its own.
fn measure(
    ground: &Ground,
    entry: Entry,
    questions: &[Question],
    arguments: &Demo,
    bars: &MultiProgress,
) -> Result<Row, Failure> {
    let Entry {
        policy: name,
        method,
        budget,
        verifier,
        width,
    } = entry;
    let policy = models::policy(&PolicyChoice::of(name))?;
    let verifier = match verifier {
        Some(name) => models::verifier(&VerifierChoice::of(name))?,
        None => None,
    };
    let plan = Plan::new(method, budget, width.unwrap_or(1), Finished::default())?;
    let progress = Progress::new(&entry, questions.len(), arguments.json, bars);
    let trial = block_on(Trial::run(
        questions,
        &plan,
        ground.selection(&entry),
        policy.sampling(),
        limits(policy.profile()),
        arguments.seed,
        (DRAWS_IN_FLIGHT / budget).max(1),
        &policy,
        verifier.as_ref().map(|verifier| verifier as &dyn Verifier),
        AnyDomain::MATHS.get(),
        &|correct| progress.tick(correct),
    ))?;
    progress.finish(&trial);
    let read = verifier
        .as_ref()
        .map(|own| (own.cost(), trial.verifier_usage()));
    let spending = Spending::of((Some(policy.cost()), trial.policy_usage()), read);
    let reuse = reuse(&trial, &policy, verifier.as_ref())?;
    Ok(Row {
        entry,
        parameters: policy.cost().parameters,
        shape: policy.cost(),
        verifier_shape: verifier.as_ref().and_then(AnyVerifier::cost),
        // All models here are embedded, and know their shapes.
        flops_paper: spending.flops_paper.unwrap_or(f64::NAN),
        flops_full: spending.flops_full.unwrap_or(f64::NAN),
        policy: spending.policy,
        verifier: spending.verifier,
        reuse,
        trial,
    })
}

/// Counts the distinct tokens of the trees anew, from the trees alone, and compares with what the models computed.
fn reuse(
    trial: &Trial,
    policy: &EmbeddedPolicy,
    verifier: Option<&AnyVerifier>,
) -> Result<Reuse, Failure> {
    let (mut drawn, mut scored) = (SharedTokens::default(), SharedTokens::default());
    for tree in trial.outcomes.iter().map(|outcome| &outcome.tree) {
        let prompt = policy.prompt(&tree.problem)?;
        for node in 1..tree.nodes().len() {
            let steps = tree.steps(node);
            let path = prompt
                .iter()
                .chain(steps.iter().flat_map(|step| &step.tokens))
                .copied();
            // Nothing is drawn after the last token, so the policy never needs to compute it.
            let length = prompt.len() + steps.iter().map(|step| step.tokens.len()).sum::<usize>();
            drawn.insert(path.take(length - 1), 1);
            if let Some(AnyVerifier::Model(model)) = verifier {
                score_tokens(model, tree, node, &mut scored)?;
            }
        }
    }
    let ratio = |computed: u64, distinct: usize| {
        if distinct == 0 {
            1.0
        } else {
            computed as f64 / distinct as f64
        }
    };
    let verifier = match verifier {
        Some(AnyVerifier::Model(model)) => model.counts().computed,
        _ => 0,
    };
    Ok(Reuse {
        policy: ratio(policy.counts().computed, drawn.tokens().len()),
        verifier: ratio(verifier, scored.tokens().len()),
    })
}

/// Adds the tokens that the verifier read for a node, if it was asked about it.
fn score_tokens(
    model: &EmbeddedVerifier,
    tree: &Tree,
    node: NodeId,
    trie: &mut SharedTokens,
) -> Result<(), Failure> {
    let asked = tree.nodes()[node].reward.is_some();
    let solution = tree.solution(node);
    // The end of an answer and the end of a step are different tokens to a likelihood verifier: a step inside a whole
    // drawn solution was only read as part of that.
    let inside = solution.stop == Stop::Step && !tree.children(node).is_empty();
    if asked && !inside {
        let prefix = Prefix {
            problem: Arc::clone(&tree.problem),
            steps: solution.steps,
            complete: solution.stop == Stop::Answer,
        };
        trie.insert(model.render(&prefix)?.tokens, 1);
    }
    Ok(())
}

/// A bar on a terminal, a line at the end elsewhere, nothing under `--json`.
struct Progress<'a> {
    bars: &'a MultiProgress,
    bar: ProgressBar,
    name: String,
    quiet: bool,
    right: std::sync::atomic::AtomicUsize,
}

impl<'a> Progress<'a> {
    fn new(entry: &Entry, problems: usize, quiet: bool, bars: &'a MultiProgress) -> Self {
        let name = format!(
            "{:<21}{:<10}{:<4}{}",
            entry.policy,
            entry.method,
            entry.budget,
            entry.verifier.unwrap_or_default()
        );
        let bar = if quiet {
            ProgressBar::hidden()
        } else {
            bars.add(ProgressBar::new(problems as u64))
        };
        let style = ProgressStyle::with_template("{prefix:<56} {bar:8} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.clone());
        Self {
            bars,
            bar,
            name,
            quiet,
            right: 0.into(),
        }
    }

    fn tick(&self, correct: bool) {
        use std::sync::atomic::Ordering::Relaxed;
        let right = self.right.fetch_add(usize::from(correct), Relaxed) + usize::from(correct);
        self.bar.inc(1);
        self.bar.set_message(format!(
            "{:.1} % right",
            100.0 * right as f64 / self.bar.position() as f64
        ));
    }

    fn finish(&self, trial: &Trial) {
        self.bar.finish_and_clear();
        if !self.quiet {
            let line = format!(
                "{:<56}{:>6.1} %  {:>5.1} s",
                self.name,
                100.0 * trial.accuracy().mean(),
                trial.elapsed.as_secs_f64()
            );
            // Above the other ground's bar, where there are bars.
            match std::io::stderr().is_terminal() {
                true => drop(self.bars.println(line)),
                false => eprintln!("{line}"),
            }
        }
    }
}
