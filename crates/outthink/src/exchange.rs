//! `outthink export` and `import`: samples as files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use outthink_answer::AnyDomain;
use outthink_lab::store::shown;
use outthink_lab::{
    Columns, ExchangeError, ImportOptions, Imported, ModelInfo, Samples, Store, Study, Verdicts,
    export_inspect, export_jsonl, export_lm_eval, export_parquet, export_results, import,
    read_samples,
};

use crate::cli::{ExportArguments, Format, ImportArguments, VerdictsOf};
use crate::failure::Failure;
use crate::{data, stores};

pub(crate) fn export(arguments: &ExportArguments) -> Result<(), Failure> {
    let name = arguments.study.as_deref().or(arguments.name.as_deref());
    let mut store = stores::read(arguments.store.as_deref(), name)?;
    let study = store.study(name).map_err(Failure::input)?;
    let written = match (arguments.format, &arguments.out) {
        (Format::Jsonl, None) => {
            let mut out = BufWriter::new(crate::print::stdout());
            export_jsonl(&study, &mut store, &mut out)?;
            out.flush()?;
            return Ok(());
        }
        (Format::Jsonl, Some(file)) => whole(file, |file| {
            let mut out = BufWriter::new(create(file)?);
            let lines = export_jsonl(&study, &mut store, &mut out)?;
            out.flush()?;
            Ok(lines)
        })?,
        (Format::Results, None) => {
            let mut out = BufWriter::new(crate::print::stdout());
            results_csv(&study, &mut store, &mut out)?;
            out.flush()?;
            return Ok(());
        }
        (Format::Results, Some(file)) => {
            let is_jsonl = file.extension().is_some_and(|kind| kind == "jsonl");
            whole(file, |file| {
                let mut out = BufWriter::new(create(file)?);
                let rows = match is_jsonl {
                    true => results_jsonl(&study, &mut store, &mut out)?,
                    false => results_csv(&study, &mut store, &mut out)?,
                };
                out.flush()?;
                Ok(rows)
            })?
        }
        (Format::Parquet, Some(file)) => {
            whole(file, |file| Ok(export_parquet(&study, &mut store, file)?))?
        }
        (Format::Inspect, Some(folder)) => logs(export_inspect(&study, &mut store, folder))?,
        (Format::LmEval, Some(folder)) => logs(export_lm_eval(&study, &mut store, folder))?,
        (Format::Parquet, None) => {
            return Err(Failure::Input(anyhow!("name a file with --out")));
        }
        (Format::Inspect | Format::LmEval, None) => {
            return Err(Failure::Input(anyhow!("name a folder with --out")));
        }
    };
    println!("{written} rows");
    Ok(())
}

/// How many samples a harness' logs hold, each of which is a row of its own.
fn logs(written: Result<usize, ExchangeError>) -> Result<usize, Failure> {
    written.map_err(|error| match error {
        error @ ExchangeError::NoPools(_) => Failure::input(error),
        error => Failure::Run(error.into()),
    })
}

fn results_csv(study: &Study, store: &mut Store, out: &mut dyn Write) -> Result<usize, Failure> {
    let mut table = csv::Writer::from_writer(out);
    let rows = export_results(study, store, &mut |row| -> Result<(), Failure> {
        Ok(table.serialize(row)?)
    })?;
    table.flush()?;
    Ok(rows)
}

fn results_jsonl(study: &Study, store: &mut Store, out: &mut dyn Write) -> Result<usize, Failure> {
    export_results(study, store, &mut |row| {
        serde_json::to_writer(&mut *out, &row).map_err(std::io::Error::from)?;
        Ok(out.write_all(b"\n")?)
    })
}

/// Has a file written beside its place, and puts it there when it is whole: what is killed leaves no half one under the name.
fn whole<T>(file: &Path, write: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, Failure> {
    // A link stays one, and a pipe or a terminal has nothing beside it.
    let place = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    if place.exists() && !place.is_file() {
        return write(file);
    }
    let mut name = place.clone().into_os_string();
    name.push(format!(".part-{}", std::process::id()));
    let part = Path::new(&name);
    let written = write(part).and_then(|done| {
        let moved = std::fs::rename(part, &place);
        moved.with_context(|| format!("cannot write {}", file.display()))?;
        Ok(done)
    });
    if written.is_err() {
        // It may not have been begun.
        let _ = std::fs::remove_file(part);
    }
    written
}

fn create(file: &Path) -> Result<File, Failure> {
    File::create(file)
        .with_context(|| format!("cannot write {}", file.display()))
        .map_err(Failure::Input)
}

pub(crate) fn import_samples(arguments: &ImportArguments) -> Result<(), Failure> {
    let mut samples: Option<Samples> = None;
    for file in &arguments.files {
        let own = read_samples(file).map_err(|error| match error {
            // Whatever names no file is told with it.
            error @ ExchangeError::Empty => {
                Failure::Input(anyhow!(error).context(file.display().to_string()))
            }
            error => Failure::input(error),
        })?;
        match &mut samples {
            Some(samples) => samples.append(own),
            None => samples = Some(own),
        }
    }
    let Some(samples) = samples else {
        return Err(Failure::Input(anyhow!("name a file of samples")));
    };
    eprintln!(
        "{} in {}, read as {}",
        counted(samples.lines.len(), "sample"),
        counted(samples.files, "file"),
        samples.formats.join(" and ")
    );
    if let Some((file, reason)) = samples.others.first() {
        eprintln!(
            "{} left out, for example {file}: {reason}",
            counted(samples.others.len(), "other file")
        );
    }
    let known = match &arguments.dataset {
        Some(name) => data::problems(name, &Columns::default())?,
        None => Vec::new(),
    };
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => stem(&arguments.files[0]),
    };
    let options = ImportOptions {
        name: &name,
        domain: arguments.domain.get(),
        domain_name: (arguments.domain != AnyDomain::default()).then(|| arguments.domain.name()),
        policy: arguments.policy.as_deref(),
        verifier: arguments.verifier.as_deref(),
        method: arguments.method,
        verdicts: match arguments.verdicts {
            VerdictsOf::Ours => Verdicts::Ours,
            VerdictsOf::File => Verdicts::File,
        },
        known: &known,
        ensembles: &arguments.ensemble,
        budgets: &[],
    };
    let own = format!("{name}.sqlite");
    let place = arguments.store.as_deref().unwrap_or(&own);
    let mut store = match arguments.check {
        true => None,
        false => Some(Store::open(place)?),
    };
    if let Some(store) = &mut store
        && !arguments.replace
        && let Ok(before) = store.study(Some(&name))
        && !is_same(&samples, &before)
    {
        return Err(Failure::Input(anyhow!(
            "{} has a study {name} of other samples; choose another --name, or --replace it",
            shown(place)
        )));
    }
    let imported = import(samples, &options, store.as_mut()).map_err(|error| match error {
        ExchangeError::Store(error) => Failure::Run(error.into()),
        error => Failure::input(error),
    })?;
    for told in &imported.left_out {
        eprintln!("left out: {told}");
    }
    for warning in &imported.warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(file) = &arguments.differences {
        let mut out = BufWriter::new(create(file)?);
        for own in &imported.other_verdicts {
            serde_json::to_writer(&mut out, own).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
    if imported.judged > 0 && arguments.verdicts == VerdictsOf::Ours {
        println!(
            "{} of the file's {} verdicts differ from ours{}",
            imported.other_verdicts.len(),
            imported.judged,
            match (&arguments.differences, imported.other_verdicts.is_empty()) {
                (Some(file), _) => format!(": {}", file.display()),
                (None, true) => String::new(),
                (None, false) => " (--differences FILE writes them)".into(),
            }
        );
    }
    let study = &imported.study;
    println!("{}", rests(&imported));
    if !arguments.check {
        println!(
            "study {}; report: outthink report {} --store {}",
            study.name,
            study.name,
            shown(place)
        );
    }
    Ok(())
}

/// Is it the study of these very samples?
fn is_same(samples: &Samples, study: &Study) -> bool {
    study
        .source
        .as_ref()
        .is_some_and(|source| source.file == samples.fingerprint)
}

/// What a study of imported samples rests on: whose they are, and how many of how many problems.
fn rests(imported: &Imported) -> String {
    let Imported {
        study,
        samples,
        scored,
        ..
    } = imported;
    let names = |models: &[ModelInfo]| {
        let names: Vec<&str> = models.iter().map(|own| own.name.as_str()).collect();
        match names.len() {
            0..=4 => names.join(", "),
            count => format!("{}, … ({count})", names[..3].join(", ")),
        }
    };
    let each = match imported.of_a_problem {
        (fewest, most) if fewest == most => format!("{most} each"),
        (fewest, most) => format!("{fewest} to {most} each"),
    };
    let mut told = format!(
        "{} of {} ({each}) by {}",
        counted(*samples, "sample"),
        counted(study.problems.len(), "problem"),
        names(&study.policies)
    );
    if !scored.is_empty() {
        let own = scored.iter().map(|(name, count)| match count == samples {
            true => name.clone(),
            false => format!("{name} on {count} of them"),
        });
        let own: Vec<String> = own.collect();
        told.push_str(&format!(", with rewards of {}", own.join(", ")));
    }
    told
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// A file's name without folders and endings.
fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    let mut bare = name.as_ref();
    while let Some((before, ending)) = bare.rsplit_once('.')
        && [
            "gz", "tgz", "tar", "zip", "jsonl", "ndjson", "json", "parquet", "eval",
        ]
        .contains(&ending)
    {
        bare = before;
    }
    match bare {
        "" | "-" | ".." => "imported".into(),
        bare => bare.to_owned(),
    }
}
