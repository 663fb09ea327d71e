//! A policy that does not wait for its last draws: one slow or broken server does not hold up a search.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, Either, FutureExt, pending, select};
use futures::stream::FuturesUnordered;
use futures_timer::Delay;

use crate::{
    Continuation, Extension, Halt, Limits, ModelError, Policy, Problem, Reply, Sampling, Step,
    Stop, Thinker, Thoughts, Usage,
};

/// How many draws of a round must come, and how long is waited for the others.
///
/// ```
/// use outthink_core::Quorum;
///
/// // After 20 seconds a round goes on with what it has, if that is 12 draws or more, or all of a smaller round.
/// let quorum = Quorum { least: 12, seconds: Some(20.0) };
/// # assert!(quorum.seconds.is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quorum {
    /// Fewest draws to go on with; a round of fewer needs all of its own. At least 1 is needed whatever stands here.
    pub least: usize,
    /// Seconds after which nobody waits for more than these. None waits until each draw is there or has failed.
    pub seconds: Option<f64>,
}

/// A policy of which a [`Quorum`] of each round is enough. Draws that are late or failed have no steps and are cut off
/// ([`Stop::Length`]), as under a [`Halt`].
///
/// A draw is one with all of its thought: a policy with a control of its thoughts is put under that first. Each is asked for by itself, with the seed that it has in any case: draws that come are the same as without a quorum. Which
/// ones come depends on time.
pub struct QuorumPolicy<'a> {
    policy: Box<dyn Policy + 'a>,
    quorum: Quorum,
    lost: AtomicU64,
}

/// A time in seconds that nobody waits to the end of: a century, which every clock can count.
const NEVER: f64 = 3e9;

impl Default for Quorum {
    /// One draw is enough where the others failed; nobody is late.
    fn default() -> Self {
        Self {
            least: 1,
            seconds: None,
        }
    }
}

impl<'a> QuorumPolicy<'a> {
    /// Puts a policy under a quorum.
    pub fn new(policy: impl Policy + 'a, quorum: Quorum) -> Self {
        Self {
            policy: match Thinker::needed(&policy) {
                Some(thoughts) => Box::new(Thinker::new(policy, thoughts)),
                None => Box::new(policy),
            },
            quorum,
            lost: AtomicU64::new(0),
        }
    }

    /// Draws that were late or failed so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    async fn draw(&self, requests: Vec<Extension>, halt: &Halt) -> Result<Vec<Reply>, ModelError> {
        let late = halt.child();
        let draws = requests
            .iter()
            .enumerate()
            .flat_map(|(request, whole)| {
                whole.seeds.iter().map(move |&seed| (request, whole, seed))
            })
            .enumerate();
        let mut waiting: FuturesUnordered<_> = draws
            .map(|(draw, (request, whole, seed))| {
                let alone = Extension {
                    seeds: vec![seed],
                    ..whole.clone()
                };
                let drawn = one(&*self.policy, alone, &late);
                drawn.map(move |drawn| (draw, request, drawn))
            })
            .collect();
        let all = waiting.len();
        let least = self.quorum.least.clamp(1, all.max(1));
        let mut timer = match self.quorum.seconds {
            Some(seconds) if seconds < NEVER => {
                Delay::new(Duration::from_secs_f64(seconds.max(0.0))).left_future()
            }
            Some(_) | None => pending().right_future(),
        };
        let (mut done, mut failed, mut is_late) = (0, 0, false);
        let mut drawn: Vec<Option<Continuation>> = vec![None; all];
        let mut usages = vec![Usage::default(); requests.len()];
        while !waiting.is_empty() {
            let next = match is_late {
                true => waiting.next().await,
                false => match select(waiting.next(), &mut timer).await {
                    Either::Left((next, _)) => next,
                    Either::Right(_) => {
                        is_late = true;
                        if done >= least {
                            late.stop();
                        }
                        continue;
                    }
                },
            };
            let Some((draw, request, reply)) = next else {
                break;
            };
            match reply {
                Ok((continuation, usage)) => {
                    usages[request] += usage;
                    // What the search itself has ended is not late.
                    let lost = late.is_stopped() && !halt.is_stopped() && is_nothing(&continuation);
                    if !lost {
                        done += 1;
                        drawn[draw] = Some(continuation);
                    }
                }
                Err(error) => {
                    failed += 1;
                    if all - failed < least {
                        return Err(error);
                    }
                    // It was asked, and nobody knows how far it came.
                    usages[request] += Usage {
                        requests: 1,
                        estimated: 1,
                        ..Usage::default()
                    };
                }
            }
            if is_late && done >= least {
                late.stop();
            }
        }
        let lost = drawn.iter().filter(|drawn| drawn.is_none()).count();
        self.lost.fetch_add(lost as u64, Ordering::Relaxed);
        let mut drawn = drawn.into_iter();
        let replies = requests.iter().zip(usages).map(|(request, usage)| {
            let own = drawn.by_ref().take(request.seeds.len());
            let own = own.map(|drawn| drawn.unwrap_or_else(nothing));
            (own.collect(), usage)
        });
        Ok(replies.collect())
    }
}

/// One draw by itself.
async fn one(
    policy: &dyn Policy,
    alone: Extension,
    halt: &Halt,
) -> Result<(Continuation, Usage), ModelError> {
    let replies = policy.extend_until(vec![alone], halt).await?;
    let told = match <[Reply; 1]>::try_from(replies) {
        Ok([(continuations, usage)]) => match <[Continuation; 1]>::try_from(continuations) {
            Ok([continuation]) => return Ok((continuation, usage)),
            Err(continuations) => format!("{} draws for 1", continuations.len()),
        },
        Err(replies) => format!("{} replies to 1 request", replies.len()),
    };
    Err(format!("the policy returned {told}").into())
}

fn nothing() -> Continuation {
    Continuation {
        steps: Vec::new(),
        stop: Stop::Length,
    }
}

fn is_nothing(continuation: &Continuation) -> bool {
    continuation.steps.is_empty() && continuation.stop == Stop::Length
}

impl Policy for QuorumPolicy<'_> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move { self.draw(requests, &Halt::default()).await }.boxed()
    }

    fn extend_until<'b>(
        &'b self,
        requests: Vec<Extension>,
        halt: &'b Halt,
    ) -> BoxFuture<'b, Result<Vec<Reply>, ModelError>> {
        self.draw(requests, halt).boxed()
    }

    fn usual_sampling(&self) -> Sampling {
        self.policy.usual_sampling()
    }

    fn usual_limits(&self) -> Limits {
        self.policy.usual_limits()
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
