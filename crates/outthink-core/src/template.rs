//! Prompts with places to fill in, and what of a solution goes into them.

/// A text with each `{name}` replaced by its value. What a value says is not read for names, and braces that hold no known name
/// stay as they are.
pub(crate) fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        out.push_str(before);
        let named = |(name, _): &&(&str, &str)| {
            let inner = from[1..].strip_prefix(name);
            inner.is_some_and(|after| after.starts_with('}'))
        };
        rest = match values.iter().find(named) {
            Some((name, value)) => {
                out.push_str(value);
                &from[name.len() + 2..]
            }
            None => {
                out.push('{');
                &from[1..]
            }
        };
    }
    out.push_str(rest);
    out
}

/// A solution without its thoughts, `<think>…</think>`, as chats leave them out of earlier turns. Thoughts that are not closed
/// last to the end; those whose beginning is in the prompt end at the first `</think>`.
pub(crate) fn without_thoughts(text: &str) -> String {
    const OPEN: &str = "<think>";
    const CLOSE: &str = "</think>";
    let mut rest = match (text.find(OPEN), text.find(CLOSE)) {
        (open, Some(close)) if open.is_none_or(|open| close < open) => &text[close + CLOSE.len()..],
        _ => text,
    };
    let mut out = String::new();
    while let Some((before, thought)) = rest.split_once(OPEN) {
        out.push_str(before);
        rest = thought.split_once(CLOSE).map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.trim().to_owned()
}

/// At most so many characters of a text, the last ones: that is where the answer is.
pub(crate) fn last_of(text: &str, characters: usize) -> &str {
    let cut = match characters.checked_sub(1) {
        Some(before) => text.char_indices().nth_back(before).map(|(at, _)| at),
        None => Some(text.len()),
    };
    text[cut.unwrap_or(0)..].trim_start()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_known_names_of_the_template_itself_are_filled() {
        let values = [("problem", "{solution}"), ("solution", r"\boxed{7}")];
        assert_eq!(
            filled(r"{problem} {{solution}} {other} \boxed{Yes} {", &values),
            r"{solution} {\boxed{7}} {other} \boxed{Yes} {"
        );
    }

    #[test]
    fn thoughts_are_left_out_wherever_they_begin_and_end() {
        for (text, left) in [
            ("<think>5?</think>\nIt is 7.", "It is 7."),
            ("5?</think>It is 7.", "It is 7."),
            ("It is 7.<think>or 5", "It is 7."),
            ("<think>5", ""),
            ("a <think>b</think>c<think>d</think> e", "a c e"),
            ("7", "7"),
        ] {
            assert_eq!(without_thoughts(text), left, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_end_of_any_text_is_kept(text in "\\PC{0,12}", characters in 0usize..15) {
            let end = last_of(&text, characters);
            prop_assert!(text.ends_with(end) && end.chars().count() <= characters);
            if text.chars().count() <= characters {
                prop_assert_eq!(end, text.trim_start());
            }
        }

        #[test]
        fn no_thought_is_ever_quoted(parts in prop::collection::vec(
            prop::sample::select(vec!["<think>", "</think>", "a", " ", "é"]), 0..12,
        )) {
            prop_assert!(!without_thoughts(&parts.concat()).contains("<think>"));
        }
    }
}
