//! `outthink study`: a recipe, its plan with what it will cost, and the run.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use indicatif::{ProgressBar, ProgressStyle};
use outthink_answer::AnyDomain;
use outthink_core::AnyMethod;
use outthink_core::method::PAPER;
use outthink_lab::store::{Count, StoreError, is_url, shown};
use outthink_lab::{
    Analysis, Caps, Columns, Estimate, Halt, ModelEntry, ModelTable, Recipe, RunError, Shard,
    Status, Store, Study, old_verdicts, run,
};

use crate::cli::StudyArguments;
use crate::failure::Failure;
use crate::interrupt::{self, Standing};
use crate::{report, strategy, wiring};
use outthink_lab::short;

pub(crate) fn run_study(arguments: StudyArguments) -> Result<ExitCode, Failure> {
    let recipe = recipe(&arguments)?;
    let place = place(&recipe);
    let columns = Columns {
        problem: arguments.problem_column.clone(),
        answer: arguments.answer_column.clone(),
        id: arguments.id_column.clone(),
    };
    let shard = shard(arguments.shard.as_deref())?;
    let caps = Caps {
        flops: arguments.max_flops,
        seconds: arguments.max_seconds,
        money: arguments.max_cost,
    };
    // What fails before it begins leaves no file behind.
    let is_there = is_url(&place) || Path::new(&place).exists();
    let mut store = Store::open(if is_there { &place } else { IN_MEMORY })?;
    if let Some(seconds) = arguments.lease {
        store = store.with_lease(seconds);
    }
    let (mut study, models) = wiring::resolve(recipe, &columns, &mut store)?;
    let is_chosen = arguments.name.is_some() || arguments.recipe.is_some();
    settle_name(&mut study, &mut store, &place, is_chosen, arguments.replace)?;
    caps.check(&study).map_err(Failure::input)?;
    if !is_there && !arguments.dry_run {
        store = Store::open(&place)?;
        if let Some(seconds) = arguments.lease {
            store = store.with_lease(seconds);
        }
    }
    let look = |store: &mut Store| {
        let estimate = Estimate::of(&study, store, models.target_in_flight())?;
        Ok((store.count(&study.name)?, estimate))
    };
    let (count, estimate) = if arguments.dry_run {
        store.rehearse(&study, look)?
    } else {
        store.put_study(&study)?;
        look(&mut store)?
    };
    let standing = Standing::default();
    standing.set(count.done, count.done + count.failed + count.open);
    if !arguments.dry_run {
        let told = standing.clone();
        interrupt::tell(move || format!("{told} units are stored; the same command goes on"))?;
    }
    print!("{}", plan(&study, &shown(&place), count, &estimate));
    if arguments.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let mut progress = Progress::new(count, estimate.draws as usize);
    let domain = study
        .recipe
        .domain()
        .map_err(|error| Failure::Input(anyhow!(error)))?;
    let finished = block_on(run(
        &study,
        &models,
        store,
        shard,
        caps,
        domain.get(),
        &mut |status| {
            let count = status.count;
            standing.set(count.done, count.done + count.failed + count.open);
            progress.show(status);
        },
    ));
    progress.end();
    let (mut store, halt, status) = finished.map_err(|error| match error {
        RunError::Hopeless(_) => Failure::input(error),
        other => Failure::from(other),
    })?;
    let count = store.count(&study.name)?;
    let all = count.done + count.failed + count.open;
    if status.done + count.failed + count.open == 0 {
        println!("all {all} units were done before: nothing to do");
    } else {
        println!(
            "{} of {all} units done, {} of them now in {:.0} s; {}{} tokens drawn",
            count.done,
            status.done,
            status.elapsed.as_secs_f64(),
            flops(&status),
            short(status.generated as f64),
        );
    }
    if let Halt::Capped(cap) = halt {
        println!("stopped by --max-{cap}; the same command goes on");
    }
    if let Some(told) = old_verdicts(&study, &mut store)? {
        eprintln!("{told}");
    }
    if count.failed > 0 {
        eprintln!(
            "{} units failed ({}); the same command tries them again",
            count.failed,
            status.failure.unwrap_or_default()
        );
        return Ok(ExitCode::FAILURE);
    }
    if count.open == 0 {
        let (name, place) = (study.name.clone(), shown(&place));
        print!("{}", report::summary(&Analysis::of(study, &mut store)?));
        println!("report: outthink report {name} --store {place}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The recipe that a file holds.
pub(crate) fn read_recipe(file: &Path) -> Result<Recipe, Failure> {
    let name = file.display();
    let text = outthink_core::file::read_to_string(file).with_context(|| match file.exists() {
        true => format!("cannot read {name}"),
        false => format!(
            "there is no recipe {name}; several policies, verifiers or methods are separated by commas"
        ),
    });
    let parsed = Recipe::parse(&text.map_err(Failure::Input)?);
    parsed
        .with_context(|| name.to_string())
        .map_err(Failure::Input)
}

/// The recipe from its file, with whatever flags say otherwise.
fn recipe(arguments: &StudyArguments) -> Result<Recipe, Failure> {
    let mut recipe = match &arguments.recipe {
        Some(file) => read_recipe(file)?,
        None => {
            let models = !arguments.policy.is_empty() || !arguments.strategy.is_empty();
            if arguments.dataset.is_none() || !models {
                return Err(Failure::Input(anyhow!(
                    "name a recipe, or at least --dataset and --policy (or --strategy)"
                )));
            }
            Recipe {
                domain: None,
                name: arguments.dataset.as_deref().map_or("study".into(), called),
                dataset: String::new(),
                problems: None,
                policies: Vec::new(),
                verifiers: Vec::new(),
                methods: Vec::new(),
                strategies: Vec::new(),
                budgets: vec![4, 16, 64],
                widths: vec![4],
                finished: outthink_core::Finished::default(),
                seed: 0,
                seeds: 1,
                store: None,
            }
        }
    };
    let entries = |names: &[String]| names.iter().cloned().map(ModelEntry::Name).collect();
    if let Some(dataset) = &arguments.dataset {
        recipe.dataset.clone_from(dataset);
    }
    if !arguments.policy.is_empty() {
        recipe.policies = entries(&arguments.policy);
    }
    if !arguments.verifier.is_empty() {
        recipe.verifiers = entries(&arguments.verifier);
        // As in `solve`, `none` is none.
        recipe
            .verifiers
            .retain(|entry| entry.table().model != "none");
    }
    if let Some(file) = &arguments.calibration {
        let [one] = recipe.verifiers.as_mut_slice() else {
            return Err(Failure::Input(anyhow!(
                "--calibration is of one verifier, and the study has {}; write `calibration` at its verifier in the recipe",
                recipe.verifiers.len()
            )));
        };
        *one = ModelEntry::Table(Box::new(ModelTable {
            calibration: Some(file.clone()),
            ..one.table()
        }));
    }
    if let Some(domain) = arguments.domain {
        // What is usual is not written.
        recipe.domain = (domain != AnyDomain::default()).then(|| domain.to_string());
    }
    if !arguments.methods.is_empty() {
        recipe.methods.clone_from(&arguments.methods);
    }
    if !arguments.strategy.is_empty() {
        recipe.strategies.clone_from(&arguments.strategy);
    }
    complete(&mut recipe, arguments.recipe.is_none())?;
    if !arguments.budgets.is_empty() {
        recipe.budgets.clone_from(&arguments.budgets);
    }
    if !arguments.widths.is_empty() {
        recipe.widths.clone_from(&arguments.widths);
    }
    if arguments.temperature.is_some() || arguments.top_p.is_some() {
        for entry in &mut recipe.policies {
            let own = entry.table();
            *entry = ModelEntry::Table(Box::new(ModelTable {
                temperature: arguments.temperature.or(own.temperature),
                top_p: arguments.top_p.or(own.top_p),
                ..own
            }));
        }
    }
    recipe.problems = arguments.problems.or(recipe.problems);
    recipe.seed = arguments.seed.unwrap_or(recipe.seed);
    recipe.seeds = arguments.seeds.unwrap_or(recipe.seeds);
    recipe.store = arguments.store.clone().or(recipe.store);
    recipe.name = arguments.name.clone().unwrap_or(recipe.name);
    Ok(recipe)
}

/// Gives a recipe the models of its strategies, and the methods that are usual where it names none; `typed` is one without a file.
pub(crate) fn complete(recipe: &mut Recipe, typed: bool) -> Result<(), Failure> {
    strategy::add_models(recipe)?;
    // A recipe may try strategies alone.
    if recipe.methods.is_empty() && (typed || recipe.strategies.is_empty()) {
        let whole = recipe.dataset.starts_with("stored:");
        let fits = |method: &AnyMethod| {
            let scored = !recipe.verifiers.is_empty() || !method.needs_verifier();
            scored && (!whole || method.takes_pool())
        };
        recipe.methods = PAPER.into_iter().filter(fits).collect();
    }
    Ok(())
}

/// A name for the study of a data set: `gsm8k-test` for `data/gsm8k-test.jsonl.gz`, `micro-3` for `micro:3`.
fn called(dataset: &str) -> String {
    let last = dataset.rsplit('/').next().unwrap_or(dataset);
    let bare = last.strip_suffix(".gz").unwrap_or(last);
    let bare = bare.rsplit_once('.').map_or(bare, |(bare, _)| bare);
    let name = bare.replace(':', "-");
    if name.is_empty() {
        "study".into()
    } else {
        name
    }
}

/// Sees to it that no other study of the store loses its name: one that this one goes on with keeps it. A name that nobody chose
/// gets a number, one that was chosen is refused.
pub(crate) fn settle_name(
    study: &mut Study,
    store: &mut Store,
    place: &str,
    is_chosen: bool,
    replace: bool,
) -> Result<(), Failure> {
    let base = study.name.clone();
    let mut number = 1;
    loop {
        let other = match store.study(Some(&study.name)) {
            Err(StoreError::NoStudy { .. }) => return Ok(()),
            other => other?,
        };
        if replace || study.extends(&other) {
            return Ok(());
        }
        if is_chosen {
            let size = |study: &Study| {
                let count = |number: usize, one: &str, more: &str| {
                    format!("{number} {}", if number == 1 { one } else { more })
                };
                format!(
                    "{} of {}, {}, N = {}",
                    count(study.problems.len(), "problem", "problems"),
                    study.dataset,
                    count(study.policies.len(), "policy", "policies"),
                    list(&study.budgets),
                )
            };
            return Err(Failure::Input(anyhow!(
                "store {place} has a study `{}` of another recipe ({}; this one has {}): name this one with --name NEW, or take its place with --replace (its samples stay in the store)",
                study.name,
                size(&other),
                size(study),
            )));
        }
        number += 1;
        study.name = format!("{base}-{number}");
        study.recipe.name.clone_from(&study.name);
    }
}

fn list(numbers: &[usize]) -> String {
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    numbers.join(", ")
}

/// SQLite's name for a store that is nowhere.
pub(crate) const IN_MEMORY: &str = ":memory:";

/// Where the store of a recipe is.
pub(crate) fn place(recipe: &Recipe) -> String {
    let default = || format!("{}.sqlite", recipe.name);
    recipe.store.clone().unwrap_or_else(default)
}

fn shard(text: Option<&str>) -> Result<Shard, Failure> {
    let Some(text) = text else {
        return Ok(Shard::WHOLE);
    };
    let parsed = text.split_once('/').and_then(|(index, count)| {
        let (index, count): (u64, u64) = (index.parse().ok()?, count.parse().ok()?);
        (1..=count).contains(&index).then(|| Shard {
            index: index - 1,
            count,
        })
    });
    parsed.ok_or_else(|| {
        Failure::Input(anyhow!(
            "`--shard {text}` is no part like 2/8, from 1/8 to 8/8"
        ))
    })
}

fn plan(study: &Study, place: &str, count: Count, estimate: &Estimate) -> String {
    let names = |models: &[outthink_lab::ModelInfo]| {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        names.join(", ")
    };
    let methods: Vec<&str> = study
        .recipe
        .methods
        .iter()
        .map(|method| method.name())
        .collect();
    let mut told = format!(
        "study      {} in {place}\nproblems   {} of {}, {} run{}\npolicies   {}\n",
        study.name,
        study.problems.len(),
        study.dataset,
        study.seeds.len(),
        if study.seeds.len() == 1 { "" } else { "s" },
        names(&study.policies),
    );
    if !study.verifiers.is_empty() {
        told.push_str(&format!("verifiers  {}\n", names(&study.verifiers)));
    }
    if !study.strategies.is_empty() {
        let told_of = |own: &outthink_lab::StrategyInfo| {
            format!("{} for {}", own.name, study.policies[own.policy].name)
        };
        let strategies: Vec<String> = study.strategies.iter().map(told_of).collect();
        told.push_str(&format!("strategies {}\n", strategies.join(", ")));
    }
    told.push_str(&format!(
        "methods    {} at N = {}{}\nunits      {} done, {} to do{}\n",
        methods.join(", "),
        list(&study.budgets),
        match study
            .recipe
            .methods
            .iter()
            .any(|method| method.is_stepwise())
        {
            true => format!(", width {}", list(&study.recipe.widths)),
            false => String::new(),
        },
        count.done,
        count.open + count.failed,
        if count.failed > 0 {
            format!(" ({} failed before)", count.failed)
        } else {
            String::new()
        },
    ));
    if count.open + count.failed > 0 && estimate.draws == 0 {
        told.push_str("estimate   nothing is drawn: stored samples are scored\n");
    } else if count.open + count.failed > 0 {
        told.push_str(&format!(
            "estimate   {} {} solutions, {} tokens{}{} ({})\n",
            if estimate.is_bound {
                "at most"
            } else {
                "about"
            },
            short(estimate.draws as f64),
            short(estimate.generated),
            match estimate.flops {
                Some(flops) => format!(", {} FLOP in full", short(flops)),
                None => String::new(),
            },
            match estimate.money {
                money if money > 0.0 => format!(", {money:.2} in money"),
                _ => String::new(),
            },
            estimate.basis,
        ));
        told.push_str(&match estimate.seconds {
            Some(seconds) => format!(
                "time       about {}, as fast as the units that are done\n",
                duration(seconds)
            ),
            None => "time       unknown until some units are done; the progress then says how much is left\n".to_owned(),
        });
    }
    told
}

/// Operations so far, where all models tell their shapes.
fn flops(status: &Status) -> String {
    let told = |flops| format!("{} FLOP, ", short(flops));
    status.flops.map_or(String::new(), told)
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    before: usize,
    /// What is to be drawn.
    samples: usize,
    said: Instant,
}

impl Progress {
    fn new(count: Count, samples: usize) -> Self {
        let all = count.done + count.failed + count.open;
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(all as u64);
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len} units  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            bar,
            before: count.done,
            samples,
            said: Instant::now(),
        }
    }

    fn show(&mut self, status: &Status) {
        /// Seconds between two lines.
        const PAUSE: u64 = 15;
        let seconds = status.elapsed.as_secs_f64().max(1e-3);
        let all = status.count.done + status.count.failed + status.count.open;
        // Units differ in size, so what is left goes by samples; where none are drawn, by units.
        let (left, done) = match self.samples {
            0 => (status.count.open as f64, status.done as f64),
            all => (
                all.saturating_sub(status.samples) as f64,
                status.samples as f64,
            ),
        };
        let eta = if done > 0.0 {
            duration(left * seconds / done)
        } else {
            "?".into()
        };
        let money = match status.money {
            money if money > 0.0 => format!("{money:.2} spent, "),
            _ => String::new(),
        };
        let told = format!(
            "{} tokens/s, {}{money}{eta} left",
            short(status.generated as f64 / seconds),
            flops(status),
        );
        if let Some(bar) = &self.bar {
            bar.set_position(status.count.done as u64);
            bar.set_message(outthink_core::visible(&told).into_owned());
        } else if self.said.elapsed() >= Duration::from_secs(PAUSE) {
            self.said = Instant::now();
            let done = status.count.done.max(self.before);
            eprintln!("{done}/{all} units  {told}");
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
