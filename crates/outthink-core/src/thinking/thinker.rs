//! A policy whose thoughts are under a control.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt};

use super::progress::{Action, Path, Progress, Watcher};
use super::{ForcedAnswer, Thinking, Thoughts};
use crate::{Extension, Halt, Limits, ModelError, Policy, Problem, Reply, Sampling, Step, Usage};

/// A policy whose thoughts are watched while they are drawn, in pieces: between two pieces the control may ask for an answer on a side
/// branch, or close the thought.
///
/// [`search`](crate::search) puts every policy under the control that it names itself ([`Policy::thoughts`]), so only who draws
/// without a search needs this.
///
/// - All draws of a call advance together: one call of the policy a round.
/// - A thought is one step of a search over steps; the answer has its own.
/// - Side branches are no part of a solution, and count as drawn. What is written is part of it, and does not.
/// - A draw is the one that it would be without a control, up to where its thought is closed, if the policy takes draws up again
///   ([`Extension::offset`]).
pub struct Thinker<P> {
    policy: P,
    thoughts: Thoughts,
    /// The same under no control: nobody is to control them twice.
    free: Thoughts,
    /// Who watches the thoughts that were cut off, where these stand.
    cut_off: Mutex<HashMap<Path, Watcher>>,
    /// How much was drawn of draws that were cut off, where it is not what they have.
    drawn: Mutex<HashMap<(Path, u64), usize>>,
}

/// Most of these: a thought that is never taken up again is forgotten.
const MOST_CUT_OFF: usize = 1 << 16;

/// A control needs text to be written, and the policy does not take it.
#[derive(Debug, thiserror::Error)]
#[error("thinking `{thinking}`: {source}")]
struct Unwritable {
    thinking: Thinking,
    source: ModelError,
}

impl<P: Policy> Thinker<P> {
    /// Puts a policy under a control.
    pub fn new(policy: P, thoughts: Thoughts) -> Self {
        let free = Thoughts {
            thinking: Thinking::ON,
            ..thoughts.clone()
        };
        Self {
            policy,
            thoughts,
            free,
            cut_off: Mutex::default(),
            drawn: Mutex::default(),
        }
    }

    /// Puts a policy under the control that it names, if it names one that does something.
    pub fn of(policy: P) -> Option<Self> {
        let thoughts = Self::needed(&policy)?;
        Some(Self::new(policy, thoughts))
    }

    /// How the thoughts of a policy are marked that names a control which does something.
    pub(crate) fn needed(policy: &P) -> Option<Thoughts> {
        let thoughts = policy.thoughts()?;
        thoughts.thinking.control().watch()?;
        Some(thoughts.clone())
    }

    async fn ask(
        &self,
        requests: Vec<Extension>,
        halt: Option<&Halt>,
    ) -> Result<Vec<Reply>, ModelError> {
        match halt {
            Some(halt) => self.policy.extend_until(requests, halt).await,
            None => self.policy.extend(requests).await,
        }
    }

    async fn draw(
        &self,
        requests: Vec<Extension>,
        halt: Option<&Halt>,
    ) -> Result<Vec<Reply>, ModelError> {
        let Self { thoughts, .. } = self;
        if thoughts.thinking.control().watch().is_none() {
            return self.ask(requests, halt).await;
        }
        let mut draws: Vec<Progress> = Vec::new();
        for (request, base) in requests.iter().enumerate() {
            let Some((watch, pending)) = self.watch(base) else {
                return self.ask(requests, halt).await;
            };
            for &seed in &base.seeds {
                let watch = (watch.as_ref().map(|own| own.again()), pending);
                let offset = self.offset(base, seed);
                draws.push(Progress::new(request, seed, base, thoughts, watch, offset));
            }
        }
        let mut rounds = Rounds {
            texts: HashMap::new(),
            usages: vec![Usage::default(); requests.len()],
            questions: vec![None; requests.len()],
        };
        while !halt.is_some_and(Halt::is_stopped) {
            let asked = rounds.begin(self, &requests, &mut draws).await?;
            if asked.is_empty() {
                break;
            }
            let sent = asked.iter().map(|asked| asked.extension.clone());
            let replies = self.ask(sent.collect(), halt).await?;
            let halted = halt.is_some_and(Halt::is_stopped);
            let drawn = (asked, replies);
            rounds
                .end(self, &requests, &mut draws, drawn, halted)
                .await?;
        }
        let mut replies: Vec<Reply> = rounds
            .usages
            .into_iter()
            .map(|usage| (Vec::new(), usage))
            .collect();
        let mut cut_off = locked(&self.cut_off);
        for draw in draws {
            let request = draw.request;
            if let Some((path, watcher)) = draw.cut_off(&requests[request]) {
                if cut_off.len() == MOST_CUT_OFF {
                    cut_off.clear();
                }
                cut_off.insert(path, watcher);
            }
            if let Some((draw, tokens)) = draw.drawn(&requests[request]) {
                let mut drawn = locked(&self.drawn);
                if drawn.len() == MOST_CUT_OFF {
                    drawn.clear();
                }
                drawn.insert(draw, tokens);
            }
            let whole = draw.into_continuation(&requests[request], &thoughts.separator);
            replies[request].0.push(whole);
        }
        Ok(replies)
    }

    /// Who watches the thought that a request goes on with, or one that begins.
    fn watch(&self, base: &Extension) -> Option<Watcher> {
        let known = locked(&self.cut_off);
        let steps = base.steps.iter().map(Arc::as_ref);
        match known.get(&Path::of(&base.problem, steps)) {
            Some((watch, pending)) if !base.steps.is_empty() => {
                Some((watch.as_ref().map(|own| own.again()), *pending))
            }
            _ => Some((Some(self.thoughts.thinking.control().watch()?), None)),
        }
    }

    /// How many tokens a draw has drawn before it is taken up again.
    fn offset(&self, base: &Extension, seed: u64) -> usize {
        let steps = base.steps.iter().map(Arc::as_ref);
        let known = locked(&self.drawn);
        let drawn = known.get(&(Path::of(&base.problem, steps), seed));
        match base.offset {
            0 => 0,
            offset => drawn.copied().unwrap_or(offset),
        }
    }

    async fn write(&self, problem: &Problem, text: &str) -> Result<Step, ModelError> {
        let written = self.policy.written(problem, text).await;
        let mut step = written.map_err(|source| Unwritable {
            thinking: self.thoughts.thinking,
            source,
        })?;
        // Nobody drew it, so nothing was uncertain.
        step.logprob = 0.0;
        step.stats.logprobs = vec![0.0; step.tokens.len()];
        step.stats.entropies = vec![0.0; step.tokens.len()];
        Ok(step)
    }
}

/// A request to the policy, and whose it is.
struct Asked {
    extension: Extension,
    /// The request that these draws are of.
    request: usize,
    draws: Vec<usize>,
    /// Of a side branch: are the probabilities of its answer looked at?
    fork: Option<bool>,
}

impl Asked {
    /// Does another piece of the same request begin where this one does, so that they are one request?
    fn stands_with(&self, request: usize, other: &Extension) -> bool {
        let own = &self.extension;
        self.fork.is_none()
            && self.request == request
            && own.offset == other.offset
            && own.until == other.until
            && own.max_tokens == other.max_tokens
            && length(own) == length(other)
            && own.steps.len() == other.steps.len()
            && own.steps.iter().zip(&other.steps).all(|(own, other)| {
                Arc::ptr_eq(own, other) || (own.tokens == other.tokens && own.text == other.text)
            })
    }
}

/// What is known from round to round.
struct Rounds {
    /// Texts in the policy's tokens, by problem and text.
    texts: HashMap<(String, String), Step>,
    /// What each request cost.
    usages: Vec<Usage>,
    /// Tokens of each request's question, once they are known.
    questions: Vec<Option<usize>>,
}

impl Rounds {
    /// What is asked for all open draws.
    async fn begin<P: Policy>(
        &mut self,
        thinker: &Thinker<P>,
        requests: &[Extension],
        draws: &mut [Progress],
    ) -> Result<Vec<Asked>, ModelError> {
        let mut asked: Vec<Asked> = Vec::new();
        for (d, draw) in draws.iter_mut().enumerate() {
            let base = &requests[draw.request];
            let room = self.room(&thinker.thoughts, draw.request, base);
            let (extension, fork) = loop {
                let known = |text: &str| self.texts.get(&key(&base.problem, text)).cloned();
                match draw.next(base, &thinker.thoughts, &known, room) {
                    Action::Done => break (None, None),
                    Action::Draw(extension) => break (Some(extension), None),
                    Action::Fork(extension, measured) => break (Some(extension), Some(measured)),
                    Action::Write(text) => {
                        let step = thinker.write(&base.problem, &text).await?;
                        self.texts.insert(key(&base.problem, &text), step);
                    }
                }
            };
            let Some(extension) = extension else {
                continue;
            };
            match asked.last_mut() {
                Some(last) if fork.is_none() && last.stands_with(draw.request, &extension) => {
                    last.extension.seeds.extend(extension.seeds);
                    last.draws.push(d);
                }
                _ => asked.push(Asked {
                    extension: *extension,
                    request: draw.request,
                    draws: vec![d],
                    fork,
                }),
            }
        }
        Ok(asked)
    }

    /// Tokens that the context has left after the steps of a request.
    fn room(&self, thoughts: &Thoughts, request: usize, base: &Extension) -> usize {
        match (thoughts.context, self.questions[request]) {
            (Some(context), Some(question)) => context.saturating_sub(question + length(base)),
            _ => usize::MAX,
        }
    }

    /// Hands out what was drawn.
    async fn end<P: Policy>(
        &mut self,
        thinker: &Thinker<P>,
        requests: &[Extension],
        draws: &mut [Progress],
        (asked, replies): (Vec<Asked>, Vec<Reply>),
        halted: bool,
    ) -> Result<(), ModelError> {
        if replies.len() != asked.len() {
            let (got, sent) = (replies.len(), asked.len());
            return Err(format!("the policy returned {got} replies to {sent} requests").into());
        }
        for (asked, (pieces, usage)) in asked.into_iter().zip(replies) {
            if pieces.len() != asked.draws.len() {
                let (got, sent) = (pieces.len(), asked.draws.len());
                return Err(format!("the policy returned {got} draws for {sent}").into());
            }
            self.usages[asked.request] += usage;
            let before = (usage.prompt / usage.requests.max(1)) as usize;
            if let Some(question @ 1..) = before.checked_sub(length(&asked.extension)) {
                self.questions[asked.request] = Some(question);
            }
            let base = &requests[asked.request];
            for (&d, piece) in asked.draws.iter().zip(pieces) {
                let draw = &mut draws[d];
                match asked.fork {
                    None => draw.take(piece, &asked.extension, base, &thinker.thoughts, halted),
                    Some(measured) => {
                        let mut answer = ForcedAnswer::of(&piece.steps);
                        if let (true, Some(boxed)) = (measured, answer.boxed()) {
                            let own = format!("{boxed}}}");
                            if answer.text.len() > own.len() {
                                let own = thinker.write(&base.problem, &own).await?;
                                answer.tokens = own.tokens.len().clamp(1, answer.tokens.max(1));
                            }
                        }
                        draw.answered(answer);
                    }
                }
            }
        }
        Ok(())
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(problem: &Problem, text: &str) -> (String, String) {
    (problem.id.clone(), text.to_owned())
}

/// Tokens of the steps that a request goes on from.
fn length(request: &Extension) -> usize {
    request.steps.iter().map(|step| step.tokens.len()).sum()
}

impl<P: Policy> Policy for Thinker<P> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        self.draw(requests, None).boxed()
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        self.draw(requests, Some(halt)).boxed()
    }

    fn usual_sampling(&self) -> Sampling {
        self.policy.usual_sampling()
    }

    fn usual_limits(&self) -> Limits {
        self.policy.usual_limits()
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        self.policy.written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        Some(&self.free)
    }
}
