//! One problem, searched and answered: what a Rust user meets first.

use std::sync::Arc;

use crate::{
    AnyMethod, Chosen, Domain, Error, ExactAnswers, Finished, Limits, Pair, Plan, Policy, Problem,
    Sampling, Selection, Solution, Tree, Verifier, search,
};

/// A search with whatever is not said left to what is usual.
///
/// ```
/// use futures::executor::block_on;
/// use outthink_core::{Problem, Search, method::BEAM};
/// # use futures::future::{BoxFuture, FutureExt, ready};
/// # use outthink_core::*;
/// # struct Model;
/// # impl Policy for Model {
/// #     fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
/// #         let step = Step { tokens: vec![7], ..Step::written(r"It is \boxed{7}.") };
/// #         let solution = Continuation { steps: vec![step], stop: Stop::Answer };
/// #         let reply = |request: Extension| (vec![solution.clone(); request.seeds.len()], Usage::default());
/// #         ready(Ok(requests.into_iter().map(reply).collect())).boxed()
/// #     }
/// # }
/// # impl Verifier for Model {
/// #     fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
/// #         let judge = |own: Prefix| Judgement { rewards: vec![0.5; own.steps.len()], usage: Usage::default() };
/// #         ready(Ok(prefixes.into_iter().map(judge).collect())).boxed()
/// #     }
/// # }
/// # let (policy, verifier) = (Model, Model);
/// let problem = Problem::new("What is 3 + 4?");
/// let search = Search::new(&policy).verifier(&verifier).method(BEAM).budget(16).seed(1);
/// let outcome = block_on(search.solve(&problem))?;
/// assert_eq!(outcome.answer.as_deref(), Some("7"));
/// assert_eq!(outcome.plan.to_string(), "16 = 4 beams × 4");
/// # Ok::<(), outthink_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Search<'a> {
    policy: &'a dyn Policy,
    verifier: Option<&'a dyn Verifier>,
    domain: &'a dyn Domain,
    method: Option<AnyMethod>,
    budget: Option<usize>,
    width: Option<usize>,
    finished: Finished,
    selection: Option<Selection>,
    sampling: Option<Sampling>,
    limits: Option<Limits>,
    seed: u64,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer; none where no solution has one.
    pub answer: Option<String>,
    /// Share of the samples with an answer that gave this one, in [0, 1].
    pub agreement: Option<f64>,
    /// The solution that the answer is from.
    pub solution: Option<Solution>,
    /// How the budget was spent.
    pub plan: Plan,
    /// How the answer was chosen.
    pub selection: Selection,
    /// All that was drawn and scored, with what it cost.
    pub tree: Tree,
}

impl<'a> Search<'a> {
    /// A search with a policy.
    pub fn new(policy: &'a dyn Policy) -> Self {
        Self {
            policy,
            verifier: None,
            domain: &ExactAnswers,
            method: None,
            budget: None,
            width: None,
            finished: Finished::default(),
            selection: None,
            sampling: None,
            limits: None,
            seed: 0,
        }
    }

    /// Scores steps with a verifier.
    pub fn verifier(self, verifier: &'a dyn Verifier) -> Self {
        let verifier = Some(verifier);
        Self { verifier, ..self }
    }

    /// Finds and compares answers as a domain does; otherwise the last `\boxed{}` is the answer, compared as text.
    pub fn domain(self, domain: &'a dyn Domain) -> Self {
        Self { domain, ..self }
    }

    /// Spends the budget by a method; otherwise by beam search, or without a verifier by majority voting.
    pub fn method(self, method: AnyMethod) -> Self {
        let method = Some(method);
        Self { method, ..self }
    }

    /// Draws at most `N` solutions, or as many tokens in partial ones; otherwise 16.
    pub fn budget(self, budget: usize) -> Self {
        let budget = Some(budget);
        Self { budget, ..self }
    }

    /// Draws `M` samples of every kept step; otherwise 4, or the largest number below that divides the budget.
    pub fn width(self, width: usize) -> Self {
        let width = Some(width);
        Self { width, ..self }
    }

    /// Says what beam search does with a path whose answer is complete.
    pub fn finished(self, finished: Finished) -> Self {
        Self { finished, ..self }
    }

    /// Takes the answer by a selection; otherwise by a vote, weighted by the last reward where there are rewards.
    pub fn selection(self, selection: Selection) -> Self {
        let selection = Some(selection);
        Self { selection, ..self }
    }

    /// Draws tokens in a way of one's own; otherwise in the policy's.
    pub fn sampling(self, sampling: Sampling) -> Self {
        let sampling = Some(sampling);
        Self { sampling, ..self }
    }

    /// Stops paths at limits of one's own; otherwise at the policy's.
    pub fn limits(self, limits: Limits) -> Self {
        let limits = Some(limits);
        Self { limits, ..self }
    }

    /// Seeds the search; the same seed gives the same tree.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Searches for one problem's answer.
    ///
    /// # Errors
    ///
    /// A budget that cannot be laid out, a method that needs a verifier without one, and a model or domain that fails.
    pub async fn solve(&self, problem: &Problem) -> Result<Outcome, Error> {
        let pair = Pair {
            steps: true,
            verifier: self.verifier.is_some(),
        };
        let method = self.method.unwrap_or_else(|| pair.default_method());
        pair.check(method)?;
        let budget = self.budget.unwrap_or_else(|| method.default_budget());
        let width = self.width.unwrap_or_else(|| Plan::usual_width(budget));
        let plan = Plan::new(method, budget, width, self.finished)?;
        let selection = method.selection(self.selection)?;
        let tree = search(
            Arc::new(problem.clone()),
            &plan,
            self.sampling
                .unwrap_or_else(|| self.policy.usual_sampling()),
            self.limits.unwrap_or_else(|| self.policy.usual_limits()),
            self.seed,
            self.policy,
            self.verifier,
        )
        .await?;
        let solutions = tree.solutions();
        let chosen = selection.choose(problem, &solutions, self.domain).await?;
        let taken = chosen.as_ref().map(|Chosen { solution, .. }| *solution);
        Ok(Outcome {
            agreement: chosen.as_ref().map(|chosen| chosen.agreement),
            answer: chosen.map(|chosen| chosen.answer),
            solution: taken.and_then(|taken| solutions.into_iter().nth(taken)),
            plan,
            selection,
            tree,
        })
    }
}
