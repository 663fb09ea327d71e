//! Verdicts in plain words.

use serde::Serialize;

use super::{AuditReport, Effect, Measured};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// The whole interval is harmful.
    Harmful,
    /// There is an effect, smaller than what counts as harm or not certainly larger.
    Slight,
    /// Fine.
    None,
}

impl Harm {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Harmful => "harmful",
            Self::Slight => "slight",
            Self::None => "fine",
        }
    }
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which failure.
    pub name: &'static str,
    /// How bad.
    pub harm: Harm,
    /// In words, with its size and interval.
    pub verdict: String,
}

/// A share of misjudged steps that is tolerable: one in ten.
const SHARE: f64 = 0.10;
/// A shift of the reward that is: a twentieth of its range.
const SHIFT: f64 = 0.05;
/// A distance between the called and the first error that is: a quarter of a step on the mean.
const DISTANCE: f64 = 0.25;

/// Harmful if the whole interval lies beyond the limit, none if the interval holds 0 or the effect cannot be felt.
fn harm(measured: &Measured, limit: f64) -> Harm {
    let interval = measured.interval;
    let size = match interval.low <= 0.0 && interval.high >= 0.0 {
        true => 0.0,
        false => interval.low.abs().min(interval.high.abs()),
    };
    match size {
        size if size > limit => Harm::Harmful,
        size if size > limit / 5.0 => Harm::Slight,
        _ => Harm::None,
    }
}

fn percent(measured: &Measured) -> String {
    let Measured { value, interval } = measured;
    let [value, low, high] = [*value, interval.low, interval.high].map(|share| 100.0 * share);
    format!("{value:.1} % ({low:.1} to {high:.1})")
}

fn signed(measured: &Measured) -> String {
    let Measured { value, interval } = measured;
    format!(
        "{value:+.2} ({:+.2} to {:+.2})",
        interval.low, interval.high
    )
    .replace('-', "−")
}

pub(super) fn of(report: &AuditReport) -> Vec<Finding> {
    let unit = report.lengths.unit.as_str();
    let mut findings = Vec::new();
    let mut add = |name, harm, verdict| {
        findings.push(Finding {
            name,
            harm,
            verdict,
        });
    };
    if let Some(share) = &report.over_criticism {
        let verdict = format!("calls {} of the right steps wrong", percent(share));
        add("over-criticism", harm(share, SHARE), verdict);
    }
    if let Some(share) = &report.error_neglect {
        let verdict = format!("lets {} of the first errors pass", percent(share));
        add("error neglect", harm(share, SHARE), verdict);
    }
    if let Some(shift) = &report.localisation {
        let harm = harm(shift, DISTANCE);
        let verdict = match harm {
            Harm::None => format!(
                "no clear shift: the first error is found {} steps from where it is",
                signed(shift)
            ),
            _ => {
                let side = if shift.value > 0.0 { "late" } else { "early" };
                format!(
                    "finds the first error too {side}: {} steps on average",
                    signed(shift)
                )
            }
        };
        add("localisation bias", harm, verdict);
    }
    let mut scoring = |name, effect: &Effect, which: String, what: &str| {
        let harm = harm(&effect.difference, SHIFT);
        let size = signed(&effect.difference);
        let verdict = match (harm, effect.difference.value > 0.0) {
            (Harm::None, _) => format!("does not mind {what}: {size} for {which}"),
            (_, true) => format!("favours {which}: {size}"),
            (_, false) => format!("punishes {which}: {size}"),
        };
        add(name, harm, verdict);
    };
    if let Some(effect) = &report.length {
        let which = format!("steps over {} {unit}", effect.cut);
        scoring(
            "scoring bias by length",
            effect,
            which,
            "the length of a step",
        );
    }
    if let Some(effect) = &report.position {
        let which = format!("steps after the {}", ordinal(effect.cut));
        scoring(
            "scoring bias by position",
            effect,
            which,
            "the place of a step",
        );
    }
    if let Some(calibration) = &report.calibration {
        let ece = calibration.ece;
        let after = calibration.ece_isotonic.map_or(String::new(), |after| {
            format!("; {:.2} with the isotonic map", after.value)
        });
        let verdict = format!(
            "rewards miss the share of right steps by {:.2} ({:.2} to {:.2}){after}",
            ece.value, ece.interval.low, ece.interval.high
        );
        add("miscalibration", harm(&ece, SHARE), verdict);
    }
    findings.sort_by_key(|finding| finding.harm);
    findings
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
