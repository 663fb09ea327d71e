//! Identities that hold for whatever numbers and variables are put in, and near misses that never do.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use outthink_answer::{Answer, AnswerGroups, equivalent, extract};
use proptest::prelude::*;

fn same(gold: &str, prediction: &str) -> bool {
    equivalent(&Answer::parse(gold), &Answer::parse(prediction)).equal
}

/// Nested powers make arguments of a sine that are too large to know; those comparisons say so.
fn same_or_undecided(gold: &str, prediction: &str) -> bool {
    let verdict = equivalent(&Answer::parse(gold), &Answer::parse(prediction));
    verdict.equal || verdict.rule == "undecided"
}

/// A random expression in x and y, in LaTeX.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (1i64..40).prop_map(|n| n.to_string()),
        Just("x".to_owned()),
        Just("y".to_owned()),
        Just(r"\pi".to_owned()),
        (2i64..20).prop_map(|n| format!(r"\sqrt{{{n}}}")),
        (1i64..9, 2i64..9).prop_map(|(a, b)| format!(r"\frac{{{a}}}{{{b}}}")),
    ];
    leaf.prop_recursive(4, 20, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}+{b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}-{b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!(r"{a} \cdot {b}")),
            (inner.clone(), 2u8..4).prop_map(|(a, n)| format!("({a})^{{{n}}}")),
            inner.prop_map(|a| format!(r"\sin({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn pieces_of_answers_in_any_order_are_read(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "5", " cm", "km/h", r"\frac", r"\frac{\text{km}}", "{", "}", "(", ")", r"\text{no}", " per ", "^", "_", "…", ", ",
            r"\begin{cases}", r"\\", "&", r"\end{cases}", "=", r"\implies", "No. ", "th", ".", ":30", " PM", "½", "²", "\u{305}", "#",
            "x_1", "+C", r"\dot", "(3)", r"\textcolor", "$", "June ", "seven", "-", r"\circ", "%", r"\left\{", r"\overset",
        ]), 0..8),
    ) {
        let text = pieces.concat();
        let answer = Answer::parse(&text);
        prop_assert_eq!(equivalent(&answer, &answer).equal, !answer.is_empty());
        if let Some(found) = extract(&text) {
            prop_assert!(!Answer::parse(&found.text).is_empty());
        }
    }

    #[test]
    fn any_text_is_an_answer_equal_to_itself_unless_it_is_empty(text in any::<String>()) {
        let answer = Answer::parse(&text);
        prop_assert_eq!(equivalent(&answer, &answer).equal, !answer.is_empty());
        let found = extract(&text);
        prop_assert!(found.is_none_or(|found| !found.text.trim().is_empty()));
    }

    #[test]
    fn latex_soup_never_panics(parts in prop::collection::vec(prop::sample::select(vec![
        r"\frac", "{", "}", "(", ")", "[", "]", r"\{", r"\}", ",", "1", "23", "x", "^", "_", r"\sqrt", "|", "=", "<", r"\cup", r"\pm",
        r"\begin{pmatrix}", r"\end{pmatrix}", "&", r"\\", "!", "%", r"\text{", "and", r"\sum", r"\left", r"\boxed{", "$", ".", "-", ":",
    ]), 0..30)) {
        let text = parts.concat();
        let answer = Answer::parse(&text);
        prop_assert_eq!(equivalent(&answer, &answer).equal, !answer.is_empty());
        extract(&text);
        for mode in outthink_answer::Mode::ALL {
            mode.equivalent(&text, "1");
        }
    }

    #[test]
    fn algebra_changes_the_looks_alone(a in expression(), b in expression(), c in expression()) {
        let sum = same_or_undecided(&format!("{a}+{b}"), &format!("{b}+{a}"));
        prop_assert!(sum, "{a} | {b}");
        let product = same_or_undecided(&format!("({a})({b}+{c})"), &format!("({c})({a}) + ({a})({b})"));
        prop_assert!(product, "{a} | {b} | {c}");
        let square = same_or_undecided(&format!("({a}-{b})^2"), &format!("({a})^2 - 2({a})({b}) + ({b})^2"));
        prop_assert!(square, "{a} | {b}");
    }

    #[test]
    fn something_added_is_something_else(a in expression(), n in 1i64..1000, d in 1i64..1000) {
        let more = format!(r"{a} + \frac{{{n}}}{{{d}}}");
        prop_assert!(!same(&a, &more), "{more}");
    }

    #[test]
    fn rationals_are_their_lowest_terms(n in -10_000i64..10_000, d in 1i64..10_000, k in 1i64..100) {
        let unreduced = format!(r"\frac{{{}}}{{{}}}", n * k, d * k);
        let slash = format!("{n}/{d}");
        prop_assert!(same(&unreduced, &slash));
        let off = format!("{}/{}", n + 1, d);
        prop_assert!(!same(&unreduced, &off));
    }

    #[test]
    fn sets_have_no_order_and_tuples_do(mut items in prop::collection::hash_set(-50i64..50, 2..8).prop_map(Vec::from_iter)) {
        let write = |items: &[i64], open: &str, close: &str| {
            let items: Vec<String> = items.iter().map(i64::to_string).collect();
            format!("{open}{}{close}", items.join(", "))
        };
        let (set, tuple) = (write(&items, r"\{", r"\}"), write(&items, "(", ")"));
        items.reverse();
        let reversed = write(&items, r"\{", r"\}");
        prop_assert!(same(&set, &reversed));
        prop_assert!(!same(&tuple, &write(&items, "(", ")")));
        items.pop();
        let fewer = write(&items, r"\{", r"\}");
        prop_assert!(!same(&set, &fewer));
    }

    #[test]
    fn groups_do_not_depend_on_how_an_answer_is_written(values in prop::collection::vec(-5i64..5, 1..40)) {
        let mut groups = AnswerGroups::new();
        let mut first: Vec<i64> = Vec::new();
        for (i, value) in values.iter().enumerate() {
            let written = match i % 5 {
                0 => value.to_string(),
                1 => format!("{value}.0"),
                2 => format!(r"x = \frac{{{}}}{{2}}", 2 * value),
                3 => format!(r"{value} \text{{ cm}}"),
                _ => format!(r"{} - \sqrt{{16}}", value + 4),
            };
            let class = first.iter().position(|known| known == value).unwrap_or_else(|| {
                first.push(*value);
                first.len() - 1
            });
            prop_assert_eq!(groups.insert(&written), Some(class), "{}", written);
        }
    }
}
