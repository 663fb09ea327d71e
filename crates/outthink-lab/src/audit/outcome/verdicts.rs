//! What an outcome audit comes to, in sentences.

use super::{OutcomeAudit, WRONG_PROBLEM};
use crate::audit::Measured;
use crate::audit::findings::{Finding, Harm};

/// `0.748 (0.741 to 0.757)`.
fn told(measured: &Measured) -> String {
    let Measured { value, interval } = measured;
    let text = format!("{value:.3} ({:.3} to {:.3})", interval.low, interval.high);
    text.replace('-', "−")
}

/// `+2.0 (−0.4 to +4.4)`, in points.
fn points(measured: &Measured) -> String {
    let Measured { value, interval } = measured;
    let [value, low, high] = [*value, interval.low, interval.high].map(|own| 100.0 * own);
    format!("{value:+.1} ({low:+.1} to {high:+.1})").replace('-', "−")
}

/// What is wrong, and what is right, in sentences.
pub(super) fn findings(audit: &OutcomeAudit) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut push = |name: &'static str, harm: Harm, verdict: String| {
        found.push(Finding {
            name,
            harm,
            verdict,
        });
    };
    let best = audit
        .scores
        .iter()
        .filter_map(|own| Some((own, own.auc_within?)))
        .max_by(|a, b| a.1.value.total_cmp(&b.1.value));
    match best {
        Some((own, within)) => {
            let control = match audit.verifier.ends_with(WRONG_PROBLEM) {
                true => " (it read another problem: it should be a half)",
                false => "",
            };
            let harm = match within.interval {
                interval if interval.low > 0.6 => Harm::None,
                interval if interval.low > 0.5 => Harm::Slight,
                _ => Harm::Harmful,
            };
            let over = own.auc.as_ref().map_or(String::new(), |all| {
                let why = match all.value > within.value + 0.02 {
                    true => ", much of which is how hard they are",
                    false => "",
                };
                format!("; over all problems {}{why}", told(all))
            });
            push(
                "ranking within problems",
                harm,
                format!(
                    "a right solution outscores a wrong one of its problem with probability {} at best, by {}{over}{control}",
                    told(&within),
                    own.score
                ),
            );
        }
        None => push(
            "ranking within problems",
            Harm::Slight,
            "undecided: no problem has right and wrong solutions with rewards".into(),
        ),
    }
    let last = audit.scores.iter().find(|own| own.score == "last");
    if let Some(last) = last
        && let Some(ece) = &last.ece
    {
        let side = match mean_gap(audit) > 0.0 {
            true => "too high",
            false => "too low",
        };
        let harm = match ece.interval.low {
            low if low > 0.1 => Harm::Harmful,
            low if low > 0.02 => Harm::Slight,
            _ => Harm::None,
        };
        push(
            "calibration",
            harm,
            format!(
                "the last reward is {} away from the share of right solutions, {side} on average (expected calibration error); wrong solutions have {:.2} on average",
                told(ece),
                last.wrong
            ),
        );
    }
    for more in ["characters", "steps"] {
        // Of the scores that do not grow or shrink with the number of steps by themselves, the one that is moved most.
        let own = audit
            .preferences
            .iter()
            .filter(|own| own.more == more && matches!(own.score.as_str(), "last" | "mean"))
            .filter_map(|own| Some((own, own.preferred?, own.difference?)))
            .filter(|(_, preferred, _)| {
                preferred.interval.low > 0.5 || preferred.interval.high < 0.5
            })
            .max_by(|a, b| {
                let size = |own: &Measured| (own.value - 0.5).abs();
                size(&a.1).total_cmp(&size(&b.1))
            });
        let name = if more == "steps" {
            "bias to many steps"
        } else {
            "bias to length"
        };
        match own {
            Some((own, preferred, difference)) => {
                let size = (preferred.interval.low - 0.5)
                    .abs()
                    .min((preferred.interval.high - 0.5).abs());
                let harm = if size > 0.1 {
                    Harm::Harmful
                } else {
                    Harm::Slight
                };
                let which = if own.right { "right" } else { "wrong" };
                push(
                    name,
                    harm,
                    format!(
                        "of two {which} solutions of a problem the one with more {more} has the higher {} with probability {}, by {} on average",
                        own.score,
                        told(&preferred),
                        told(&difference)
                    ),
                );
            }
            None => push(
                name,
                Harm::None,
                format!(
                    "none that is certain: more {more} neither raise nor lower a score at equal outcome"
                ),
            ),
        }
    }
    if let Some(wrong) = audit.courses.iter().find(|own| !own.right)
        && let Some(change) = &wrong.last_over_first
    {
        let harm = match change.interval {
            interval if interval.low > 0.0 => Harm::Harmful,
            _ => Harm::None,
        };
        let says = match change.interval {
            interval if interval.low > 0.0 => "they rise: what went wrong is forgotten by the end",
            interval if interval.high < 0.0 => "they fall: errors are remembered",
            _ => "no certain change",
        };
        push(
            "rewards of wrong solutions",
            harm,
            format!("last minus first step {}: {says}", told(change)),
        );
    }
    for own in &audit.selection {
        let best = own
            .rules
            .iter()
            .filter_map(|rule| Some((rule, rule.over_majority?)))
            .filter(|(_, over)| over.value.is_finite() && over.interval.low.is_finite())
            .max_by(|a, b| a.1.value.total_cmp(&b.1.value));
        if let Some((rule, over)) = best {
            let harm = match over.interval {
                interval if interval.low > 0.0 => Harm::None,
                interval if interval.high > 0.0 => Harm::Slight,
                _ => Harm::Harmful,
            };
            push(
                "worth over majority",
                harm,
                format!(
                    "the best rule at N = {}, {}, minus majority: {} points ({} problems; chosen on these)",
                    own.budget,
                    rule.rule,
                    points(&over),
                    own.problems
                ),
            );
        }
    }
    found.sort_by_key(|own| own.harm);
    found
}

/// How much the last reward lies above the share of right solutions on average.
fn mean_gap(audit: &OutcomeAudit) -> f64 {
    let bins = audit.reliability.iter();
    bins.map(|bin| bin.steps as f64 * (bin.reward - bin.right))
        .sum()
}
