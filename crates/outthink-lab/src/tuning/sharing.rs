//! How one total over many problems is best spent: at one price of what is predicted of each, or by what their draws show
//! ([`outthink_strategy::allocation`]). Which, is chosen by cross-validation for each budget.

use outthink_strategy::allocation::{Order, Progress, round};
use outthink_strategy::multiplier::multiplier;
use outthink_strategy::{Confidence, CostModel, Predicted, VoteState};
use rayon::prelude::*;

use super::chooser::{costs, row_features};
use super::evidence::Evidence;
use super::reading::climb;
use super::replay::Draws;
use super::tune::{Decision, Entry, Outcome, Tuned, Tuning};
use crate::estimate::binomial::Factorials;
use crate::estimate::votes::Taken;

/// A total is spent by what draws show.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What every problem does, as far as it comes.
    pub candidate: usize,
    /// Who draws on first.
    pub order: Order,
    /// What it came to on problems of other folds than it was chosen on.
    pub validated: Outcome,
    /// How sure one may be of the answer in the end.
    pub confidence: Confidence,
}

/// A look of one problem: what would be known and taken there.
struct Rung {
    progress: Progress,
    decided: bool,
    taken: Taken,
}

/// The looks of a candidate on a row, up to where it is decided or the row's samples are at an end.
fn ladder(evidence: &Evidence, cost_model: &CostModel, row: usize, candidate: usize) -> Vec<Rung> {
    let own = &evidence.candidates[candidate];
    let row = &evidence.rows[row];
    let verifier = own.verifier.as_deref();
    let price = |cost| cost_model.drawing(&cost) + cost_model.reading(&cost, verifier);
    if own.rungs.is_empty() {
        let order: Vec<usize> = (0..row.pool.plain.len()).collect();
        let factorials = Factorials::to(order.len() as u64);
        let mut draws = Draws::new(&row.pool, &order);
        let mut looks = Vec::new();
        draws.climb(own, |look, state| {
            let spent = price(row.pool.cost(verifier, look, &factorials));
            let decided = own.stopping.is_some_and(|rule| rule.decided(state));
            looks.push((Progress::new(look, spent, state), decided));
            decided || look == order.len()
        });
        let rung = |(progress, decided): (Progress, bool)| Rung {
            taken: draws.taken(own, progress.drawn),
            progress,
            decided,
        };
        return looks.into_iter().map(rung).collect();
    }
    let looks = climb(&evidence.candidates, candidate);
    let rung = |(place, look): (usize, usize)| {
        let taken = row.ends[place];
        let state = VoteState::rewarded(taken.score);
        Rung {
            decided: own.stopping.is_some_and(|rule| rule.decided(&state)),
            progress: Progress::new(look, price(row.costs[place]), &state),
            taken,
        }
    };
    looks.into_iter().zip(own.looks()).map(rung).collect()
}

/// The look that each problem comes to when all share a total.
fn allocate(ladders: &[&[Rung]], looks: &[usize], order: Order, total: f64) -> Vec<Option<usize>> {
    let mut reached: Vec<Option<usize>> = vec![None; ladders.len()];
    let mut open: Vec<usize> = (0..ladders.len()).collect();
    let none = Progress::default();
    let mut left = total;
    loop {
        let progress = open.iter().map(|&own| match reached[own] {
            Some(rung) => &ladders[own][rung].progress,
            None => &none,
        });
        let progress: Vec<&Progress> = progress.collect();
        let drawn = round(&progress, looks, order, left, total);
        if drawn.is_empty() {
            return reached;
        }
        for place in drawn {
            let own = open[place];
            let before = reached[own].map_or(0.0, |rung| ladders[own][rung].progress.spent);
            let next = reached[own].map_or(0, |rung| rung + 1);
            reached[own] = Some(next);
            left -= ladders[own][next].progress.spent - before;
        }
        let over = |own: usize| {
            let rung = reached[own].map(|rung| (rung, ladders[own][rung].decided));
            rung.is_some_and(|(rung, decided)| decided || rung + 1 >= ladders[own].len())
        };
        open.retain(|&own| !over(own));
    }
}

/// What a row comes to at the look that it reached; nothing drawn is nothing right.
fn ended(ladder: &[Rung], reached: Option<usize>) -> (Taken, f64) {
    reached.map_or((Taken::default(), 0.0), |rung| {
        (ladder[rung].taken, ladder[rung].progress.spent)
    })
}

impl Tuning<'_> {
    /// Finds for each entry whether its total is better spent by what draws show, and how.
    pub fn share(&self, tuned: &mut Tuned) {
        let budgets: Vec<f64> = tuned.entries.iter().map(|entry| entry.budget).collect();
        let ways = self.ways();
        // By way, budget and row: what was taken, and its cost.
        let tried: Vec<Vec<Vec<(Taken, f64)>>> = ways
            .par_iter()
            .map(|&(candidate, order)| self.tried(candidate, order, &budgets))
            .collect();
        let rows = self.evidence.rows.len();
        let said: Vec<Vec<Predicted>> = (0..tuned.predictors.len())
            .map(|predictor| self.unseen(predictor))
            .collect();
        let priced: Vec<f64> = tuned
            .entries
            .iter()
            .map(|entry| {
                self.priced(entry, &said)
                    .unwrap_or(entry.validated.accuracy())
            })
            .collect();
        for (place, entry) in tuned.entries.iter_mut().enumerate() {
            let right =
                |way: usize, row: usize| f64::from(u8::from(tried[way][place][row].0.right));
            // Of those within the budget; the last to draw may spend a little more than is left.
            let best = |among: &dyn Fn(usize) -> bool| {
                let own: Vec<usize> = (0..rows).filter(|&row| among(row)).collect();
                let sum = |of: &dyn Fn(usize) -> f64| own.iter().map(|&row| of(row)).sum::<f64>();
                let most = entry.budget * own.len() as f64 * 1.02;
                let can = |&way: &usize| sum(&|row| tried[way][place][row].1) <= most;
                let ways = (0..ways.len()).filter(can);
                let ways = ways.map(|way| (way, sum(&|row| right(way, row))));
                // Of equals the first.
                let best = ways.rev().max_by(|a, b| a.1.total_cmp(&b.1));
                best.map(|own| own.0)
            };
            let fold = |row: usize| self.folds[self.evidence.rows[row].problem];
            // A fold without any way within the budget: there is none for the file either.
            let chosen = (0..self.fold_count()).map(|held| best(&|row| fold(row) != held));
            let Some(chosen) = chosen.collect::<Option<Vec<usize>>>() else {
                continue;
            };
            // What a way came to on the other folds is what it says of this one.
            let said = chosen.iter().enumerate().map(|(held, &way)| {
                let others = (0..rows).filter(|&row| fold(row) != held);
                let (sum, count) = others.fold((0.0, 0.0), |(sum, count), row| {
                    (sum + right(way, row), count + 1.0)
                });
                sum / f64::max(count, 1.0)
            });
            let said: Vec<f64> = said.collect();
            let mut outcome = Outcome::default();
            for row in 0..rows {
                let way = chosen[fold(row)];
                let (taken, cost) = tried[way][place][row];
                outcome.push_end(ways[way].0, taken, cost, said[fold(row)]);
            }
            let whole = best(&|_| true);
            let better = outcome.accuracy() > priced[place];
            entry.shared = whole.filter(|_| better).map(|way| {
                let (ended, right) = outcome.ended(self.evidence);
                let folds: Vec<usize> = (0..rows).map(fold).collect();
                Shared {
                    candidate: ways[way].0,
                    order: ways[way].1,
                    confidence: Confidence::fit(&ended, &right, &folds),
                    validated: outcome,
                }
            });
        }
    }

    /// What may be drawn on: of each candidate that stops the largest `N`, for the total bounds it.
    fn ways(&self) -> Vec<(usize, Order)> {
        let candidates = &self.evidence.candidates;
        let largest = |own: usize| {
            let own = &candidates[own];
            let kin = self.allowed.iter().map(|&other| &candidates[other]);
            kin.filter(|other| (other.method, other.width) == (own.method, own.width))
                .all(|other| other.budget <= own.budget)
        };
        let own = self.allowed.iter().copied();
        own.filter(|&own| candidates[own].stopping.is_some() && largest(own))
            .flat_map(|own| {
                let by_reward = candidates[own]
                    .stopping
                    .is_some_and(|rule| rule.needs_rewards());
                Order::of(by_reward).iter().map(move |&order| (own, order))
            })
            .collect()
    }

    /// By budget and row: what a way comes to where the problems of each fold share their total.
    fn tried(&self, candidate: usize, order: Order, budgets: &[f64]) -> Vec<Vec<(Taken, f64)>> {
        let rows = 0..self.evidence.rows.len();
        let ladders: Vec<Vec<Rung>> = rows
            .map(|row| ladder(self.evidence, self.cost_model, row, candidate))
            .collect();
        let looks = self.evidence.candidates[candidate].looks();
        let one = |&budget: &f64| {
            let mut found = vec![(Taken::default(), 0.0); ladders.len()];
            for fold in 0..self.fold_count() {
                let (held, _) = self.split(fold);
                let own: Vec<&[Rung]> = held.iter().map(|&row| ladders[row].as_slice()).collect();
                let total = budget * held.len() as f64;
                for (&row, reached) in held.iter().zip(allocate(&own, &looks, order, total)) {
                    found[row] = ended(&ladders[row], reached);
                }
            }
            found
        };
        budgets.iter().map(one).collect()
    }

    /// The accuracy where the problems of each fold share their total at one price; none where nothing is predicted.
    fn priced(&self, entry: &Entry, said: &[Vec<Predicted>]) -> Option<f64> {
        let Decision::Predicted { predictor, .. } = entry.decision else {
            return None;
        };
        let said = &said[predictor];
        let (mut sum, mut count) = (0.0, 0usize);
        for fold in 0..self.fold_count() {
            let (held, _) = self.split(fold);
            let own: Vec<&Predicted> = held.iter().map(|&row| &said[row]).collect();
            let price = one_price(&own, entry.budget)?;
            for (&row, predicted) in held.iter().zip(own) {
                sum += self.evidence.rows[row].chances[predicted.choose(price).0];
                count += 1;
            }
        }
        Some(sum / count.max(1) as f64)
    }
}

/// The price at which what all choose by what is predicted costs `budget` each.
fn one_price(predicted: &[&Predicted], budget: f64) -> Option<f64> {
    let column = |of: fn(&Predicted) -> &Vec<f64>| -> Vec<Vec<f64>> {
        predicted.iter().map(|own| of(own).clone()).collect()
    };
    let expected = column(|own| &own.costs);
    multiplier(&column(|own| &own.chances), &expected, &expected, budget)
}

impl Tuned {
    /// Does an entry choose by what is predicted of a problem?
    pub(super) fn predicts(&self, entry: &Entry) -> bool {
        matches!(entry.decision, Decision::Predicted { .. })
    }

    /// What an entry comes to where all rows of other evidence share one total of `budget` a row: as [`Entry::shared`] says, else at
    /// one price of what is predicted of them, else as each by itself.
    pub fn shared(
        &self,
        entry: &Entry,
        evidence: &Evidence,
        cost_model: &CostModel,
        budget: f64,
    ) -> Outcome {
        match &entry.shared {
            Some(shared) => {
                eliminated(shared.candidate, shared.order, evidence, cost_model, budget)
            }
            None => {
                let priced = self.priced(entry, evidence, cost_model, budget);
                priced.unwrap_or_else(|| self.apply(entry, evidence, cost_model))
            }
        }
    }

    /// At the price at which what all rows would take costs `budget` a row, by what is predicted of them; none where nothing is.
    fn priced(
        &self,
        entry: &Entry,
        evidence: &Evidence,
        cost_model: &CostModel,
        budget: f64,
    ) -> Option<Outcome> {
        let Decision::Predicted { predictor, .. } = entry.decision else {
            return None;
        };
        let predictor = &self.predictors[predictor];
        let rows = evidence.rows.iter();
        let predicted: Vec<Predicted> = rows
            .map(|row| predictor.predict(&row_features(predictor.probe, row)))
            .collect();
        let price = one_price(&predicted.iter().collect::<Vec<_>>(), budget)?;
        let costs = costs(evidence, cost_model, Some(predictor.probe));
        let mut outcome = Outcome::default();
        for (row, own) in predicted.iter().enumerate() {
            let (taken, said) = own.choose(price);
            outcome.push(evidence, &costs, row, taken, said);
        }
        Some(outcome)
    }
}

/// What a candidate comes to where all rows share one total of `budget` a row by what their draws show.
pub(super) fn eliminated(
    candidate: usize,
    order: Order,
    evidence: &Evidence,
    cost_model: &CostModel,
    budget: f64,
) -> Outcome {
    let rows = 0..evidence.rows.len();
    let ladders: Vec<Vec<Rung>> = rows
        .map(|row| ladder(evidence, cost_model, row, candidate))
        .collect();
    let looks = evidence.candidates[candidate].looks();
    let own: Vec<&[Rung]> = ladders.iter().map(Vec::as_slice).collect();
    let total = budget * own.len() as f64;
    let mut outcome = Outcome::default();
    for (ladder, reached) in own.iter().zip(allocate(&own, &looks, order, total)) {
        let (taken, cost) = ended(ladder, reached);
        outcome.push_end(candidate, taken, cost, f64::NAN);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use outthink_strategy::{PROBE, Stopping};
    use std::sync::Arc;

    use futures::executor::block_on;
    use futures::future::{BoxFuture, FutureExt};
    use outthink_core::method::MAJORITY;
    use outthink_core::{
        Continuation, ExactAnswers, Extension, Finished, Limits, ModelError, Plan, Policy, Problem,
        Reply, Sampling, Step, Stop, Tree, Usage, classes, search,
    };
    use outthink_strategy::{Batch, Candidate, JournalFile, PolicyModel, Strategy};

    use super::super::synthetic;
    use super::*;

    #[test]
    fn the_undecided_get_what_the_decided_save_and_the_total_holds() {
        let evidence = synthetic::evidence(40, 1);
        let cost_model = synthetic::samples(&evidence);
        let voted = |own: &Candidate| {
            own.budget == 64 && own.verifier.is_none() && own.stopping == Some(Stopping::Beta(0.95))
        };
        let candidate = evidence
            .candidates
            .iter()
            .position(voted)
            .unwrap_or_default();
        for order in Order::of(false) {
            let outcome = eliminated(candidate, *order, &evidence, &cost_model, 16.0);
            assert!(outcome.cost() <= 16.0, "{order} {}", outcome.cost());
            assert!(outcome.costs.iter().all(|&cost| cost >= PROBE as f64));
            let mean = |hard: bool| {
                let rows = evidence.rows.iter().zip(&outcome.costs);
                let own = rows.filter(|(row, _)| (row.pass < 0.7) == hard);
                let costs: Vec<f64> = own.map(|(_, cost)| *cost).collect();
                costs.iter().sum::<f64>() / costs.len().max(1) as f64
            };
            let (hard, easy) = (mean(true), mean(false));
            assert!(hard > 1.5 * easy, "{order} {hard} {easy}");
        }
    }

    /// Answers whatever the seed says.
    struct Split;

    impl Policy for Split {
        fn extend(&self, asked: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
            let draw = |seed: &u64| {
                let text = format!("by way {seed} \\boxed{{{}}}", seed % 3);
                let step = Step {
                    tokens: text.bytes().map(u32::from).collect(),
                    text,
                    logprob: -5.0,
                    ..Step::default()
                };
                Continuation {
                    steps: vec![step],
                    stop: Stop::Answer,
                }
            };
            let reply =
                |request: Extension| (request.seeds.iter().map(draw).collect(), Usage::default());
            let replies = asked.into_iter().map(reply).collect();
            async move { Ok(replies) }.boxed()
        }
    }

    const LIMITS: Limits = Limits {
        draw_tokens: 100,
        solution_tokens: 100,
        steps: 10,
    };

    /// The answer class of each of 64 draws.
    fn drawn(problem: Arc<Problem>) -> Result<Vec<Option<usize>>, outthink_core::Error> {
        let plan = Plan::new(MAJORITY, 64, 1, Finished::default())?;
        let sampling = Sampling::at(1.0);
        let tree = block_on(search(problem, &plan, sampling, LIMITS, 1, &Split, None))?;
        let leaves = tree.nodes()[Tree::ROOT].led_to.iter();
        let texts: Vec<String> = leaves.map(|&leaf| tree.solution(leaf).text()).collect();
        let answers = texts.iter().filter_map(|text| ExactAnswers::find(text));
        let answers: Vec<&str> = answers.collect();
        block_on(classes(&ExactAnswers, &tree.problem, &answers))
    }

    #[test]
    fn a_total_shared_by_draws_goes_where_its_replay_says() -> Result<(), Box<dyn std::error::Error>>
    {
        let mut evidence = synthetic::evidence(80, 2);
        let file = synthetic::strategy(&evidence, false);
        let strategy = Strategy::Fitted(Box::new(file));
        let policy = PolicyModel {
            info: evidence.policy.clone(),
            model: Arc::new(Split),
            sampling: Sampling::at(1.0),
            limits: LIMITS,
            target_in_flight: 64,
            imported: None,
        };
        let problem = |number| Problem {
            id: format!("p{number}"),
            text: "what?".into(),
        };
        let problems: Vec<Arc<Problem>> = (0..40).map(problem).map(Arc::new).collect();
        // The replay's pools hold what the policy will draw.
        evidence.rows.truncate(40);
        for (row, problem) in evidence.rows.iter_mut().zip(&problems) {
            for (vote, class) in row.pool.plain.iter_mut().zip(drawn(Arc::clone(problem))?) {
                vote.class = class;
            }
        }
        let cost_model = synthetic::samples(&evidence);
        for share in [8.0, 16.0] {
            let how = strategy.shared(share)?.ok_or("shared by draws")?;
            let place = evidence.place(&how.candidate).ok_or("a candidate")?;
            let told = eliminated(place, how.order, &evidence, &cost_model, share);
            let journal = JournalFile::default();
            let batch = Batch {
                strategy: &strategy,
                policy: &policy,
                verifiers: Vec::new(),
                cost_model: &cost_model,
                answers: &ExactAnswers,
                seed: 1,
                journal: &journal,
            };
            let mut live = vec![0.0; problems.len()];
            let mut done = |place: usize, solved: Result<(_, f64), _>| {
                live[place] = solved.map_or(f64::NAN, |(_, cost)| cost);
            };
            let total = 40.0 * share;
            block_on(batch.run(&problems, share, (total, total), &mut done))?;
            assert_eq!(live, told.costs, "{} {}", how.candidate, how.order);
        }
        Ok(())
    }

    #[test]
    fn a_pool_that_is_smaller_than_the_budget_is_drawn_to_its_end() {
        let mut evidence = synthetic::evidence(12, 1);
        let cost_model = synthetic::samples(&evidence);
        for (row, size) in evidence.rows.iter_mut().zip(1..) {
            row.pool.plain.truncate(size * 5);
        }
        for candidate in 0..evidence.candidates.len() {
            for order in Order::ALL {
                let outcome = eliminated(candidate, order, &evidence, &cost_model, 1e6);
                let pools = evidence.rows.iter().map(|row| row.pool.plain.len() as f64);
                assert!(
                    outcome
                        .costs
                        .iter()
                        .zip(pools)
                        .all(|(cost, pool)| *cost <= pool)
                );
            }
        }
    }

    #[test]
    fn where_votes_are_all_there_is_draws_show_more_than_predictions() {
        let evidence = synthetic::evidence(400, 4);
        let cost_model = synthetic::samples(&evidence);
        let votes = |c: &usize| evidence.candidates[*c].verifier.is_none();
        let allowed: Vec<usize> = (0..evidence.candidates.len()).filter(votes).collect();
        let tuning = Tuning::new(&evidence, &cost_model, allowed, 5, 0);
        let mut tuned = tuning.fit(&[12.0]);
        tuning.share(&mut tuned);
        let entry = &tuned.entries[0];
        assert!(entry.shared.is_some());
        let unseen = synthetic::evidence(400, 5);
        let outcome = tuned.shared(entry, &unseen, &cost_model, 12.0);
        assert!(outcome.cost() <= 12.0 * 1.01, "{}", outcome.cost());
        let alone = tuned.apply(entry, &unseen, &cost_model);
        assert!(
            outcome.accuracy() > alone.accuracy(),
            "{} {}",
            outcome.accuracy(),
            alone.accuracy()
        );
    }
}
