//! A policy that stops when told: caps in time, tokens or anything else end a search at once, and it still answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, FutureExt, Shared, join_all, ready, select};

use crate::{
    Continuation, Extension, ModelError, Policy, Problem, Reply, Step, Stop, Thoughts, Until, Usage,
};

/// Ends the draws that are under way: when it is told to, or once so many tokens have been drawn. Clones are one.
#[derive(Clone, Debug)]
pub struct Halt(Arc<State>);

#[derive(Debug)]
struct State {
    sender: Mutex<Option<oneshot::Sender<()>>>,
    stopped: Shared<oneshot::Receiver<()>>,
    told: AtomicBool,
    drawn: AtomicU64,
    most: u64,
    /// Will nobody stop it before so many are drawn?
    only_by_tokens: bool,
    /// Stops this one too, and hears of its tokens.
    parent: Option<Halt>,
}

impl Default for Halt {
    /// Only when told.
    fn default() -> Self {
        Self::new(u64::MAX, false, None)
    }
}

impl Halt {
    /// After so many tokens and not before, unless the search itself is dropped.
    pub fn after(tokens: u64) -> Self {
        Self::new(tokens, true, None)
    }

    /// When told, and in any case after so many tokens.
    pub fn when_told_or_after(tokens: u64) -> Self {
        Self::new(tokens, false, None)
    }

    /// One for a part of the draws, that may be told to stop before this one does.
    pub fn child(&self) -> Self {
        Self::new(u64::MAX, false, Some(self.clone()))
    }

    fn new(most: u64, only_by_tokens: bool, parent: Option<Self>) -> Self {
        let (sender, receiver) = oneshot::channel();
        Self(Arc::new(State {
            sender: Mutex::new(Some(sender)),
            stopped: receiver.shared(),
            told: AtomicBool::new(false),
            drawn: AtomicU64::new(0),
            most,
            only_by_tokens,
            parent,
        }))
    }

    /// Stops; again is the same as once.
    pub fn stop(&self) {
        self.0.told.store(true, Ordering::Relaxed);
        let sender = self.0.sender.lock().map(|mut sender| sender.take());
        if let Ok(Some(sender)) = sender {
            // Nobody may be drawing.
            let _ = sender.send(());
        }
    }

    /// Has it been stopped?
    pub fn is_stopped(&self) -> bool {
        self.0.told.load(Ordering::Relaxed) || self.0.parent.as_ref().is_some_and(Self::is_stopped)
    }

    /// Tokens that are sure to be drawn before it stops; none where it may be told to stop at any time.
    pub fn room(&self) -> Option<u64> {
        let drawn = self.0.drawn.load(Ordering::Relaxed);
        (self.0.only_by_tokens && !self.is_stopped()).then(|| self.0.most.saturating_sub(drawn))
    }

    /// Ends when it is stopped.
    pub fn stopped(&self) -> BoxFuture<'static, ()> {
        let parent = self.0.parent.as_ref().map(Self::stopped);
        let own = self.0.stopped.clone().map(|_| ());
        match parent {
            Some(parent) => select(own, parent).map(|_| ()).boxed(),
            None => own.boxed(),
        }
    }

    /// Hears of tokens as they are drawn, and stops where they are enough.
    pub fn drew(&self, tokens: u64) {
        if let Some(parent) = &self.0.parent {
            parent.drew(tokens);
        }
        let drawn = self.0.drawn.fetch_add(tokens, Ordering::Relaxed);
        if drawn.saturating_add(tokens) >= self.0.most {
            self.stop();
        }
    }
}

/// A policy whose draws end when a [`Halt`] stops: what is not drawn by then has no steps and is cut off, so a search ends
/// after its round with what it has.
pub struct Capped<'a> {
    policy: &'a dyn Policy,
    halt: &'a Halt,
}

impl<'a> Capped<'a> {
    /// Puts a policy under a halt.
    pub fn new(policy: &'a dyn Policy, halt: &'a Halt) -> Self {
        Self { policy, halt }
    }
}

impl Policy for Capped<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        if self.halt.is_stopped() {
            let nothing = requests.iter().map(undrawn).collect();
            return ready(Ok(nothing)).boxed();
        }
        self.policy.extend_until(requests, self.halt)
    }

    fn written<'b>(
        &'b self,
        problem: &'b Problem,
        text: &'b str,
    ) -> BoxFuture<'b, Result<Step, ModelError>> {
        self.policy.written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        self.policy.thoughts()
    }
}

/// What a request comes to of which nothing was drawn.
fn undrawn(request: &Extension) -> Reply {
    let cut_off = Continuation {
        steps: Vec::new(),
        stop: Stop::Length,
    };
    (vec![cut_off; request.seeds.len()], Usage::default())
}

/// Draws under a halt with a policy that knows none: it is asked for each whole answer by itself, so that those that are done
/// are kept, and the others are dropped.
pub(crate) async fn apart(
    policy: &(impl Policy + ?Sized),
    requests: Vec<Extension>,
    halt: &Halt,
) -> Result<Vec<Reply>, ModelError> {
    let whole = requests.iter().map(|request| async move {
        let seeds = match request.until {
            Until::Step => vec![request.seeds.clone()],
            Until::Answer => request.seeds.iter().map(|&seed| vec![seed]).collect(),
        };
        let parts = seeds.into_iter().map(|seeds| Extension {
            seeds,
            ..request.clone()
        });
        let mut whole = (Vec::new(), Usage::default());
        for reply in join_all(parts.map(|part| droppable(policy, part, halt))).await {
            let (continuations, usage) = reply?;
            whole.0.extend(continuations);
            whole.1 += usage;
        }
        Ok::<Reply, ModelError>(whole)
    });
    join_all(whole).await.into_iter().collect()
}

async fn droppable(
    policy: &(impl Policy + ?Sized),
    request: Extension,
    halt: &Halt,
) -> Result<Reply, ModelError> {
    let (continuations, usage) = undrawn(&request);
    if halt.is_stopped() {
        return Ok((continuations, usage));
    }
    let wanted = request.seeds.len();
    let drawn = policy.extend(vec![request]);
    match select(drawn, halt.stopped()).await {
        Either::Left((replies, _)) => {
            let replies = <[Reply; 1]>::try_from(replies?).map_err(|replies| {
                format!("the policy returned {} replies to 1 request", replies.len())
            })?;
            let [(drawn, usage)] = replies;
            if drawn.len() != wanted {
                let told = format!("the policy returned {} draws for {wanted}", drawn.len());
                return Err(told.into());
            }
            halt.drew(usage.generated);
            Ok((drawn, usage))
        }
        // It was asked, and nobody knows how far it came.
        Either::Right(_) => Ok((
            continuations,
            Usage {
                requests: 1,
                estimated: 1,
                ..usage
            },
        )),
    }
}
