//! Options of the servers as variables.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::process::Command;

/// Exit status, standard output and standard error; every one of these ends before it serves.
fn outthink(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_outthink"))
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Outside of this machine, which needs keys: nothing is loaded, and the address is told.
const OUTSIDE: (&str, &str) = ("OUTTHINK_LISTEN", "0.0.0.0:4711");

#[test]
fn a_variable_is_as_good_as_an_option_and_what_is_typed_counts_for_more() {
    let refused = |arguments: &[&str]| outthink(arguments, &[OUTSIDE]).2;
    assert!(refused(&["serve"]).contains("0.0.0.0:4711 can be reached from outside"));
    assert!(refused(&["prm-serve"]).contains("0.0.0.0:4711 can be reached from outside"));
    let typed = refused(&["serve", "--listen", "0.0.0.0:4712"]);
    assert!(typed.contains("0.0.0.0:4712 can be"), "{typed}");
}

#[test]
fn an_empty_variable_is_not_set() {
    let empty = [
        OUTSIDE,
        ("OUTTHINK_SEARCHES", ""),
        ("OUTTHINK_STRATEGY", ""),
        ("OUTTHINK_VERIFIER_WINDOWS", ""),
    ];
    let (_, _, errors) = outthink(&["serve"], &empty);
    assert!(errors.contains("0.0.0.0:4711 can be reached"), "{errors}");
}

#[test]
fn a_variable_that_is_no_value_of_its_option_is_named() {
    for (name, value) in [
        ("OUTTHINK_SEARCHES", "0"),
        ("OUTTHINK_WAITING", "many"),
        ("OUTTHINK_LISTEN", "8321"),
        ("OUTTHINK_THINKING", "hard"),
        ("OUTTHINK_VERIFIER_WINDOWS", "perhaps"),
    ] {
        let (code, _, errors) = outthink(&["serve"], &[(name, value)]);
        assert_eq!(code, 2, "{errors}");
        assert!(errors.contains(value) && errors.contains(name), "{errors}");
    }
    let (_, _, errors) = outthink(
        &["serve", "--searches", "0"],
        &[("OUTTHINK_SEARCHES", "4"), OUTSIDE],
    );
    assert!(!errors.contains("OUTTHINK_"), "{errors}");
}

#[test]
fn help_names_the_variables_of_servers_and_shows_none_of_their_values() {
    let secret = [("OUTTHINK_POLICY", "http://user:hush@host/v1")];
    let (_, help, _) = outthink(&["serve", "--help"], &secret);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for name in ["POLICY", "VERIFIER_TOKENIZER", "KEYS", "SEARCHES", "DOMAIN"] {
        assert!(help.contains(&format!("[env: OUTTHINK_{name}]")), "{name}");
    }
    assert!(!help.contains("hush"));
    let (_, help, _) = outthink(&["solve", "--help"], &secret);
    assert!(!help.contains("[env:"));
}
