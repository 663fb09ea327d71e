//! Running a study: all problems and methods at once, as many draws in flight as the models have an appetite for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use outthink_core::{Answers, Limits, Policy, Prefix, Sampling, Usage, Verifier};

use crate::estimate::Proportion;
use crate::keeper::{Ended, Keeper};
use crate::recorded::Journal;
use crate::store::{Claim, Count, Finished, Shard, Store, StoreError};
use crate::strategic::Judge;
use crate::strategy::Strategy;
use crate::study::{Cell, Config, ModelInfo, Study};
use crate::work::Bench;

/// The token ids that a verifier reads for a prefix, to count what it computes; none where that is not known.
pub type Render = Box<dyn Fn(&Prefix) -> Option<Vec<u32>> + Send + Sync>;

/// A policy, ready to draw.
pub struct PolicyModel {
    /// What it is.
    pub info: ModelInfo,
    /// The model.
    pub model: Arc<dyn Policy>,
    /// How it draws.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
    /// How many draws keep it busy.
    pub appetite: usize,
}

/// A verifier, ready to score.
pub struct VerifierModel {
    /// What it is.
    pub info: ModelInfo,
    /// The model.
    pub model: Arc<dyn Verifier>,
    /// What it reads.
    pub render: Option<Render>,
}

/// The models of a study, in its order.
pub struct Models {
    /// The policies.
    pub policies: Vec<PolicyModel>,
    /// The verifiers.
    pub verifiers: Vec<VerifierModel>,
    /// The strategies.
    pub strategies: Vec<Strategy>,
}

/// Where a run stops, to be gone on with another time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caps {
    /// Most floating-point operations in full, as the models report them.
    pub flops: Option<f64>,
    /// Most seconds.
    pub seconds: Option<f64>,
    /// Most money.
    pub money: Option<f64>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// All units of the shard are done or have failed.
    Complete,
    /// A cap was reached; the same command goes on.
    Capped(&'static str),
}

/// Why a study cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store asks for what the study does not have.
    #[error("the store has a unit of cell {0}, which the study does not")]
    Cell(String),
}

/// How a run stands.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Units of the whole study.
    pub count: Count,
    /// Units done in this run.
    pub done: usize,
    /// Since the run began.
    pub elapsed: Duration,
    /// Tokens that policies drew in this run.
    pub generated: u64,
    /// Tokens that any model computed in this run.
    pub computed: u64,
    /// Floating-point operations in full in this run.
    pub flops: f64,
    /// Money spent in this run.
    pub money: f64,
    /// Share of right answers by policy and method at the largest budget, in this run.
    pub accuracy: BTreeMap<String, Proportion>,
    /// The last failure.
    pub failure: Option<String>,
}

/// Runs what is left to do of a study, and hands the store back.
///
/// `watch` hears how it stands, a few times a second. A unit that fails is noted and left; the others go on.
pub async fn run(
    study: &Study,
    models: &Models,
    mut store: Store,
    shard: Shard,
    caps: Caps,
    answers: &dyn Answers,
    watch: &mut dyn FnMut(&Status),
) -> Result<(Store, Halt, Status), RunError> {
    store.enlist()?;
    store.retry(&study.name)?;
    let count = store.count(&study.name)?;
    let keeper = Keeper::start(store);
    let mut runner = Runner {
        study,
        models,
        answers,
        keeper: &keeper,
        shard,
        caps,
        start: Instant::now(),
        status: Status {
            count,
            ..Status::default()
        },
    };
    let outcome = runner.all(watch).await;
    let status = runner.status;
    let mut store = keeper.close()?;
    store.release()?;
    match outcome {
        Ok(halt) => Ok((store, halt, status)),
        Err(Trouble::Run(error)) => Err(error),
        Err(Trouble::Ended(_)) => {
            Err(StoreError::Malformed("a thread that ended by itself".into()).into())
        }
    }
}

enum Trouble {
    Run(RunError),
    Ended(Ended),
}

impl From<Ended> for Trouble {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

struct Runner<'a> {
    study: &'a Study,
    models: &'a Models,
    answers: &'a dyn Answers,
    keeper: &'a Keeper,
    shard: Shard,
    caps: Caps,
    start: Instant,
    status: Status,
}

/// A unit that has come to its end.
struct Ending<'a> {
    cell: &'a Cell,
    weight: usize,
    claim: Claim,
    /// Or why it failed.
    result: Result<Finished, String>,
}

impl<'a> Runner<'a> {
    async fn all(&mut self, watch: &mut dyn FnMut(&Status)) -> Result<Halt, Trouble> {
        /// Units that are leased at once, at most: few, for other workers want some too.
        const HANDFUL: usize = 16;
        let appetite: usize = self
            .models
            .policies
            .iter()
            .map(|policy| policy.appetite)
            .sum();
        let cells = self.study.cells.iter();
        let heaviest = cells.map(appetite_of).max().unwrap_or(1).max(1);
        let mut ticks = ticker();
        let mut queue: VecDeque<Claim> = VecDeque::new();
        let mut flying = FuturesUnordered::new();
        let mut weight = 0;
        loop {
            if let Some(why) = self.capped() {
                watch(&self.status);
                return Ok(Halt::Capped(why));
            }
            while flying.is_empty() || weight < appetite {
                if queue.is_empty() {
                    let (name, shard) = (self.study.name.clone(), self.shard);
                    // No more than can begin now: what waits in a queue here could run elsewhere.
                    let room = appetite.saturating_sub(weight) / heaviest;
                    let limit = room.clamp(1, HANDFUL);
                    let claims = self
                        .keeper
                        .ask(move |store| store.claim(&name, shard, limit));
                    queue.extend(claims.await??);
                }
                let Some(claim) = queue.pop_front() else {
                    break;
                };
                let cell = self.cell(&claim)?;
                let unit = self.unit(cell, claim);
                weight += appetite_of(cell);
                flying.push(unit);
            }
            if flying.is_empty() && self.is_over().await? {
                watch(&self.status);
                return Ok(Halt::Complete);
            }
            let ending = if flying.is_empty() {
                ticks.next().await;
                None
            } else {
                match select(flying.next(), ticks.next()).await {
                    Either::Left((ending, _)) => ending,
                    Either::Right(_) => None,
                }
            };
            match ending {
                Some(ending) => {
                    let ending: Ending<'a> = ending?;
                    weight -= ending.weight;
                    self.end(ending).await?;
                }
                None => {
                    self.status.elapsed = self.start.elapsed();
                    watch(&self.status);
                }
            }
        }
    }

    fn cell(&self, claim: &Claim) -> Result<&'a Cell, Trouble> {
        let found = self
            .study
            .cells
            .iter()
            .find(|cell| cell.hash() == claim.cell);
        found.ok_or_else(|| Trouble::Run(RunError::Cell(claim.cell.clone())))
    }

    /// A unit, from its journal to its result. Borrows nothing of the runner itself, which goes on meanwhile.
    fn unit(
        &self,
        cell: &'a Cell,
        claim: Claim,
    ) -> impl Future<Output = Result<Ending<'a>, Trouble>> + use<'a> {
        let (models, keeper, answers) = (self.models, self.keeper, self.answers);
        let study = self.study;
        async move {
            let unit = claim.unit;
            let known = keeper.ask(move |store| store.journal(unit)).await??;
            let journal = Journal {
                known,
                note: Box::new(move |key, reply| keeper.journal(unit, key, reply)),
            };
            let bench = Bench {
                claim: &claim,
                journal: &journal,
                answers,
            };
            let policy = &models.policies[cell.policy];
            let verifier = cell.verifier.map(|number| &models.verifiers[number]);
            let result = match (cell.config(), verifier) {
                (
                    Config::Pool {
                        sampling,
                        limits,
                        draws,
                        ..
                    },
                    _,
                ) => {
                    let done = bench.pool(policy, *sampling, *limits, *draws).await;
                    done.map_err(|error| chain(&error))
                }
                (Config::Score { .. }, Some(verifier)) => {
                    let source = claim.source.unwrap_or_default();
                    let pool = keeper.ask(move |store| store.samples(source)).await??;
                    let done = bench.score(verifier, &pool).await;
                    done.map_err(|error| chain(&error))
                }
                (
                    Config::Search {
                        sampling,
                        limits,
                        plan,
                        ..
                    },
                    Some(verifier),
                ) => {
                    let done = bench
                        .search(policy, verifier, *sampling, *limits, plan)
                        .await;
                    done.map_err(|error| chain(&error))
                }
                (
                    Config::Strategy {
                        sampling, limits, ..
                    },
                    _,
                ) => {
                    let found = study.strategy_of(cell);
                    let found = found.and_then(|(own, budget)| {
                        Some((
                            study.strategies.get(own)?,
                            models.strategies.get(own)?,
                            budget,
                        ))
                    });
                    let Some((info, strategy, budget)) = found else {
                        return Err(Trouble::Run(RunError::Cell(claim.cell.clone())));
                    };
                    let named = info.verifiers.iter();
                    let judges: Vec<Judge<'_>> = named
                        .map(|(name, number)| (name.as_str(), &models.verifiers[*number]))
                        .collect();
                    let done = bench
                        .strategy(strategy, budget, policy, &judges, *sampling, *limits)
                        .await;
                    done.map_err(|error| chain(&error))
                }
                _ => return Err(Trouble::Run(RunError::Cell(claim.cell.clone()))),
            };
            drop(journal);
            Ok(Ending {
                cell,
                weight: appetite_of(cell),
                claim,
                result,
            })
        }
    }

    async fn end(&mut self, ending: Ending<'_>) -> Result<(), Trouble> {
        let Ending {
            cell,
            claim,
            result,
            ..
        } = ending;
        self.status.count.open = self.status.count.open.saturating_sub(1);
        match result {
            Ok(finished) => {
                self.tally(cell, &finished);
                self.status.count.done += 1;
                self.keeper.finish(finished).await?;
            }
            Err(told) => {
                self.status.count.failed += 1;
                self.status.failure = Some(told.clone());
                self.keeper.fail(claim.unit, told).await?;
            }
        }
        Ok(())
    }

    fn tally(&mut self, cell: &Cell, finished: &Finished) {
        let status = &mut self.status;
        let policy = &self.study.policies[cell.policy];
        let verifier = cell.verifier.map(|number| &self.study.verifiers[number]);
        status.done += 1;
        status.elapsed = self.start.elapsed();
        status.generated += finished.policy.generated;
        status.computed += finished.policy.computed + finished.verifier.computed;
        let mut count = |model: &ModelInfo, usage: &Usage| {
            status.flops += model.cost.map_or(0.0, |cost| cost.full_flops(usage));
            let [prompt, generated] = model.price.unwrap_or_default();
            status.money +=
                (prompt * usage.prompt as f64 + generated * usage.generated as f64) / 1e6;
        };
        count(policy, &finished.policy);
        if let Some(verifier) = verifier {
            count(verifier, &finished.verifier);
        }
        if let Some(choice) = &finished.choice {
            for (name, usage, _) in &choice.work {
                let verifiers = &mut self.study.verifiers.iter();
                if let Some(verifier) = verifiers.find(|own| own.name == *name) {
                    count(verifier, usage);
                }
            }
        }
        let largest = self.study.budgets.last().copied();
        let label = match cell.config() {
            Config::Pool { draws: 1, .. } => format!("{} cot", policy.name),
            Config::Search { plan, .. } if Some(plan.budget()) == largest => {
                let verifier = verifier.map_or("", |verifier| verifier.name.as_str());
                format!("{} {} {verifier}", policy.name, plan.method())
            }
            Config::Strategy { budget, .. } if Some(*budget as usize) == largest => {
                let own = self.study.strategy_of(cell);
                let name = own.map_or("", |(own, _)| self.study.strategies[own].name.as_str());
                format!("{} {name}", policy.name)
            }
            _ => return,
        };
        // The best last reward; ties to the first.
        let last = |number: usize| {
            let rewards = finished.rewards.iter().find(|(own, _)| *own == number);
            rewards
                .and_then(|(_, rewards)| rewards.last().copied())
                .unwrap_or(f64::NEG_INFINITY)
        };
        let answered = finished
            .samples
            .iter()
            .enumerate()
            .filter(|(_, s)| s.class.is_some());
        let best = answered.max_by(|(a, _), (b, _)| last(*a).total_cmp(&last(*b)).then(b.cmp(a)));
        let right = match &finished.choice {
            Some(choice) => choice.correct,
            None => best.is_some_and(|(_, sample)| sample.correct),
        };
        let accuracy = status.accuracy.entry(label).or_insert(Proportion {
            successes: 0,
            trials: 0,
        });
        accuracy.trials += 1;
        accuracy.successes += usize::from(right);
    }

    fn capped(&self) -> Option<&'static str> {
        let over = |cap: Option<f64>, value: f64| cap.is_some_and(|cap| value >= cap);
        [
            (
                "seconds",
                over(self.caps.seconds, self.start.elapsed().as_secs_f64()),
            ),
            ("flops", over(self.caps.flops, self.status.flops)),
            ("cost", over(self.caps.money, self.status.money)),
        ]
        .into_iter()
        .find_map(|(name, over)| over.then_some(name))
    }

    /// Is nothing left, neither for this worker nor for another one that may yet die?
    async fn is_over(&mut self) -> Result<bool, Trouble> {
        let (name, shard) = (self.study.name.clone(), self.shard);
        let left = self
            .keeper
            .ask(move |store| store.left(&name, shard))
            .await??;
        let name = self.study.name.clone();
        self.status.count = self.keeper.ask(move |store| store.count(&name)).await??;
        Ok(left == 0)
    }
}

/// How many draws a unit has in flight.
fn appetite_of(cell: &Cell) -> usize {
    match cell.config() {
        Config::Pool { draws, .. } => *draws,
        Config::Search { plan, .. } => plan.budget(),
        Config::Score { .. } => 64,
        // About: one problem may get more than another.
        Config::Strategy { budget, .. } => budget.clamp(4.0, 256.0) as usize,
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    told
}

/// Something to wake up by, four times a second.
fn ticker() -> mpsc::Receiver<()> {
    let (mut sender, ticks) = mpsc::channel(1);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(250));
            match sender.try_send(()) {
                Err(error) if error.is_disconnected() => return,
                _ => {}
            }
        }
    });
    ticks
}
