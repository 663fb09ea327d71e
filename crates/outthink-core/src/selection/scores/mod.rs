//! The scores: each file is one, told as its paper tells it.

mod bottom;
mod certainty;
mod confidence;
mod group;
mod last;
mod likelihood;
mod mean;
mod min;
mod product;
mod short;
mod tail;
mod windowed;

pub(crate) use confidence::windows;

use super::score::{Score, Scoring};
use super::table::{Entry, entries};

/// The table of scores, in the order in which they are listed and sorted. A new one is a file and a line here.
const TABLE: &[&dyn Score] = &[
    &min::Min,
    &last::Last,
    &mean::Mean,
    &product::Product,
    &certainty::Certainty,
    &likelihood::Likelihood,
    &group::USUAL,
    &tail::USUAL,
    &bottom::USUAL,
    &short::Short,
];

pub(super) static BUILT_IN: [Entry<dyn Score>; TABLE.len()] = entries(TABLE);

/// Those that others know by name.
pub(super) const MIN: Scoring = Scoring(&BUILT_IN[0]);
pub(super) const LAST: Scoring = Scoring(&BUILT_IN[1]);
pub(super) const MEAN: Scoring = Scoring(&BUILT_IN[2]);
pub(super) const PRODUCT: Scoring = Scoring(&BUILT_IN[3]);
