//! `outthink probe`: a verifier on the policy's own hidden states, from stored samples.

use std::path::Path;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use indicatif::{ProgressBar, ProgressStyle};
use outthink_core::{Prefix, Statistic};
use outthink_engine::{EmbeddedPolicy, ProbeFile, ProbeFileError, StateReader};
use outthink_lab::audit::Measured;
use outthink_lab::probe::{
    FitOptions, Fitted, ProbeAudit, ProbeData, ProbeSample, fit, stored_samples,
};
use outthink_lab::{Store, Study};
use outthink_models::{AnyPolicy, ModelSpec};
use serde_json::{Value, json};

use crate::cli::{PolicyChoice, ProbeCommand, ProbeFit};
use crate::failure::Failure;
use crate::{interrupt, models, stores, table};

pub(crate) fn run(command: &ProbeCommand) -> Result<(), Failure> {
    match command {
        ProbeCommand::Fit(arguments) => run_fit(arguments),
        ProbeCommand::Show { file, json } => show(file, *json),
    }
}

/// The policy of a study whose states are read.
struct Host {
    policy: EmbeddedPolicy,
    /// Its number in the study.
    number: usize,
    name: String,
    identity: Value,
    spec: ModelSpec,
}

fn run_fit(arguments: &ProbeFit) -> Result<(), Failure> {
    if arguments
        .output
        .extension()
        .is_none_or(|end| end != "safetensors")
    {
        return Err(Failure::Input(anyhow!(
            "--output {}: a probe is known by the ending .safetensors",
            arguments.output.display()
        )));
    }
    let place = stores::place(arguments.store.as_deref(), arguments.study.as_deref())?;
    let mut store = Store::read(&place).map_err(Failure::input)?;
    let study = store.study(arguments.study.as_deref());
    let study = study.map_err(Failure::input)?;
    let host = host(&study, &arguments.policy)?;
    interrupt::tell(|| "no probe is written; the same command starts again".into())?;
    let data = states(&mut store, &study, &host, arguments)?;
    let options = FitOptions {
        folds: arguments.folds,
        seed: arguments.seed,
        units: arguments.units,
    };
    let fitted_on = json!({
        "study": study.name, "dataset": study.dataset, "problems": data.problems(),
        "samples": data.samples(), "states": data.states(), "seed": options.seed, "folds": options.folds,
    });
    eprintln!(
        "{} states of {} samples of {} problems; fitting",
        data.states(),
        data.samples(),
        data.problems()
    );
    let Fitted { probe, audit } = fit(data, &options).map_err(Failure::input)?;
    let file = ProbeFile {
        probe,
        policy: host.name,
        identity: host.identity,
        load: serde_json::to_value(ModelSpec {
            memory: None,
            ..host.spec
        })?,
        fitted_on,
        audit: serde_json::to_value(&audit)?,
    };
    let output = &arguments.output;
    let written = file.write(output);
    written.with_context(|| format!("cannot write {}", output.display()))?;
    match arguments.json {
        true => crate::print::json(&serde_json::to_string(&audit)?),
        false => println!("{}", plain(&audit)),
    }
    eprintln!("the probe of {} is in {}", file.policy, output.display());
    Ok(())
}

/// The policy that is named, or the study's only one, loaded; it must be one of the study's.
fn host(study: &Study, choice: &PolicyChoice) -> Result<Host, Failure> {
    let choice = match (&choice.policy, study.recipe.policies.as_slice()) {
        (None, [one]) => {
            let own = one.table();
            PolicyChoice {
                policy: Some(own.model),
                policy_profile: choice.policy_profile.clone().or(own.profile),
                dtype: match own.dtype {
                    Some(dtype) => dtype.parse().map_err(|error: String| {
                        Failure::Input(anyhow!("the study's dtype: {error}"))
                    })?,
                    None => choice.dtype,
                },
                thinking: choice.thinking.or(own.thinking),
                ..choice.clone()
            }
        }
        (None, _) => {
            return Err(Failure::Input(anyhow!(
                "study {} has several policies; name one with --policy: {}",
                study.name,
                names(study)
            )));
        }
        _ => choice.clone(),
    };
    if models::is_served(choice.name(), outthink_remote::Role::Policy)? {
        return Err(Failure::Input(anyhow!(
            "a probe reads the embedded engine's states, and {} is on a server, which does not tell its own: name the model's folder, .gguf file or hub id",
            choice.name()
        )));
    }
    let spec = choice.spec();
    let policy = models::any_policy(&choice)?;
    let (name, identity) = models::loader().policy_identity(&policy, &spec)?;
    let is_own = |own: &outthink_lab::ModelInfo| own.identity == identity;
    let number = study.policies.iter().position(is_own).ok_or_else(|| {
        Failure::Input(anyhow!(
            "study {} has no samples of {name} as it is loaded here (same weights, dtype and profile); it has those of {}",
            study.name,
            names(study)
        ))
    })?;
    let (name, identity) = (study.policies[number].name.clone(), identity);
    match policy {
        AnyPolicy::Model(policy) => Ok(Host {
            policy: *policy,
            number,
            name,
            identity,
            spec,
        }),
        _ => Err(Failure::Input(anyhow!(
            "{name} is two models, and a probe reads the states of one: study one of them by itself"
        ))),
    }
}

fn names(study: &Study) -> String {
    let names = study.policies.iter().map(|own| own.name.as_str());
    names.collect::<Vec<&str>>().join(", ")
}

/// Reads the states of every stored sample's steps.
fn states(
    store: &mut Store,
    study: &Study,
    host: &Host,
    arguments: &ProbeFit,
) -> Result<ProbeData, Failure> {
    let mut all: Vec<Vec<ProbeSample>> = Vec::new();
    for problem in 0..study.problems.len() {
        let samples = stored_samples(store, study, host.number, problem, arguments.samples);
        all.push(samples.map_err(Failure::input)?);
    }
    let mut steps = all.iter().flatten().flat_map(|sample| &sample.steps);
    if steps.clone().next().is_none() {
        return Err(Failure::Input(anyhow!(
            "study {} holds no samples of {} with their tokens; a probe is fitted on what this program drew and stored",
            study.name,
            host.name
        )));
    }
    // What was stored of every token is read beside the states.
    let logprobs = steps
        .clone()
        .all(|step| step.stats.logprobs.len() == step.tokens.len());
    let entropies = steps.all(|step| step.stats.entropies.len() == step.tokens.len());
    let mut statistics = Vec::new();
    if logprobs {
        statistics.extend(Statistic::LIKELIHOODS);
    }
    if logprobs && entropies {
        statistics.extend(Statistic::ENTROPIES);
    }
    let reader = StateReader::new(&host.policy, statistics);
    let mut data = ProbeData::new(reader.layout().clone());
    let bar = ProgressBar::new(all.len() as u64);
    let style = "{bar:24} {pos}/{len} problems read  {elapsed}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    for samples in all {
        read(&reader, study, &samples, &mut data)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(data)
}

fn read(
    reader: &StateReader,
    study: &Study,
    samples: &[ProbeSample],
    data: &mut ProbeData,
) -> Result<(), Failure> {
    let Some(first) = samples.first() else {
        return Ok(());
    };
    let question = std::sync::Arc::new(study.problems[first.problem].question());
    let prefix = |sample: &ProbeSample| Prefix {
        problem: std::sync::Arc::clone(&question),
        steps: sample.read_steps().to_vec(),
        complete: sample.is_complete(),
    };
    let prefixes: Vec<Prefix> = samples.iter().map(prefix).collect();
    let rows = block_on(reader.read(&prefixes))?;
    for (sample, (rows, _)) in samples.iter().zip(rows) {
        data.add(sample, &rows)?;
    }
    Ok(())
}

/// An estimate with its interval.
fn shown(own: Option<&Measured>) -> String {
    match own {
        Some(Measured { value, interval }) => {
            format!("{value:.3} ({:.3} to {:.3})", interval.low, interval.high)
        }
        None => "–".into(),
    }
}

/// A share in percent with its interval.
fn percent(own: Option<&Measured>) -> String {
    match own {
        Some(Measured { value, interval }) => format!(
            "{:.1} ({:.1} to {:.1})",
            100.0 * value,
            100.0 * interval.low,
            100.0 * interval.high
        ),
        None => "–".into(),
    }
}

/// An audit for people.
fn plain(audit: &ProbeAudit) -> String {
    let mut out = format!(
        "{} problems, {} with right and wrong samples; {} samples, {:.1} % right; {} states\n\n",
        audit.problems,
        audit.mixed,
        audit.samples,
        100.0 * audit.right as f64 / audit.samples.max(1) as f64,
        audit.states
    );
    let tried: Vec<Vec<String>> = audit
        .tried
        .iter()
        .enumerate()
        .map(|(number, kind)| {
            let area = kind
                .auc_within
                .map_or("–".into(), |area| format!("{area:.3}"));
            let taken = if number == audit.taken { "taken" } else { "" };
            vec![kind.to_string(), area, taken.into()]
        })
        .collect();
    out += &table::render(&["head, fitted on", "AUC within problems", ""], 1, &tried);
    let areas = [
        ("AUC over all problems", &audit.auc),
        ("AUC within problems", &audit.auc_within),
        ("  of log-probability", &audit.likelihood_within),
        ("  difference", &audit.gain_within),
    ];
    let areas = areas.map(|(name, own)| vec![name.to_owned(), shown(own.as_ref())]);
    out.push('\n');
    out += &table::render(&["by folds", "(95 % CI over problems)"], 1, &areas);
    let rule = |own: &outthink_lab::probe::RuleAudit| {
        vec![
            own.rule.clone(),
            own.n.to_string(),
            percent(own.accuracy.as_ref()),
            percent(own.over_majority.as_ref()),
        ]
    };
    let rules: Vec<Vec<String>> = audit.rules.iter().map(rule).collect();
    if !rules.is_empty() {
        out.push('\n');
        let header = ["rule", "N", "accuracy, %", "over majority"];
        out += &table::render(&header, 1, &rules);
    }
    out.push('\n');
    out + &audit.verdict
}

fn show(path: &Path, json: bool) -> Result<(), Failure> {
    let file = ProbeFile::read(path);
    let file = file.with_context(|| path.display().to_string());
    let file = file.map_err(Failure::Input)?;
    let probe = &file.probe;
    if json {
        let report = json!({
            "policy": file.policy, "identity": file.identity, "layout": probe.layout,
            "units": probe.head.inner.1.len(), "parameters": probe.head.parameters(),
            "fitted_on": file.fitted_on, "audit": file.audit,
        });
        crate::print::json(&report.to_string());
        return Ok(());
    }
    let audit: ProbeAudit = serde_json::from_value(file.audit).map_err(|error| {
        let damaged = ProbeFileError::Malformed(error.to_string());
        Failure::Input(anyhow!("{}: {damaged}", path.display()))
    })?;
    println!(
        "reads {} ({} numbers of its state, {} of its tokens) with {} numbers; fitted on {} of {}\n",
        file.policy,
        probe.layout.hidden,
        probe.layout.statistics.len(),
        probe.head.parameters(),
        file.fitted_on["study"].as_str().unwrap_or("a study"),
        file.fitted_on["dataset"].as_str().unwrap_or("a data set"),
    );
    println!("{}", plain(&audit));
    Ok(())
}
