//! Matrices of one row a token of the tree: keys, values, hidden states.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Index of a token of the tree, and of its row.
pub(crate) type Slot = u32;

/// Rows that are allocated together.
pub(crate) const BLOCK: usize = 1024;

/// A matrix of one row a slot that grows without moving.
pub(crate) struct SlotRows<T> {
    width: usize,
    blocks: Vec<Box<[T]>>,
}

impl<T: Copy + Default> SlotRows<T> {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            blocks: Vec::new(),
        }
    }

    pub(crate) fn row(&self, slot: Slot) -> &[T] {
        let at = slot as usize % BLOCK * self.width;
        &self.blocks[slot as usize / BLOCK][at..at + self.width]
    }

    pub(crate) fn row_mut(&mut self, slot: Slot) -> &mut [T] {
        let at = slot as usize % BLOCK * self.width;
        &mut self.blocks[slot as usize / BLOCK][at..at + self.width]
    }

    pub(crate) fn grow(&mut self, slots: usize) {
        while self.blocks.len() * BLOCK < slots {
            self.blocks
                .push(vec![T::default(); BLOCK * self.width].into());
        }
    }
}

/// Keys and values of one layer.
pub(crate) enum LayerCache {
    F32 {
        keys: SlotRows<f32>,
        values: SlotRows<f32>,
    },
    /// Half the memory, and half of what attention reads.
    F16 {
        keys: SlotRows<f16>,
        values: SlotRows<f16>,
    },
}

impl LayerCache {
    pub(crate) fn new(width: usize, half: bool) -> Self {
        match half {
            false => Self::F32 {
                keys: SlotRows::new(width),
                values: SlotRows::new(width),
            },
            true => Self::F16 {
                keys: SlotRows::new(width),
                values: SlotRows::new(width),
            },
        }
    }

    pub(crate) fn grow(&mut self, slots: usize) {
        match self {
            Self::F32 { keys, values } => {
                keys.grow(slots);
                values.grow(slots);
            }
            Self::F16 { keys, values } => {
                keys.grow(slots);
                values.grow(slots);
            }
        }
    }

    /// Keeps the keys and values of a slot.
    pub(crate) fn set(&mut self, slot: Slot, own_keys: &[f32], own_values: &[f32]) {
        match self {
            Self::F32 { keys, values } => {
                keys.row_mut(slot).copy_from_slice(own_keys);
                values.row_mut(slot).copy_from_slice(own_values);
            }
            Self::F16 { keys, values } => {
                keys.row_mut(slot).convert_from_f32_slice(own_keys);
                values.row_mut(slot).convert_from_f32_slice(own_values);
            }
        }
    }
}
