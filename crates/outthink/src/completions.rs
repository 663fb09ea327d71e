//! `outthink completions`: commands, options, and the names that options know.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory, ValueHint};
use outthink_answer::Mode;
use outthink_core::{AnyMethod, Selection};
use outthink_engine::Precision;
use outthink_micro::family::{Family, Member};
use outthink_prompt::Profile;

use crate::cli::Arguments;
use crate::failure::Failure;
use crate::print;
use crate::sets::KNOWN;

/// In memory first: what writes the script panics where it cannot be written.
pub(crate) fn print(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = with_values(Arguments::command());
    clap_complete::generate(shell, &mut command, "outthink", &mut script);
    print::stdout().write_all(&script)?;
    Ok(())
}

/// The same command, whose options list the values that they know by name; shells offer files beside them. Only for scripts:
/// it would take no other values.
fn with_values(command: Command) -> Command {
    let named = match command.get_name() {
        "get" => command.mut_arg("name", |argument| {
            argument.value_parser(PossibleValuesParser::new(KNOWN.map(|set| set.name)))
        }),
        _ => command,
    };
    named.mut_args(valued).mut_subcommands(with_values)
}

fn valued(argument: Arg) -> Arg {
    let values: Vec<String> = match argument.get_id().as_str() {
        "policy" => members(|family| family.policies),
        "verifier" => {
            let beside = ["step-checker", "none"].map(str::to_owned);
            let embedded = members(|family| family.verifiers);
            embedded.into_iter().chain(beside).collect()
        }
        "method" | "methods" => AnyMethod::all()
            .into_iter()
            .map(|method| method.name().to_owned())
            .collect(),
        "selection" => Selection::all().map(|rule| rule.to_string()).collect(),
        "policy_profile" | "verifier_profile" => {
            let known = Profile::built_in().unwrap_or_default();
            known.into_iter().map(|profile| profile.name).collect()
        }
        "dtype" | "verifier_dtype" => Precision::ALL.map(|(_, name)| name.to_owned()).to_vec(),
        "dataset" => KNOWN.map(|set| set.name.to_owned()).to_vec(),
        "rules" => Mode::ALL.map(|rules| rules.to_string()).to_vec(),
        "out" | "jsonl" | "data" | "keys" | "calibration" | "messages" | "store" => {
            return argument.value_hint(ValueHint::AnyPath);
        }
        _ => return argument,
    };
    argument.value_parser(PossibleValuesParser::new(values))
}

fn members(of: fn(&Family) -> &'static [Member]) -> Vec<String> {
    let all = Family::ALL.iter().flat_map(of);
    all.map(|member| member.name.to_owned()).collect()
}
