//! A strategy at work on one problem.

use std::collections::HashMap;
use std::sync::Arc;

use outthink_core::method::{BEST_OF_N, MAJORITY};
use outthink_core::{
    AnyMethod, Domain, Limits, NodeId, Plan, Policy, Problem, Sampling, Selection, Solution, Stop,
    Tree, Usage, Verifier, search,
};

use crate::candidate::Candidate;
use crate::choice::{Bounds, Chosen};
use crate::confidence::Ended;
use crate::error::StrategyError;
use crate::features::ProbeFeatures;
use crate::memory::{RememberingPolicy, RememberingVerifier};
use crate::stopping::{PROBE, Stopping, VoteState};
use crate::strategy::Strategy;
use crate::unlike::Shown;

/// What a strategy works with.
pub struct SolveContext<'a> {
    /// The policy.
    pub policy: &'a dyn Policy,
    /// Verifiers by their names in the strategy; those of [`Strategy::asks`] are needed.
    pub verifiers: Vec<(&'a str, &'a dyn Verifier)>,
    /// How the policy draws.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
    /// How answers are told apart.
    pub answers: &'a dyn Domain,
    /// Most samples for one problem, if that is bounded.
    pub most: Option<usize>,
}

/// Why a strategy has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// It has nothing for the budget.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
    /// The search failed.
    #[error(transparent)]
    Search(#[from] outthink_core::Error),
    /// A verifier isn't there.
    #[error("the strategy needs the verifier {0}")]
    NoVerifier(String),
    /// A model or our own code panicked.
    #[error(transparent)]
    Panicked(#[from] outthink_core::guard::Panicked),
    /// Nothing was drawn for the problem.
    #[error("nothing was drawn for the problem")]
    NothingDrawn,
}

/// What came of it.
#[derive(Debug)]
pub struct Solved {
    /// What was chosen, and why.
    pub chosen: Chosen,
    /// The answer.
    pub answer: Option<outthink_core::Chosen>,
    /// The calibrated chance that it is right: by what was predicted, how all draws agree and its reward; none where nothing was fitted
    /// or there is no answer.
    pub confidence: Option<f64>,
    /// Why nothing is known of the answer though something was fitted: the problem is not like those of the fit.
    pub unlike: Option<String>,
    /// How it was taken from [`Solved::answered`].
    pub selection: Selection,
    /// The search's tree; its usage is only what that search had still to compute.
    pub tree: Tree,
    /// The tree of the first samples, if they were looked at, and who read them.
    pub probe: Option<(Tree, Option<String>)>,
    /// The search found no answer and the first samples had one.
    pub fell_back: bool,
    /// Samples of the search, which may have stopped before its `N`.
    pub drawn: usize,
    /// And with the probe's.
    pub samples: usize,
    /// All that the policy worked through.
    pub policy: Usage,
    /// All that each verifier worked through.
    pub verifiers: Vec<(String, Usage)>,
}

impl Solved {
    /// The tree that the answer was taken from.
    pub fn answered(&self) -> &Tree {
        match &self.probe {
            Some((probe, _)) if self.fell_back => probe,
            _ => &self.tree,
        }
    }

    /// The tree of draws beside those of [`Solved::answered`], if there is one.
    pub fn beside(&self) -> Option<&Tree> {
        match &self.probe {
            Some(_) if self.fell_back => Some(&self.tree),
            Some((probe, _)) if !self.chosen.candidate.reuses_probe() => Some(probe),
            _ => None,
        }
    }
}

impl Strategy {
    /// Answers a problem for a budget in the strategy's unit: looks at the first samples if that pays, chooses, searches,
    /// and stops early where the choice says so. Draws and judgements of the probe are used again.
    pub async fn solve(
        &self,
        problem: Arc<Problem>,
        budget: f64,
        seed: u64,
        context: &SolveContext<'_>,
    ) -> Result<Solved, SolveError> {
        let reader = self.probe(budget)?;
        let begun = InProgress::new(problem, reader, seed, context).await?;
        let bounds = Bounds {
            most: context.most,
            price: None,
        };
        let chosen = self.choose(budget, &begun.glimpses, bounds)?;
        self.finish(begun, budget, chosen).await
    }

    /// Does what was chosen.
    pub(crate) async fn finish(
        &self,
        mut begun: InProgress<'_>,
        budget: f64,
        chosen: Chosen,
    ) -> Result<Solved, SolveError> {
        let (tree, drawn) = begun.work.search(&chosen.candidate).await?;
        let shown = begun.shown(&tree, &chosen.candidate).await?;
        let unlike = self.unlike(budget, begun.text(), &shown)?;
        let confidence = |ended: &Ended| self.confidence(budget, ended);
        begun.solved(tree, drawn, chosen, unlike, confidence).await
    }
}

/// What the confidence in an answer goes by: what was predicted, and the votes that it got by its selection's count.
fn ended(
    tree: &Tree,
    selection: Selection,
    stepwise: bool,
    chosen: &Chosen,
    answer: Option<&outthink_core::Chosen>,
    answers: &dyn Domain,
) -> Option<Ended> {
    let said = chosen.predicted?;
    let agreement = answer?.agreement;
    let votes = |solution: &Solution| {
        let scored = selection == Selection::Majority || selection.score(solution).is_some();
        scored && answers.extract(&tree.problem, &solution.text()).is_some()
    };
    let solutions = tree.solutions().into_iter().filter(votes);
    let all = solutions.map(|solution| solution.count).sum::<usize>() as f64;
    Some(Ended {
        said,
        stepwise,
        votes: agreement * all,
        all,
        reward: reward(selection, answer?, &tree.solutions()),
    })
}

/// The reward of the best solution with an answer, for selections by rewards.
fn reward(
    selection: Selection,
    answer: &outthink_core::Chosen,
    solutions: &[Solution],
) -> Option<f64> {
    let best = solutions.get(answer.solution)?;
    selection.needs_rewards().then(|| selection.score(best))?
}

fn whole(method: AnyMethod, draws: usize) -> Result<Plan, outthink_core::Error> {
    Plan::new(method, draws, 1, outthink_core::Finished::default())
}

/// A problem whose first samples are known, if its strategy looks at them.
pub(crate) struct InProgress<'a> {
    pub(crate) work: Work<'a>,
    glimpses: Vec<ProbeFeatures>,
    probed: Option<(Tree, Option<String>)>,
}

impl<'a> InProgress<'a> {
    /// Looks at the first samples, if somebody, or a verifier, reads them.
    pub(crate) async fn new(
        problem: Arc<Problem>,
        reader: Option<Option<&str>>,
        seed: u64,
        context: &'a SolveContext<'a>,
    ) -> Result<InProgress<'a>, SolveError> {
        let mut work = Work {
            problem,
            seed,
            context,
            policy: RememberingPolicy::new(context.policy),
            verifiers: HashMap::new(),
            spent: Usage::default(),
            read: Vec::new(),
        };
        let (mut glimpsed, mut probed) = (Vec::new(), None);
        if let Some(reader) = reader {
            let method = reader.map_or(MAJORITY, |_| BEST_OF_N);
            let tree = work.run(&whole(method, PROBE)?, reader).await?;
            glimpsed = glimpses(&tree, context.answers).await?;
            probed = Some((tree, reader.map(str::to_owned)));
        }
        Ok(InProgress {
            work,
            glimpses: glimpsed,
            probed,
        })
    }

    pub(crate) fn glimpses(&self) -> &[ProbeFeatures] {
        &self.glimpses
    }

    /// The first samples: those that were looked at, or else those of a search that begins with as many. Where there are
    /// none, what the search came to.
    pub(crate) async fn shown(
        &self,
        tree: &Tree,
        candidate: &Candidate,
    ) -> Result<Shown, SolveError> {
        let mut first = match self.glimpses.is_empty() && candidate.reuses_probe() {
            true => glimpses(tree, self.work.context.answers).await?,
            false => self.glimpses.clone(),
        };
        if first.len() < PROBE {
            return Ok(Shown::Found(found(tree)));
        }
        first.truncate(PROBE);
        Ok(Shown::First(first))
    }

    /// The problem's text.
    pub(crate) fn text(&self) -> &str {
        &self.work.problem.text
    }

    /// The answer of a search's tree, with all that was spent.
    pub(crate) async fn solved(
        self,
        tree: Tree,
        drawn: usize,
        chosen: Chosen,
        unlike: Option<String>,
        confidence: impl FnOnce(&Ended) -> Result<Option<f64>, StrategyError>,
    ) -> Result<Solved, SolveError> {
        let InProgress { work, probed, .. } = self;
        let context = work.context;
        let candidate = &chosen.candidate;
        let before = if probed.is_some() { PROBE } else { 0 };
        let samples = match candidate.reuses_probe() {
            true => drawn.max(before),
            false => drawn + before,
        };
        let mut selection = candidate.selection;
        let problem = &tree.problem;
        let solutions = tree.solutions();
        let mut answer = selection
            .choose(problem, &solutions, context.answers)
            .await?;
        // A search that was stopped, or lost its way, may have no answer where the first samples had.
        let mut fell_back = false;
        if answer.is_none()
            && let Some((probe, _)) = &probed
        {
            let solutions = probe.solutions();
            let majority = Selection::Majority;
            answer = majority
                .choose(problem, &solutions, context.answers)
                .await?;
            if answer.is_some() {
                (selection, fell_back) = (Selection::Majority, true);
            }
        }
        let source = match &probed {
            Some((probe, _)) if fell_back => probe,
            _ => &tree,
        };
        let stepwise = candidate.method.is_stepwise() && !fell_back;
        let answered = answer.as_ref();
        let ended = ended(
            source,
            selection,
            stepwise,
            &chosen,
            answered,
            context.answers,
        );
        let confidence = match ended {
            Some(ended) if unlike.is_none() => confidence(&ended)?,
            _ => None,
        };
        Ok(Solved {
            answer,
            confidence,
            unlike,
            selection,
            tree,
            probe: probed,
            fell_back,
            drawn,
            samples,
            policy: work.spent,
            verifiers: work.read,
            chosen,
        })
    }
}

pub(crate) struct Work<'a> {
    problem: Arc<Problem>,
    seed: u64,
    context: &'a SolveContext<'a>,
    policy: RememberingPolicy<'a>,
    verifiers: HashMap<String, RememberingVerifier<'a>>,
    pub(crate) spent: Usage,
    pub(crate) read: Vec<(String, Usage)>,
}

impl Work<'_> {
    /// A search by a candidate, stopped early if it says so; and how many samples that were.
    async fn search(&mut self, candidate: &Candidate) -> Result<(Tree, usize), SolveError> {
        for look in candidate.looks() {
            let Some(stopping) = candidate.stopping else {
                break;
            };
            let (tree, state) = self.look(candidate, look).await?;
            if stopping.decided(&state) || look == candidate.budget {
                return Ok((self.taken(candidate, look, tree).await?, look));
            }
        }
        let plan = candidate.plan()?;
        let tree = self.run(&plan, candidate.verifier.as_deref()).await?;
        Ok((tree, candidate.budget))
    }

    /// The draws of a candidate that may stop at a look, and how it stands. A verifier reads them only where its rewards decide.
    pub(crate) async fn look(
        &mut self,
        candidate: &Candidate,
        look: usize,
    ) -> Result<(Tree, VoteState), SolveError> {
        let mut state = VoteState::default();
        if candidate.stopping.is_some_and(Stopping::needs_rewards) {
            let plan = candidate.at(look).plan()?;
            let tree = self.run(&plan, candidate.verifier.as_deref()).await?;
            let solutions = tree.solutions();
            let choosing = candidate.selection;
            let answer = choosing.choose(&self.problem, &solutions, self.context.answers);
            let answer = answer.await?;
            state.reward = answer.and_then(|own| reward(candidate.selection, &own, &solutions));
            return Ok((tree, state));
        }
        let tree = self.run(&whole(MAJORITY, look)?, None).await?;
        let classes = classes(&tree, self.context.answers).await?;
        for class in classes.into_iter().flatten() {
            state.ballot.add(class);
        }
        Ok((tree, state))
    }

    /// What a candidate takes its answer from at a look: its draws, read by its verifier if they are not yet.
    pub(crate) async fn taken(
        &mut self,
        candidate: &Candidate,
        look: usize,
        drawn: Tree,
    ) -> Result<Tree, SolveError> {
        let by_reward = candidate.stopping.is_some_and(Stopping::needs_rewards);
        match &candidate.verifier {
            Some(verifier) if !by_reward => {
                let plan = candidate.at(look).plan()?;
                self.run(&plan, Some(verifier)).await
            }
            _ => Ok(drawn),
        }
    }

    async fn run(&mut self, plan: &Plan, reader: Option<&str>) -> Result<Tree, SolveError> {
        if let Some(name) = reader
            && !self.verifiers.contains_key(name)
        {
            let own = self.context.verifiers.iter().find(|(own, _)| *own == name);
            let (_, verifier) = own.ok_or_else(|| SolveError::NoVerifier(name.to_owned()))?;
            let remembering = RememberingVerifier::new(*verifier);
            self.verifiers.insert(name.to_owned(), remembering);
        }
        let verifier = reader.and_then(|name| self.verifiers.get(name));
        let tree = search(
            Arc::clone(&self.problem),
            plan,
            self.context.sampling,
            self.context.limits,
            self.seed,
            &self.policy,
            verifier.map(|own| own as &dyn Verifier),
        )
        .await?;
        self.spent += tree.policy;
        if let Some(name) = reader {
            match self.read.iter_mut().find(|(own, _)| own == name) {
                Some((_, usage)) => *usage += tree.verifier,
                None => self.read.push((name.to_owned(), tree.verifier)),
            }
        }
        Ok(tree)
    }
}

/// The last node of each draw from the root, in order.
fn leaves(tree: &Tree) -> &[NodeId] {
    &tree.nodes()[Tree::ROOT].led_to
}

/// The answer class of each draw.
pub(crate) async fn classes(
    tree: &Tree,
    domain: &dyn Domain,
) -> Result<Vec<Option<usize>>, outthink_core::Error> {
    let problem = &tree.problem;
    let found: Vec<Option<String>> = leaves(tree)
        .iter()
        .map(|&leaf| domain.extract(problem, &tree.solution(leaf).text()))
        .collect();
    let texts: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
    let groups = outthink_core::classes(domain, problem, &texts).await?;
    let mut groups = groups.into_iter();
    let class = |answer: &Option<String>| answer.as_ref().and_then(|_| groups.next().flatten());
    Ok(found.iter().map(class).collect())
}

async fn glimpses(
    tree: &Tree,
    domain: &dyn Domain,
) -> Result<Vec<ProbeFeatures>, outthink_core::Error> {
    let classes = classes(tree, domain).await?;
    let drawn = leaves(tree).iter().zip(classes);
    let glimpse = |(&leaf, class)| glimpse(tree, leaf, class);
    Ok(drawn.map(glimpse).collect())
}

/// The complete solutions that a search keeps; whose answers are the same is not told.
fn found(tree: &Tree) -> Vec<ProbeFeatures> {
    let whole = |&&node: &&NodeId| matches!(tree.nodes()[node].finished, Some((Stop::Answer, _)));
    let whole = tree.kept.iter().filter(whole);
    whole.map(|&node| glimpse(tree, node, None)).collect()
}

fn glimpse(tree: &Tree, leaf: NodeId, class: Option<usize>) -> ProbeFeatures {
    let steps = tree.steps(leaf);
    ProbeFeatures {
        class,
        tokens: steps.iter().map(|step| step.tokens.len()).sum(),
        logprob: steps.iter().map(|step| step.logprob).sum(),
        rewards: tree.solution(leaf).rewards,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use outthink_core::method::DVTS;

    use std::sync::atomic::AtomicUsize;

    use futures::executor::block_on;
    use outthink_core::ExactAnswers;

    use super::*;
    use crate::testing::{self, Mock};

    /// What `with` comes to with a policy and verifiers that count: how many were drawn, and how many scored.
    fn counted<T>(
        split: bool,
        with: impl AsyncFnOnce(Arc<Problem>, &SolveContext<'_>) -> Result<T, SolveError>,
    ) -> (T, usize, usize) {
        let mock = Mock {
            split,
            drawn: AtomicUsize::new(0),
            scored: AtomicUsize::new(0),
        };
        let context = SolveContext {
            policy: &mock,
            verifiers: vec![(testing::GOOD, &mock), (testing::BIASED, &mock)],
            sampling: Sampling::at(1.0),
            limits: Limits {
                draw_tokens: 100,
                solution_tokens: 100,
                steps: 10,
            },
            answers: &ExactAnswers,
            most: None,
        };
        let problem = Arc::new(Problem {
            id: "p".into(),
            text: "what?".into(),
        });
        let done = block_on(with(problem, &context)).unwrap();
        let count = |counter: AtomicUsize| counter.into_inner();
        (done, count(mock.drawn), count(mock.scored))
    }

    #[test]
    fn no_sample_is_drawn_and_none_is_scored_twice() {
        let file = testing::strategy(true);
        let strategy = &Strategy::Fitted(Box::new(file));
        for split in [false, true] {
            for budget in [4.0, 8.0, 16.0, 64.0] {
                let (solved, drawn, scored) = counted(split, async |problem, context| {
                    strategy.solve(problem, budget, 1, context).await
                });
                assert_eq!(drawn, solved.samples, "{:?}", solved.chosen);
                assert!(scored <= drawn);
                assert!(solved.answer.is_some());
            }
        }
    }

    /// How many samples a candidate says that it took, was drawn, and was scored.
    fn search(candidate: &Candidate, split: bool) -> (usize, usize, usize) {
        counted(split, async |problem, context| {
            let mut begun = InProgress::new(problem, None, 1, context).await?;
            let (_, drawn) = begun.work.search(candidate).await?;
            Ok(drawn)
        })
    }

    #[test]
    fn a_vote_that_is_decided_draws_no_more() {
        let candidate = Candidate {
            method: MAJORITY,
            budget: 64,
            width: None,
            selection: Selection::Majority,
            verifier: None,
            stopping: Some(Stopping::Beta(0.95)),
            rungs: Vec::new(),
        };
        assert_eq!(search(&candidate, false), (4, 4, 0));
        let (told, drawn, scored) = search(&candidate, true);
        assert!(told == drawn && drawn > 4 && scored == 0, "{drawn}");
    }

    #[test]
    fn subtrees_are_added_until_one_is_rewarded_and_none_is_drawn_twice() {
        let last = Selection::Scored(outthink_core::Scoring::LAST, outthink_core::Voting::VOTE);
        let whole = Candidate {
            method: BEST_OF_N,
            budget: 64,
            width: None,
            selection: last,
            verifier: Some(testing::GOOD.to_owned()),
            stopping: None,
            rungs: Vec::new(),
        };
        let subtrees = Candidate {
            method: DVTS,
            width: Some(4),
            rungs: vec![4, 16],
            ..whole.clone()
        };
        for own in [whole, subtrees] {
            // Every solution gets 0.9.
            for (wanted, draws) in [(0.9, 4), (0.95, 64)] {
                let stopping = Some(Stopping::Rewarded(wanted));
                let own = Candidate {
                    stopping,
                    ..own.clone()
                };
                let (told, drawn, scored) = search(&own, true);
                assert_eq!((told, drawn), (draws, draws), "{own}");
                assert!(scored <= drawn, "{own}");
            }
        }
    }
}
