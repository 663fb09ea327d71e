//! Why there is no strategy, or none for these models.

use crate::cost_model::Unit;
use crate::written::VERSION;

/// Why a file is no strategy, or not one for these models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// Not TOML, or with words that mean nothing here.
    #[error("the strategy cannot be read")]
    Toml(#[from] toml::de::Error),
    /// TOML of another kind.
    #[error("it is no strategy file (a study's recipe?); `outthink tune` makes one")]
    Foreign,
    /// It cannot be written.
    #[error("the strategy cannot be written")]
    Write(#[from] toml::ser::Error),
    /// Of a version that isn't known.
    #[error("the strategy is of version {0}; this program reads version {VERSION}: tune it again")]
    Version(u32),
    /// It contradicts itself.
    #[error("the strategy is damaged: {0}")]
    Damaged(String),
    /// Fitted for another model.
    #[error(
        "the strategy was fitted for the {role} {fitted} ({fitted_print}), not {met} ({met_print}){}: tune one for it",
        namesake(fitted, met)
    )]
    Mismatch {
        /// `policy` or `verifier`.
        role: &'static str,
        /// What it was fitted for.
        fitted: String,
        /// Its fingerprint.
        fitted_print: String,
        /// What is there.
        met: String,
        /// Its fingerprint.
        met_print: String,
    },
    /// The authors' table goes by size.
    #[error("`paper` chooses by the policy's size, and {0} does not tell its parameters")]
    NoSize(String),
    /// A budget below all that were fitted.
    #[error("the strategy has nothing for {budget} {unit}; the smallest budget is {smallest}")]
    Budget {
        /// What was asked for.
        budget: f64,
        /// In this unit.
        unit: Unit,
        /// The smallest there is.
        smallest: f64,
    },
}

/// One model, known by its files here and by its server there, is two to a strategy: their numbers differ in the last digits.
fn namesake(fitted: &str, met: &str) -> &'static str {
    match fitted == met {
        true => {
            ", which has the same name but other files, or is on a server and not in this process, or the other way round"
        }
        false => "",
    }
}
