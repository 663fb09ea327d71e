//! Verdicts that tests expect.

use outthink_answer::{Answer, equivalent};

/// (gold, predictions that are right, predictions that are wrong)
pub(crate) type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

pub(crate) fn check(cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for &(gold, same, different) in cases {
        let all = same
            .iter()
            .map(|p| (p, true))
            .chain(different.iter().map(|p| (p, false)));
        for (prediction, expected) in all {
            let verdict = equivalent(&Answer::parse(gold), &Answer::parse(prediction));
            if verdict.equal != expected {
                wrong.push(format!(
                    "`{gold}` <- `{prediction}` should be {expected}: {} ({})",
                    verdict.rule, verdict.reason
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
