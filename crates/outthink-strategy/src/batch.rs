//! One total budget over many problems, live. Either everyone's first samples are looked at, and one price of compute is found at
//! which what all of them choose fits into the total, anew as the real costs come in; or all draw on in rounds as far as it goes
//! ([`crate::allocation`]), if that is what was better when the strategy was fitted.
//!
//! Where a strategy looks at nothing, or is fixed, everyone gets the same share.

use std::sync::Arc;

use futures::stream::{StreamExt, iter};
use outthink_core::guard::guarded;
use outthink_core::identity::hash64;
use outthink_core::{CountedPolicy, CountedVerifier, Domain, Problem, Verifier};

use crate::choice::Bounds;
use crate::cost_model::CostModel;
use crate::error::StrategyError;
use crate::journal_file::JournalFile;
use crate::models::{PolicyModel, VerifierModel};
use crate::multiplier::multiplier;
use crate::predictor::Predicted;
use crate::racing::{CONCURRENT_PROBLEMS, Done, Race};
use crate::recorded::{Journal, RecordedPolicy, RecordedVerifier};
use crate::solve::{InProgress, SolveContext, SolveError, Solved};
use crate::stopping::PROBE;
use crate::strategy::Strategy;

/// Many problems and what they are answered with.
pub struct Batch<'a> {
    /// Who chooses.
    pub strategy: &'a Strategy,
    /// The policy.
    pub policy: &'a PolicyModel,
    /// Verifiers by their names in the strategy.
    pub verifiers: Vec<(&'a str, &'a VerifierModel)>,
    /// Prices in the strategy's unit.
    pub cost_model: &'a CostModel,
    /// How answers are told apart.
    pub answers: &'a dyn Domain,
    /// Which draws.
    pub seed: u64,
    /// Where models' replies are kept until all is done.
    pub journal: &'a JournalFile,
}

/// A problem's models, under its part of the journal.
struct Recorded<'a> {
    policy: CountedPolicy<RecordedPolicy<'a>>,
    verifiers: Vec<(&'a str, CountedVerifier<RecordedVerifier<'a>>)>,
}

impl<'a> Batch<'a> {
    /// Answers all problems within what is `left` of a `total` in the strategy's unit. Each problem is planned as if it had
    /// `share`. Costs are estimates, so the problems in flight when the budget ends may overshoot it. `done` hears of each
    /// problem by its place, with what it cost.
    pub async fn run(
        &self,
        problems: &[Arc<Problem>],
        share: f64,
        (left, total): (f64, f64),
        done: &mut Done<'_>,
    ) -> Result<(), StrategyError> {
        let journals: Vec<Journal<'_>> = problems
            .iter()
            .map(|problem| {
                let key = hash64(&[problem.id.as_bytes(), problem.text.as_bytes()]);
                self.journal.of(key)
            })
            .collect();
        let recorded = journals.iter().map(|journal| Recorded {
            policy: CountedPolicy::new(RecordedPolicy::new(self.policy.model.as_ref(), journal)),
            verifiers: self
                .verifiers
                .iter()
                .map(|(name, own)| {
                    let verifier = RecordedVerifier {
                        verifier: own.model.as_ref(),
                        journal,
                        name,
                    };
                    (*name, CountedVerifier::new(verifier))
                })
                .collect(),
        });
        let recorded: Vec<Recorded<'_>> = recorded.collect();
        let context: Vec<SolveContext<'_>> = recorded.iter().map(|own| self.context(own)).collect();
        let asked: Vec<(&Arc<Problem>, &SolveContext<'_>)> =
            problems.iter().zip(&context).collect();
        match self.strategy.shared(share)? {
            Some(how) => {
                let race = Race {
                    how: &how,
                    cost_model: self.cost_model,
                    seed: self.seed,
                };
                race.run(&asked, (left, total), done).await;
            }
            None => self.by_price(&asked, share, left, done).await?,
        }
        Ok(())
    }

    /// What all choose by what is predicted of them, at one price.
    async fn by_price(
        &self,
        asked: &[(&Arc<Problem>, &SolveContext<'_>)],
        share: f64,
        mut left: f64,
        done: &mut Done<'_>,
    ) -> Result<(), StrategyError> {
        let reader = self.strategy.probe(share)?;
        let begun: Vec<Result<InProgress<'_>, SolveError>> = iter(asked)
            .map(|(problem, context)| async move {
                guarded(InProgress::new(
                    Arc::clone(problem),
                    reader,
                    self.seed,
                    context,
                ))
                .await?
            })
            .buffered(CONCURRENT_PROBLEMS)
            .collect()
            .await;
        // Who cannot begin is told, and is no longer part of the plan.
        let mut waiting: Vec<Waiting<'_>> = Vec::new();
        for (place, begun) in begun.into_iter().enumerate() {
            let predicted = begun.and_then(|begun| {
                let predicted = self.strategy.predicted(share, begun.glimpses())?;
                Ok((place, begun, predicted))
            });
            match predicted {
                Ok(own) => waiting.push(own),
                Err(error) => done(place, Err(error)),
            }
        }
        waiting.reverse();
        while !waiting.is_empty() {
            let price = price(&waiting, left);
            // Fewer at once towards the end, so that what is left is planned with what was really spent.
            let now = (waiting.len() / 8).clamp(1, CONCURRENT_PROBLEMS);
            let next = waiting.split_off(waiting.len() - now);
            // What a hard problem may draw: no more than is left when all that wait have taken the cheapest.
            let (sample, few) = (self.strategy.sample(), PROBE as f64);
            let cheapest = waiting.iter().map(|own| least(own).unwrap_or(few * sample));
            let open = left - cheapest.sum::<f64>();
            let most = (open / sample).max(few) as usize;
            let bounds = Bounds {
                most: Some(most),
                price,
            };
            let answers = iter(next.into_iter().rev())
                .map(|(place, begun, _)| async move {
                    let finished = guarded(self.finish(begun, share, bounds)).await;
                    (place, finished.unwrap_or_else(|panic| Err(panic.into())))
                })
                .buffered(now);
            let answers: Vec<_> = answers.collect().await;
            for (place, solved) in answers {
                let solved = solved.map(|solved| {
                    let cost =
                        self.cost_model
                            .spent(solved.samples, &solved.policy, &solved.verifiers);
                    left -= cost;
                    (solved, cost)
                });
                done(place, solved);
            }
        }
        Ok(())
    }

    fn context<'h>(&self, own: &'h Recorded<'_>) -> SolveContext<'h>
    where
        'a: 'h,
    {
        let named = own.verifiers.iter();
        SolveContext {
            policy: &own.policy,
            verifiers: named
                .map(|(name, verifier)| (*name, verifier as &dyn Verifier))
                .collect(),
            sampling: self.policy.sampling,
            limits: self.policy.limits,
            answers: self.answers,
            most: None,
        }
    }

    async fn finish(
        &self,
        begun: InProgress<'_>,
        share: f64,
        bounds: Bounds,
    ) -> Result<Solved, SolveError> {
        let chosen = self.strategy.choose(share, begun.glimpses(), bounds)?;
        self.strategy.finish(begun, share, chosen).await
    }
}

/// A problem's place, its beginning, and what is predicted of it.
type Waiting<'a> = (usize, InProgress<'a>, Option<Predicted>);

/// What the cheapest costs that it can do; none where nothing is predicted.
fn least((.., predicted): &Waiting<'_>) -> Option<f64> {
    let costs = predicted.as_ref()?.costs.iter().copied();
    costs.reduce(f64::min)
}

/// The price at which those who wait spend what is left, by what is predicted of them; so high that everyone takes the
/// cheapest if even that is too much. None where nothing is predicted.
fn price(waiting: &[Waiting<'_>], left: f64) -> Option<f64> {
    let predicted: Vec<&Predicted> = waiting.iter().filter_map(|own| own.2.as_ref()).collect();
    if predicted.is_empty() {
        return None;
    }
    let chances: Vec<Vec<f64>> = predicted.iter().map(|own| own.chances.clone()).collect();
    let costs: Vec<Vec<f64>> = predicted.iter().map(|own| own.costs.clone()).collect();
    let share = left / predicted.len() as f64;
    Some(multiplier(&chances, &costs, &costs, share).unwrap_or(1e12))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::executor::block_on;
    use outthink_core::{ExactAnswers, Limits, Sampling};

    use super::*;
    use crate::testing::{self, Mock};

    fn mock(split: bool) -> Arc<Mock> {
        Arc::new(Mock {
            split,
            drawn: AtomicUsize::new(0),
            scored: AtomicUsize::new(0),
        })
    }

    const LIMITS: Limits = Limits {
        draw_tokens: 100,
        solution_tokens: 100,
        steps: 10,
    };

    fn problems() -> Vec<Arc<Problem>> {
        let problem = |number| Problem {
            id: format!("p{number}"),
            text: "what?".into(),
        };
        (0..40).map(problem).map(Arc::new).collect()
    }

    /// How many samples were drawn, and for each problem how many it got.
    fn run(verified: bool, split: bool, total: f64, journal: &JournalFile) -> (usize, Vec<usize>) {
        let file = testing::strategy(verified);
        let strategy = Strategy::Fitted(Box::new(file));
        // With a verifier the price decides, without one the draws, where there is something to decide.
        let shared = strategy.shared(total / 40.0).unwrap().is_some();
        let scarce = total > 160.0 && total < 2560.0;
        assert_eq!(shared, !verified && scarce, "{total}");
        let model = mock(split);
        let policy = PolicyModel {
            info: testing::policy(),
            model: Arc::<Mock>::clone(&model),
            sampling: Sampling::at(1.0),
            limits: LIMITS,
            target_in_flight: 64,
            imported: None,
        };
        let judges = testing::verifiers().into_iter().map(|info| VerifierModel {
            info,
            model: Arc::<Mock>::clone(&model),
        });
        let judges: Vec<VerifierModel> = judges.collect();
        let batch = Batch {
            strategy: &strategy,
            policy: &policy,
            verifiers: judges
                .iter()
                .map(|own| (own.info.name.as_str(), own))
                .collect(),
            cost_model: &testing::samples(),
            answers: &ExactAnswers,
            seed: 1,
            journal,
        };
        let problems = problems();
        let mut samples = vec![0; problems.len()];
        let mut done = |place: usize, solved: Result<(Solved, f64), SolveError>| {
            let (solved, cost) = solved.unwrap();
            assert_eq!(solved.samples as f64, cost);
            samples[place] = solved.samples;
        };
        block_on(batch.run(&problems, total / 40.0, (total, total), &mut done)).unwrap();
        (model.drawn.load(Ordering::Relaxed), samples)
    }

    #[test]
    fn a_total_holds_whatever_the_problems_are_like() {
        for (verified, split) in [(false, false), (false, true), (true, false), (true, true)] {
            for total in [160.0, 320.0, 640.0, 2560.0] {
                let (drawn, samples) = run(verified, split, total, &JournalFile::default());
                assert_eq!(drawn, samples.iter().sum::<usize>());
                assert!(samples.iter().all(|&own| own > 0));
                assert!(drawn as f64 <= total, "{drawn} of {total}");
            }
        }
    }

    #[test]
    fn what_a_journal_holds_is_not_drawn_again() {
        for verified in [false, true] {
            let name = format!("outthink-batch-{}-{verified}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = std::fs::remove_file(&path);
            let run = || {
                run(
                    verified,
                    true,
                    640.0,
                    &JournalFile::open(&path, "run").unwrap(),
                )
            };
            let first = run();
            assert!(first.0 > 0);
            // Killed in the middle of a line.
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
            let second = run();
            let (again, before) = (second.0, first.0);
            assert!(again > 0 && again < before, "{again} {before}");
            assert_eq!(second.1, first.1);
            assert_eq!(run(), (0, first.1));
            std::fs::remove_file(&path).unwrap();
        }
    }
}
