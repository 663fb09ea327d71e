//! How long rounds of samples are waited for.

use std::num::NonZeroUsize;

use clap::Args;
use outthink_core::Quorum;

/// How many samples of a round must come, and how long is waited for the others.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct QuorumChoice {
    /// A round goes on without samples that fail, or are late by --round-seconds, as long as this many are there; which ones are late
    /// depends on time, so runs differ [default: all; 1 with --round-seconds]
    #[arg(long, help_heading = "Search", value_name = "COUNT", value_parser = super::count)]
    pub(crate) min_samples: Option<NonZeroUsize>,
    /// Seconds that a round waits for its samples before it goes on without the late ones [default: as long as it takes]
    #[arg(long, help_heading = "Search", value_name = "S", value_parser = super::positive)]
    pub(crate) round_seconds: Option<f64>,
}

impl QuorumChoice {
    /// None where nothing was typed.
    pub(crate) fn get(self) -> Option<Quorum> {
        let Self {
            min_samples,
            round_seconds,
        } = self;
        if min_samples.is_none() && round_seconds.is_none() {
            return None;
        }
        Some(Quorum {
            least: min_samples.map_or(Quorum::default().least, NonZeroUsize::get),
            seconds: round_seconds,
        })
    }
}
