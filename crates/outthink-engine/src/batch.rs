//! Which tokens the next pass computes, and which request is charged for them.

use std::collections::HashSet;

use outthink_core::Usage;

use crate::cache::Slot;
use crate::tree::TokenTree;

/// The usage of a request that has just come. Its whole prefix counts as cached until a token has to be computed on its
/// account: whether another request computed it before or beside this one is a matter of timing, which must not show.
pub(crate) fn arrived(prefix: &[u32]) -> Usage {
    let prompt = prefix.len() as u64;
    Usage {
        requests: 1,
        prompt,
        cached: prompt,
        ..Usage::default()
    }
}

/// The nodes of the next pass.
pub(crate) struct PassBatch {
    /// Ancestors first.
    pub nodes: Vec<Slot>,
    members: HashSet<Slot>,
    /// Most nodes of a pass; longer prefixes are computed in several.
    most: usize,
}

impl PassBatch {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            nodes: Vec::new(),
            members: HashSet::new(),
            most,
        }
    }

    /// Adds what is missing of a path, from its beginning, as far as there is room.
    pub(crate) fn add(&mut self, tree: &TokenTree, node: Slot, usage: &mut Usage) {
        let mut missing = Vec::new();
        let mut at = Some(node);
        while let Some(slot) =
            at.filter(|slot| !tree.is_computed(*slot) && !self.members.contains(slot))
        {
            missing.push(slot);
            at = tree.parent(slot);
        }
        let room = self.most.saturating_sub(self.nodes.len());
        for slot in missing.into_iter().rev().take(room) {
            if (tree.depth(slot) as u64) < usage.prompt {
                usage.cached -= 1;
            }
            usage.computed += 1;
            usage.attended += tree.depth(slot) as u64 + 1;
            self.nodes.push(slot);
            self.members.insert(slot);
        }
    }
}
