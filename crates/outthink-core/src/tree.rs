//! The tree of steps that a search grows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Stop, TokenStats, Usage};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable name; seeds depend on it.
    pub id: String,
    /// What the policy is asked.
    pub text: String,
}

impl Problem {
    /// A question that is its own name.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            id: text.clone(),
            text,
        }
    }
}

/// One reasoning step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The step without separators and surrounding space. Blank only where a policy ends its answer after a separator.
    pub text: String,
    /// The policy's tokens, separators included; empty where a server does not tell them.
    pub tokens: Vec<u32>,
    /// Sum of their log-probabilities under the policy, before temperature and truncation.
    pub logprob: f64,
    /// What is known of each token.
    #[serde(default, skip_serializing_if = "TokenStats::is_empty")]
    pub stats: TokenStats,
}

impl Step {
    /// A step that somebody wrote: no policy drew it, so its tokens and their probabilities are unknown.
    ///
    /// ```
    /// let step = outthink_core::Step::written("3 + 4 = 7");
    /// assert!(step.tokens.is_empty() && step.stats.is_empty());
    /// ```
    pub fn written(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// Goes on with what was drawn after it.
    pub(crate) fn append(&mut self, next: Self) {
        let known = [self.tokens.len(), next.tokens.len()];
        self.text.push_str(&next.text);
        self.tokens.extend(next.tokens);
        self.logprob += next.logprob;
        self.stats.append(known, next.stats);
    }
}

/// Index of a node in its tree; the root is 0.
pub type NodeId = usize;

/// A partial solution: the path of steps from the root to here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// None for the root.
    pub parent: Option<NodeId>,
    /// None for the root, and for a question of the method.
    pub step: Option<Arc<Step>>,
    /// A prompt that the method made of earlier solutions, and that what is below was drawn from; see
    /// [`Allocator::questions`](crate::method::Allocator::questions). What has none above it answers the problem as it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Arc<str>>,
    /// The verifier's reward of this step, given the steps before it.
    pub reward: Option<f64>,
    /// How many draws came through here.
    pub draws: usize,
    /// How many draws ended here, and why: [`Stop::Answer`], or [`Stop::Length`] for a solution cut off.
    pub finished: Option<(Stop, usize)>,
    /// Number of samples drawn from this node; the next one uses seed index `drawn`.
    pub drawn: usize,
    /// `led_to[i]`: the node that sample `i` ended in.
    pub led_to: Vec<NodeId>,
    children: Vec<NodeId>,
}

/// A complete path.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Its last node.
    pub node: NodeId,
    /// Its steps; blank ones are left out.
    pub steps: Vec<Arc<Step>>,
    /// One reward per step, or none at all: without a verifier, or for a solution that was cut off.
    pub rewards: Vec<f64>,
    /// How many identical draws it stands for.
    pub count: usize,
    /// How it ended.
    pub stop: Stop,
}

impl Solution {
    /// The steps as one text.
    pub fn text(&self) -> String {
        let steps: Vec<&str> = self.steps.iter().map(|step| step.text.as_str()).collect();
        steps.join("\n\n")
    }
}

/// A node of a tree that somebody else grew; see [`Tree::grown`].
#[derive(Clone, Debug, PartialEq)]
pub struct TreeNode {
    /// What it continues: [`Tree::ROOT`], or the number of a node before it.
    pub parent: NodeId,
    /// The step.
    pub text: String,
    /// Its reward.
    pub reward: Option<f64>,
    /// Did the search go on from here, or keep it?
    pub kept: bool,
}

/// All that a search drew for one problem, equal steps after equal steps merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Tree {
    /// What was asked.
    pub problem: Arc<Problem>,
    /// What the policy worked through.
    pub policy: Usage,
    /// What the verifier worked through.
    pub verifier: Usage,
    /// Complete paths that the method keeps, in order of completion.
    pub kept: Vec<NodeId>,
    nodes: Vec<Node>,
}

/// A tree as it was written somewhere; its node numbers are to be checked before they are followed.
#[derive(Deserialize)]
struct Written {
    problem: Arc<Problem>,
    policy: Usage,
    verifier: Usage,
    kept: Vec<NodeId>,
    nodes: Vec<Node>,
}

impl TryFrom<Written> for Tree {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written {
            problem,
            policy,
            verifier,
            kept,
            nodes,
        } = written;
        let known = |ids: &[NodeId]| ids.iter().all(|&id| id < nodes.len());
        let sound = |(id, node): (NodeId, &Node)| {
            let rooted = match node.parent {
                Some(parent) => parent < id && node.step.is_some() != node.question.is_some(),
                None => id == Self::ROOT && node.question.is_none(),
            };
            rooted && known(&node.children) && known(&node.led_to)
        };
        if nodes.is_empty() || !known(&kept) || !nodes.iter().enumerate().all(sound) {
            return Err("its nodes are no tree");
        }
        // Every node but the root is listed once, by its parent.
        let mut listed = vec![false; nodes.len()];
        for (id, node) in nodes.iter().enumerate() {
            for &child in &node.children {
                if nodes[child].parent != Some(id) || std::mem::replace(&mut listed[child], true) {
                    return Err("its nodes do not agree on who is whose child");
                }
            }
        }
        if listed.iter().skip(1).any(|listed| !listed) {
            return Err("a node is not among its parent's children");
        }
        let below = |id: NodeId, mut at: NodeId| loop {
            match nodes[at].parent {
                _ if at == id => return true,
                Some(parent) if parent >= id => at = parent,
                _ => return false,
            }
        };
        let leads = |(id, node): (NodeId, &Node)| node.led_to.iter().all(|&to| below(id, to));
        if !nodes.iter().enumerate().all(leads) {
            return Err("a draw leads out of its branch");
        }
        Ok(Self {
            problem,
            policy,
            verifier,
            kept,
            nodes,
        })
    }
}

impl Tree {
    /// The root of every tree.
    pub const ROOT: NodeId = 0;

    pub(crate) fn new(problem: Arc<Problem>) -> Self {
        let root = Node {
            parent: None,
            step: None,
            question: None,
            reward: None,
            draws: 0,
            finished: None,
            drawn: 0,
            led_to: Vec::new(),
            children: Vec::new(),
        };
        Self {
            problem,
            policy: Usage::default(),
            verifier: Usage::default(),
            kept: Vec::new(),
            nodes: vec![root],
        }
    }

    /// A tree that somebody else grew. Nodes are numbered from 1 in their order; a parent stands before its children.
    ///
    /// ```
    /// use outthink_core::{Problem, Tree, TreeNode};
    ///
    /// let step = |parent, text: &str| TreeNode { parent, text: text.into(), reward: Some(0.5), kept: true };
    /// let tree = Tree::grown(Problem::new("1 + 2 + 3"), vec![step(Tree::ROOT, "1 + 2 = 3"), step(1, "3 + 3 = 6")]).unwrap();
    /// assert_eq!(tree.path(2), [1, 2]);
    /// ```
    ///
    /// # Errors
    ///
    /// A node stands before its parent.
    pub fn grown(problem: Problem, nodes: Vec<TreeNode>) -> Result<Self, &'static str> {
        let mut tree = Self::new(Arc::new(problem));
        for node in nodes {
            let id = tree.nodes.len();
            if node.parent >= id {
                return Err("a node stands before its parent");
            }
            tree.nodes[node.parent].children.push(id);
            tree.nodes[node.parent].drawn += 1;
            tree.nodes[node.parent].led_to.push(id);
            tree.nodes.push(Node {
                parent: Some(node.parent),
                step: Some(Arc::new(Step::written(node.text))),
                question: None,
                reward: node.reward,
                draws: 1,
                finished: None,
                drawn: 0,
                led_to: Vec::new(),
                children: Vec::new(),
            });
            if node.kept {
                tree.kept.push(id);
            }
        }
        Ok(tree)
    }

    /// All nodes; a parent comes before its children.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id]
    }

    /// Children of a node in order of appearance.
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        &self.nodes[id].children
    }

    /// The child of `parent` with this step, made if it is new. Steps are the same when their tokens are; where a server
    /// tells no tokens, when their texts are.
    pub(crate) fn child(&mut self, parent: NodeId, step: Step) -> NodeId {
        let known = self.nodes[parent].children.iter().copied().find(|&child| {
            self.nodes[child]
                .step
                .as_ref()
                .is_some_and(|own| own.tokens == step.tokens && own.text == step.text)
        });
        let id = known.unwrap_or_else(|| self.push(parent, Some(step), None));
        self.nodes[id].draws += 1;
        id
    }

    /// A new node below the root for a prompt of the method.
    pub(crate) fn ask(&mut self, question: Arc<str>) -> NodeId {
        self.push(Self::ROOT, None, Some(question))
    }

    fn push(&mut self, parent: NodeId, step: Option<Step>, question: Option<Arc<str>>) -> NodeId {
        let id = self.nodes.len();
        self.nodes.push(Node {
            parent: Some(parent),
            step: step.map(Arc::new),
            question,
            reward: None,
            draws: 0,
            finished: None,
            drawn: 0,
            led_to: Vec::new(),
            children: Vec::new(),
        });
        self.nodes[parent].children.push(id);
        id
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

    /// The prompt of the method that a node is, or was drawn from; none where that is the problem itself.
    pub fn question(&self, id: NodeId) -> Option<&str> {
        let mut at = Some(id);
        while let Some(node) = at.map(|id| &self.nodes[id]) {
            if let Some(question) = &node.question {
                return Some(question);
            }
            at = node.parent;
        }
        None
    }

    /// Steps from the root down to `id`.
    pub fn steps(&self, id: NodeId) -> Vec<Arc<Step>> {
        self.path(id)
            .into_iter()
            .filter_map(|node| self.nodes[node].step.clone())
            .collect()
    }

    /// A node as a solution, complete or not.
    pub fn solution(&self, id: NodeId) -> Solution {
        let path = self.path(id);
        let shown = || {
            path.iter()
                .map(|&node| &self.nodes[node])
                .filter(|node| node.step.as_ref().is_some_and(|step| !step.text.is_empty()))
        };
        let (stop, count) = self.nodes[id].finished.unwrap_or((Stop::Step, 0));
        Solution {
            node: id,
            steps: shown().filter_map(|node| node.step.clone()).collect(),
            // The steps that a cut-off solution shares with complete ones have rewards; the solution has not.
            rewards: match stop {
                Stop::Length => Vec::new(),
                Stop::Step | Stop::Answer => shown().filter_map(|node| node.reward).collect(),
            },
            count,
            stop,
        }
    }

    /// The complete paths that the method keeps.
    pub fn solutions(&self) -> Vec<Solution> {
        self.kept.iter().map(|&id| self.solution(id)).collect()
    }
}
