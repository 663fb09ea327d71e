//! A verifier's map from rewards to shares of right steps, as a file.

use outthink_core::Isotonic;
use outthink_core::identity::{canonical, sha256};
use serde::{Deserialize, Serialize};

use super::{AuditReport, Measured};

/// The format that is written and read.
const VERSION: u32 = 1;

/// Why a file is no calibration, or not one of this verifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// Not TOML, or with words that mean nothing here.
    #[error("the calibration cannot be read")]
    Toml(#[from] toml::de::Error),
    /// It cannot be written.
    #[error("the calibration cannot be written")]
    Write(#[from] toml::ser::Error),
    /// Of a version that isn't known.
    #[error(
        "the calibration is of version {0}; this program reads version {VERSION}: audit the verifier again"
    )]
    Version(u32),
    /// Its map is no monotone map of [0, 1] into itself.
    #[error("the calibration is damaged: {0}")]
    Damaged(String),
    /// The audit has no right or wrong steps to measure it on.
    #[error("there are too few solutions to calibrate on")]
    TooFew,
    /// Of another verifier.
    #[error(
        "the calibration is of {of} ({of_print}), not of {met} ({met_print}): make one with `outthink audit --verifier {met} --save-calibration FILE`"
    )]
    Mismatch {
        /// What it was fitted for.
        of: String,
        /// Its fingerprint.
        of_print: String,
        /// What is there.
        met: String,
        /// Its fingerprint.
        met_print: String,
    },
}

/// The verifier that a calibration is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Of {
    name: String,
    /// A hash of all that is known of it: name, precision, parameters, profile; not of its weights.
    fingerprint: String,
}

/// What it was fitted and measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    name: String,
    solutions: usize,
    problems: usize,
}

/// Expected calibration errors on the half of the problems that the map was not fitted on: value, low, high.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Errors {
    before: [f64; 3],
    after: [f64; 3],
}

/// An isotonic map with where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFile {
    version: u32,
    verifier: Of,
    data: Data,
    ece: Errors,
    map: Isotonic,
}

fn fingerprint(identity: &serde_json::Value) -> String {
    sha256(canonical(identity).as_bytes())
}

impl CalibrationFile {
    /// What an audit found. `identity` is all that the verifier's rewards depend on, as in a study.
    pub fn new(
        verifier: &str,
        identity: &serde_json::Value,
        data: &str,
        report: &AuditReport,
    ) -> Result<Self, CalibrationError> {
        let found = report.calibration.as_ref();
        let (found, after) = found
            .and_then(|found| Some((found, found.ece_isotonic?)))
            .filter(|(found, _)| !found.isotonic.knots.is_empty())
            .ok_or(CalibrationError::TooFew)?;
        let numbers = |Measured { value, interval }| [value, interval.low, interval.high];
        Ok(Self {
            version: VERSION,
            verifier: Of {
                name: verifier.to_owned(),
                fingerprint: fingerprint(identity),
            },
            data: Data {
                name: data.to_owned(),
                solutions: report.solutions,
                problems: report.problems,
            },
            ece: Errors {
                before: numbers(found.ece),
                after: numbers(after),
            },
            map: found.isotonic.clone(),
        })
    }

    /// Reads TOML.
    pub fn parse(text: &str) -> Result<Self, CalibrationError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        // Another version may have other words.
        let Versioned { version } = toml::from_str(text)?;
        if version != VERSION {
            return Err(CalibrationError::Version(version));
        }
        let file: Self = toml::from_str(text)?;
        file.map.check().map_err(CalibrationError::Damaged)?;
        Ok(file)
    }

    /// As TOML.
    pub fn text(&self) -> Result<String, CalibrationError> {
        let body = toml::to_string(self)?;
        Ok(format!(
            "# A verifier's rewards with the share of steps that are right there (isotonic regression), from `outthink audit\n\
             # --save-calibration`; `--calibration` of solve, study and serve puts it before the verifier. ece: expected calibration\n\
             # error with its 95 % interval, on the half of the problems that the map was not fitted on.\n\n{body}"
        ))
    }

    /// The map, if the verifier is the one that it was fitted for.
    pub fn map_of(
        self,
        verifier: &str,
        identity: &serde_json::Value,
    ) -> Result<Isotonic, CalibrationError> {
        let met_print = fingerprint(identity);
        match met_print == self.verifier.fingerprint {
            true => Ok(self.map),
            false => Err(CalibrationError::Mismatch {
                of: self.verifier.name,
                of_print: self.verifier.fingerprint,
                met: verifier.to_owned(),
                met_print,
            }),
        }
    }
}
