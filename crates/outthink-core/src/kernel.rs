//! The one loop of all methods: expand the live branches, score the new steps, allocate the next round's draws.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::method::{Branch, Ends, Grown, Question, Round};
use crate::selection::windows;
use crate::{
    AnyMethod, Continuation, Error, Extension, NodeId, Plan, Policy, Prefix, Problem, Sampling,
    Step, Stop, Thinker, TokenStats, Tree, Until, Verifier, allocator_seed, draw_seed,
    problem_seed, question_seed,
};

/// Where a search stops growing a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most tokens of one draw; a step cut off there is continued by another draw.
    pub draw_tokens: usize,
    /// Most tokens of a solution.
    pub solution_tokens: usize,
    /// Most steps of a solution.
    pub steps: usize,
}

impl Default for Limits {
    /// What the profile of chat models has: steps of at most 2,048 tokens, solutions of 8,192 tokens and 40 steps.
    fn default() -> Self {
        Self {
            draw_tokens: 2048,
            solution_tokens: 8192,
            steps: 40,
        }
    }
}

/// Spends the plan's budget on one problem. [`Search`](crate::Search) asks less of its caller.
///
/// Rounds repeat until nothing is left to grow:
/// 1. *expand*: the policy draws the planned number of continuations of every live branch; equal ones are merged;
/// 2. *score*: the verifier gives every new step its reward (methods without rewards skip this, and a [`Round`] may);
/// 3. *allocate*: the method keeps branches and says how many draws each gets next.
///
/// The same run seed gives the same tree, whatever else the models are doing.
///
/// A model is a [`Policy`]; this one says the same whatever it is asked. `examples/beam_search.rs` has a verifier too.
///
/// ```
/// use std::sync::Arc;
/// use futures::{executor::block_on, future::{BoxFuture, FutureExt}};
/// use outthink_core::*;
///
/// struct Seven;
///
/// impl Policy for Seven {
///     fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
///         let step = Step { tokens: vec![7], ..Step::written(r"It is \boxed{7}.") };
///         let solution = Continuation { steps: vec![step], stop: Stop::Answer };
///         let reply = move |request: Extension| (vec![solution.clone(); request.seeds.len()], Usage::default());
///         async move { Ok(requests.into_iter().map(reply).collect()) }.boxed()
///     }
/// }
///
/// let problem = Arc::new(Problem { id: "1".into(), text: "What is 3 + 4?".into() });
/// let plan = Plan::of(method::MAJORITY, 4)?;
/// let limits = Limits { draw_tokens: 64, solution_tokens: 64, steps: 4 };
/// let tree = block_on(search(problem.clone(), &plan, Sampling::at(1.0), limits, 0, &Seven, None))?;
/// let chosen = block_on(Selection::Majority.choose(&problem, &tree.solutions(), &ExactAnswers))?;
/// assert_eq!(chosen.map(|chosen| chosen.answer), Some("7".into()));
/// # Ok::<(), outthink_core::Error>(())
/// ```
///
/// # Errors
///
/// A model that fails or answers something else than it was asked, and a method that needs a verifier without one.
pub async fn search(
    problem: Arc<Problem>,
    plan: &Plan,
    sampling: Sampling,
    limits: Limits,
    run_seed: u64,
    policy: &dyn Policy,
    verifier: Option<&dyn Verifier>,
) -> Result<Tree, Error> {
    let verifier = match (plan.method().needs_verifier(), verifier) {
        (false, _) => None,
        (true, Some(verifier)) => Some(verifier),
        (true, None) => {
            return Err(Error::NoVerifier {
                method: plan.method().name(),
            });
        }
    };
    let sampling = plan.method().sampling(sampling);
    let seed = problem_seed(run_seed, &problem.id);
    let separator = policy.thoughts().map(|own| own.separator.clone());
    let controlled = Thinker::of(policy);
    let policy = match &controlled {
        Some(thinker) => thinker as &dyn Policy,
        None => policy,
    };
    let mut search = Growth {
        tree: Tree::new(problem),
        sampling,
        limits,
        seed,
        policy,
        separator,
        method: plan.method(),
        rounds: 0,
        asked: HashMap::new(),
    };
    let mut allocator = plan.method().start(plan, allocator_seed(seed));
    allocator.begin(&limits);
    let mut live = allocator.first();
    let mut drawn = 0;
    while !live.is_empty() {
        let round = allocator.round();
        search.check(plan, &live, &mut drawn)?;
        let grown = search.expand(live, plan.method().until(), round).await?;
        if let Some(verifier) = verifier {
            search.score(verifier, &grown, round).await?;
        }
        live = allocator.next(&search.tree, &grown);
        live.extend(search.ask(allocator.questions()));
    }
    let kept = allocator.kept();
    search.known(plan, &kept)?;
    search.tree.kept = kept;
    Ok(search.tree)
}

struct Growth<'a> {
    tree: Tree,
    sampling: Sampling,
    limits: Limits,
    seed: u64,
    policy: &'a dyn Policy,
    /// Text between two steps of the policy, if it tells.
    separator: Option<String>,
    method: AnyMethod,
    /// How many have begun.
    rounds: usize,
    /// The prompts of the method by their nodes.
    asked: HashMap<NodeId, Asked>,
}

/// What is asked below a node in place of the problem.
struct Asked {
    /// The prompt, under the problem's name.
    problem: Arc<Problem>,
    /// In place of the problem's.
    seed: u64,
}

/// A draw on its way to a whole step.
struct Draw {
    /// Which branch of the round it belongs to.
    branch: usize,
    /// Its number among the draws of its node.
    index: usize,
    /// What came so far: whole steps, or a step cut off, or a blank one.
    steps: Vec<Step>,
    stop: Stop,
    /// Did the last continuation add nothing?
    stuck: bool,
}

impl Growth<'_> {
    /// Anyone may write an allocator: a round draws from nodes that there are, something and no more than the budget, and all
    /// rounds together no more than the budget has steps.
    fn check(&self, plan: &Plan, live: &[Branch], drawn: &mut usize) -> Result<(), Error> {
        let nodes: Vec<NodeId> = live.iter().map(|branch| branch.node).collect();
        self.known(plan, &nodes)?;
        let sum = |sum: usize, branch: &Branch| sum.saturating_add(branch.draws);
        let round = live.iter().fold(0, sum);
        *drawn = drawn.saturating_add(round);
        let budget = plan.budget();
        if round == 0 || round > budget {
            let reason = format!("a round of {round} samples, with a budget of {budget}");
            return Err(self.refused(plan, reason));
        }
        if *drawn > budget.saturating_mul(self.limits.steps.max(1)) {
            let steps = self.limits.steps;
            let reason = format!("more samples than {budget} solutions of {steps} steps have");
            return Err(self.refused(plan, reason));
        }
        Ok(())
    }

    /// Puts the prompts of a round into the tree. Equal ones of one round are one node, whose samples are counted on; in another
    /// round the same prompt is asked anew.
    fn ask(&mut self, questions: Vec<Question>) -> Vec<Branch> {
        let mut nodes: HashMap<Arc<str>, NodeId> = HashMap::new();
        let mut live = Vec::with_capacity(questions.len());
        for Question { text, draws } in questions {
            let text: Arc<str> = text.into();
            let node = *nodes.entry(Arc::clone(&text)).or_insert_with(|| {
                let seed = question_seed(self.seed, self.rounds, &text);
                let problem = Arc::new(Problem {
                    id: self.tree.problem.id.clone(),
                    text: text.to_string(),
                });
                let node = self.tree.ask(text);
                self.asked.insert(node, Asked { problem, seed });
                node
            });
            self.tree.node_mut(node).draws += draws;
            live.push(Branch {
                node,
                draws,
                part: 0,
            });
        }
        live
    }

    /// What is asked at a node, and the seed of what is drawn from it: the problem's, or those of the prompt above it.
    fn asked_at(&self, node: NodeId) -> (&Arc<Problem>, u64) {
        let mut at = Some(node).filter(|_| !self.asked.is_empty());
        while let Some(node) = at {
            if let Some(Asked { problem, seed }) = self.asked.get(&node) {
                return (problem, *seed);
            }
            at = self.tree.nodes()[node].parent;
        }
        (&self.tree.problem, self.seed)
    }

    fn known(&self, plan: &Plan, nodes: &[NodeId]) -> Result<(), Error> {
        let all = self.tree.nodes().len();
        match nodes.iter().find(|&&node| node >= all) {
            Some(node) => {
                let reason = format!("there is no node {node} in its tree of {all}");
                Err(self.refused(plan, reason))
            }
            None => Ok(()),
        }
    }

    fn refused(&self, plan: &Plan, reason: String) -> Error {
        Error::Allocation {
            method: plan.method().name(),
            reason,
            problem: self.tree.problem.id.clone(),
        }
    }

    async fn expand(
        &mut self,
        live: Vec<Branch>,
        until: Until,
        round: Round,
    ) -> Result<Vec<Grown>, Error> {
        self.rounds += 1;
        let mut draws = Vec::new();
        for (
            branch,
            &Branch {
                node, draws: count, ..
            },
        ) in live.iter().enumerate()
        {
            let first = self.tree.nodes()[node].drawn;
            self.tree.node_mut(node).drawn += count;
            draws.extend((first..first + count).map(|index| Draw {
                branch,
                index,
                steps: Vec::new(),
                stop: Stop::Length,
                stuck: false,
            }));
        }
        // A step that was cut off goes on; a blank one is no step. Both are drawn on from where they stand.
        let mut open: Vec<usize> = (0..draws.len()).collect();
        while !open.is_empty() {
            self.draw(&live, &mut draws, &open, until, round).await?;
            open.retain(|&d| {
                let Draw {
                    branch,
                    steps,
                    stop,
                    stuck,
                    ..
                } = &draws[d];
                let last_is_blank = steps.last().is_none_or(|step| step.text.trim().is_empty());
                let unfinished = *stop == Stop::Length || (*stop == Stop::Step && last_is_blank);
                unfinished && !stuck && self.tokens_left(live[*branch].node, steps) > 0
            });
            if let Some(watch) = round.watch {
                end(&draws, &mut open, watch.ends);
            }
        }
        let mut grown: Vec<Grown> = live
            .into_iter()
            .map(|branch| Grown {
                branch,
                children: Vec::new(),
            })
            .collect();
        for Draw {
            branch,
            steps,
            stop,
            ..
        } in draws
        {
            let Grown { branch, children } = &mut grown[branch];
            let child = self.attach(branch.node, steps, stop, round);
            self.tree.node_mut(branch.node).led_to.push(child);
            children.push(child);
        }
        Ok(grown)
    }

    /// One request a prefix; draws that stand at their branch's node share it.
    async fn draw(
        &mut self,
        live: &[Branch],
        draws: &mut [Draw],
        open: &[usize],
        until: Until,
        round: Round,
    ) -> Result<(), Error> {
        let mut requests: Vec<Extension> = Vec::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        let mut asked: Vec<Until> = Vec::new();
        for &d in open {
            let Draw {
                branch,
                index,
                steps,
                ..
            } = &draws[d];
            let node = live[*branch].node;
            let left = self.tokens_left(node, steps);
            let (until, max_tokens) = round.next_of(until, steps, self.limits.draw_tokens);
            let path = self.tree.steps(node);
            let tokens = path
                .iter()
                .map(|step| &step.tokens)
                .chain(steps.iter().map(|step| &step.tokens));
            let (problem, seed) = self.asked_at(node);
            // A draw that is taken up again is the same draw, and one that is drawn on is another.
            let offset = match round.watch {
                Some(_) => steps.iter().map(|step| step.tokens.len()).sum(),
                None => 0,
            };
            let tokens = tokens.flatten().copied();
            let seed = match round.watch {
                Some(_) => draw_seed(seed, own_path(&path), *index),
                None => draw_seed(seed, tokens, *index),
            };
            let joins = steps.is_empty()
                && members.last().is_some_and(|group| {
                    draws[group[0]].branch == *branch && draws[group[0]].steps.is_empty()
                });
            if let (true, Some(request), Some(group)) =
                (joins, requests.last_mut(), members.last_mut())
            {
                request.seeds.push(seed);
                group.push(d);
                continue;
            }
            requests.push(Extension {
                problem: Arc::clone(problem),
                steps: path
                    .into_iter()
                    .chain(steps.iter().cloned().map(Arc::new))
                    .collect(),
                seeds: vec![seed],
                until,
                sampling: match round.greedy {
                    true => Sampling::GREEDY,
                    false => self.sampling,
                },
                max_tokens: left.min(max_tokens),
                offset,
            });
            asked.push(until);
            members.push(vec![d]);
        }
        let replies = self.policy.extend(requests).await.map_err(|source| {
            let problem = self.tree.problem.id.clone();
            // Nothing else is asked in a round of prompts, or at most the problem once more.
            match live.iter().any(|own| self.asked.contains_key(&own.node)) {
                true => Error::Prompted {
                    method: self.method.name(),
                    problem,
                    source,
                },
                false => Error::Policy { problem, source },
            }
        })?;
        self.expect("policy", "replies", members.len(), replies.len())?;
        for ((group, until), (continuations, usage)) in members.iter().zip(asked).zip(replies) {
            self.tree.policy += usage;
            self.expect("policy", "continuations", group.len(), continuations.len())?;
            for (&d, continuation) in group.iter().zip(continuations) {
                let steps = continuation.steps.len();
                match until {
                    Until::Step => self.expect("policy", "steps", steps.min(1), steps)?,
                    Until::Answer if continuation.stop == Stop::Step => {
                        let problem = self.tree.problem.id.clone();
                        return Err(Error::StoppedEarly { problem });
                    }
                    Until::Answer => {}
                }
                draws[d].take(
                    continuation,
                    self.separator.as_deref().filter(|_| round.watch.is_some()),
                );
            }
        }
        Ok(())
    }

    /// Puts a finished draw into the tree and returns its last node.
    fn attach(&mut self, node: NodeId, steps: Vec<Step>, stop: Stop, round: Round) -> NodeId {
        let mut at = node;
        for mut step in steps {
            step.text = step.text.trim().to_owned();
            at = self.tree.child(at, step);
        }
        // Whatever is still unfinished here has run out of tokens, of steps or of things to say.
        let deep = match round.block {
            None => self.tree.steps(at).len(),
            Some(_) => self.rounds,
        };
        let too_deep = deep >= self.limits.steps;
        let blank = |step: &Arc<Step>| step.text.is_empty();
        let said_nothing = at == node || self.tree.nodes()[at].step.as_ref().is_some_and(blank);
        let stop = match stop {
            Stop::Step if too_deep || said_nothing || self.tokens_left(at, &[]) == 0 => {
                Stop::Length
            }
            stop => stop,
        };
        if stop != Stop::Step {
            let finished = &mut self.tree.node_mut(at).finished;
            let (_, count) = finished.unwrap_or((stop, 0));
            *finished = Some((stop, count + 1));
        }
        at
    }

    /// Gives rewards to the steps that lead to the round's children and have none yet. Solutions that were cut off
    /// have no answer to score, and empty ones no step.
    async fn score(
        &mut self,
        verifier: &dyn Verifier,
        grown: &[Grown],
        round: Round,
    ) -> Result<(), Error> {
        let mut asked: Vec<NodeId> = grown
            .iter()
            .flat_map(|grown| grown.children.iter().copied())
            .filter(|&id| {
                let node = &self.tree.nodes()[id];
                node.reward.is_none()
                    && match node.finished {
                        Some((Stop::Length, _)) => false,
                        Some(_) => true,
                        None => round.scored,
                    }
            })
            .collect();
        asked.sort_unstable();
        asked.dedup();
        let (asked, prefixes): (Vec<NodeId>, Vec<Prefix>) = asked
            .into_iter()
            .map(|id| (id, self.tree.solution(id)))
            .filter(|(_, solution)| !solution.steps.is_empty())
            .map(|(id, solution)| {
                let prefix = Prefix {
                    problem: Arc::clone(&self.tree.problem),
                    steps: solution.steps,
                    complete: solution.stop == Stop::Answer,
                };
                (id, prefix)
            })
            .unzip();
        if prefixes.is_empty() {
            return Ok(());
        }
        let problem = || self.tree.problem.id.clone();
        let judgements = verifier
            .score(prefixes)
            .await
            .map_err(|source| Error::Verifier {
                problem: problem(),
                source,
            })?;
        self.expect("verifier", "judgements", asked.len(), judgements.len())?;
        for (&node, judgement) in asked.iter().zip(judgements) {
            self.tree.verifier += judgement.usage;
            let path = self.tree.path(node);
            let blank = |&id: &NodeId| {
                let step = self.tree.nodes()[id].step.as_ref();
                step.is_none_or(|step| step.text.is_empty())
            };
            let scored: Vec<NodeId> = path.iter().copied().filter(|id| !blank(id)).collect();
            let ends_blank = path.last().filter(|id| blank(id)).copied();
            self.expect("verifier", "rewards", scored.len(), judgement.rewards.len())?;
            if let Some(&reward) = judgement.rewards.iter().find(|r| !(0.0..=1.0).contains(*r)) {
                return Err(Error::RewardOutOfRange {
                    reward,
                    problem: self.tree.problem.id.clone(),
                });
            }
            let last = judgement.rewards.last().copied();
            for (node, reward) in scored.into_iter().zip(judgement.rewards) {
                self.tree.node_mut(node).reward.get_or_insert(reward);
            }
            // An answer that ends after a separator adds no step; it is as good as the steps before it.
            if let Some(node) = ends_blank {
                self.tree.node_mut(node).reward = last;
            }
        }
        Ok(())
    }

    fn tokens_left(&self, node: NodeId, steps: &[Step]) -> usize {
        let used: usize = self
            .tree
            .steps(node)
            .iter()
            .map(|step| step.tokens.len())
            .sum::<usize>()
            + steps.iter().map(|step| step.tokens.len()).sum::<usize>();
        self.limits.solution_tokens.saturating_sub(used)
    }

    fn expect(
        &self,
        model: &'static str,
        what: &'static str,
        expected: usize,
        got: usize,
    ) -> Result<(), Error> {
        if got == expected {
            return Ok(());
        }
        Err(Error::Misshaped {
            model,
            what,
            expected,
            got,
            problem: self.tree.problem.id.clone(),
        })
    }
}

/// Ends the draws that a watched round gives up.
fn end(draws: &[Draw], open: &mut Vec<usize>, ends: Ends) {
    let length = |draw: &Draw| -> usize { draw.steps.iter().map(|step| step.tokens.len()).sum() };
    match ends {
        Ends::Finished(finished) => {
            let done = draws.iter().filter(|draw| draw.stop == Stop::Answer);
            let mut done: Vec<usize> = done.map(length).collect();
            done.sort_unstable();
            if let Some(&last) = finished.checked_sub(1).and_then(|last| done.get(last)) {
                open.retain(|&d| length(&draws[d]) < last);
            }
        }
        Ends::Unsure { below, window } => open.retain(|&d| {
            let draw = &draws[d];
            let all = windows(&TokenStats::joined(&draw.steps), window);
            let lowest = all.into_iter().flatten().reduce(f64::min);
            // What is shorter than a window says little yet.
            length(draw) < window || lowest.is_none_or(|lowest| lowest >= below)
        }),
    }
}

fn own_path(path: &[Arc<Step>]) -> impl Iterator<Item = u32> {
    path.iter().flat_map(|step| step.tokens.iter().copied())
}

impl Draw {
    /// `separator`: of a draw that was taken up again inside a step or after it.
    fn take(&mut self, continuation: Continuation, separator: Option<&str>) {
        let Continuation { steps, stop } = continuation;
        self.stop = stop;
        // A policy that draws nothing has nothing more to say: asking again would never end.
        self.stuck = steps.iter().all(|step| step.tokens.is_empty());
        let mut steps = steps.into_iter();
        // What stood here was cut off or blank, so the first new step is its continuation.
        let whole = |step: &Step| separator.is_some_and(|own| step.text.trim_start().contains(own));
        if let Some(open) = self.steps.last_mut().filter(|step| !whole(step))
            && let Some(next) = steps.next()
        {
            open.append(next);
        }
        self.steps.extend(steps);
    }
}
