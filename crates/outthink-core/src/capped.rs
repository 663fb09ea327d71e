//! A policy that stops when told: caps in time, tokens or anything else end a search at once, and it still answers.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, FutureExt, Shared, join_all, select};

use crate::{Continuation, Extension, ModelError, Policy, Reply, Stop, Until, Usage};

/// Ends whatever is drawn through the [`Capped`] policies that hold it.
#[derive(Debug)]
pub struct Halt {
    sender: std::sync::Mutex<Option<oneshot::Sender<()>>>,
    stopped: Shared<oneshot::Receiver<()>>,
    told: AtomicBool,
}

impl Default for Halt {
    fn default() -> Self {
        let (sender, receiver) = oneshot::channel();
        Self {
            sender: std::sync::Mutex::new(Some(sender)),
            stopped: receiver.shared(),
            told: AtomicBool::new(false),
        }
    }
}

impl Halt {
    /// Stops; again is the same as once.
    pub fn stop(&self) {
        self.told.store(true, Ordering::Relaxed);
        let sender = self.sender.lock().map(|mut sender| sender.take());
        if let Ok(Some(sender)) = sender {
            // Nobody may be drawing.
            let _ = sender.send(());
        }
    }

    /// Has it been stopped?
    pub fn is_stopped(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }
}

/// A policy whose draws end when a [`Halt`] says so: what is not drawn by then has nothing and is cut off, so a search ends
/// after its round with what it has.
pub struct Capped<'a> {
    policy: &'a dyn Policy,
    halt: &'a Halt,
    /// Hears of every reply's usage, and may stop.
    spent: &'a (dyn Fn(Usage) + Send + Sync),
}

impl<'a> Capped<'a> {
    /// `spent` is called with what each reply cost.
    pub fn new(
        policy: &'a dyn Policy,
        halt: &'a Halt,
        spent: &'a (dyn Fn(Usage) + Send + Sync),
    ) -> Self {
        Self {
            policy,
            halt,
            spent,
        }
    }

    async fn one(&self, request: Extension) -> Result<Reply, ModelError> {
        let wanted = request.seeds.len();
        let nothing = || {
            let cut_off = Continuation {
                steps: Vec::new(),
                stop: Stop::Length,
            };
            (vec![cut_off; wanted], Usage::default())
        };
        if self.halt.is_stopped() {
            return Ok(nothing());
        }
        let drawn = self.policy.extend(vec![request]);
        match select(drawn, self.halt.stopped.clone()).await {
            Either::Left((replies, _)) => {
                let reply = replies?.pop().unwrap_or_else(nothing);
                (self.spent)(reply.1);
                Ok(reply)
            }
            Either::Right(_) => Ok(nothing()),
        }
    }
}

impl Policy for Capped<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            // Whole answers are drawn one by one: those that are done when the halt comes are kept.
            let mut single = Vec::new();
            let mut sizes = Vec::with_capacity(requests.len());
            for request in requests {
                if request.until == Until::Step {
                    sizes.push(1);
                    single.push(request);
                    continue;
                }
                sizes.push(request.seeds.len());
                single.extend(request.seeds.iter().map(|&seed| Extension {
                    seeds: vec![seed],
                    ..request.clone()
                }));
            }
            let replies = join_all(single.into_iter().map(|request| self.one(request))).await;
            let mut replies = replies.into_iter();
            let mut merged = Vec::with_capacity(sizes.len());
            for size in sizes {
                let mut whole = (Vec::new(), Usage::default());
                for reply in replies.by_ref().take(size) {
                    let (continuations, usage) = reply?;
                    whole.0.extend(continuations);
                    whole.1 += usage;
                }
                merged.push(whole);
            }
            Ok(merged)
        }
        .boxed()
    }
}
