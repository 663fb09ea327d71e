//! Matrix products and what is between them, on the CPU, in the widest instructions that it has.
//!
//! A row's result never depends on the other rows, nor on the instructions that there are: every sum has one order, and every
//! set of instructions rounds alike. That, and not luck, makes a draw independent of what else is in the batch.

#![allow(
    unsafe_code,
    reason = "vector instructions; each use says why it is sound"
)]

mod attention;
mod blocks;
mod dense;
mod isa;
mod lanes;
mod panels;
pub(crate) mod rows;
mod team;
pub(crate) mod vocabulary;

pub(crate) use attention::{Heads, Paths, Scores, attend};
pub(crate) use blocks::{BLOCK, Block, BlockKind, BlockWeights};
pub(crate) use dense::DenseWeights;
pub(crate) use isa::Isa;
pub(crate) use rows::{Gate, QuantizedRows};
pub(crate) use team::{map, together};
