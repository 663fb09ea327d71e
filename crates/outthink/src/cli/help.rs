//! What stands below the options of a command's help, in lines of 80 columns: prose is left to clap, which wraps it as wide as
//! the terminal is; a command that is too long goes on in the next line, as a shell reads it.

use clap::Command;

/// Columns that a terminal has at least.
const COLUMNS: usize = 80;

/// The same command with help that fits.
pub(crate) fn fitted(command: Command) -> Command {
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(laid_out(&text)),
        None => command,
    };
    // `--budget -4` is a wrong budget, and not an option that nobody knows.
    command
        .mut_args(|argument| {
            match argument.get_action().takes_values() && !argument.is_positional() {
                true => argument.allow_negative_numbers(true),
                false => argument,
            }
        })
        .mut_subcommands(fitted)
}

/// Lines of prose that follow each other become one; what is indented is a command.
fn laid_out(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_prose = false;
    for line in text.lines() {
        let example = line.strip_prefix("Example: ");
        if example.is_some() || line.starts_with(' ') {
            if example.is_some() {
                lines.push("Example:".into());
            }
            let command = example.unwrap_or(line).trim_start();
            let indent = line.len() - line.trim_start().len();
            lines.extend(broken(command, indent.max(2)));
            in_prose = false;
        } else if line.is_empty() {
            lines.push(String::new());
            in_prose = false;
        } else {
            match lines.last_mut() {
                Some(last) if in_prose => {
                    last.push(' ');
                    last.push_str(line);
                }
                _ => lines.push(line.into()),
            }
            in_prose = !line.ends_with(':');
        }
    }
    lines.join("\n")
}

/// A command in lines that end with a backslash, broken between words and never inside quotes.
fn broken(command: &str, indent: usize) -> Vec<String> {
    let mut lines = vec![" ".repeat(indent)];
    for word in words(command) {
        let Some(last) = lines.last_mut() else { break };
        let begun = last.trim().is_empty();
        // Room for the backslash.
        if !begun && last.chars().count() + 1 + word.chars().count() > COLUMNS - 2 {
            last.push_str(" \\");
            lines.push(format!("{}{word}", " ".repeat(indent + 2)));
        } else {
            if !begun {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

/// A command's words, with what is quoted in one piece.
fn words(command: &str) -> Vec<&str> {
    let (mut words, mut start, mut quoted) = (Vec::new(), 0, false);
    for (place, letter) in command.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                words.push(&command[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    words.push(&command[start..]);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::CommandFactory;

    #[test]
    fn a_long_command_goes_on_in_the_next_line_and_prose_is_left_to_the_terminal() {
        let quoted = "'a text of several words that nobody may break'";
        let text = format!(
            "Some prose\nof two lines.\n\nExamples:\n  outthink solve {quoted} --method dvts --budget 64 --gold 24\n"
        );
        assert_eq!(
            laid_out(&text),
            format!(
                "Some prose of two lines.\n\nExamples:\n  outthink solve {quoted} --method dvts \\\n    --budget 64 --gold 24"
            )
        );
    }

    #[test]
    fn every_help_fits_into_80_columns() {
        fn check(mut command: Command) {
            let help = command.render_long_help().to_string();
            for line in help.lines().filter(|line| line.starts_with("  outthink")) {
                assert!(line.chars().count() <= COLUMNS, "{line}");
            }
            command.get_subcommands().cloned().for_each(check);
        }
        check(fitted(Arguments::command()));
    }
}
