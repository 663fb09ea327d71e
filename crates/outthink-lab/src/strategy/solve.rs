//! A strategy at work on one problem.

use std::collections::HashMap;
use std::sync::Arc;

use outthink_core::{
    Answers, Limits, Method, NodeId, Plan, Policy, Problem, Sampling, Tree, Usage, Verifier, search,
};

use super::candidate::Candidate;
use super::features::Glimpse;
use super::file::{Chosen, Strategy, StrategyError};
use super::memory::{RememberingPolicy, RememberingVerifier};
use super::stopping::{Ballot, PROBE, Stopping};

/// What a strategy works with.
pub struct Hands<'a> {
    /// The policy.
    pub policy: &'a dyn Policy,
    /// Verifiers by their names in the strategy; those of [`Strategy::asks`] are needed.
    pub verifiers: Vec<(&'a str, &'a dyn Verifier)>,
    /// How the policy draws.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
    /// How answers are told apart.
    pub answers: &'a dyn Answers,
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
}

/// What came of it.
#[derive(Debug)]
pub struct Solved {
    /// What was chosen, why, and how sure one may be.
    pub chosen: Chosen,
    /// The answer.
    pub answer: Option<outthink_core::Chosen>,
    /// The search's tree; its usage is only what that search had still to compute.
    pub tree: Tree,
    /// Solutions' worth of draws, the probe's included.
    pub samples: usize,
    /// All that the policy worked through.
    pub policy: Usage,
    /// All that each verifier worked through.
    pub verifiers: Vec<(String, Usage)>,
}

impl Strategy {
    /// Answers a problem for a budget in the strategy's unit: looks at the first samples if that pays, chooses, searches,
    /// and stops early where the choice says so. Draws and judgements of the probe are used again.
    pub async fn solve(
        &self,
        problem: Arc<Problem>,
        budget: f64,
        seed: u64,
        hands: &Hands<'_>,
    ) -> Result<Solved, SolveError> {
        let mut work = Work {
            problem,
            seed,
            hands,
            policy: RememberingPolicy::new(hands.policy),
            verifiers: HashMap::new(),
            spent: Usage::default(),
            read: Vec::new(),
        };
        let (glimpses, probed) = match self.probe(budget)? {
            None => (Vec::new(), 0),
            Some(reader) => {
                let method = reader.map_or(Method::Majority, |_| Method::BestOfN);
                let tree = work.run(&whole(method, PROBE)?, reader).await?;
                (glimpses(&tree, hands.answers), PROBE)
            }
        };
        let chosen = self.choose(budget, &glimpses)?;
        let candidate = &chosen.candidate;
        let (tree, drawn) = work.search(candidate).await?;
        let answer = candidate.selection.choose(&tree.solutions(), hands.answers);
        let samples = match candidate.reuses_probe() {
            true => drawn.max(probed),
            false => drawn + probed,
        };
        Ok(Solved {
            answer,
            tree,
            samples,
            policy: work.spent,
            verifiers: work.read,
            chosen,
        })
    }
}

fn whole(method: Method, draws: usize) -> Result<Plan, outthink_core::Error> {
    Plan::new(method, draws, 1, outthink_core::Finished::default())
}

struct Work<'a> {
    problem: Arc<Problem>,
    seed: u64,
    hands: &'a Hands<'a>,
    policy: RememberingPolicy<'a>,
    verifiers: HashMap<String, RememberingVerifier<'a>>,
    spent: Usage,
    read: Vec<(String, Usage)>,
}

impl Work<'_> {
    /// A search by a candidate, stopped early if it says so; and how many solutions' worth of draws that were.
    async fn search(&mut self, candidate: &Candidate) -> Result<(Tree, usize), SolveError> {
        let reader = candidate.verifier.as_deref();
        let Some(stopping) = candidate.stopping else {
            let tree = self.run(&candidate.plan()?, reader).await?;
            return Ok((tree, candidate.budget));
        };
        let mut drawn = candidate.budget;
        for look in Stopping::looks(candidate.budget) {
            let tree = self.run(&whole(Method::Majority, look)?, None).await?;
            let mut ballot = Ballot::default();
            for class in classes(&tree, self.hands.answers).into_iter().flatten() {
                ballot.add(class);
            }
            if stopping.decided(&ballot) {
                drawn = look;
                break;
            }
        }
        let tree = self.run(&whole(candidate.method, drawn)?, reader).await?;
        Ok((tree, drawn))
    }

    async fn run(&mut self, plan: &Plan, reader: Option<&str>) -> Result<Tree, SolveError> {
        if let Some(name) = reader
            && !self.verifiers.contains_key(name)
        {
            let own = self.hands.verifiers.iter().find(|(own, _)| *own == name);
            let (_, verifier) = own.ok_or_else(|| SolveError::NoVerifier(name.to_owned()))?;
            let remembering = RememberingVerifier::new(*verifier);
            self.verifiers.insert(name.to_owned(), remembering);
        }
        let verifier = reader.and_then(|name| self.verifiers.get(name));
        let tree = search(
            Arc::clone(&self.problem),
            plan,
            self.hands.sampling,
            self.hands.limits,
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
fn classes(tree: &Tree, answers: &dyn Answers) -> Vec<Option<usize>> {
    let found: Vec<Option<String>> = leaves(tree)
        .iter()
        .map(|&leaf| answers.extract(&tree.solution(leaf).text()))
        .collect();
    let texts: Vec<&str> = found.iter().flatten().map(String::as_str).collect();
    let mut groups = answers.group(&texts).into_iter();
    let class = |answer: &Option<String>| answer.as_ref().and_then(|_| groups.next());
    found.iter().map(class).collect()
}

fn glimpses(tree: &Tree, answers: &dyn Answers) -> Vec<Glimpse> {
    let classes = classes(tree, answers);
    let drawn = leaves(tree).iter().zip(classes);
    drawn
        .map(|(&leaf, class)| {
            let steps = tree.steps(leaf);
            Glimpse {
                class,
                tokens: steps.iter().map(|step| step.tokens.len()).sum(),
                logprob: steps.iter().map(|step| step.logprob).sum(),
                rewards: tree.solution(leaf).rewards,
            }
        })
        .collect()
}
