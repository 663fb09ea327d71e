//! One search for one request.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use outthink_core::{
    Ballot, Capped, CountedVerifier, Domain, Error, Halt, Plan, Policy, Problem, QuorumPolicy,
    Scoring, Selection, Solution, Spending, Stop, Tree, Usage, Verifier, search,
};
use outthink_strategy::SolveContext;
use serde::Serialize;

use crate::ask::{How, SearchAsk};
use crate::error::ApiError;
use crate::models::{Finish, Models, ServedPolicy, ServedVerifier};
use crate::once::Once;
use crate::span::Trace;
use crate::watch::{Controlled, Event, Listener, Watch, WatchedPolicy, WatchedVerifier};

/// What a search found.
pub(crate) struct Found {
    /// The text of the chosen solution.
    pub text: String,
    pub finish: Finish,
    pub report: Report,
}

/// What is told beside the answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub method: String,
    pub plan: String,
    pub policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    pub selection: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    pub seed: u64,
    /// The extracted answer.
    pub answer: Option<String>,
    /// Share of the draws with an answer that gave this one.
    pub agreement: Option<f64>,
    /// The calibrated chance that the answer is right, of a strategy that was fitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Answers with their votes, heaviest first.
    pub votes: Vec<Vote>,
    /// Solutions drawn, complete or cut off; what a cap left undrawn is none.
    pub samples: usize,
    /// Samples that were late or failed, where a quorum of a round was enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    pub seconds: f64,
    /// What ended it: its own end, or a cap.
    pub stopped_by: &'static str,
    pub note: Option<&'static str>,
    pub usage: Spending,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<TraceNode>>,
}

/// An answer and how it fared.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Vote {
    pub answer: String,
    pub count: usize,
    /// Best score of its solutions, by the selection's scoring.
    pub score: Option<f64>,
    /// What the selection compares.
    pub weight: f64,
}

/// A node of the finished tree.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TraceNode {
    pub parent: Option<usize>,
    pub text: String,
    /// The text is a prompt that the method made of earlier solutions, from which what is below was drawn.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub question: bool,
    pub tokens: usize,
    pub reward: Option<f64>,
    pub draws: usize,
    pub finished: Option<Stop>,
    /// On a path that the method keeps.
    pub kept: bool,
}

/// What was grown, however it was decided.
struct Grown {
    plan: Plan,
    verifier: Option<String>,
    selection: Selection,
    chosen: Option<String>,
    confidence: Option<f64>,
    tree: Tree,
    other: Option<Tree>,
    drawn: Usage,
    read: Vec<(String, Usage)>,
}

/// Searches. `listener` hears of every step; dropping the future stops the models.
pub(crate) async fn run(
    models: &Models,
    ask: &SearchAsk,
    listener: &Listener,
    trace: &Trace,
) -> Result<Found, ApiError> {
    let policy = models
        .policy(Some(&ask.policy))
        .ok_or_else(|| ApiError::no_model("the policy is gone"))?;
    let watch = Watch::new(listener, trace);
    let controlled = Controlled::new(&*policy.model, ask.thinking);
    let quorum = ask
        .quorum
        .map(|quorum| QuorumPolicy::new(controlled.policy(), quorum));
    let watched = WatchedPolicy {
        policy: match &quorum {
            Some(quorum) => quorum,
            None => controlled.policy(),
        },
        name: &policy.name,
        watch: &watch,
    };
    let halt = match (ask.max_tokens_total, ask.max_seconds) {
        (None, _) => Halt::default(),
        (Some(tokens), None) => Halt::after(tokens),
        (Some(tokens), Some(_)) => Halt::when_told_or_after(tokens),
    };
    let capped = Capped::new(&watched, &halt);
    // What nothing can halt is asked for as the search asks for it.
    let drawing: &dyn Policy = match (ask.max_tokens_total, ask.max_seconds) {
        (None, None) => &watched,
        _ => &capped,
    };
    let start = Instant::now();
    let growing = Box::pin(grow(models, policy, ask, drawing, &watch));
    let mut out_of_time = false;
    let grown = match ask.max_seconds {
        None => growing.await,
        Some(seconds) => {
            let deadline = Box::pin(tokio::time::sleep(Duration::from_secs_f64(seconds)));
            match select(growing, deadline).await {
                Either::Left((grown, _)) => grown,
                Either::Right(((), growing)) => {
                    out_of_time = true;
                    halt.stop();
                    growing.await
                }
            }
        }
    };
    let grown = grown?;
    let stopped_by = if out_of_time {
        "max_seconds"
    } else if halt.is_stopped() {
        "max_tokens_total"
    } else {
        "end"
    };
    let solutions = grown.tree.solutions();
    let answers = Once::new(&*models.answers);
    let problem = Arc::clone(&grown.tree.problem);
    let failed = |error: Error| ApiError::failed(&error, models.blame);
    let votes = votes(&problem, &solutions, grown.selection, &answers)
        .await
        .map_err(failed)?;
    let (taken, answer, agreement, mut note) =
        choose(&problem, &solutions, grown.selection, &answers)
            .await
            .map_err(failed)?;
    let solution = taken.map(|taken| &solutions[taken]);
    if ask.unlike && grown.confidence.is_some() {
        note = note.or(Some(
            "the strategy was fitted with the policy's own temperature and length; its confidence may be off",
        ));
    }
    let all = grown.other.iter().flat_map(Tree::solutions);
    let samples = all
        .chain(grown.tree.solutions())
        .filter(|solution| !solution.steps.is_empty())
        .map(|solution| solution.count)
        .sum();
    Ok(Found {
        text: solution.map(Solution::text).unwrap_or_default(),
        finish: match solution {
            Some(solution) if solution.stop != Stop::Length => Finish::Stop,
            _ => Finish::Length,
        },
        report: Report {
            method: grown.plan.method().to_string(),
            plan: grown.plan.to_string(),
            policy: ask.policy.clone(),
            selection: grown.selection.to_string(),
            seed: ask.seed,
            // What nobody answered, nobody can be sure of.
            confidence: grown.confidence.filter(|_| answer.is_some()),
            answer,
            agreement,
            votes,
            samples,
            lost: quorum.as_ref().map(QuorumPolicy::lost),
            seconds: start.elapsed().as_secs_f64(),
            stopped_by,
            note,
            usage: spending(models, policy, &grown),
            trace: ask.trace.then(|| finished(&grown.tree)),
            verifier: grown.verifier,
            chosen: grown.chosen,
        },
    })
}

async fn grow<'m>(
    models: &'m Models,
    policy: &ServedPolicy,
    ask: &SearchAsk,
    drawing: &dyn Policy,
    watch: &'m Watch<'m>,
) -> Result<Grown, ApiError> {
    let sampling = ask.sampling;
    let mut limits = policy.limits;
    if let Some(tokens) = ask.solution_tokens {
        limits.solution_tokens = limits.solution_tokens.min(tokens);
    }
    let problem = Arc::new(Problem {
        id: ask.question.clone(),
        text: ask.question.clone(),
    });
    let watched = |own: &'m ServedVerifier| WatchedVerifier {
        verifier: CountedVerifier::new(&*own.model as &dyn Verifier),
        name: &own.name,
        watch,
    };
    match &ask.how {
        How::Planned {
            plan,
            verifier,
            selection,
            chosen,
        } => {
            let named = verifier.as_deref();
            let judge = named.and_then(|name| models.verifier(Some(name)));
            let judge = judge.map(watched);
            let judge = judge.as_ref().map(|judge| judge as &dyn Verifier);
            let searching = search(problem, plan, sampling, limits, ask.seed, drawing, judge);
            let tree = searching.await;
            let tree = tree.map_err(|error| ApiError::failed(&error, models.blame))?;
            Ok(Grown {
                plan: *plan,
                verifier: verifier.clone(),
                selection: *selection,
                chosen: chosen.clone(),
                confidence: None,
                drawn: tree.policy,
                read: named
                    .map(|name| (name.to_owned(), tree.verifier))
                    .into_iter()
                    .collect(),
                tree,
                other: None,
            })
        }
        How::Strategic { budget, most } => {
            let strategy = policy.strategy.as_deref();
            let strategy = strategy.ok_or_else(|| ApiError::no_model("the strategy is gone"))?;
            let judges: Vec<(&str, WatchedVerifier<'_>)> = models
                .verifiers
                .iter()
                .map(|verifier| (verifier.name.as_str(), watched(verifier)))
                .collect();
            let context = SolveContext {
                policy: drawing,
                verifiers: judges
                    .iter()
                    .map(|(name, judge)| (*name, judge as &dyn Verifier))
                    .collect(),
                sampling,
                limits,
                answers: &*models.answers,
                most: Some(*most),
            };
            let budget = *budget as f64 * strategy.sample();
            let solved = strategy.solve(problem, budget, ask.seed, &context).await;
            let solved = solved.map_err(|error| ApiError::failed(&error, models.blame))?;
            let candidate = &solved.chosen.candidate;
            let plan = candidate.at(solved.drawn).plan();
            let why = match &solved.unlike {
                None => String::new(),
                Some(unlike) => format!(", without a confidence ({unlike})"),
            };
            Ok(Grown {
                plan: plan.map_err(|error| ApiError::failed(&error, models.blame))?,
                verifier: candidate.verifier.clone(),
                selection: solved.selection,
                chosen: Some(format!("auto: {candidate}{why}: {}", solved.chosen.reason)),
                confidence: solved.confidence,
                tree: solved.answered().clone(),
                other: solved.beside().cloned(),
                drawn: solved.policy,
                read: solved.verifiers,
            })
        }
    }
}

/// The sum of all that was drawn and read.
fn spending(models: &Models, policy: &ServedPolicy, grown: &Grown) -> Spending {
    let shape = |name| models.verifier(Some(name)).and_then(|own| own.cost);
    let read = grown.read.iter().map(|(name, usage)| (shape(name), *usage));
    Spending::of((policy.cost, grown.drawn), read)
}

/// The solution that is taken, its answer, the answer's share of the votes, and what is to be said.
type Taken = (
    Option<usize>,
    Option<String>,
    Option<f64>,
    Option<&'static str>,
);

/// The solution that is taken: by the selection, or where no answer can be found in any, the one that the verifier likes
/// best, or else the first that is complete.
async fn choose(
    problem: &Problem,
    solutions: &[Solution],
    selection: Selection,
    answers: &dyn Domain,
) -> Result<Taken, Error> {
    if let Some(chosen) = selection.choose(problem, solutions, answers).await? {
        return Ok((
            Some(chosen.solution),
            Some(chosen.answer),
            Some(chosen.agreement),
            None,
        ));
    }
    let scoring = match selection {
        Selection::Scored(scoring, _) => scoring,
        Selection::Majority => Scoring::LAST,
    };
    let mut best: Option<(usize, f64)> = None;
    for (index, solution) in solutions.iter().enumerate() {
        if let Some(score) = scoring.of(solution)
            && best.is_none_or(|(_, before)| score > before)
        {
            best = Some((index, score));
        }
    }
    if let Some((index, _)) = best {
        let note = "no answer could be extracted to vote on; taken by the verifier's score";
        return Ok((Some(index), None, None, Some(note)));
    }
    let complete = solutions
        .iter()
        .position(|solution| solution.stop == Stop::Answer);
    let any = complete.or_else(|| {
        solutions
            .iter()
            .position(|solution| !solution.steps.is_empty())
    });
    let note = match any {
        Some(_) => "no answer could be extracted and none is scored; the first reply is taken",
        None => "no solution was completed; allow more tokens or time",
    };
    Ok((any, None, None, Some(note)))
}

/// The answers, as the selection weighs them, heaviest first.
async fn votes(
    problem: &Problem,
    solutions: &[Solution],
    selection: Selection,
    answers: &dyn Domain,
) -> Result<Vec<Vote>, Error> {
    let mut ballots = selection.tally(problem, solutions, answers).await?;
    ballots.sort_by(|a, b| {
        (b.weight, b.count)
            .partial_cmp(&(a.weight, a.count))
            .unwrap_or(Ordering::Equal)
    });
    let scored = matches!(selection, Selection::Scored(..));
    let vote = |ballot: Ballot| Vote {
        answer: ballot.answer,
        count: ballot.count,
        score: scored.then_some(ballot.best),
        weight: ballot.weight,
    };
    Ok(ballots.into_iter().map(vote).collect())
}

fn finished(tree: &Tree) -> Vec<TraceNode> {
    let mut kept = vec![false; tree.nodes().len()];
    for &leaf in &tree.kept {
        for node in tree.path(leaf) {
            kept[node] = true;
        }
    }
    let node = |(node, kept): (&outthink_core::Node, bool)| TraceNode {
        parent: node.parent,
        text: match (&node.step, &node.question) {
            (Some(step), _) => step.text.clone(),
            (None, question) => question.as_deref().unwrap_or_default().to_owned(),
        },
        question: node.question.is_some(),
        tokens: node.step.as_ref().map_or(0, |step| step.tokens.len()),
        reward: node.reward,
        draws: node.draws,
        finished: node.finished.map(|(stop, _)| stop),
        kept,
    };
    tree.nodes().iter().zip(kept).map(node).collect()
}

/// A listener that hears nothing.
pub(crate) fn deaf(_: Event) {}
