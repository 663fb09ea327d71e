//! One draw with its thought, piece by piece.

use std::hash::Hasher;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::forced::QUESTION;
use super::thoughts::Place;
use super::{ForcedAnswer, Move, Thought, Thoughts, Watch};
use crate::{Continuation, Extension, Problem, Sampling, Step, Stop, Until};

/// Tokens that show whether a thought is opened.
const OPENING: usize = 8;

/// Who looks at the thought.
enum Phase {
    /// The control.
    Watched(Box<dyn Watch>),
    /// Nobody any more; it goes on.
    Left,
    /// There is none, or it is over.
    Answering,
}

/// A draw on its way.
pub(super) struct Progress {
    /// Which request it belongs to.
    pub(super) request: usize,
    seed: u64,
    /// Tokens that this draw had drawn before it was taken up again.
    offset: usize,
    /// The beginning of a paragraph that the steps of the request were cut off in.
    carried: String,
    phase: Phase,
    /// What the control wants, until it is done.
    pending: Option<Move>,
    steps: Vec<Step>,
    /// Is the last step cut off?
    open: bool,
    /// The solution's text from its beginning, as far as a thought is looked for in it.
    text: String,
    /// Tokens of the thought.
    thought: usize,
    /// Tokens of this continuation.
    tokens: usize,
    /// Those of them that were drawn, and those that were and are dropped.
    drawn: usize,
    answer: Option<ForcedAnswer>,
    stop: Option<Stop>,
}

/// Who watches a thought, or nobody any more, and what it wants that could not be done yet.
pub(super) type Watcher = (Option<Box<dyn Watch>>, Option<Move>);

/// Where a thought stands: its problem and a hash of all tokens so far.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Path(String, u64);

impl Path {
    pub(super) fn of<'s>(problem: &Problem, steps: impl Iterator<Item = &'s Step>) -> Self {
        let mut hasher = SipHasher13::new();
        for token in steps.flat_map(|step| &step.tokens) {
            hasher.write_u32(*token);
        }
        Self(problem.id.clone(), hasher.finish())
    }
}

/// What is to be done for a draw.
pub(super) enum Action {
    /// Nothing: it is done.
    Done,
    /// Its tokens are needed of this text.
    Write(String),
    /// This is to be drawn.
    Draw(Box<Extension>),
    /// This is an answer on a side branch; is it measured?
    Fork(Box<Extension>, bool),
}

impl Progress {
    pub(super) fn new(
        request: usize,
        seed: u64,
        base: &Extension,
        thoughts: &Thoughts,
        (watch, pending): Watcher,
        offset: usize,
    ) -> Self {
        let text: String = base.steps.iter().map(|step| step.text.as_str()).collect();
        let thinks = thoughts.place(&text) != Place::Answer;
        Self {
            request,
            seed,
            offset,
            carried: match base.steps.last() {
                Some(last) if !thoughts.is_whole(&last.text) => last.text.clone(),
                _ => String::new(),
            },
            phase: match (thinks, watch) {
                (true, Some(watch)) => Phase::Watched(watch),
                (true, None) => Phase::Left,
                (false, _) => Phase::Answering,
            },
            pending,
            steps: Vec::new(),
            open: false,
            text,
            thought: base.steps.iter().map(|step| step.tokens.len()).sum(),
            tokens: 0,
            drawn: 0,
            answer: None,
            stop: None,
        }
    }

    /// What is next. `written` knows the tokens of some texts, `room` is how many the context has left after the steps of the request.
    pub(super) fn next(
        &mut self,
        base: &Extension,
        thoughts: &Thoughts,
        written: &dyn Fn(&str) -> Option<Step>,
        room: usize,
    ) -> Action {
        loop {
            let left = base.max_tokens.saturating_sub(self.tokens);
            if self.stop.is_none() && left == 0 {
                self.stop = Some(Stop::Length);
            }
            if self.stop.is_some() {
                return Action::Done;
            }
            let place = match self.phase {
                Phase::Answering => Place::Answer,
                _ => thoughts.place(&self.text),
            };
            let watch = match (&mut self.phase, place) {
                (_, Place::Answer) => {
                    self.phase = Phase::Answering;
                    return self.piece(base, left, base.until);
                }
                (Phase::Watched(watch), Place::Thought) => watch,
                (Phase::Watched(watch), Place::Undecided) if self.text.is_empty() => watch,
                (_, Place::Undecided) => return self.piece(base, left.min(OPENING), base.until),
                (Phase::Left | Phase::Answering, _) => return self.piece(base, left, base.until),
            };
            let paragraph = match (self.steps.as_slice(), self.open) {
                (_, true) | ([], _) => None,
                ([rest], _) => Some(format!("{}{}", self.carried, rest.text)),
                ([.., last], _) => Some(last.text.clone()),
            };
            let wanted = match self.pending {
                Some(wanted) => wanted,
                None => watch.next(&Thought {
                    tokens: self.thought,
                    paragraph: paragraph.as_deref(),
                    answer: self.answer.take().as_ref(),
                }),
            };
            self.pending = None;
            match wanted {
                Move::Think { tokens, paragraph } => {
                    let until = if paragraph { Until::Step } else { base.until };
                    return self.piece(base, tokens.clamp(1, left), until);
                }
                Move::Leave => self.phase = Phase::Left,
                Move::Ask {
                    tokens,
                    before_paragraph,
                    measured,
                } => {
                    let Some(question) = written(QUESTION) else {
                        self.pending = Some(wanted);
                        return Action::Write(QUESTION.to_owned());
                    };
                    if self.tokens + question.tokens.len() + tokens > room {
                        self.phase = Phase::Left;
                        continue;
                    }
                    let dropped = usize::from(before_paragraph && self.can_drop());
                    let kept = self.steps.len().saturating_sub(dropped);
                    let mut steps = base.steps.clone();
                    steps.extend(self.steps[..kept].iter().cloned().map(Arc::new));
                    steps.push(Arc::new(question));
                    let fork = Extension {
                        steps,
                        seeds: vec![self.seed],
                        until: Until::Answer,
                        sampling: Sampling::GREEDY,
                        max_tokens: tokens,
                        offset: 0,
                        problem: Arc::clone(&base.problem),
                    };
                    return Action::Fork(Box::new(fork), measured);
                }
                Move::Close { before_paragraph } => {
                    let text = thoughts.close(place == Place::Thought);
                    let Some(close) = written(&text) else {
                        self.pending = Some(wanted);
                        return Action::Write(text);
                    };
                    let length = close.tokens.len();
                    if self.tokens + length >= room {
                        self.phase = Phase::Left;
                        continue;
                    }
                    // What could not be answered any more is not closed, unless it is taken up again with more room.
                    if length >= left {
                        self.pending = Some(wanted);
                        return self.piece(base, left, base.until);
                    }
                    self.close(close, before_paragraph);
                    if base.until == Until::Step {
                        self.stop = Some(Stop::Step);
                    }
                }
            }
        }
    }

    fn piece(&self, base: &Extension, max_tokens: usize, until: Until) -> Action {
        let own = self.steps.iter().cloned().map(Arc::new);
        Action::Draw(Box::new(Extension {
            steps: base.steps.iter().cloned().chain(own).collect(),
            seeds: vec![self.seed],
            until,
            max_tokens,
            offset: self.offset + self.drawn,
            ..base.clone()
        }))
    }

    /// Is the last paragraph whole, and all of it here? What was returned before cannot be dropped.
    fn can_drop(&self) -> bool {
        !self.open && (self.carried.is_empty() || self.steps.len() > 1)
    }

    fn close(&mut self, close: Step, before_paragraph: bool) {
        if before_paragraph
            && self.can_drop()
            && let Some(dropped) = self.steps.pop()
        {
            self.tokens -= dropped.tokens.len();
        }
        self.tokens += close.tokens.len();
        self.add(close);
        self.open = false;
        self.phase = Phase::Answering;
    }

    fn add(&mut self, step: Step) {
        match self.steps.last_mut() {
            Some(open) if self.open => open.append(step),
            _ => self.steps.push(step),
        }
        self.open = false;
    }

    /// Takes what a piece gave that was asked for with at most so many tokens.
    pub(super) fn take(
        &mut self,
        piece: Continuation,
        asked: &Extension,
        base: &Extension,
        thoughts: &Thoughts,
        halted: bool,
    ) {
        let Continuation { steps, stop } = piece;
        let drawn: usize = steps.iter().map(|step| step.tokens.len()).sum();
        let silent = drawn == 0 && steps.iter().all(|step| step.text.is_empty());
        for step in steps {
            self.text.push_str(&step.text);
            self.add(step);
        }
        self.tokens += drawn;
        self.drawn += drawn;
        self.thought += drawn;
        let whole = |step: &Step| thoughts.is_whole(&step.text);
        self.open = stop == Stop::Length && !self.steps.last().is_some_and(whole);
        self.stop = match stop {
            Stop::Answer => Some(Stop::Answer),
            Stop::Length if self.tokens >= base.max_tokens => Some(Stop::Length),
            // A policy that draws less than it may has no room left, or nothing to say; or it was stopped.
            Stop::Length if drawn < asked.max_tokens && !halted => Some(Stop::Length),
            Stop::Step if base.until == Until::Step && self.is_over(thoughts) => Some(Stop::Step),
            // Who says nothing would be asked the same for ever.
            Stop::Step if silent && !halted => Some(Stop::Length),
            Stop::Step | Stop::Length => None,
        };
    }

    /// Has the thought ended, so that a step is one of the answer?
    fn is_over(&self, thoughts: &Thoughts) -> bool {
        match self.phase {
            Phase::Answering => true,
            _ => thoughts.place(&self.text) == Place::Answer,
        }
    }

    /// Takes an answer that was asked for.
    pub(super) fn answered(&mut self, answer: ForcedAnswer) {
        self.answer = Some(answer);
    }

    /// Who watches a thought that was cut off, and the steps that it was cut off after.
    pub(super) fn cut_off(&self, base: &Extension) -> Option<(Path, Watcher)> {
        let watch = match &self.phase {
            Phase::Watched(watch) => Some(watch.again()),
            Phase::Left => None,
            Phase::Answering => return None,
        };
        let cut = self.stop == Some(Stop::Length);
        cut.then(|| (self.path(base), (watch, self.pending)))
    }

    /// How much was drawn of a draw that was cut off, where that is not what it has: a close is there and was not drawn, a
    /// paragraph was drawn and is not there. Who takes it up again knows its seed.
    pub(super) fn drawn(&self, base: &Extension) -> Option<((Path, u64), usize)> {
        let drawn = self.offset + self.drawn;
        let cut = self.stop == Some(Stop::Length) && drawn != base.offset + self.tokens;
        cut.then(|| ((self.path(base), self.seed), drawn))
    }

    fn path(&self, base: &Extension) -> Path {
        let steps = base.steps.iter().map(Arc::as_ref).chain(&self.steps);
        Path::of(&base.problem, steps)
    }

    /// The whole continuation; of one that was halted before it was done there is nothing.
    pub(super) fn into_continuation(self, base: &Extension, separator: &str) -> Continuation {
        let Some(stop) = self.stop else {
            return Continuation {
                steps: Vec::new(),
                stop: Stop::Length,
            };
        };
        let mut steps = self.steps;
        if base.until == Until::Step {
            // A thought is one step, however many paragraphs it has.
            steps = steps
                .into_iter()
                .reduce(|mut whole, next| {
                    if !whole.text.ends_with(separator) {
                        whole.text.push_str(separator);
                    }
                    whole.append(next);
                    whole
                })
                .into_iter()
                .collect();
        }
        Continuation { steps, stop }
    }
}
