//! `outthink pools`: pools that others published, from their files to one report.

use std::path::Path;

use anyhow::{Context, anyhow};
use outthink_answer::AnyDomain;
use outthink_lab::audit::{OutcomeAudit, outcome_audits, tree_judgement};
use outthink_lab::tuning::{held_out, tunable};
use outthink_lab::{
    Analysis, ImportOptions, Imported, PoolEntry, PoolResult, PoolsRecipe, Published, Report,
    Store, Verdicts, VerdictsEntry, import, read_samples,
};

use crate::cli::PoolsArguments;
use crate::failure::Failure;

/// Deals of problems and orders of samples.
const SEEDS: [u64; 4] = [0, 1, 2, 3];

/// Policies with more than this many are too many for a section each.
const POLICIES: usize = 4;

pub(crate) fn run(arguments: &PoolsArguments) -> Result<(), Failure> {
    let name = arguments.recipe.display().to_string();
    let text = outthink_core::file::read_to_string(&arguments.recipe)
        .with_context(|| format!("cannot read {name}"))
        .map_err(Failure::Input)?;
    let recipe =
        PoolsRecipe::parse(&text).map_err(|error| Failure::Input(anyhow!("{name}: {error}")))?;
    let missing: Vec<&str> = recipe
        .pools
        .iter()
        .map(|own| own.file.as_str())
        .filter(|file| !arguments.data.join(file).exists())
        .collect();
    if !missing.is_empty() {
        return Err(Failure::Input(anyhow!(
            "{} lacks {}",
            arguments.data.display(),
            missing.join(", ")
        )));
    }
    let temporary =
        std::env::temp_dir().join(format!("outthink-pools-{}.sqlite", std::process::id()));
    let place = match &arguments.store {
        Some(place) => place.clone(),
        None => temporary.display().to_string(),
    };
    let results = (|| {
        let mut store = Store::open(&place)?;
        let each = recipe
            .pools
            .iter()
            .map(|entry| one(entry, arguments, &mut store));
        each.collect::<Result<Vec<_>, Failure>>()
    })();
    if arguments.store.is_none() {
        for end in ["", "-wal", "-shm"] {
            // What was never made cannot be removed.
            let _ = std::fs::remove_file(format!("{}{end}", temporary.display()));
        }
    }
    let results = results?;
    let command = format!(
        "outthink pools {} --data DIR --out {}",
        arguments.recipe.display(),
        arguments.out.display()
    );
    let report = Report::of_pools(&recipe, &results, &command);
    written(&arguments.out, &report)?;
    for own in &results {
        let folder = arguments.out.join(&own.entry.name);
        written(&folder, &Report::new(&own.analysis, &Published::load()?))?;
        if !own.audits.is_empty() {
            written(&folder.join("audit"), &Report::of_outcomes(&own.audits))?;
        }
    }
    println!("report: {}", arguments.out.join("index.html").display());
    Ok(())
}

fn one(
    entry: &PoolEntry,
    arguments: &PoolsArguments,
    store: &mut Store,
) -> Result<PoolResult, Failure> {
    let file = arguments.data.join(&entry.file);
    let samples = read_samples(&file).map_err(Failure::input)?;
    let ensembles: Vec<(String, Vec<String>)> = entry
        .ensembles
        .iter()
        .map(|(name, members)| (name.clone(), members.clone()))
        .collect();
    let budgets: Vec<usize> = entry.published.iter().map(|own| own.n).collect();
    let options = ImportOptions {
        budgets: &budgets,
        verifier: entry.verifier.as_deref(),
        verdicts: match entry.verdicts {
            VerdictsEntry::Ours => Verdicts::Ours,
            VerdictsEntry::File => Verdicts::File,
        },
        ensembles: &ensembles,
        ..ImportOptions::new(&entry.name, AnyDomain::default().get())
    };
    let imported = import(samples, &options, Some(store)).map_err(Failure::input)?;
    for warning in &imported.warnings {
        eprintln!("{}: warning: {warning}", entry.name);
    }
    known_policies(entry, &imported)?;
    let mut study = imported.study.clone();
    study.dataset.clone_from(&entry.dataset);
    let analysis = Analysis::of(study.clone(), store)?;
    let audits: Vec<OutcomeAudit> = outcome_audits(&analysis, store, &[])?;
    let mut chosen = Vec::new();
    let policies = match entry.held_out {
        true => tunable(&study),
        false => Vec::new(),
    };
    for policy in policies.into_iter().take(POLICIES) {
        let own = held_out(&study, store, &policy, &SEEDS).map_err(Failure::input)?;
        chosen.push((policy, own));
    }
    let judged = tree_judgement(&study, store)?;
    let labelled = judged.map(|(area, steps)| {
        format!(
            "**Steps**: of {steps} labelled steps of the trees, one from which the goal can be reached has a higher value than one from which it cannot with probability {:.3} ({:.3} to {:.3}).",
            area.value, area.interval.low, area.interval.high
        )
    });
    let labelled = labelled.into_iter().collect();
    eprintln!("{}: done", entry.name);
    Ok(PoolResult {
        entry: entry.clone(),
        imported,
        analysis,
        audits,
        held_out: chosen,
        labelled,
    })
}

/// A number of a policy that the pool lacks could never stand beside ours.
fn known_policies(entry: &PoolEntry, imported: &Imported) -> Result<(), Failure> {
    let policies = &imported.study.policies;
    for own in &entry.published {
        let Some(name) = &own.policy else { continue };
        if !policies.iter().any(|policy| policy.name == *name) {
            let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
            return Err(Failure::Input(anyhow!(
                "pool {:?}, published {:?}: no policy is called {name:?}; there are {}",
                entry.name,
                own.what,
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// Writes a report into a folder: the page, the same as Markdown, and its figures.
fn written(folder: &Path, report: &Report) -> Result<(), Failure> {
    let figures = folder.join("figures");
    let all = report.figures();
    let wanted = if all.is_empty() { folder } else { &figures };
    std::fs::create_dir_all(wanted)
        .with_context(|| format!("cannot make {}", wanted.display()))
        .map_err(Failure::Input)?;
    let write = |file: &Path, text: &str| {
        std::fs::write(file, text)
            .with_context(|| format!("cannot write {}", file.display()))
            .map_err(Failure::Run)
    };
    write(&folder.join("index.html"), &report.html())?;
    write(&folder.join("README.md"), &report.markdown())?;
    for (name, svg) in all {
        write(&figures.join(name), &svg)?;
    }
    Ok(())
}
