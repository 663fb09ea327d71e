//! A policy and a verifier that follow a script, over a language whose tokens are single characters.
//!
//! `/` ends a step and `.` the answer; a text that ends with neither was cut off. A path is written as its tokens: `a/b/`
//! is two steps, `a/=7.` a solution with the answer 7.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use outthink_core::{
    AnyMethod, Chosen, Continuation, Domain, Error, ExactAnswers, Extension, Finished, Judgement,
    Limits, ModelError, NodeId, Plan, Policy, Prefix, Problem, Reply, Sampling, Selection,
    Solution, Step, Stop, Tree, Until, Usage, Verifier, draw_seed, problem_seed, question_seed,
    search,
};

/// The run seed of every search here.
pub(crate) const RUN: u64 = 7;

pub(crate) const LIMITS: Limits = Limits {
    draw_tokens: 32,
    solution_tokens: 64,
    steps: 8,
};

pub(crate) fn problem(id: impl ToString) -> Arc<Problem> {
    Arc::new(Problem {
        id: id.to_string(),
        text: "?".into(),
    })
}

pub(crate) fn plan(method: AnyMethod, budget: usize, width: usize) -> Plan {
    Plan::new(method, budget, width, Finished::default()).expect("a budget that can be laid out")
}

pub(crate) fn run(
    plan: &Plan,
    limits: Limits,
    policy: &dyn Policy,
    verifier: Option<&dyn Verifier>,
) -> Result<Tree, Error> {
    let sampling = Sampling::at(0.7);
    block_on(search(
        problem("p"),
        plan,
        sampling,
        limits,
        RUN,
        policy,
        verifier,
    ))
}

/// One draw as a script sees it.
pub(crate) struct Draw<'a> {
    pub(crate) problem: &'a Problem,
    pub(crate) path: &'a str,
    pub(crate) seed: u64,
}

impl Draw<'_> {
    /// Its number among the draws of its path, or of the root where it is a draw from there that is taken up again. Only the seed
    /// tells, so a script that asks checks the seeds as well.
    pub(crate) fn index(&self) -> usize {
        let problem = problem_seed(RUN, &self.problem.id);
        // A prompt of the method has seeds of its own, in each round.
        let own = match self.problem.text == "?" {
            true => vec![problem],
            false => (1..9)
                .map(|round| question_seed(problem, round, &self.problem.text))
                .collect(),
        };
        let number = |path: &str| {
            let seed = |own, index| draw_seed(own, path.chars().map(u32::from), index);
            (0..1000).find(|&index| own.iter().any(|&own| seed(own, index) == self.seed))
        };
        number(self.path)
            .or_else(|| number(""))
            .expect("a seed of this run, problem, prompt and path")
    }
}

pub(crate) fn path_of(steps: &[Arc<Step>]) -> String {
    let tokens = steps.iter().flat_map(|step| &step.tokens);
    tokens
        .map(|&token| char::from_u32(token).expect("a scripted token"))
        .collect()
}

/// A step as the scripted policy draws it; each token costs one nat.
pub(crate) fn step(tokens: &str) -> Step {
    Step {
        text: tokens.trim_end_matches(['/', '.']).to_owned(),
        tokens: tokens.chars().map(u32::from).collect(),
        logprob: -(tokens.len() as f64),
        ..Step::default()
    }
}

pub(crate) struct Script {
    says: Box<dyn Fn(&Draw<'_>) -> String + Send + Sync>,
    calls: Mutex<Vec<Vec<Extension>>>,
}

impl Script {
    /// `says` gives what follows a path; it is cut where the request asks.
    pub(crate) fn new(says: impl Fn(&Draw<'_>) -> String + Send + Sync + 'static) -> Self {
        Self {
            says: Box::new(says),
            calls: Mutex::default(),
        }
    }

    /// The draws of a path go through the continuations beside it, round and round.
    pub(crate) fn cycling<const N: usize>(lines: [(&'static str, &'static str); N]) -> Self {
        Self::new(move |draw| {
            let (_, texts) = lines
                .iter()
                .find(|(path, _)| *path == draw.path)
                .unwrap_or_else(|| panic!("no line for `{}`", draw.path));
            let texts: Vec<&str> = texts.split(' ').collect();
            texts[draw.index() % texts.len()].to_owned()
        })
    }

    pub(crate) fn requests(&self) -> Vec<Vec<Extension>> {
        self.calls.lock().expect("no panic").clone()
    }

    /// Path and number of draws of all requests, call by call.
    pub(crate) fn calls(&self) -> Vec<Vec<(String, usize)>> {
        let request = |request: &Extension| (path_of(&request.steps), request.seeds.len());
        let calls = self.requests();
        calls
            .iter()
            .map(|call| call.iter().map(request).collect())
            .collect()
    }
}

impl Policy for Script {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let replies = requests
            .iter()
            .map(|request| {
                let path = path_of(&request.steps);
                let continuations: Vec<Continuation> = request
                    .seeds
                    .iter()
                    .map(|&seed| {
                        let says = (self.says)(&Draw {
                            problem: &request.problem,
                            path: &path,
                            seed,
                        });
                        cut(&says, request.until, request.max_tokens)
                    })
                    .collect();
                let steps = continuations.iter().flat_map(|c| &c.steps);
                let generated = steps.map(|step| step.tokens.len() as u64).sum();
                let usage = Usage {
                    requests: 1,
                    prompt: path.len() as u64,
                    generated,
                    ..Usage::default()
                };
                (continuations, usage)
            })
            .collect();
        self.calls.lock().expect("no panic").push(requests);
        ready(Ok(replies)).boxed()
    }
}

fn cut(text: &str, until: Until, max_tokens: usize) -> Continuation {
    let text = &text[..text.len().min(max_tokens)];
    let mut steps: Vec<Step> = text.split_inclusive('/').map(step).collect();
    if until == Until::Step {
        steps.truncate(1);
    }
    let last = steps.last().and_then(|step| step.tokens.last().copied());
    let stop = match last.and_then(char::from_u32) {
        Some('.') => Stop::Answer,
        Some('/') if until == Until::Step => Stop::Step,
        _ => Stop::Length,
    };
    Continuation { steps, stop }
}

pub(crate) struct Scorer {
    reward: Box<dyn Fn(&str) -> f64 + Send + Sync>,
    calls: Mutex<Vec<Vec<Prefix>>>,
}

impl Scorer {
    /// `reward` is that of the last step of a path.
    pub(crate) fn new(reward: impl Fn(&str) -> f64 + Send + Sync + 'static) -> Self {
        Self {
            reward: Box::new(reward),
            calls: Mutex::default(),
        }
    }

    pub(crate) fn table<const N: usize>(rewards: [(&'static str, f64); N]) -> Self {
        Self::new(move |path| {
            let known = rewards.iter().find(|(known, _)| *known == path);
            known.unwrap_or_else(|| panic!("no reward for `{path}`")).1
        })
    }

    pub(crate) fn constant(reward: f64) -> Self {
        Self::new(move |_| reward)
    }

    /// The prefixes that were scored, call by call; complete ones are marked.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let prefix = |prefix: &Prefix| {
            let mark = if prefix.complete { " complete" } else { "" };
            path_of(&prefix.steps) + mark
        };
        let calls = self.calls.lock().expect("no panic");
        calls
            .iter()
            .map(|call| call.iter().map(prefix).collect())
            .collect()
    }
}

impl Verifier for Scorer {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let judgements = prefixes
            .iter()
            .map(|Prefix { steps, .. }| {
                assert!(!steps.is_empty() && steps.iter().all(|step| !step.text.is_empty()));
                Judgement {
                    rewards: (1..=steps.len())
                        .map(|last| (self.reward)(&path_of(&steps[..last])))
                        .collect(),
                    usage: Usage {
                        requests: 1,
                        computed: path_of(steps).len() as u64,
                        ..Usage::default()
                    },
                }
            })
            .collect();
        self.calls.lock().expect("no panic").push(prefixes);
        ready(Ok(judgements)).boxed()
    }
}

/// The answer is what follows the last `=`.
pub(crate) struct AfterEquals;

impl Domain for AfterEquals {
    fn identity(&self) -> String {
        "after equals".into()
    }

    fn extract(&self, _: &Problem, solution: &str) -> Option<String> {
        Some(solution.rsplit_once('=')?.1.to_owned())
    }

    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        ExactAnswers.group(problem, answers)
    }
}

/// What a selection takes.
pub(crate) fn chosen_by(
    selection: Selection,
    solutions: &[Solution],
    domain: &dyn Domain,
) -> Option<Chosen> {
    block_on(selection.choose(&problem("p"), solutions, domain)).expect("a domain that never fails")
}

/// The paths that the method keeps.
pub(crate) fn kept(tree: &Tree) -> Vec<String> {
    let path = |&node: &NodeId| path_of(&tree.steps(node));
    tree.kept.iter().map(path).collect()
}

/// The tree as text: a line a node with its tokens, reward, draws that came through, and how many ended there.
pub(crate) fn show(tree: &Tree) -> String {
    let mut text = String::new();
    let mut stack = vec![Tree::ROOT];
    while let Some(id) = stack.pop() {
        let node = &tree.nodes()[id];
        let depth = tree.path(id).len();
        let tokens = match (&node.step, &node.question) {
            (Some(step), _) => path_of(std::slice::from_ref(step)),
            (None, Some(question)) => format!("{question:?}"),
            (None, None) => "root".into(),
        };
        let _ = write!(text, "{}{tokens}", "  ".repeat(depth));
        if id != Tree::ROOT {
            let _ = write!(text, " ×{}", node.draws);
        }
        if let Some(reward) = node.reward {
            let _ = write!(text, " reward {reward}");
        }
        if node.drawn > 0 {
            let _ = write!(text, " drawn {}", node.drawn);
        }
        if let Some((stop, count)) = node.finished {
            let _ = write!(text, " {stop:?} ×{count}");
        }
        if let Some(rank) = tree.kept.iter().position(|&kept| kept == id) {
            let _ = write!(text, " kept #{}", rank + 1);
        }
        text.push('\n');
        stack.extend(tree.children(id).iter().rev());
    }
    text
}
