//! Options of the servers as environment variables: a container is set by these. `--verifier-dtype` is `OUTTHINK_VERIFIER_DTYPE`.
//!
//! Only commands that serve have them: in a shell where one is set, every other command would do something else than it is told.

use std::ffi::OsString;

use clap::builder::{BoolishValueParser, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Error};

/// Commands whose options are variables, too.
const SERVERS: [&str; 2] = ["serve", "prm-serve"];

/// The same program, whose servers read variables.
pub(crate) fn read(program: Command) -> Command {
    SERVERS.into_iter().fold(program, |program, server| {
        program.mut_subcommand(server, |server| server.mut_args(option))
    })
}

fn option(argument: Arg) -> Arg {
    let Some(name) = argument.get_long().map(variable) else {
        return argument;
    };
    // Compose and Helm leave a variable empty that is not to be set.
    if std::env::var_os(&name).is_some_and(|value| value.is_empty()) {
        return argument;
    }
    // A switch that is set to false was not given, and takes nothing with it.
    let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
    if is_switch && std::env::var(&name).is_ok_and(|value| is_false(&value)) {
        return argument;
    }
    // What a variable holds, a key in an address perhaps, is not for everyone who asks for help.
    let argument = argument.env(name).hide_env_values(true);
    match argument.get_action() {
        ArgAction::SetTrue => argument.value_parser(BoolishValueParser::new()),
        _ => argument,
    }
}

/// The words that clap takes for false.
fn is_false(value: &str) -> bool {
    let value = value.to_lowercase();
    ["n", "no", "f", "false", "off", "0"].contains(&value.as_str())
}

/// The variable of a long option.
fn variable(long: &str) -> String {
    format!("OUTTHINK_{}", long.replace('-', "_").to_uppercase())
}

/// The same error; where what was wrong stands in a variable, it says in which.
pub(crate) fn named(mut error: Error, typed: &[OsString]) -> Error {
    let serves = typed
        .iter()
        .any(|word| SERVERS.iter().any(|own| word == own));
    let told = |kind| match error.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(some)) => some.clone(),
        _ => Vec::new(),
    };
    let concerned = [told(ContextKind::InvalidArg), told(ContextKind::PriorArg)].concat();
    let tips = concerned.iter().filter_map(|argument| {
        let long = argument.strip_prefix("--")?.split([' ', '=']).next()?;
        let is_typed = typed.iter().filter_map(|word| word.to_str()).any(|word| {
            let word = word.strip_prefix("--").unwrap_or_default();
            word.split('=').next() == Some(long)
        });
        let name = variable(long);
        let is_set = std::env::var_os(&name).is_some_and(|value| !value.is_empty());
        (!is_typed && is_set)
            .then(|| StyledStr::from(format!("--{long} is set by the variable {name}")))
    });
    let tips: Vec<StyledStr> = tips.collect();
    if serves && !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}
