//! Short before long (arXiv 2505.17813): minus the number of tokens. With the vote `top` it is short-m@k, with `max` short-1@k.
//!
//! The paper counts the tokens of the thinking; here all of a solution's are counted, since the one that ends first is the one that
//! the rule takes. A solution that was cut off did not finish and does not vote.

use crate::selection::score::{Score, Signal, Signals};

pub(super) struct Short;

impl Score for Short {
    fn name(&self) -> &'static str {
        "short"
    }

    fn signal(&self) -> Signal {
        Signal::Length
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        signals.length.map(|length| -(length as f64))
    }
}
