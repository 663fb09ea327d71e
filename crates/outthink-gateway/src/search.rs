//! One search for one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use outthink_core::{
    Capped, Halt, Policy, Problem, Sampling, Scoring, Selection, Solution, Stop, Tree, Usage,
    Verifier, Voting, search,
};
use serde::Serialize;

use crate::error::ApiError;
use crate::models::Models;
use crate::request::SearchAsk;
use crate::watch::{Event, Listener, Watch, WatchedPolicy, WatchedVerifier};

/// What a search found.
pub(crate) struct Found {
    /// The text of the chosen solution.
    pub text: String,
    /// It was cut off.
    pub cut_off: bool,
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
    /// Answers with their votes, most first.
    pub votes: Vec<Ballot>,
    /// Solutions drawn, complete or cut off; what a cap left undrawn is none.
    pub samples: usize,
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
pub(crate) struct Ballot {
    pub answer: String,
    pub count: usize,
    /// Best score of its solutions, by the selection's scoring.
    pub score: Option<f64>,
}

/// What it cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Spending {
    pub policy: Usage,
    pub verifier: Usage,
    pub flops_paper: Option<f64>,
    pub flops_full: Option<f64>,
}

/// A node of the finished tree.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TraceNode {
    pub parent: Option<usize>,
    pub text: String,
    pub tokens: usize,
    pub reward: Option<f64>,
    pub draws: usize,
    pub finished: Option<Stop>,
    /// On a path that the method keeps.
    pub kept: bool,
}

/// Searches. `listener` hears of every step; dropping the future stops the models.
pub(crate) async fn run(
    models: &Models,
    ask: &SearchAsk,
    listener: &Listener,
) -> Result<Found, ApiError> {
    let policy = models
        .policy(Some(&ask.policy))
        .ok_or_else(|| ApiError::no_model("the policy is gone"))?;
    let verifier = ask
        .verifier
        .as_deref()
        .and_then(|name| models.verifier(Some(name)));
    let sampling = Sampling {
        temperature: ask.temperature.unwrap_or(policy.sampling.temperature),
        top_p: ask.top_p.unwrap_or(policy.sampling.top_p),
        ..policy.sampling
    };
    let mut limits = policy.limits;
    if let Some(tokens) = ask.solution_tokens {
        limits.solution_tokens = limits.solution_tokens.min(tokens);
    }
    let problem = Arc::new(Problem {
        id: ask.question.clone(),
        text: ask.question.clone(),
    });
    let watch = Watch::new(listener);
    let watched = WatchedPolicy {
        policy: &*policy.model,
        watch: &watch,
    };
    let watched_verifier = verifier.map(|verifier| WatchedVerifier {
        verifier: &*verifier.model,
        watch: &watch,
    });
    let halt = Halt::default();
    let drawn = AtomicU64::new(0);
    let spent = |usage: Usage| {
        let total = drawn.fetch_add(usage.generated, Ordering::Relaxed) + usage.generated;
        if ask.max_tokens_total.is_some_and(|most| total >= most) {
            halt.stop();
        }
    };
    let capped = Capped::new(&watched, &halt, &spent);
    let start = Instant::now();
    let searching = Box::pin(search(
        problem,
        &ask.plan,
        sampling,
        limits,
        ask.seed,
        &capped as &dyn Policy,
        watched_verifier
            .as_ref()
            .map(|verifier| verifier as &dyn Verifier),
    ));
    let mut out_of_time = false;
    let tree = match ask.max_seconds {
        None => searching.await,
        Some(seconds) => {
            let deadline = Box::pin(tokio::time::sleep(Duration::from_secs_f64(seconds)));
            match select(searching, deadline).await {
                Either::Left((tree, _)) => tree,
                Either::Right(((), searching)) => {
                    out_of_time = true;
                    halt.stop();
                    searching.await
                }
            }
        }
    };
    let tree = tree.map_err(|error| {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        ApiError::upstream(format!("{error}{}", source.unwrap_or_default()))
    })?;
    let stopped_by = if out_of_time {
        "max_seconds"
    } else if halt.is_stopped() {
        "max_tokens_total"
    } else {
        "end"
    };
    let mut usage = Spending {
        policy: tree.policy,
        verifier: tree.verifier,
        ..Spending::default()
    };
    if let Some(cost) = policy.cost {
        usage.flops_paper = Some(cost.paper_flops(&tree.policy));
        let verifying = match verifier {
            Some(verifier) => verifier.cost.map(|cost| cost.full_flops(&tree.verifier)),
            None => Some(0.0),
        };
        usage.flops_full = verifying.map(|verifying| cost.full_flops(&tree.policy) + verifying);
    }
    let solutions = tree.solutions();
    let (taken, answer, agreement, note) = choose(&solutions, ask.selection, models);
    let solution = taken.map(|taken| &solutions[taken]);
    Ok(Found {
        text: solution.map(Solution::text).unwrap_or_default(),
        cut_off: solution.is_none_or(|solution| solution.stop == Stop::Length),
        report: Report {
            method: ask.plan.method().to_string(),
            plan: ask.plan.to_string(),
            policy: ask.policy.clone(),
            verifier: ask.verifier.clone(),
            selection: ask.selection.to_string(),
            chosen: ask.chosen.clone(),
            seed: ask.seed,
            answer,
            agreement,
            votes: votes(&solutions, ask.selection, models),
            samples: solutions
                .iter()
                .filter(|solution| !solution.steps.is_empty())
                .map(|solution| solution.count)
                .sum(),
            seconds: start.elapsed().as_secs_f64(),
            stopped_by,
            note,
            usage,
            trace: ask.trace.then(|| trace(&tree)),
        },
    })
}

/// The solution that is taken: by the selection, or where no answer can be found in any, the one that the verifier likes
/// best, or else the first that is complete.
fn choose(
    solutions: &[Solution],
    selection: Selection,
    models: &Models,
) -> (
    Option<usize>,
    Option<String>,
    Option<f64>,
    Option<&'static str>,
) {
    if let Some(chosen) = selection.choose(solutions, &*models.answers) {
        return (
            Some(chosen.solution),
            Some(chosen.answer),
            Some(chosen.agreement),
            None,
        );
    }
    let scoring = match selection {
        Selection::Scored(scoring, _) => scoring,
        Selection::Majority => Scoring::Last,
    };
    let mut best: Option<(usize, f64)> = None;
    for (index, solution) in solutions.iter().enumerate() {
        if let Some(score) = scoring.score(&solution.rewards)
            && best.is_none_or(|(_, before)| score > before)
        {
            best = Some((index, score));
        }
    }
    if let Some((index, _)) = best {
        let note = "no answer could be extracted to vote on; taken by the verifier's score";
        return (Some(index), None, None, Some(note));
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
    (any, None, None, Some(note))
}

fn votes(solutions: &[Solution], selection: Selection, models: &Models) -> Vec<Ballot> {
    let found: Vec<(usize, String)> = solutions
        .iter()
        .enumerate()
        .filter_map(|(index, solution)| Some((index, models.answers.extract(&solution.text())?)))
        .collect();
    let texts: Vec<&str> = found.iter().map(|(_, answer)| answer.as_str()).collect();
    let mut ballots: Vec<Ballot> = Vec::new();
    for ((index, answer), class) in found.iter().zip(models.answers.group(&texts)) {
        if class == ballots.len() {
            ballots.push(Ballot {
                answer: answer.clone(),
                count: 0,
                score: None,
            });
        }
        let ballot = &mut ballots[class];
        ballot.count += solutions[*index].count;
        if let Selection::Scored(scoring, Voting::Max | Voting::Vote) = selection
            && let Some(score) = scoring.score(&solutions[*index].rewards)
        {
            ballot.score = Some(ballot.score.map_or(score, |best: f64| best.max(score)));
        }
    }
    ballots.sort_by_key(|ballot| std::cmp::Reverse(ballot.count));
    ballots
}

fn trace(tree: &Tree) -> Vec<TraceNode> {
    let mut kept = vec![false; tree.nodes().len()];
    for &leaf in &tree.kept {
        for node in tree.path(leaf) {
            kept[node] = true;
        }
    }
    let node = |(node, kept): (&outthink_core::Node, bool)| TraceNode {
        parent: node.parent,
        text: node
            .step
            .as_ref()
            .map(|step| step.text.clone())
            .unwrap_or_default(),
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
