//! The confidence that is said, and what came true.

use std::fmt::{self, Write};

use outthink_core::number::short;

use super::Part;
use crate::tuning::evaluation::reliability;
use crate::tuning::evidence::Evidence;

/// The confidence that is printed, and what it would be without the end.
pub(super) fn diagram(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> fmt::Result {
    writeln!(
        text,
        "\n**Reliability**: the confidence said and what came true, in tenths (rows in brackets), the mean distance (ECE) and Brier's score; *before* goes by the prediction alone (Platt), *after* also by how all draws agree and by the reward (isotonic)\n\n| budget | said → came true | ECE before | after | Brier before | after |\n|---|---|---|---|---|---|"
    )?;
    for (entry, own) in part.tuned.entries.iter().zip(&part.compared) {
        let Some(tested) = &own.tested else { continue };
        let [before, after] = reliability(entry, &tested.deployable, unseen);
        let told: Vec<String> = after
            .lines
            .iter()
            .map(|own| {
                format!(
                    "{:.0} → {:.0} ({})",
                    own.said * 100.0,
                    own.came * 100.0,
                    own.rows
                )
            })
            .collect();
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {:.3} | {:.3} |",
            short(entry.budget),
            told.join(", "),
            before.error * 100.0,
            after.error * 100.0,
            before.brier,
            after.brier
        )?;
    }
    Ok(())
}
