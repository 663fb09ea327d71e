//! `outthink export` and `import`: samples as files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use outthink_answer::AnyDomain;
use outthink_lab::store::shown;
use outthink_lab::{
    ExchangeError, Store, Study, export_jsonl, export_parquet, export_results, import, read_lines,
    read_parquet,
};

use crate::cli::{ExportArguments, Format, ImportArguments};
use crate::failure::Failure;
use crate::input::Input;
use crate::stores;

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
        (Format::Parquet, None) => {
            return Err(Failure::Input(anyhow!("name a file with --out")));
        }
    };
    println!("{written} rows");
    Ok(())
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
    let name = arguments.file.display();
    let read = if arguments
        .file
        .extension()
        .is_some_and(|kind| kind == "parquet")
    {
        read_parquet(&arguments.file)
    } else {
        read_lines(&mut Input::open(&arguments.file)?.lines)
    };
    let read = read
        .with_context(|| name.to_string())
        .map_err(Failure::Input)?;
    let samples = read.len();
    let mut store = Store::open(&arguments.store)?;
    let study = match import(
        &arguments.name,
        read,
        &mut store,
        AnyDomain::default().get(),
    ) {
        Err(error @ ExchangeError::Empty) => {
            return Err(Failure::Input(anyhow!(error).context(name.to_string())));
        }
        study => study?,
    };
    println!(
        "{samples} samples of {} problems as study {}; report: outthink report {} --store {}",
        study.problems.len(),
        study.name,
        study.name,
        shown(&arguments.store)
    );
    Ok(())
}
