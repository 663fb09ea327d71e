//! One unit of work, from its claim and journal to what it comes to.

use outthink_core::Domain;
use outthink_core::guard::guarded;
use outthink_strategy::Journal;

use crate::store::{Claim, FinishedUnit, StoreError};
use crate::study::run::{Models, RunError, Trouble};
use crate::study::store_writer::StoreWriter;
use crate::study::strategy_unit::Judge;
use crate::study::unit_runner::UnitRunner;
use crate::study::{Cell, Config, Study};

/// Why a unit has failed.
pub(crate) struct Failed {
    /// The error with its causes, in one line.
    pub(crate) told: String,
    /// Would every other unit meet it?
    pub(crate) is_hopeless: bool,
}

/// All that units are done with.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) study: &'a Study,
    pub(crate) models: &'a Models,
    pub(crate) answers: &'a dyn Domain,
    pub(crate) writer: &'a StoreWriter,
}

impl Tools<'_> {
    /// What the unit comes to, or why it failed. A panic is a failure of this unit alone.
    pub(crate) async fn unit(
        self,
        cell: &Cell,
        claim: &Claim,
    ) -> Result<Result<FinishedUnit, Failed>, Trouble> {
        let (writer, unit) = (self.writer, claim.unit);
        let known = writer.ask(move |store| store.journal(unit)).await??;
        let journal = Journal {
            known,
            note: Box::new(move |key, reply| writer.journal(unit, key, reply)),
        };
        let runner = UnitRunner {
            claim,
            journal: &journal,
            answers: self.answers,
        };
        let done = guarded(self.work(cell, claim, &runner)).await;
        done.unwrap_or_else(|panicked| Ok(Err(self.failed(&panicked))))
    }

    fn failed(self, error: &(dyn std::error::Error + 'static)) -> Failed {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let told: Vec<String> = causes.clone().map(ToString::to_string).collect();
        Failed {
            told: told.join(": "),
            is_hopeless: causes.into_iter().any(self.models.is_hopeless),
        }
    }

    async fn work(
        self,
        cell: &Cell,
        claim: &Claim,
        runner: &UnitRunner<'_>,
    ) -> Result<Result<FinishedUnit, Failed>, Trouble> {
        let Self {
            study,
            models,
            writer,
            ..
        } = self;
        let foreign = || Trouble::Run(RunError::Cell(claim.cell.clone()));
        let policy = &models.policies[cell.policy];
        let verifier = cell.verifier.map(|number| &models.verifiers[number]);
        match (cell.config(), verifier) {
            (
                Config::Pool {
                    sampling,
                    limits,
                    draws,
                    ..
                },
                _,
            ) => {
                let done = runner.pool(policy, *sampling, *limits, *draws).await;
                Ok(done.map_err(|error| self.failed(&error)))
            }
            (Config::Score { .. }, Some(verifier)) => {
                let source = claim.source.ok_or_else(|| {
                    StoreError::Malformed(format!("unit {}, a score without its pool", claim.unit))
                })?;
                let pool = writer.ask(move |store| store.samples(source)).await??;
                let done = runner.score(verifier, &pool).await;
                Ok(done.map_err(|error| self.failed(&error)))
            }
            (
                Config::Search {
                    sampling,
                    limits,
                    plan,
                    ..
                },
                verifier,
            ) => {
                let done = runner.search(policy, verifier, *sampling, *limits, plan);
                Ok(done.await.map_err(|error| self.failed(&error)))
            }
            (
                Config::Strategy {
                    sampling, limits, ..
                },
                _,
            ) => {
                let (own, budget) = study.strategy_of(cell).ok_or_else(foreign)?;
                let info = study.strategies.get(own).ok_or_else(foreign)?;
                let strategy = models.strategies.get(own).ok_or_else(foreign)?;
                let named = info.verifiers.iter();
                let judges: Vec<Judge<'_>> = named
                    .map(|(name, number)| (name.as_str(), &models.verifiers[*number]))
                    .collect();
                let done = runner.strategy(strategy, budget, policy, &judges, *sampling, *limits);
                Ok(done.await.map_err(|error| self.failed(&error)))
            }
            _ => Err(foreign()),
        }
    }
}
