//! All choosers side by side, and the recipes of others.

use std::fmt::{self, Write};

use outthink_core::number::short;
use outthink_strategy::{Builtin, Unit};

use super::{Part, percent, points};
use crate::tuning::chooser::bands;
use crate::tuning::evaluation::{commonest, difference};
use crate::tuning::evidence::Evidence;

pub(super) fn choosers(text: &mut String, part: &Part<'_>) -> fmt::Result {
    let unit = part.tuning.cost_model.unit();
    writeln!(
        text,
        "\n**In-sample, cross-validated and on the test problems**: % right by budget per problem in {unit}; the paper's chooser takes the best candidate in each band of oracle Pass@1\n\n| budget | tune: paper's, in-sample (oracle) | cross-validated (oracle) | label-free, cross-validated | test: single best | paper's (oracle) | label-free | spent | oracle | label-free − single best | label-free takes most often |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for own in &part.compared {
        let Some(tested) = &own.tested else { continue };
        let usual = &part.split.tune.candidates[commonest(&tested.deployable.taken)];
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {usual} |",
            short(own.budget),
            percent(own.bands_in_sample.as_ref()),
            percent(own.bands_validated.as_ref()),
            percent(Some(&own.deployable_validated)),
            percent(tested.fixed.as_ref().map(|fixed| &fixed.1)),
            percent(tested.bands.as_ref()),
            percent(Some(&tested.deployable)),
            short(tested.deployable.cost()),
            percent(tested.oracle.as_ref()),
            tested.gain.as_ref().map_or("–".into(), points),
        )?;
    }
    Ok(())
}

/// The authors' fixed table and search-and-learn's recipe with each verifier, at the same number of samples.
pub(super) fn recipes(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> fmt::Result {
    if unseen.policy.cost.is_none() {
        return Ok(());
    }
    if part.tuning.cost_model.unit() != Unit::Samples {
        return Ok(());
    }
    writeln!(
        text,
        "\n**Against the fixed recipes of others** at as many samples: the authors' table (by policy size and oracle band) and search-and-learn's\n\n| N | verifier | authors' table | label-free − it | search-and-learn | label-free − it |\n|---|---|---|---|---|---|"
    )?;
    let bands = bands(unseen);
    for own in part.compared.iter().filter(|own| own.budget >= 4.0) {
        let Some(tested) = &own.tested else { continue };
        for verifier in &unseen.verifiers {
            // By the oracle's bands, as the authors do.
            let chances = |of: Builtin| -> Option<Vec<f64>> {
                let fixed = of.with(&unseen.policy, &verifier.name).ok()?;
                let at = |band| unseen.place(&fixed.candidate(band, own.budget as usize));
                let by_band = [at(0), at(1), at(2)];
                let rows = unseen.rows.iter();
                rows.map(|row| Some(row.chances[by_band[bands[row.problem]]?]))
                    .collect()
            };
            let ours = &tested.deployable.chances;
            let cells = |chances: Option<Vec<f64>>| {
                chances.map_or(["–".to_owned(), "–".to_owned()], |theirs| {
                    let mean = theirs.iter().sum::<f64>() / theirs.len().max(1) as f64;
                    let gain = difference(unseen, ours, &theirs);
                    [format!("{:.1}", mean * 100.0), points(&gain)]
                })
            };
            let [table, gain] = cells(chances(Builtin::Paper));
            let [recipe, over] = cells(chances(Builtin::SearchAndLearn));
            writeln!(
                text,
                "| {} | {} | {table} | {gain} | {recipe} | {over} |",
                short(own.budget),
                verifier.name
            )?;
        }
    }
    Ok(())
}
