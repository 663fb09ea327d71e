//! Any bytes are a response and an answer: nothing panics, and an answer equals itself unless it is empty.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outthink_answer::{Answer, AnswerGroups, Mode, equivalent, extract};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Some(found) = extract(&text) {
        assert!(!found.text.trim().is_empty());
    }
    let answer = Answer::parse(&text);
    assert_eq!(equivalent(&answer, &answer).equal, !answer.is_empty());
    let mut groups = AnswerGroups::new();
    assert_eq!(groups.insert(&text), (!answer.is_empty()).then_some(0));
    for mode in Mode::ALL {
        mode.equivalent(&text, &mode.extract(&text).unwrap_or_default());
    }
});
