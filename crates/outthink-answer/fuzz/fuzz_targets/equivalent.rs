//! Two answers, either of which may be the gold one: no panic, the same verdict twice, and the same from both sides
//! where both are expressions, whose equality knows no gold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outthink_answer::{Answer, Conventions, Value, equivalent};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Some((a, b)) = text.split_once('\n') else {
        return;
    };
    let (a, b) = (Answer::parse(a), Answer::parse(b));
    let verdict = equivalent(&a, &b);
    assert_eq!(verdict, equivalent(&a, &b));
    let symmetric = |answer: &Answer| matches!(&answer.readings[..], [Value::Expr(_) | Value::Matrix(_)]);
    if symmetric(&a) && symmetric(&b) {
        // These conventions ask which side is the gold one.
        let conventions = Conventions {
            long_decimal: false,
            decimal_comma: false,
            constant_of_integration: false,
            ..Conventions::default()
        };
        assert_eq!(
            conventions.equivalent(&a, &b).equal,
            conventions.equivalent(&b, &a).equal
        );
    }
});
