//! The tree of a search, to look at: in a terminal, and as a page that needs nothing else.

mod html;
mod math;
mod terminal;

use outthink_core::{NodeId, Solution, Step, Stop, Tree};

use crate::store::{Store, StoreError};
pub use html::markup;

/// A search with what there is to say of its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseTree {
    /// What was searched, in a line.
    pub title: String,
    /// What was asked.
    pub problem: String,
    /// The right answer.
    pub gold: String,
    /// The verifier of the rewards, and the one to compare with.
    pub verifiers: (Option<String>, Option<String>),
    /// The root first; a parent stands before its children.
    pub nodes: Vec<CaseNode>,
}

/// A step of the search; the root is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseNode {
    /// What it continues.
    pub parent: Option<NodeId>,
    /// What continues it, in order of appearance.
    pub children: Vec<NodeId>,
    /// The step, or the question.
    pub text: String,
    /// Is it a prompt that the method made of earlier solutions, from which what is below was drawn?
    pub question: bool,
    /// How many tokens the policy drew for it.
    pub tokens: usize,
    /// The verifier's reward.
    pub reward: Option<f64>,
    /// The other verifier's.
    pub other: Option<f64>,
    /// Draws that came through here.
    pub draws: usize,
    /// Did the search go on from here, or keep it as a solution?
    pub kept: bool,
    /// Is the path up to here right, where that can be known?
    pub right: Option<bool>,
    /// Does a solution end here, and is it complete?
    pub end: Option<Stop>,
}

impl CaseTree {
    /// The tree of a stored search.
    pub fn of(tree: &Tree, title: String, gold: String, verifier: Option<String>) -> Self {
        let mut nodes: Vec<CaseNode> = tree
            .nodes()
            .iter()
            .enumerate()
            .map(|(id, node)| CaseNode {
                parent: node.parent,
                children: tree.children(id).to_vec(),
                text: match (&node.step, &node.question) {
                    (Some(step), _) => step.text.clone(),
                    (None, question) => question.as_deref().unwrap_or_default().to_owned(),
                },
                question: node.question.is_some(),
                tokens: node.step.as_ref().map_or(0, |step| step.tokens.len()),
                reward: node.reward,
                draws: node.draws,
                kept: node.drawn > 0,
                end: node.finished.map(|(stop, _)| stop),
                ..CaseNode::default()
            })
            .collect();
        for &kept in &tree.kept {
            for step in tree.path(kept).into_iter().chain([kept]) {
                nodes[step].kept = true;
            }
        }
        Self {
            title,
            problem: tree.problem.text.clone(),
            gold,
            verifiers: (verifier, None),
            nodes,
        }
    }

    /// Whole solutions, merged where their steps are the same; all are kept.
    pub fn of_solutions(
        solutions: &[Solution],
        title: String,
        problem: String,
        gold: String,
        verifier: Option<String>,
    ) -> Self {
        let mut nodes = vec![CaseNode {
            kept: true,
            ..CaseNode::default()
        }];
        for solution in solutions {
            let mut at = Tree::ROOT;
            for (place, step) in solution.steps.iter().enumerate() {
                let same = |&child: &NodeId| nodes[child].text == step.text;
                let known = nodes[at].children.iter().copied().find(same);
                let id = known.unwrap_or_else(|| {
                    nodes.push(CaseNode {
                        parent: Some(at),
                        text: step.text.clone(),
                        tokens: step.tokens.len(),
                        kept: true,
                        ..CaseNode::default()
                    });
                    nodes.len() - 1
                });
                if known.is_none() {
                    nodes[at].children.push(id);
                }
                let node = &mut nodes[id];
                node.draws += solution.count;
                node.reward = node.reward.or(solution.rewards.get(place).copied());
                at = id;
            }
            nodes[at].end = Some(solution.stop);
        }
        Self {
            title,
            problem,
            gold,
            verifiers: (verifier, None),
            nodes,
        }
    }

    /// Nodes from below the root down to `id`.
    pub fn path(&self, id: NodeId) -> Vec<NodeId> {
        let mut path = Vec::new();
        let mut at = id;
        while let Some(parent) = self.nodes[at].parent {
            path.push(at);
            at = parent;
        }
        path.reverse();
        path
    }

    /// The steps down to `id`; blank ones are left out.
    pub fn steps(&self, id: NodeId) -> Vec<&str> {
        self.path(id)
            .into_iter()
            .filter(|&node| !self.nodes[node].question)
            .map(|node| self.nodes[node].text.trim())
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// Where these steps, from the first, lead.
    pub fn find(&self, steps: &[String]) -> Option<NodeId> {
        steps.iter().try_fold(Tree::ROOT, |at, step| {
            let children = self.nodes[at].children.iter().copied();
            children
                .into_iter()
                .find(|&child| self.nodes[child].text == *step)
        })
    }

    /// Marks the steps of a solution, from the first, as right or wrong.
    pub fn label(&mut self, steps: &[std::sync::Arc<Step>], labels: &[Option<bool>]) {
        let mut at = Tree::ROOT;
        for (step, label) in steps.iter().zip(labels) {
            let children = self.nodes[at].children.iter().copied();
            let same = |&child: &NodeId| self.nodes[child].text == step.text;
            let Some(child) = children.into_iter().find(same) else {
                return;
            };
            self.nodes[child].right = *label;
            at = child;
        }
    }

    /// Nodes without children.
    pub fn leaves(&self) -> impl Iterator<Item = NodeId> + '_ {
        (1..self.nodes.len()).filter(|&id| self.nodes[id].children.is_empty())
    }
}

/// Reads a pool of solutions with their rewards from the store, the first of them.
pub fn stored_solutions(
    store: &mut Store,
    pool: i64,
    score: Option<i64>,
    first: usize,
) -> Result<Vec<Solution>, StoreError> {
    let rewards = match score {
        Some(score) => store.rewards(score)?,
        None => Vec::new(),
    };
    let samples = store.samples(pool)?.into_iter().take(first);
    let solution = |sample: crate::store::Sample| {
        let drawn = sample.drawn;
        let own = rewards
            .binary_search_by_key(&sample.number, |(number, _)| *number)
            .map(|at| &rewards[at]);
        let step = |text: String| std::sync::Arc::new(Step::written(text));
        Solution {
            node: 0,
            steps: drawn.steps.into_iter().map(step).collect(),
            rewards: own.map_or_else(|_| Vec::new(), |(_, rewards)| rewards.clone()),
            count: drawn.draws,
            stop: drawn.stop,
        }
    };
    Ok(samples.map(solution).collect())
}
