//! The choosers side by side on one study, at the cost of majority voting with N samples.
//!
//!     cargo run --release -p outthink-lab --example choosers -- STORE STUDY [samples|tokens|flops|seconds|money] [FOLDS]
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;

use outthink_core::Method;
use outthink_lab::Store;
use outthink_lab::strategy::{Decision, Evidence, Outcome, Tuning, Unit, tunable};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(place), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: choosers STORE STUDY [UNIT] [FOLDS]".into());
    };
    let unit: Unit = arguments.next().as_deref().unwrap_or("flops").parse()?;
    let folds: usize = arguments.next().as_deref().unwrap_or("5").parse()?;
    let mut store = Store::open(&place)?;
    let study = store.study(Some(&name))?;
    for policy in tunable(&study) {
        let evidence = Evidence::of(&study, &mut store, &policy)?;
        let tariff = evidence.tariff(unit)?;
        let all = (0..evidence.candidates.len()).collect();
        let tuning = Tuning::new(&evidence, &tariff, all, folds, 1);
        println!(
            "\n{policy}: {} rows ({} not done), {} candidates, {folds} folds, budgets in {unit}",
            evidence.rows.len(),
            evidence.missing,
            evidence.candidates.len()
        );
        for n in [4, 16, 64, 256] {
            let vote = evidence.candidates.iter().position(|own| {
                own.method == Method::Majority && own.budget == n && own.stopping.is_none()
            });
            let Some(vote) = vote else { continue };
            let rows = evidence.rows.len() as f64;
            let budget = tuning.plain.iter().map(|row| row[vote]).sum::<f64>() / rows;
            let right = evidence.rows.iter().map(|row| row.chances[vote]);
            let right = right.sum::<f64>() / rows;
            println!("majority N = {n}: {:.1} % at {budget:.3e}", 100.0 * right);
            let show = |name: &str, outcome: Option<Outcome>| match outcome {
                Some(own) => println!(
                    "  {name:<44} {:.1} % at {:.3e}",
                    100.0 * own.accuracy(),
                    own.cost()
                ),
                None => println!("  {name:<44} nothing within the budget"),
            };
            let classic = tuning.classic();
            show("oracle, each problem", tuning.oracle(budget));
            show(
                "oracle bands, in-sample (the paper's)",
                tuning.bands_in_sample(budget),
            );
            show(
                "oracle bands, cross-validated",
                tuning.bands_validated(budget),
            );
            show(
                "best fixed, cross-validated",
                tuning.fixed_validated(&classic, budget),
            );
            show(
                "the same with early stops",
                tuning.fixed_validated(&tuning.allowed, budget),
            );
            for entry in tuning.fit(&[budget]).entries {
                show("deployable, cross-validated", Some(entry.validated));
                match entry.decision {
                    Decision::Always(c) => println!("    always {}", evidence.candidates[c]),
                    Decision::Predicted { .. } => println!("    by a probe"),
                }
            }
        }
    }
    Ok(())
}
