//! What can be typed after `outthink probe`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::PolicyChoice;

#[derive(Debug, Subcommand)]
pub(crate) enum ProbeCommand {
    /// Fit a probe on a stored study's samples, say what it is worth, and write it down
    #[command(
        after_help = "Without --policy it is the study's only one. Reads the policy's hidden state at the end of each step of the stored samples (embedded engine, one pass over each distinct token), and fits
a head that says from it how many completions come out right. What is printed is by cross-validation over problems. If the last line ends in
\"do not use it\", the probe ranks the samples of a problem no better than their log-probability, which costs nothing.

Examples:
  outthink study --dataset gsm8k-train --problems 500 --policy ./my-model --methods majority --budgets 32 --store mine.sqlite --name mine
  outthink probe fit mine --store mine.sqlite --policy ./my-model -o probe.safetensors
  outthink solve 'What is $17\\cdot 24$?' --policy ./my-model --verifier probe.safetensors

Exit status: 0 if a probe was written, whatever it is worth; 1 if something failed on the way; 2 for wrong input."
    )]
    Fit(Box<ProbeFit>),
    /// Show what a probe reads, what it was fitted on, and what it was found to be worth
    #[command(after_help = "Example: outthink probe show probe.safetensors")]
    Show {
        /// The probe
        file: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ProbeFit {
    /// The study [default: the only one of the store]
    pub(crate) study: Option<String>,
    /// The store [default: STUDY.sqlite, or the only one in this folder]
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) policy: PolicyChoice,
    /// Samples of each pool, from the first
    #[arg(long, default_value_t = 64, value_name = "COUNT")]
    pub(crate) samples: usize,
    /// Folds of the cross-validation over problems
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub(crate) folds: usize,
    /// Units of the inner layer that is tried beside a linear head; 0 tries none
    #[arg(long, default_value_t = 512, value_name = "COUNT")]
    pub(crate) units: usize,
    /// Which problems go to which fold, and where the fits begin
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Where to write the probe
    #[arg(
        short,
        long,
        default_value = "probe.safetensors",
        value_name = "FILE.safetensors"
    )]
    pub(crate) output: PathBuf,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,
}
