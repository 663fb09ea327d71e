//! How long rounds of samples are waited for.

use std::num::NonZeroUsize;

use clap::Args;
use outthink_core::Quorum;

/// How many samples of a round must come, and how long is waited for the others.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct QuorumChoice {
    /// A round needs only this many of its samples: those that fail, or have not come after --round-seconds, are given up. Which these
    /// are depends on time, so runs differ [default: all; 1 with --round-seconds]
    #[arg(long, help_heading = "Search", value_name = "COUNT", value_parser = super::count)]
    pub(crate) min_samples: Option<NonZeroUsize>,
    /// Seconds that a round waits for more samples than it needs [default: as long as it takes]
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
