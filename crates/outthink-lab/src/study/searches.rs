//! One method on many problems, each searched by itself, several at once.

use std::sync::Arc;

use futures::stream::{StreamExt, iter};
use outthink_core::guard::{Panicked, guarded};
use outthink_core::identity::hash64;
use outthink_core::{
    CountedPolicy, CountedVerifier, Error, Limits, Plan, Policy, Problem, Sampling, Tree, Verifier,
    search,
};
use outthink_strategy::{JournalFile, RecordedPolicy, RecordedVerifier};

/// Why a problem has no tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchFailure {
    /// The search failed.
    #[error(transparent)]
    Search(#[from] Error),
    /// It panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// A method and what it searches with.
pub struct Searches<'a> {
    /// The policy.
    pub policy: &'a dyn Policy,
    /// The verifier, if there is one.
    pub verifier: Option<&'a dyn Verifier>,
    /// Method and budget of a problem.
    pub plan: Plan,
    /// How the policy samples.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
    /// The random seed.
    pub seed: u64,
    /// Samples under way at once, about.
    pub target_in_flight: usize,
    /// Where models' replies are kept until all is done.
    pub journal: &'a JournalFile,
}

impl Searches<'_> {
    /// Searches all problems; `done` hears of each by its place as it ends. One that fails leaves the others alone.
    pub async fn run(
        &self,
        problems: &[Arc<Problem>],
        done: &mut dyn FnMut(usize, Result<Tree, SearchFailure>),
    ) {
        let at_once = (self.target_in_flight / self.plan.budget()).max(1);
        let mut searches = iter(problems.iter().enumerate())
            .map(|(place, problem)| async move {
                let searched = guarded(self.one(problem)).await;
                (
                    place,
                    searched
                        .map_err(SearchFailure::from)
                        .and_then(|own| Ok(own?)),
                )
            })
            .buffer_unordered(at_once);
        while let Some((place, tree)) = searches.next().await {
            done(place, tree);
        }
    }

    async fn one(&self, problem: &Arc<Problem>) -> Result<Tree, Error> {
        let key = hash64(&[problem.id.as_bytes(), problem.text.as_bytes()]);
        let journal = self.journal.of(key);
        let policy = CountedPolicy::new(RecordedPolicy::new(self.policy, &journal));
        let verifier = self.verifier.map(|verifier| {
            CountedVerifier::new(RecordedVerifier {
                verifier,
                journal: &journal,
                name: "",
            })
        });
        let verifier = verifier.as_ref().map(|verifier| verifier as &dyn Verifier);
        let problem = Arc::clone(problem);
        let Self {
            plan,
            sampling,
            limits,
            seed,
            ..
        } = self;
        search(problem, plan, *sampling, *limits, *seed, &policy, verifier).await
    }
}
