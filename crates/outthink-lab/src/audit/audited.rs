//! One verifier's audit: what it was made of, what came of it, and that in words.

use std::fmt::Write;

use serde::Serialize;

use super::{AuditReport, Effect, Hazard, Measured, Sensitivity};

/// An audit that is done.
#[derive(Clone, Debug, Serialize)]
pub struct Audited {
    /// The verifier.
    pub verifier: String,
    /// What it was audited on.
    pub data: String,
    /// Solutions that could not be scored.
    pub failed: usize,
    /// The first reason.
    pub first_failure: Option<String>,
    /// What irrelevant changes to texts did to rewards of the first solutions; nothing where no model was asked.
    pub hazards: Vec<Hazard>,
    /// What rules of selection make of its rewards in a study.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selection: Vec<Sensitivity>,
    /// All that was measured of its judgement.
    #[serde(flatten)]
    pub report: AuditReport,
}

const UNMEASURED: &str = "not measured";

fn percent(measured: Option<&Measured>) -> String {
    let show = |Measured { value, interval }: &Measured| {
        let [value, low, high] = [*value, interval.low, interval.high].map(|share| 100.0 * share);
        format!("{value:.1} % ({low:.1} to {high:.1})")
    };
    measured.map_or_else(|| UNMEASURED.into(), show)
}

/// With a sign, or the words that there is nothing.
pub(crate) fn signed(measured: Option<&Measured>) -> String {
    let show = |Measured { value, interval }: &Measured| {
        let text = format!(
            "{value:+.3} ({:+.3} to {:+.3})",
            interval.low, interval.high
        );
        text.replace('-', "−")
    };
    measured.map_or_else(|| UNMEASURED.into(), show)
}

/// What has no sign: `0.024 (0.015 to 0.043)`.
pub(crate) fn size(measured: Option<&Measured>) -> String {
    let show = |Measured { value, interval }: &Measured| {
        format!("{value:.3} ({:.3} to {:.3})", interval.low, interval.high)
    };
    measured.map_or_else(|| UNMEASURED.into(), show)
}

impl Audited {
    /// What it rests on, in a line.
    pub fn basis(&self) -> String {
        let report = &self.report;
        let lengths = &report.lengths;
        let mut text = format!(
            "{}: {} scored, {} with an error, {} problems; {:.1} {} per step, {:.1} per response, {:.1} steps",
            self.data,
            report.solutions,
            report.erroneous,
            report.problems,
            lengths.per_step,
            lengths.unit,
            lengths.per_response,
            lengths.steps
        );
        if let Some(reason) = &self.first_failure {
            let _ = write!(text, "; {} could not be scored: {reason}", self.failed);
        }
        text
    }

    /// What was measured, by name.
    pub fn measures(&self) -> Vec<(&'static str, String)> {
        let report = &self.report;
        let judged = report.judgement.as_ref();
        let threshold = report.threshold.map(|threshold| format!("{threshold:.4}"));
        let effect =
            |effect: &Option<Effect>| signed(effect.as_ref().map(|effect| &effect.difference));
        let calibration = report.calibration.as_ref();
        let after = calibration.and_then(|calibration| calibration.ece_isotonic.as_ref());
        vec![
            ("threshold", threshold.unwrap_or_else(|| UNMEASURED.into())),
            (
                "accuracy on erroneous solutions",
                percent(judged.map(|judged| &judged.erroneous)),
            ),
            (
                "accuracy on right solutions",
                percent(judged.map(|judged| &judged.correct)),
            ),
            ("F1", percent(judged.map(|judged| &judged.f1))),
            ("over-criticism", percent(report.over_criticism.as_ref())),
            ("error neglect", percent(report.error_neglect.as_ref())),
            (
                "localisation error, steps, signed",
                signed(report.localisation.as_ref()),
            ),
            (
                "localisation error, steps, absolute",
                signed(report.distance.as_ref()),
            ),
            (
                "lowest reward − first error, steps",
                signed(report.lowest.as_ref()),
            ),
            ("reward of long steps − short ones", effect(&report.length)),
            (
                "reward of late steps − early ones",
                effect(&report.position),
            ),
            ("ECE", size(calibration.map(|calibration| &calibration.ece))),
            ("ECE after isotonic map", size(after)),
        ]
    }
}

impl Hazard {
    /// What it did.
    pub fn told(&self) -> String {
        let mut text = match (&self.change, self.largest) {
            (Some(mean), Some(largest)) => format!(
                "{} on average over {}, at most {}",
                signed(Some(mean)),
                self.scored,
                format!("{largest:+.3}").replace('-', "−")
            ),
            _ => String::from("never scored"),
        };
        if let Some(words) = &self.refused {
            let _ = write!(text, "; refused: {words}");
        }
        text
    }
}
