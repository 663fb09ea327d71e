//! Running a study: all problems and methods at once, as many draws in flight as keep the models busy.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use outthink_core::{Domain, Flops, ModelCost, ModelInfo, Usage};
use outthink_strategy::{PolicyModel, Strategy, VerifierModel};

use crate::store::{Claim, Count, FinishedUnit, Shard, Store, StoreError};
use crate::study::store_writer::{Ended, StoreWriter};
use crate::study::unit::{Failed, Tools};
use crate::study::{Cell, Config, Study};

/// The models of a study, in its order.
pub struct Models {
    /// The policies.
    pub policies: Vec<PolicyModel>,
    /// The verifiers.
    pub verifiers: Vec<VerifierModel>,
    /// The strategies.
    pub strategies: Vec<Strategy>,
    /// Is an error's cause one that meets every unit, such as a refused key?
    pub is_hopeless: fn(&(dyn std::error::Error + 'static)) -> bool,
}

impl Models {
    /// How many samples keep the policies busy.
    pub fn target_in_flight(&self) -> usize {
        self.policies
            .iter()
            .map(|policy| policy.target_in_flight)
            .sum()
    }
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

impl Caps {
    /// Can they be kept? Operations are those of models whose shapes are known; money is what models with a price take,
    /// and at least one has one.
    pub fn check(&self, study: &Study) -> Result<(), RunError> {
        let models = || study.policies.iter().chain(&study.verifiers);
        let (cap, unknown, model) = if self.flops.is_some() {
            let shapeless = models().find(|model| model.shape().is_none());
            ("flops", "parameters", shapeless)
        } else if self.money.is_some() && models().all(|model| model.price.is_none()) {
            ("cost", "price", models().next())
        } else {
            return Ok(());
        };
        match model {
            None => Ok(()),
            Some(model) => Err(RunError::Uncountable {
                cap,
                model: model.name.clone(),
                unknown,
            }),
        }
    }
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
    /// A cap on what nobody can count.
    #[error(
        "--max-{cap} cannot be kept: {model} has no {unknown}; say `{unknown}` in its table of the recipe"
    )]
    Uncountable {
        /// The cap.
        cap: &'static str,
        /// The model.
        model: String,
        /// What is missing.
        unknown: &'static str,
    },
    /// The first units have all failed for a reason that every other one would meet.
    #[error("{0}; the same command goes on once that is mended")]
    Hopeless(String),
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
    /// Floating-point operations in full in this run; none once a model of unknown shape has worked.
    pub flops: Option<f64>,
    /// Money spent in this run.
    pub money: f64,
    /// Samples' worth of work done in this run: what is left goes by it, for units differ in size.
    pub samples: usize,
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
    answers: &dyn Domain,
    watch: &mut dyn FnMut(&Status),
) -> Result<(Store, Halt, Status), RunError> {
    caps.check(study)?;
    store.enlist()?;
    store.retry(&study.name)?;
    let count = store.count(&study.name)?;
    let writer = StoreWriter::start(store);
    let mut runner = Runner {
        tools: Tools {
            study,
            models,
            answers,
            writer: &writer,
        },
        cells: study.cells.iter().map(|cell| (cell.hash(), cell)).collect(),
        shard,
        caps,
        start: Instant::now(),
        status: Status {
            count,
            flops: Some(0.0),
            ..Status::default()
        },
        failed: 0,
        hopeless: 0,
    };
    let outcome = runner.all(watch).await;
    let status = runner.status;
    let mut store = writer.close()?;
    store.release()?;
    match outcome {
        Ok(halt) => Ok((store, halt, status)),
        Err(Trouble::Run(error)) => Err(error),
        Err(Trouble::Ended(_)) => {
            Err(StoreError::Malformed("a thread that ended by itself".into()).into())
        }
    }
}

/// Why a run cannot go on.
pub(crate) enum Trouble {
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
    tools: Tools<'a>,
    /// The study's cells by hash.
    cells: HashMap<&'a str, &'a Cell>,
    shard: Shard,
    caps: Caps,
    start: Instant,
    status: Status,
    /// Units that failed in this run.
    failed: usize,
    /// Of them, for a reason that every other one would meet.
    hopeless: usize,
}

/// A unit that has come to its end.
struct Ending<'a> {
    cell: &'a Cell,
    weight: usize,
    claim: Claim,
    /// Or why it failed.
    result: Result<FinishedUnit, Failed>,
}

impl<'a> Runner<'a> {
    async fn all(&mut self, watch: &mut dyn FnMut(&Status)) -> Result<Halt, Trouble> {
        /// Units that are leased at once, at most: few, for other workers want some too.
        const CONCURRENT_UNITS: usize = 16;
        let target_in_flight = self.tools.models.target_in_flight();
        let cells = self.tools.study.cells.iter();
        let heaviest = cells.map(draws_in_flight).max().unwrap_or(1).max(1);
        let mut ticks = ticker();
        let mut queue: VecDeque<Claim> = VecDeque::new();
        let mut flying = FuturesUnordered::new();
        let mut weight = 0;
        loop {
            if let Some(why) = self.capped() {
                watch(&self.status);
                return Ok(Halt::Capped(why));
            }
            while flying.is_empty() || weight < target_in_flight {
                if queue.is_empty() {
                    let (name, shard) = (self.tools.study.name.clone(), self.shard);
                    // No more than can begin now: what waits in a queue here could run elsewhere.
                    let room = target_in_flight.saturating_sub(weight) / heaviest;
                    let limit = room.clamp(1, CONCURRENT_UNITS);
                    let claims = self
                        .tools
                        .writer
                        .ask(move |store| store.claim(&name, shard, limit));
                    queue.extend(claims.await??);
                }
                let Some(claim) = queue.pop_front() else {
                    break;
                };
                let cell = self.cell(&claim)?;
                let unit = self.unit(cell, claim);
                weight += draws_in_flight(cell);
                flying.push(unit);
            }
            if flying.is_empty() && self.is_over().await? {
                self.hope(1)?;
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
                    self.hope(CONCURRENT_UNITS)?;
                }
                None => {
                    self.status.elapsed = self.start.elapsed();
                    watch(&self.status);
                }
            }
        }
    }

    fn cell(&self, claim: &Claim) -> Result<&'a Cell, Trouble> {
        let found = self.cells.get(claim.cell.as_str()).copied();
        found.ok_or_else(|| Trouble::Run(RunError::Cell(claim.cell.clone())))
    }

    /// A unit, from its journal to its result. Borrows nothing of the runner itself, which goes on meanwhile.
    fn unit(
        &self,
        cell: &'a Cell,
        claim: Claim,
    ) -> impl Future<Output = Result<Ending<'a>, Trouble>> + use<'a> {
        let tools = self.tools;
        async move {
            let result = tools.unit(cell, &claim).await?;
            Ok(Ending {
                cell,
                weight: draws_in_flight(cell),
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
                self.tools.writer.finish(finished).await?;
            }
            Err(Failed { told, is_hopeless }) => {
                self.failed += 1;
                self.hopeless += usize::from(is_hopeless);
                self.status.count.failed += 1;
                self.status.failure = Some(told.clone());
                self.tools.writer.fail(claim.unit, told).await?;
            }
        }
        Ok(())
    }

    /// Ends a run of which nothing has come but `most` failures or more that every other unit would meet.
    fn hope(&self, most: usize) -> Result<(), Trouble> {
        let alone = self.status.done == 0 && self.hopeless == self.failed;
        match &self.status.failure {
            Some(told) if alone && self.hopeless >= most => {
                Err(Trouble::Run(RunError::Hopeless(told.clone())))
            }
            _ => Ok(()),
        }
    }

    fn tally(&mut self, cell: &Cell, finished: &FinishedUnit) {
        let status = &mut self.status;
        let policy = &self.tools.study.policies[cell.policy];
        let verifier = cell
            .verifier
            .map(|number| &self.tools.study.verifiers[number]);
        status.done += 1;
        status.elapsed = self.start.elapsed();
        status.generated += finished.policy.generated;
        status.computed += finished.policy.computed + finished.verifier.computed;
        // A strategy asks the verifiers that it names, every other method its own.
        let named = finished.choice.iter().flat_map(|choice| &choice.work);
        let named = named.filter_map(|(name, usage, _)| {
            let found = self
                .tools
                .study
                .verifiers
                .iter()
                .find(|own| own.name == *name);
            Some((found?, *usage))
        });
        let own = verifier.map(|verifier| (verifier, finished.verifier));
        let asked: Vec<(&ModelInfo, Usage)> = own.into_iter().chain(named).collect();
        let read = asked.iter().map(|(model, usage)| (model.shape(), *usage));
        let drawing = match cell.config() {
            Config::Score { .. } => Some(ModelCost::FREE),
            _ => policy.cost,
        };
        let flops = Flops::of((drawing, finished.policy), read).full;
        status.flops = status.flops.zip(flops).map(|(sum, own)| sum + own);
        let read = asked.iter().map(|(model, usage)| model.money(usage));
        status.money += policy.money(&finished.policy) + read.sum::<f64>();
        status.samples += self.tools.study.samples_of(cell);
    }

    fn capped(&self) -> Option<&'static str> {
        let over = |cap: Option<f64>, value: f64| cap.is_some_and(|cap| value >= cap);
        [
            (
                "seconds",
                over(self.caps.seconds, self.start.elapsed().as_secs_f64()),
            ),
            (
                "flops",
                over(self.caps.flops, self.status.flops.unwrap_or_default()),
            ),
            ("cost", over(self.caps.money, self.status.money)),
        ]
        .into_iter()
        .find_map(|(name, over)| over.then_some(name))
    }

    /// Is nothing left, neither for this worker nor for another one that may yet die?
    async fn is_over(&mut self) -> Result<bool, Trouble> {
        let (name, shard) = (self.tools.study.name.clone(), self.shard);
        let left = self
            .tools
            .writer
            .ask(move |store| store.left(&name, shard))
            .await??;
        let name = self.tools.study.name.clone();
        self.status.count = self
            .tools
            .writer
            .ask(move |store| store.count(&name))
            .await??;
        Ok(left == 0)
    }
}

/// How many draws a unit has in flight.
pub(crate) fn draws_in_flight(cell: &Cell) -> usize {
    match cell.config() {
        Config::Pool { draws, .. } => *draws,
        Config::Search { plan, .. } => plan.budget(),
        Config::Score { .. } => 64,
        // About: one problem may get more than another.
        Config::Strategy { budget, .. } => budget.clamp(4.0, 256.0) as usize,
    }
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
