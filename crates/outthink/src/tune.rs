//! `outthink tune`: fits a strategy, says what it is worth, and writes it down.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use outthink_lab::tuning::{
    Compared, Outcome, Part, Split, Tuned, Tuning, budgets, chains_of_thought, compare, report,
    strategy_file, tunable,
};
use outthink_lab::{Store, short};
use outthink_strategy::{StrategyFile, Unit};
use serde::Serialize;

use crate::cli::TuneArguments;
use crate::failure::Failure;
use crate::{interrupt, stores, table};

/// A chooser at a budget, as `--json` prints it.
#[derive(Serialize)]
struct Line<'a> {
    policy: &'a str,
    split: &'a str,
    chooser: &'a str,
    unit: &'a str,
    budget: f64,
    accuracy: f64,
    spent: f64,
    rows: usize,
}

pub(crate) fn run(arguments: &TuneArguments) -> Result<(), Failure> {
    if arguments.folds < 2 {
        return Err(Failure::Input(anyhow!("--folds must be at least 2")));
    }
    let place = stores::place(arguments.store.as_deref(), arguments.study.as_deref())?;
    let mut store = Store::read(&place).map_err(Failure::input)?;
    let study = store
        .study(arguments.study.as_deref())
        .map_err(Failure::input)?;
    let test = arguments.test.as_deref();
    let test = test.map(|name| store.study(Some(name))).transpose();
    let test = test.map_err(Failure::input)?;
    let policies = match &arguments.policy {
        Some(policy) => vec![policy.clone()],
        None => tunable(&study),
    };
    if policies.len() > 1 && arguments.report.is_none() {
        return Err(Failure::Input(anyhow!(
            "study {} has several policies; name one with --policy: {}",
            study.name,
            policies.join(", ")
        )));
    }
    if arguments.report.is_some() && test.is_none() {
        return Err(Failure::Input(anyhow!(
            "--report shows a strategy on problems it was not fitted on: name a study of such with --test"
        )));
    }
    if let Some(folder) = &arguments.report {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    interrupt::tell(|| "no more is written; the same command starts again".into())?;
    let mut splits = Vec::new();
    for policy in &policies {
        let split = Split::read(&study, test.as_ref(), &mut store, policy);
        splits.push(split.map_err(Failure::input)?);
    }
    let mut cost_models = Vec::new();
    for split in &splits {
        cost_models.push(
            split
                .tune
                .cost_model(arguments.unit)
                .map_err(Failure::input)?,
        );
    }
    let tunings = splits.iter().zip(&cost_models).map(|(split, cost_model)| {
        let all = (0..split.tune.candidates.len()).collect();
        Tuning::new(
            &split.tune,
            cost_model,
            all,
            arguments.folds,
            arguments.seed,
        )
    });
    let tunings: Vec<Tuning<'_>> = tunings.collect();
    let fit = |own: &Tuning<'_>| {
        let mut tuned = own.fit(&budgets(own));
        own.share(&mut tuned);
        tuned
    };
    let tuned: Vec<Tuned> = tunings.iter().map(fit).collect();
    let mut parts = Vec::new();
    for (((policy, split), tuning), tuned) in policies.iter().zip(&splits).zip(&tunings).zip(&tuned)
    {
        let compared = compare(split, tuning, tuned)?;
        few(split)?;
        if arguments.json {
            json(policy, arguments, &compared)?;
        } else {
            println!("{}", summary(policy, arguments, split, &compared));
        }
        let strategy = strategy_file(&study, &split.tune, tuning.cost_model, tuned)?;
        let file = match (&arguments.out, &arguments.report) {
            (Some(out), _) if policies.len() == 1 => out.clone(),
            (_, Some(folder)) => folder.join(format!("strategy-{policy}.toml")),
            _ => {
                let file = PathBuf::from("strategy.toml");
                keeps_another(&file, policy)?;
                file
            }
        };
        write(&file, &strategy.text()?)?;
        eprintln!("the strategy of {policy} is in {}", file.display());
        parts.push(Part {
            policy: policy.clone(),
            split,
            tuning,
            tuned,
            compared,
        });
    }
    if let (Some(folder), Some(test)) = (&arguments.report, &test) {
        let alone = chains_of_thought(test, &mut store)?;
        let command = command(arguments, &place, &study.name, &test.name);
        let (mut text, chart) = report(&study, test, &parts, &alone, &command)?;
        text.push_str("\n![Accuracy against full FLOPs on the test problems](strategy.svg)\n");
        write(&folder.join("README.md"), &text)?;
        write(&folder.join("strategy.svg"), &chart)?;
        println!("{}", folder.join("README.md").display());
    }
    Ok(())
}

/// What a handful of problems says is chance: under five left of many there is nothing to fit, under fifty not much.
fn few(split: &Split) -> Result<(), Failure> {
    const LEAST: usize = 5;
    const ENOUGH: usize = 50;
    let tune = &split.tune;
    let finished: std::collections::BTreeSet<usize> =
        tune.rows.iter().map(|row| row.problem).collect();
    match finished.len() {
        few if few < LEAST && tune.missing > 0 => Err(Failure::Input(anyhow!(
            "only {few} of {} problems have all that is chosen among (every method, enough samples, all rewards); finish the study, or take in more samples",
            tune.problems
        ))),
        few if few < ENOUGH => {
            eprintln!(
                "warning: fitted on {few} problems; what it says of itself is uncertain by many points"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses to write over a strategy of another policy where nobody named the file.
fn keeps_another(file: &Path, policy: &str) -> Result<(), Failure> {
    let Ok(text) = outthink_core::file::read_to_string(file) else {
        return Ok(());
    };
    match StrategyFile::parse(&text) {
        Ok(other) if other.policy().name != policy => Err(Failure::Input(anyhow!(
            "{} holds the strategy of {}; name a file for that of {policy} with --out",
            file.display(),
            other.policy().name
        ))),
        _ => Ok(()),
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .with_context(|| format!("cannot write {}", file.display()))
        .map_err(Failure::Run)
}

/// The command as it would be typed, without folders of this machine.
fn command(arguments: &TuneArguments, place: &str, tune: &str, test: &str) -> String {
    let store = place.rsplit('/').next().unwrap_or(place);
    let policy = arguments
        .policy
        .as_ref()
        .map_or(String::new(), |own| format!(" --policy {own}"));
    let unit = match arguments.unit {
        Unit::Samples => String::new(),
        unit => format!(" --unit {unit}"),
    };
    // Of a path only what others have, too.
    let folder = arguments.report.as_deref().map_or(String::new(), |folder| {
        let own = match folder.is_absolute() {
            true => folder.file_name().map(Path::new).unwrap_or(folder),
            false => folder,
        };
        format!(" --report {}", own.display())
    });
    format!("outthink tune {tune} --store {store} --test {test}{policy}{unit}{folder}")
}

fn outcomes(compared: &Compared) -> Vec<(&'static str, &'static str, &Outcome)> {
    let mut found = Vec::new();
    let own = [
        ("tune", "fixed", compared.fixed_validated.as_ref()),
        (
            "tune",
            "oracle-bands-in-sample",
            compared.bands_in_sample.as_ref(),
        ),
        ("tune", "oracle-bands", compared.bands_validated.as_ref()),
        ("tune", "deployable", Some(&compared.deployable_validated)),
    ];
    found.extend(own.into_iter().filter_map(|(s, c, o)| Some((s, c, o?))));
    if let Some(tested) = &compared.tested {
        let unseen = [
            ("test", "fixed", tested.fixed.as_ref().map(|fixed| &fixed.1)),
            ("test", "oracle-bands", tested.bands.as_ref()),
            ("test", "deployable", Some(&tested.deployable)),
            ("test", "oracle", tested.oracle.as_ref()),
        ];
        found.extend(unseen.into_iter().filter_map(|(s, c, o)| Some((s, c, o?))));
    }
    found
}

fn json(policy: &str, arguments: &TuneArguments, compared: &[Compared]) -> Result<(), Failure> {
    for own in compared {
        for (split, chooser, outcome) in outcomes(own) {
            let line = Line {
                policy,
                split,
                chooser,
                unit: arguments.unit.name(),
                budget: own.budget,
                accuracy: outcome.accuracy(),
                spent: outcome.cost(),
                rows: outcome.chances.len(),
            };
            crate::print::json(&serde_json::to_string(&line)?);
        }
    }
    Ok(())
}

fn percent(outcome: Option<&Outcome>) -> String {
    outcome.map_or("–".into(), |own| format!("{:.1}", own.accuracy() * 100.0))
}

fn summary(
    policy: &str,
    arguments: &TuneArguments,
    split: &Split,
    compared: &[Compared],
) -> String {
    let mut header = vec![
        "budget",
        "fixed",
        "paper's*",
        "paper's, CV*",
        "label-free",
        "spent",
    ];
    if split.test.is_some() {
        header.extend([
            "test: fixed",
            "paper's*",
            "label-free",
            "spent",
            "oracle*",
            "gain",
        ]);
    }
    let rows: Vec<Vec<String>> = compared
        .iter()
        .map(|own| {
            let mut row = vec![
                short(own.budget),
                percent(own.fixed_validated.as_ref()),
                percent(own.bands_in_sample.as_ref()),
                percent(own.bands_validated.as_ref()),
                percent(Some(&own.deployable_validated)),
                short(own.deployable_validated.cost()),
            ];
            if let Some(tested) = &own.tested {
                row.extend([
                    percent(tested.fixed.as_ref().map(|fixed| &fixed.1)),
                    percent(tested.bands.as_ref()),
                    percent(Some(&tested.deployable)),
                    short(tested.deployable.cost()),
                    percent(tested.oracle.as_ref()),
                    tested.gain.map_or("–".into(), |gain| {
                        format!(
                            "{:+.1} ({:+.1} to {:+.1})",
                            gain.mean * 100.0,
                            gain.interval.low * 100.0,
                            gain.interval.high * 100.0
                        )
                    }),
                ]);
            }
            row
        })
        .collect();
    format!(
        "{policy}: accuracy in % by the budget per problem in {}; {} runs of {} problems, {} left out as unfinished or too few\n\n{}\nfixed: one method for all problems; label-free: this strategy; spent: what it takes on average. All by cross-validation: chosen\non other folds (CV) of the study's problems. * needs the right answers (an oracle){}",
        arguments.unit,
        split.tune.rows.len(),
        split.tune.problems,
        split.tune.missing,
        table::render(&header, 0, &rows),
        match split.test {
            Some(_) => ". test: on the problems of --test; gain: label-free minus fixed, 95 % CI",
            None => "",
        }
    )
}
