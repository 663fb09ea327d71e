//! Makes a small language model outthink a big one: the library in one place, and its command line as [`run`].
//!
//! Load a policy and a verifier by name, and search:
//!
//! ```
//! use outthink::{Problem, Search, method::BEAM};
//!
//! let policy = outthink::policy("micro-0.3m")?;
//! let verifier = outthink::verifier("micro-prm-likelihood")?;
//! let problem = Problem::new(r"Evaluate $(17+19)\cdot 4-16$.");
//! let search = Search::new(&policy).verifier(&verifier).method(BEAM).budget(16).seed(0);
//! let outcome = futures::executor::block_on(search.solve(&problem))?;
//! assert_eq!(outcome.answer.as_deref(), Some("128"));
//! println!("{} with {} tokens", outcome.plan, outcome.tree.policy.generated);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What most programs need stands here; each crate is here in full, too: [`answer`], [`core`], [`engine`], [`gateway`],
//! [`lab`], [`prompt`], [`remote`] and [`strategies`].

#[macro_use]
mod print;

mod audit;
mod batch;
mod blame;
mod cli;
mod completions;
mod data;
mod demo;
mod doctor;
pub mod embedding;
mod exchange;
mod failure;
mod generate;
mod grade;
mod input;
mod interrupt;
mod micro;
mod models;
mod out;
mod pools;
mod prm_serve;
mod probe;
mod reload;
mod report;
mod score;
mod serve;
mod sets;
mod solve;
mod stores;
mod strategy;
mod study;
mod table;
mod tree;
mod tune;
mod wiring;

/// Answers: found in text, read, and compared.
pub use outthink_answer as answer;
pub use outthink_answer::{AnyDomain, Maths};
/// The search: policies, verifiers, methods, selections, domains, cost.
pub use outthink_core as core;
pub use outthink_core::{
    AnyMethod, Chosen, Domain, ExactAnswers, Finished, Limits, Method, ModelCost, ModelError,
    ModelInfo, Outcome, Plan, Policy, Problem, Sampling, Scoring, Search, Selection, Solution,
    Spending, Step, Tree, Usage, Verifier, Voting, method, search, selection,
};
/// Models in this process.
pub use outthink_engine as engine;
/// The OpenAI-compatible server.
pub use outthink_gateway as gateway;
/// Problem sets, studies and their store, estimates, reports and audits.
pub use outthink_lab as lab;
pub use outthink_models::{
    AnyPolicy, AnyVerifier, Beside, Candidate, LoadError, LoadedPolicy, LoadedVerifier, Loader,
    ModelSpec, Notice, mismatch, policy, verifier,
};
/// Profiles, chat templates, tokenizers and reward layouts.
pub use outthink_prompt as prompt;
/// Models on servers.
pub use outthink_remote as remote;
/// Strategies at work.
pub use outthink_strategy as strategies;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::{Arguments, Command, KeysCommand};
pub use crate::failure::Failure;

/// Does what a command line asks for, the program's own name first; the code is what the program would exit with.
///
/// ```no_run
/// outthink::run(["outthink", "solve", "What is 2 + 3?", "--method", "majority"]);
/// ```
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    print::explain_panics();
    let typed: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let program = cli::environment::read(cli::help::fitted(Arguments::command()));
    let Arguments { command } = program
        .try_get_matches_from(&typed)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .unwrap_or_else(|error| cli::environment::named(error, &typed).exit());
    let result = match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Solve(arguments) => return solve::run(&arguments).unwrap_or_else(fail),
        Command::Grade(arguments) => return grade::run(&arguments).unwrap_or_else(fail),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Score(arguments) => return score::run(&arguments).unwrap_or_else(fail),
        Command::Doctor(arguments) => return doctor::run(&arguments).unwrap_or_else(fail),
        Command::PrmServe(arguments) => prm_serve::run(&arguments),
        Command::Convert { folder, out } => convert(&folder, &out),
        Command::Models => doctor::list(),
        Command::Study(arguments) => return study::run_study(*arguments).unwrap_or_else(fail),
        Command::Report(arguments) => report::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Probe(command) => probe::run(&command),
        Command::Audit(arguments) => return audit::run(&arguments).unwrap_or_else(fail),
        Command::Tree(arguments) => tree::run(&arguments),
        Command::Sql(arguments) => report::sql(&arguments),
        Command::Regrade(arguments) => report::grade_anew(&arguments),
        Command::Export(arguments) => exchange::export(&arguments),
        Command::Import(arguments) => exchange::import_samples(&arguments),
        Command::Pools(arguments) => pools::run(&arguments),
        Command::Data(command) => data::run(command),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Keys(KeysCommand::Add { name, file }) => add_key(&name, &file),
        Command::Micro(command) => micro::run(command),
        Command::Completions { shell } => completions::print(shell),
    };
    result.map_or_else(fail, |()| ExitCode::SUCCESS)
}

fn add_key(name: &str, file: &Path) -> Result<(), Failure> {
    let key = outthink_gateway::Keys::add(file, name).map_err(Failure::input)?;
    let mut out = std::io::stdout();
    let told = writeln!(out, "{key}").and_then(|()| out.flush());
    // Nobody can ask for it again: it must not be lost where nobody reads standard output.
    if told.is_err() {
        eprintln!("{key}");
    }
    let file = file.display();
    eprintln!("the API key of {name}: copy it now, only its SHA-256 is kept, in {file}");
    Ok(())
}

fn convert(from: &Path, to: &Path) -> Result<(), Failure> {
    let told = |path: &Path| eprintln!("wrote {}", path.display());
    let count = outthink_engine::convert(from, to, &told).map_err(Failure::input)?;
    println!("{count} tensors in {}", to.display());
    Ok(())
}

fn fail(failure: Failure) -> ExitCode {
    eprintln!("error: {failure}");
    failure.exit_code()
}
