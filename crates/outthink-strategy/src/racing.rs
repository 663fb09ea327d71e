//! A total that is spent by what draws show, live: all problems draw on in rounds ([`crate::allocation`]).

use std::sync::Arc;

use futures::stream::{StreamExt, iter};
use outthink_core::guard::guarded;
use outthink_core::{Problem, Tree};

use crate::allocation::{Progress, round};
use crate::choice::Chosen;
use crate::confidence::Ended;
use crate::cost_model::CostModel;
use crate::elimination::Elimination;
use crate::solve::{InProgress, SolveContext, SolveError, Solved};

/// A problem on its way.
struct RacingCandidate<'a> {
    place: usize,
    begun: InProgress<'a>,
    progress: Progress,
    /// What its answer is taken from so far.
    tree: Option<Tree>,
    decided: bool,
}

/// Problems under way at once.
pub(crate) const CONCURRENT_PROBLEMS: usize = 16;

/// Who hears of each answer by its place, with what it cost.
pub(crate) type Done<'a> = dyn FnMut(usize, Result<(Solved, f64), SolveError>) + 'a;

/// All draw on in rounds.
pub(crate) struct Race<'a> {
    pub(crate) how: &'a Elimination,
    pub(crate) cost_model: &'a CostModel,
    pub(crate) seed: u64,
}

impl Race<'_> {
    /// As far as what is left of the total goes. Everyone gets a first look.
    pub(crate) async fn run(
        &self,
        asked: &[(&Arc<Problem>, &SolveContext<'_>)],
        (mut left, total): (f64, f64),
        done: &mut Done<'_>,
    ) {
        let how = self.how;
        let looks = how.candidate.looks();
        let mut open: Vec<RacingCandidate<'_>> = Vec::new();
        for (place, (problem, context)) in asked.iter().enumerate() {
            let begun = guarded(InProgress::new(
                Arc::clone(problem),
                None,
                self.seed,
                context,
            ))
            .await;
            match begun.unwrap_or_else(|panic| Err(panic.into())) {
                Ok(begun) => open.push(RacingCandidate {
                    place,
                    begun,
                    progress: Progress::default(),
                    tree: None,
                    decided: false,
                }),
                Err(error) => done(place, Err(error)),
            }
        }
        while !open.is_empty() {
            let progress: Vec<&Progress> = open.iter().map(|own| &own.progress).collect();
            let drawn = round(&progress, &looks, how.order, left, total);
            if drawn.is_empty() {
                break;
            }
            let mut waiting: Vec<Option<RacingCandidate<'_>>> =
                open.into_iter().map(Some).collect();
            let climbing: Vec<RacingCandidate<'_>> = drawn
                .into_iter()
                .filter_map(|place| waiting[place].take())
                .collect();
            open = waiting.into_iter().flatten().collect();
            let climbed = iter(climbing).map(|own| self.climb(own, &looks));
            let mut climbed = climbed.buffered(CONCURRENT_PROBLEMS);
            while let Some((place, climbed)) = climbed.next().await {
                match climbed {
                    Ok((racing, cost)) => {
                        left -= cost;
                        match racing.decided || racing.progress.drawn == how.candidate.budget {
                            true => done(racing.place, racing.answer(how).await),
                            false => open.push(racing),
                        }
                    }
                    Err(error) => done(place, Err(error)),
                }
            }
            // Equals draw on in the order of the problems.
            open.sort_by_key(|own| own.place);
        }
        for racing in open {
            done(racing.place, racing.answer(how).await);
        }
    }

    /// Draws on to the next look, and what that cost.
    async fn climb<'h>(
        &self,
        mut own: RacingCandidate<'h>,
        looks: &[usize],
    ) -> (usize, Result<(RacingCandidate<'h>, f64), SolveError>) {
        let (how, place) = (self.how, own.place);
        let before = own.progress.spent;
        let next = looks
            .iter()
            .copied()
            .find(|&look| look > own.progress.drawn);
        let look = next.unwrap_or(how.candidate.budget);
        let climbed = async {
            let work = &mut own.begun.work;
            let (tree, state) = work.look(&how.candidate, look).await?;
            // Here a verifier reads at every look what it will have to read in any case.
            own.tree = Some(work.taken(&how.candidate, look, tree).await?);
            let spent = self.cost_model.spent(look, &work.spent, &work.read);
            own.progress = Progress::new(look, spent, &state);
            let stopping = how.candidate.stopping;
            own.decided = stopping.is_some_and(|rule| rule.decided(&state));
            Ok((own, spent - before))
        };
        let climbed = guarded(climbed).await;
        (place, climbed.unwrap_or_else(|panic| Err(panic.into())))
    }
}

impl RacingCandidate<'_> {
    async fn answer(self, how: &Elimination) -> Result<(Solved, f64), SolveError> {
        let Progress { drawn, spent, .. } = self.progress;
        let most = how.candidate.budget;
        let ended = match self.decided {
            true => format!("decided after {drawn} of at most {most}"),
            false if drawn == most => format!("open to the end, after {drawn}"),
            false => format!("the total was spent after {drawn} of at most {most}"),
        };
        let chosen = Chosen {
            candidate: how.candidate.clone(),
            predicted: Some(how.accuracy),
            reason: format!("all problems share one total, {} first: {ended}", how.order),
        };
        let tree = self.tree.ok_or(SolveError::NothingDrawn)?;
        let confidence = |ended: &Ended| Ok(Some(how.confidence.at(ended)));
        let shown = self.begun.shown(&tree, &how.candidate).await?;
        let seen = how.seen.as_ref();
        let unlike = seen.and_then(|seen| seen.unlike(self.begun.text(), &shown));
        let solved = self.begun.solved(tree, drawn, chosen, unlike, confidence);
        let solved = solved.await?;
        Ok((solved, spent))
    }
}
