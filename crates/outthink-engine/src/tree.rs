//! The tree of computed tokens: keys, values and last hidden states, by token prefix.
//!
//! A node is one token after one prefix. It owns one slot of the arena, so a branch is a list of slots, a fork costs
//! nothing, and whoever asks for a prefix again finds what is there. When the arena is full, the leaves that were not
//! used for longest give way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::readout::Readout;

/// Index of a node, and of its slot.
pub(crate) type Slot = u32;

/// No parent: the first token of a sequence.
const NONE: Slot = Slot::MAX;

/// Slots that are allocated together.
const BLOCK: usize = 1024;

/// A matrix of one row a slot that grows without moving.
pub(crate) struct Rows {
    width: usize,
    blocks: Vec<Box<[f32]>>,
}

impl Rows {
    fn new(width: usize) -> Self {
        Self {
            width,
            blocks: Vec::new(),
        }
    }

    pub(crate) fn row(&self, slot: Slot) -> &[f32] {
        let at = slot as usize % BLOCK * self.width;
        &self.blocks[slot as usize / BLOCK][at..at + self.width]
    }

    pub(crate) fn row_mut(&mut self, slot: Slot) -> &mut [f32] {
        let at = slot as usize % BLOCK * self.width;
        &mut self.blocks[slot as usize / BLOCK][at..at + self.width]
    }

    fn grow(&mut self, slots: usize) {
        while self.blocks.len() * BLOCK < slots {
            self.blocks.push(vec![0.0; BLOCK * self.width].into());
        }
    }
}

struct Node {
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

/// Keys and values of one layer.
pub(crate) struct LayerCache {
    pub keys: Rows,
    pub values: Rows,
}

/// The tree of one model.
pub(crate) struct TokenTree {
    /// One a layer.
    pub layers: Vec<LayerCache>,
    /// After the last norm.
    pub hidden: Rows,
    nodes: Vec<Node>,
    free: Vec<Slot>,
    index: HashMap<(Slot, u32), Slot>,
    /// Slots beyond which old leaves give way.
    capacity: usize,
    /// Slots beyond which old leaves are looked for again, after there were none: to look for each new token would take the
    /// square of their number.
    crowded: usize,
    clock: u64,
}

impl TokenTree {
    pub(crate) fn new(layers: usize, key_width: usize, hidden: usize, capacity: usize) -> Self {
        let cache = || LayerCache {
            keys: Rows::new(key_width),
            values: Rows::new(key_width),
        };
        Self {
            layers: (0..layers).map(|_| cache()).collect(),
            hidden: Rows::new(hidden),
            nodes: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            capacity,
            crowded: 0,
            clock: 0,
        }
    }

    /// An empty one of the same shape.
    pub(crate) fn emptied(&self) -> Self {
        let key_width = self.layers.first().map_or(0, |layer| layer.keys.width);
        Self::new(
            self.layers.len(),
            key_width,
            self.hidden.width,
            self.capacity,
        )
    }

    /// The node of `token` after `parent`, made if it is new.
    pub(crate) fn child(&mut self, parent: Option<Slot>, token: u32) -> Slot {
        let key = (parent.unwrap_or(NONE), token);
        self.clock += 1;
        if let Some(&slot) = self.index.get(&key) {
            self.nodes[slot as usize].last_used = self.clock;
            return slot;
        }
        // The parent must outlive the search for room.
        if let Some(parent) = parent {
            self.nodes[parent as usize].children += 1;
        }
        if self.free.is_empty() && self.nodes.len() >= self.capacity.max(self.crowded) {
            self.evict();
        }
        let node = Node {
            parent: key.0,
            token,
            depth: parent.map_or(0, |parent| self.nodes[parent as usize].depth + 1),
            children: 0,
            pins: 0,
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

    /// The node of a whole sequence, pinned until [`Self::unpin`].
    pub(crate) fn insert(&mut self, tokens: &[u32]) -> Option<Slot> {
        let mut at = None;
        for &token in tokens {
            let next = self.child(at, token);
            self.nodes[next as usize].pins += 1;
            if let Some(before) = at {
                self.unpin(before);
            }
            at = Some(next);
        }
        at
    }

    pub(crate) fn pin(&mut self, slot: Slot) {
        self.nodes[slot as usize].pins += 1;
    }

    pub(crate) fn unpin(&mut self, slot: Slot) {
        self.nodes[slot as usize].pins -= 1;
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
            layer.keys.grow(slots);
            layer.values.grow(slots);
        }
        self.hidden.grow(slots);
    }

    /// Forgets everything that nobody stands on.
    pub(crate) fn clear(&mut self) {
        self.remove_leaves(usize::MAX);
    }

    fn evict(&mut self) {
        let part = (self.capacity / 4).max(1);
        self.remove_leaves(part);
        self.crowded = match self.free.is_empty() {
            true => self.nodes.len() + part,
            false => 0,
        };
    }

    /// Removes up to `count` unpinned leaves, least recently used first; a node whose last child goes becomes a leaf.
    /// Removes fewer when the rest is in use: the capacity is a wish, not a limit to fail on.
    fn remove_leaves(&mut self, count: usize) {
        let removable = |node: &Node| node.children == 0 && node.pins == 0;
        let mut leaves: BinaryHeap<Reverse<(u64, Slot)>> = self
            .index
            .values()
            .map(|&slot| (slot, &self.nodes[slot as usize]))
            .filter(|(_, node)| removable(node))
            .map(|(slot, node)| Reverse((node.last_used, slot)))
            .collect();
        for _ in 0..count {
            let Some(Reverse((_, slot))) = leaves.pop() else {
                return;
            };
            let Node { parent, token, .. } = self.nodes[slot as usize];
            self.index.remove(&(parent, token));
            self.free.push(slot);
            if parent != NONE {
                let above = &mut self.nodes[parent as usize];
                above.children -= 1;
                if removable(above) {
                    leaves.push(Reverse((above.last_used, parent)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_leaves_give_way_and_pinned_paths_stay() {
        let mut tree = TokenTree::new(1, 1, 1, 8);
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
    fn where_all_is_in_use_old_leaves_are_looked_for_now_and_then_and_give_way_in_the_end() {
        let mut tree = TokenTree::new(1, 1, 1, 8);
        let pinned: Vec<Slot> = (0..100).filter_map(|token| tree.insert(&[token])).collect();
        assert_eq!((pinned.len(), tree.nodes.len()), (100, 100));
        assert!((100..=102).contains(&tree.crowded), "{}", tree.crowded);
        pinned.into_iter().for_each(|slot| tree.unpin(slot));
        for token in 200..300 {
            let slot = tree.insert(&[token]).expect("not empty");
            tree.unpin(slot);
        }
        assert!(tree.nodes.len() <= 102, "{} slots", tree.nodes.len());
    }
}
