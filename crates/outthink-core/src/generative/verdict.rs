//! What a critique comes to.

use crate::ExactAnswers;

const YES: [&str; 4] = ["yes", "correct", "right", "true"];
const NO: [&str; 4] = ["no", "incorrect", "wrong", "false"];

/// Yes, no or neither: by the last box, else by the last line that has words. A line says yes or no if it begins or ends with the
/// word, and else by whether it calls something correct or wrong; what it says both of is not read.
///
/// ```
/// use outthink_core::verdict;
///
/// assert_eq!(verdict(r"The sum is off. \boxed{\text{No}}"), Some(false));
/// assert_eq!(verdict("Everything holds.\n\n**Yes.**"), Some(true));
/// assert_eq!(verdict("The answer is wrong."), Some(false));
/// assert_eq!(verdict("It depends."), None);
/// ```
pub fn verdict(text: &str) -> Option<bool> {
    let boxed = ExactAnswers::find(text).and_then(said);
    let has_words = |line: &&str| line.contains(char::is_alphabetic);
    boxed.or_else(|| said(text.lines().rev().find(has_words)?))
}

fn said(line: &str) -> Option<bool> {
    // LaTeX's commands are no words of the line.
    let plain = line
        .replace("\\text", " ")
        .replace("\\mathrm", " ")
        .replace("\\boxed", " ");
    let lower = plain.to_lowercase();
    let words = lower.split(|c: char| !(c.is_alphanumeric() || c == '\''));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let plain = |word: &&str| match *word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    if words.contains(&"yes") && words.contains(&"no") {
        return None;
    }
    if let Some(said) = words.last().and_then(plain) {
        return Some(said);
    }
    // "No mistake was found" begins with a no that is none.
    let start = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    let after = start.chars().find(|c| !c.is_alphanumeric());
    if let (false, Some(said)) = (after == Some(' '), words.first().and_then(plain)) {
        return Some(said);
    }
    let negated = |place: usize| {
        let before = &words[place.saturating_sub(2)..place];
        before.iter().any(|word| {
            matches!(
                *word,
                "not" | "no" | "never" | "nothing" | "isn't" | "cannot"
            )
        })
    };
    let mut told = words.iter().enumerate().filter_map(|(place, word)| {
        let yes = match word {
            word if YES.contains(word) => true,
            word if NO.contains(word) && *word != "no" => false,
            _ => return None,
        };
        Some(yes != negated(place))
    });
    let first = told.next()?;
    told.all(|own| own == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn verdicts_are_read_as_models_write_them() {
        for (text, read) in [
            ("Yes", Some(true)),
            ("no", Some(false)),
            ("**No.**", Some(false)),
            (r"\boxed{Yes}", Some(true)),
            (r"$\boxed{\text{No}}$", Some(false)),
            (r"\boxed{Yes} at first, but \boxed{No}.", Some(false)),
            ("It says \\boxed{12}, which holds.\n\nYes", Some(true)),
            ("Verdict: Yes", Some(true)),
            ("Final answer: **No**", Some(false)),
            ("Yes, the answer is 7.", Some(true)),
            ("No, step 2 is wrong.", Some(false)),
            ("The answer is wrong", Some(false)),
            ("The final answer is correct.", Some(true)),
            ("The final answer is not correct.", Some(false)),
            ("There is nothing wrong here.", Some(true)),
            ("The solution is incorrect.\n\n---", Some(false)),
            (r"\boxed{correct}", Some(true)),
            (r"\boxed{False}", Some(false)),
            ("No mistake was found, so it stands.", None),
            ("The first is correct and the second is wrong.", None),
            (r"\boxed{Yes or No}", None),
            ("Nobody knows.", None),
            ("", None),
            ("?!", None),
            (r"\boxed{", None),
        ] {
            assert_eq!(verdict(text), read, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not_and_a_box_decides(text in "\\PC{0,40}", yes: bool) {
            let _ = verdict(&text);
            let word = if yes { "Yes" } else { "No" };
            let said = format!("{}\n\\boxed{{{word}}}", text.replace(['{', '}'], ""));
            prop_assert_eq!(verdict(&said), Some(yes));
        }
    }
}
