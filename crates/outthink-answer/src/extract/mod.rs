//! The final answer of a response.

mod boxes;
mod formulas;
mod json;
mod number;
mod reply;
mod statement;

use crate::value::{Answer, Value};
pub(crate) use boxes::{Boxes, boxes};
use formulas::last_formula;
use number::last_number;
use reply::{last_tag, reply};
use statement::{final_statement, statement};

/// How an answer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the last `\boxed{}`, or in several side by side.
    Box,
    /// Between `<answer>` and `</answer>`.
    Tag,
    /// After words like "the answer is" or `####`, or as `"answer"` in JSON.
    Phrase,
    /// The last formula.
    Maths,
    /// The last number.
    Number,
}

/// An answer as it stands in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// The answer, for [`crate::Answer::parse`]; never one that reads as nothing.
    pub text: String,
    /// Where it stood.
    pub source: Source,
}

impl Extracted {
    fn new(text: &str, source: Source) -> Option<Self> {
        let text = text.trim();
        says_something(text).then(|| Self {
            text: text.to_owned(),
            source,
        })
    }
}

/// Finds the final answer of a response; nothing found is nothing. Where a response thinks first, only what follows the
/// thinking counts. A box that never closes holds no answer, and neither do the words before it; one that reads as nothing,
/// like `\boxed{...}`, is none either.
pub fn extract(response: &str) -> Option<Extracted> {
    let reply = reply(response);
    let boxes = boxes(reply);
    let boxed = match &boxes {
        Boxes::Closed { end, .. } => *end,
        Boxes::Open | Boxes::None => 0,
    };
    // Of a box and a tag, the last one stands.
    if let Some((end, content)) = last_tag(reply)
        && end >= boxed
    {
        return within_tag(content);
    }
    if let Boxes::Closed { text, end } = &boxes {
        let stated = final_statement(&reply[*end..])
            .and_then(|stated| Extracted::new(&stated, Source::Phrase));
        return stated.or_else(|| Extracted::new(text, Source::Box));
    }
    if let Boxes::Open = boxes {
        return None;
    }
    unmarked(reply)
}

/// An answer that nothing but words, formulas and numbers tell.
fn unmarked(reply: &str) -> Option<Extracted> {
    if let Some(text) = statement(reply)
        && let Some(extracted) = Extracted::new(&text, Source::Phrase)
    {
        return Some(extracted);
    }
    let formula = last_formula(reply);
    // A conclusion in words after the last formula.
    if let (Some((_, number)), Some(end)) =
        (last_number(reply), formula.as_ref().map(|(end, _)| *end))
        && let Some(tail) = reply.get(end..)
        && ["herefore", "hus", "ence", "So "]
            .iter()
            .any(|word| tail.contains(word))
        && last_number(tail).is_some()
        && let Some(extracted) = Extracted::new(number, Source::Number)
    {
        return Some(extracted);
    }
    if let Some((_, text)) = formula
        && let Some(extracted) = Extracted::new(&text, Source::Maths)
    {
        return Some(extracted);
    }
    if is_formula(reply) || is_letter(reply) {
        return Extracted::new(reply, Source::Maths);
    }
    let (_, number) = last_number(reply)?;
    Extracted::new(number, Source::Number)
}

/// The answer between tags: a box or a statement within, or else all of it.
fn within_tag(content: &str) -> Option<Extracted> {
    let text = if let Boxes::Closed { text, .. } = boxes(content) {
        text
    } else if let Some(stated) = statement(content) {
        stated
    } else if reads(content) {
        content.to_owned()
    } else {
        unmarked(content).map_or_else(|| content.to_owned(), |found| found.text)
    };
    Extracted::new(&text, Source::Tag)
}

fn says_something(text: &str) -> bool {
    !Answer::parse(text).is_empty()
}

/// Is a text an answer as a whole, not a sentence with one in it?
fn reads(text: &str) -> bool {
    let readings = Answer::parse(text).readings;
    let prose = |value: &Value| match value {
        Value::Text(text) => text.split(' ').count() > 3,
        value => matches!(value, Value::Unread(_)),
    };
    !readings.is_empty() && !readings.iter().all(prose)
}

/// Is a text without dollar signs a formula, that is, LaTeX without a word of prose?
fn is_formula(text: &str) -> bool {
    text.contains('\\') && text.len() < 1000 && !has_prose(text)
}

/// Nothing but the letter of a choice?
fn is_letter(text: &str) -> bool {
    let letter = text.trim_matches(|c: char| c.is_whitespace() || "*().:".contains(c));
    letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Is there a word of three letters or more that is no command?
fn has_prose(text: &str) -> bool {
    let separates = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '(' | ')' | '$');
    let letters = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count();
    text.split(separates)
        .any(|word| !word.contains('\\') && letters(word) >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, Source)> {
        extract(text).map(|extracted| (extracted.text, extracted.source))
    }

    #[test]
    fn the_last_box_is_the_answer_and_boxes_side_by_side_are_one() {
        let boxed = |text: &str| Some((text.to_owned(), Source::Box));
        assert_eq!(
            found(r"\boxed{1} no: \boxed{\frac{1}{2}}."),
            boxed(r"\frac{1}{2}")
        );
        assert_eq!(found(r"$\boxed{2}$ and $\boxed{-3}$."), boxed("2, -3"));
        assert_eq!(
            found(r"first \boxed{2}, which fails, then \boxed{3}"),
            boxed("3")
        );
        assert_eq!(
            found(r"<think>\boxed{1}</think> it is \boxed{2}"),
            boxed("2")
        );
        assert_eq!(found(r"\boxed{\{1, 2\}}"), boxed(r"\{1, 2\}"));
        assert_eq!(found(r"\fbox{7}"), boxed("7"));
        assert_eq!(found(r"$x=\boxed{2}$ or $x=\boxed{3}$"), boxed("2, 3"));
    }

    #[test]
    fn a_response_that_opens_and_never_closes_is_read_in_one_pass() {
        // Quadratic work on these would take minutes.
        for part in ["\\boxed{", "\\(", "\\[", "$\\", "\\$", "$$ $", "$a$, "] {
            extract(&part.repeat(200_000));
        }
    }

    #[test]
    fn nothing_is_nothing() {
        for text in [
            "",
            "I am not able to solve this problem.",
            r"The final answer is $\boxed{",
            r"The final answer is $\boxed{}$.",
            r"\boxed",
            "<think>it is 5</think>",
            r"\boxed{...}",
            r"\boxed{\text{}}",
            r"$\boxed{~}$",
            r"so \boxed{{,}}",
            r"\boxed{$}",
            r"\boxed{\quad}",
            "The answer is $",
            r"The answer is \(",
            "Final Answer: $$",
            r"**Answer:** \[",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_box_phrases_come_before_formulas_before_numbers() {
        let by = |text: &str, source| Some((text.to_owned(), source));
        assert_eq!(
            found("The answer is -1. (Check: 3 + 4 = 7.)"),
            by("-1", Source::Phrase)
        );
        let bare = found("Answer: x^5 - x^4 + 2x - 1");
        assert_eq!(bare, by("x^5 - x^4 + 2x - 1", Source::Phrase));
        assert_eq!(
            found("The answer is 5 because 2+3=5."),
            by("5", Source::Phrase)
        );
        assert_eq!(found("**A**"), by("**A**", Source::Maths));
        assert_eq!(found("so\n\n#### 1,940"), by("1,940", Source::Phrase));
        assert_eq!(found("The answer is: **5**"), by("5", Source::Phrase));
        assert_eq!(
            found(r"the answer is: \[ 16 \sqrt{3} \] as said"),
            by(r"16 \sqrt{3}", Source::Phrase)
        );
        assert_eq!(
            found("we get $x=3$ and then $y = 4$."),
            by("y = 4", Source::Maths)
        );
        assert_eq!(
            found("5 rows, and the total is 1940."),
            by("1940", Source::Number)
        );
        assert_eq!(found("it is -12.5 or so"), by("-12.5", Source::Number));
    }

    fn answers(cases: &[(&str, Option<&str>)]) {
        for &(text, expected) in cases {
            let found = extract(text).map(|extracted| extracted.text);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_answer_follows_the_thinking() {
        answers(&[
            (
                "Maybe \\boxed{8}?\n</think>\n\nIt is $\\boxed{7}$.",
                Some("7"),
            ),
            ("<think>\\boxed{8}</think>\nThe answer is 7.", Some("7")),
            ("<THINK> is no tag. So 7", Some("7")),
            ("[THINK]8[/THINK]**Final Answer**\n7", Some("7")),
            ("◁think▷so 8◁/think▷7", Some("7")),
            ("<seed:think>8</seed:think>\\boxed{7}", Some("7")),
            (
                "<|channel|>analysis<|message|>8?<|end|><|start|>assistant<|channel|>final<|message|>It is 7.<|return|>",
                Some("7"),
            ),
            ("analysisIs it 8?assistantfinalIt is 7.", Some("7")),
            // Nothing follows: what the thought boxed, but not the last of its numbers.
            ("<think>so \\boxed{7}</think>", Some("7")),
            ("<think>so 7</think>\n", None),
            // A thought that never ends tells nothing yet.
            ("<think>Maybe \\boxed{8}? Let me check", None),
            ("It is \\boxed{7}.<think>Or \\boxed{8}", Some("7")),
            (
                "\\boxed{7}<|im_end|>\n<|im_start|>user\nand \\boxed{8}?",
                Some("7"),
            ),
            (
                "So 3.\n#### 3\n\nQuestion: 2+2?\nAnswer: 4\n#### 4",
                Some("3"),
            ),
        ]);
    }

    #[test]
    fn tags_hold_an_answer_whatever_it_is() {
        answers(&[
            (
                "<think>5</think><answer>\\frac{1}{2}</answer>",
                Some("\\frac{1}{2}"),
            ),
            ("<answer>The answer is 73</answer>", Some("73")),
            ("<answer>\nB\n</answer>", Some("B")),
            ("<answer>x = \\boxed{7}</answer>", Some("7")),
            ("<Answer>(1, 2)</Answer>", Some("(1, 2)")),
            ("<answer>1</answer> no, <answer>2</answer>", Some("2")),
            ("so <answer>7", Some("7")),
            ("<answer>6</answer> or rather \\boxed{7}", Some("7")),
            ("\\boxed{6}, I mean <answer>7</answer>", Some("7")),
            ("<answer>There are 7 apples left.</answer>", Some("7")),
            ("<answer></answer>", None),
        ]);
    }

    #[test]
    fn dollar_signs_of_money_open_no_formula() {
        answers(&[
            (
                "It costs $15.00 and the tip is $5.00. The total is $29.00.",
                Some("29.00"),
            ),
            (
                "From $200,000 less $130,000, the profit is **$70,000**.",
                Some("70,000"),
            ),
            ("At $2 each, 9 eggs bring in $18.", Some("18")),
            ("That is $900 / 20 = $45", Some("45")),
            ("He lost money: -$5", Some("-$5")),
            (
                "So $<<6/4=1.5>>1.5 * 8 = $<<1.5*8=12>>12.\nA: 12",
                Some("12"),
            ),
            ("It costs $5 and $x = 3$", Some("x = 3")),
            ("The answer is $18 per day.", Some("18")),
            ("The answer is \\$18.", Some("\\$18")),
            ("so $5$ and $7$ are left", Some("5, 7")),
            ("we get $15 \\text{ minutes}$", Some("15 \\text{ minutes}")),
            ("it is $2x+1$", Some("2x+1")),
            ("it is $ 3 $", Some(" 3 ".trim())),
        ]);
    }

    #[test]
    fn what_is_stated_as_final_overrules_a_box_before_it() {
        answers(&[
            (
                "Step 1 gives \\boxed{6}. Step 2 adds 1.\n\nFinal answer: 7",
                Some("7"),
            ),
            (
                "\\boxed{6}\nFinal Answer: The final answer is $7$. I hope it is correct.",
                Some("7"),
            ),
            ("\\boxed{A}\n**Final answer:** B", Some("B")),
            ("Final answer: 6? No: \\boxed{7}", Some("7")),
            (
                "\\boxed{7}. I checked that the final answer is correct.",
                Some("7"),
            ),
            (
                "\\boxed{7}\n\nThe final answer is the number of ways to take 3 people.",
                Some("7"),
            ),
            (
                "\\boxed{7}. The answer is boxed in \\boxed{} above.",
                Some("7"),
            ),
            ("(boxed{7})", Some("7")),
            ("\u{8}oxed{7}", Some("7")),
        ]);
    }

    #[test]
    fn answers_are_announced_in_many_ways() {
        answers(&[
            ("**Answer: 18**", Some("18")),
            ("**Answer**: 18", Some("18")),
            ("### Final Answer\n\n18 apples", Some("18 apples")),
            ("Answer: B", Some("B")),
            ("The correct answer is (B).", Some("(B)")),
            ("The answer is **18**.", Some("18")),
            (
                "Final Answer: The final answer is $7$. I hope it is correct.",
                Some("7"),
            ),
            ("{\"steps\": [3, 4], \"answer\": 7}", Some("7")),
            (
                "```json\n{\"reasoning\": \"$3 and $4\", \"answer\": \"$7\"\n}\n```",
                Some("$7"),
            ),
            (r#"{"answer": "\\frac{1}{2}"}"#, Some(r"\frac{1}{2}")),
            (
                r#"{"answer": "\frac{1}{2}", "sure": 1}"#,
                Some(r"\frac{1}{2}"),
            ),
            (r#"{"answer": [1, 2], "sure": 1}"#, Some("[1, 2]")),
            (
                "The answer is 18. I hope this answer is helpful.",
                Some("18"),
            ),
            ("The answer is yes.", Some("yes")),
            ("To get the final answer, add 3 and 4 to get 7.", Some("7")),
            ("The answer is 5, where n is 2.", Some("5")),
            ("It leaves at 3:45 PM.", Some("3:45 PM")),
            ("It is 1,250.50 or 1/2?", Some("1/2")),
            ("They raised about 1.5 million dollars", Some("1.5 million")),
        ]);
    }
}
