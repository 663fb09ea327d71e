//! The tree of computed tokens: keys, values and last hidden states, by token prefix.
//!
//! A node is one token after one prefix. It owns one slot of the arena, so a branch is a list of slots, a fork costs
//! nothing, and whoever asks for a prefix again finds what is there. When the arena is full, the leaves that were not
//! used for longest give way.

use std::collections::{BTreeSet, HashMap};

use crate::cache::{LayerCache, Slot, SlotRows};
use crate::readout::Readout;

/// No parent: the first token of a sequence.
const NONE: Slot = Slot::MAX;

struct TokenNode {
    parent: Slot,
    token: u32,
    /// Position in the sequence.
    depth: u32,
    children: u32,
    /// Draws and readings that stand here.
    pins: u32,
    last_used: u64,
    computed: bool,
    /// The number that was last read off this token, and how.
    value: Option<(Readout, f32)>,
}

impl TokenNode {
    fn is_idle(&self) -> bool {
        self.children == 0 && self.pins == 0
    }
}

/// The tree of one model.
pub(crate) struct TokenTree {
    /// One a layer.
    pub layers: Vec<LayerCache>,
    /// After the last norm.
    pub hidden: SlotRows<f32>,
    nodes: Vec<TokenNode>,
    free: Vec<Slot>,
    index: HashMap<(Slot, u32), Slot>,
    /// Leaves that may be evicted because no request uses them, least recently used first.
    idle: BTreeSet<(u64, Slot)>,
    /// Number of slots beyond which idle leaves are evicted.
    capacity: usize,
    /// Counts uses of nodes.
    clock: u64,
}

impl TokenTree {
    pub(crate) fn new(layers: Vec<LayerCache>, hidden: usize, capacity: usize) -> Self {
        Self {
            layers,
            hidden: SlotRows::new(hidden),
            nodes: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            idle: BTreeSet::new(),
            capacity,
            clock: 0,
        }
    }

    /// Bytes of memory that a token takes beside its keys, values and hidden state, about: the node, and its entry in an index
    /// that is half full.
    pub(crate) const NODE_BYTES: usize =
        size_of::<TokenNode>() + 2 * size_of::<((Slot, u32), Slot)>();

    /// The node of `token` after `parent`, made if it is new, and pinned until [`Self::unpin`]. The parent must be pinned.
    pub(crate) fn child(&mut self, parent: Option<Slot>, token: u32) -> Slot {
        let key = (parent.unwrap_or(NONE), token);
        self.clock += 1;
        if let Some(&slot) = self.index.get(&key) {
            self.pin(slot);
            self.nodes[slot as usize].last_used = self.clock;
            return slot;
        }
        if self.free.is_empty() && self.nodes.len() >= self.capacity {
            // Several at a time, so that not every new token has to look.
            self.remove_idle((self.capacity / 4).max(1));
        }
        if let Some(parent) = parent {
            self.nodes[parent as usize].children += 1;
        }
        let node = TokenNode {
            parent: key.0,
            token,
            depth: parent.map_or(0, |parent| self.nodes[parent as usize].depth + 1),
            children: 0,
            pins: 1,
            last_used: self.clock,
            computed: false,
            value: None,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                // Slots are u32 and fit: memory ends long before.
                let slot = self.nodes.len() as Slot;
                self.nodes.push(node);
                slot
            }
        };
        self.index.insert(key, slot);
        slot
    }

    /// The node of a whole sequence, pinned until [`Self::unpin`]; none for an empty one.
    pub(crate) fn insert(&mut self, tokens: &[u32]) -> Option<Slot> {
        let mut at = None;
        for &token in tokens {
            let next = self.child(at, token);
            if let Some(before) = at {
                self.unpin(before);
            }
            at = Some(next);
        }
        at
    }

    pub(crate) fn pin(&mut self, slot: Slot) {
        let node = &mut self.nodes[slot as usize];
        if node.is_idle() {
            self.idle.remove(&(node.last_used, slot));
        }
        node.pins += 1;
    }

    pub(crate) fn unpin(&mut self, slot: Slot) {
        let node = &mut self.nodes[slot as usize];
        node.pins -= 1;
        if node.is_idle() {
            self.idle.insert((node.last_used, slot));
        }
    }

    pub(crate) fn parent(&self, slot: Slot) -> Option<Slot> {
        let parent = self.nodes[slot as usize].parent;
        (parent != NONE).then_some(parent)
    }

    pub(crate) fn token(&self, slot: Slot) -> u32 {
        self.nodes[slot as usize].token
    }

    /// Position of the token in its sequence, from 0.
    pub(crate) fn depth(&self, slot: Slot) -> usize {
        self.nodes[slot as usize].depth as usize
    }

    pub(crate) fn is_computed(&self, slot: Slot) -> bool {
        self.nodes[slot as usize].computed
    }

    pub(crate) fn set_computed(&mut self, slot: Slot) {
        self.nodes[slot as usize].computed = true;
    }

    /// The number that this token reads as, if it was last read in this way.
    pub(crate) fn value(&self, slot: Slot, readout: Readout) -> Option<f32> {
        let read = self.nodes[slot as usize].value;
        read.filter(|(known, _)| *known == readout)
            .map(|(_, value)| value)
    }

    pub(crate) fn set_value(&mut self, slot: Slot, readout: Readout, value: f32) {
        self.nodes[slot as usize].value = Some((readout, value));
    }

    /// The sequence that ends at a node, first token first.
    pub(crate) fn path(&self, slot: Slot) -> Vec<Slot> {
        let mut path = vec![slot; self.depth(slot) + 1];
        let mut at = slot;
        for place in path.iter_mut().rev() {
            *place = at;
            at = self.nodes[at as usize].parent;
        }
        path
    }

    /// Makes room in the matrices for every slot.
    pub(crate) fn reserve(&mut self) {
        let slots = self.nodes.len();
        for layer in &mut self.layers {
            layer.grow(slots);
        }
        self.hidden.grow(slots);
    }

    /// Evicts everything that no request uses.
    pub(crate) fn clear(&mut self) {
        self.remove_idle(usize::MAX);
    }

    /// Removes up to `count` idle leaves, least recently used first; a node whose last child goes becomes a leaf. Removes
    /// fewer when the rest is in use: the capacity is a wish, not a limit to fail on.
    fn remove_idle(&mut self, count: usize) {
        for _ in 0..count {
            let Some((_, slot)) = self.idle.pop_first() else {
                return;
            };
            let TokenNode { parent, token, .. } = self.nodes[slot as usize];
            self.index.remove(&(parent, token));
            self.free.push(slot);
            if parent != NONE {
                let above = &mut self.nodes[parent as usize];
                above.children -= 1;
                if above.is_idle() {
                    self.idle.insert((above.last_used, parent));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn old_leaves_give_way_and_pinned_paths_stay() {
        let mut tree = TokenTree::new(Vec::new(), 1, 8);
        let kept = tree.insert(&[1, 2, 3]).expect("not empty");
        for token in 10..40 {
            let slot = tree.insert(&[1, token]).expect("not empty");
            tree.unpin(slot);
        }
        assert!(tree.nodes.len() <= 8, "{} slots", tree.nodes.len());
        assert_eq!(
            tree.path(kept)
                .iter()
                .map(|&s| tree.token(s))
                .collect::<Vec<_>>(),
            [1, 2, 3]
        );
        tree.unpin(kept);
        tree.clear();
        assert!(tree.index.is_empty());
        assert_eq!(tree.free.len(), tree.nodes.len());
    }

    #[test]
    fn where_all_is_in_use_nothing_gives_way_or_is_looked_through() {
        let mut tree = TokenTree::new(Vec::new(), 1, 8);
        let pinned: Vec<Slot> = (0..100).filter_map(|token| tree.insert(&[token])).collect();
        assert_eq!((pinned.len(), tree.nodes.len()), (100, 100));
        assert!(tree.idle.is_empty(), "what is in use is never looked at");
        pinned.into_iter().for_each(|slot| tree.unpin(slot));
        for token in 200..300 {
            let slot = tree.insert(&[token]).expect("not empty");
            tree.unpin(slot);
        }
        assert_eq!(tree.nodes.len(), 100, "no more room was needed");
    }

    proptest! {
        #[test]
        fn the_idle_are_the_leaves_that_nobody_stands_on(
            moves in prop::collection::vec((prop::collection::vec(0u32..3, 1..6), any::<bool>()), 1..80)
        ) {
            let mut tree = TokenTree::new(Vec::new(), 1, 12);
            let mut standing: Vec<(Vec<u32>, Slot)> = Vec::new();
            for (tokens, leaves) in moves {
                let slot = tree.insert(&tokens).expect("not empty");
                standing.push((tokens, slot));
                if leaves {
                    let (_, slot) = standing.remove(0);
                    tree.unpin(slot);
                }
                let idle: BTreeSet<(u64, Slot)> = tree.index.values()
                    .map(|&slot| (slot, &tree.nodes[slot as usize]))
                    .filter(|(_, node)| node.is_idle())
                    .map(|(slot, node)| (node.last_used, slot))
                    .collect();
                prop_assert_eq!(&tree.idle, &idle);
                prop_assert_eq!(tree.index.len() + tree.free.len(), tree.nodes.len());
                for (tokens, slot) in &standing {
                    let path: Vec<u32> = tree.path(*slot).into_iter().map(|slot| tree.token(slot)).collect();
                    prop_assert_eq!(&path, tokens);
                }
            }
        }
    }
}
