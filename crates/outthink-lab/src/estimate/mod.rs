//! Numbers with their uncertainty: intervals, and what a subset of a pool would have shown.

pub(crate) mod binomial;
pub(crate) mod bootstrap;
pub(crate) mod calibration;
pub(crate) mod difficulty;
pub(crate) mod gain;
pub(crate) mod interval;
pub(crate) mod spent;
pub(crate) mod subset;
pub(crate) mod votes;
