//! Intermediate results of a pass.

use crate::kernels::QuantizedRows;

/// Memory that every layer of every pass uses again.
#[derive(Default)]
pub(crate) struct Buffers {
    /// What the blocks add to.
    pub stream: Vec<f32>,
    /// Inputs of a product, rounded.
    pub rounded: QuantizedRows,
    /// What a layer is given.
    pub normed: Vec<f32>,
    /// Queries, keys and values; or gate and up; or logits of experts.
    pub wide: Vec<f32>,
    pub queries: Vec<f32>,
    /// Results of attention by head.
    pub by_head: Vec<f32>,
    /// What attention, or the gate, lets through.
    pub inner: Vec<f32>,
    /// Rows that go to an expert.
    pub gathered: Vec<f32>,
    /// What it gives.
    pub given: Vec<f32>,
    /// What a layer gives.
    pub out: Vec<f32>,
}
