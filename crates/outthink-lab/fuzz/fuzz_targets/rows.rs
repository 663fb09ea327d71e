//! Any bytes are a file of problems, whatever its name ends with: it is read or refused, and what is read can be told apart.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use outthink_lab::{Columns, Golds, read_dataset_from, samples_of};

// The parquet crate panics on some damaged files, which the lab catches; libFuzzer's own hook would end the process before that.
// A panic that nobody catches still does.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    for name in ["a.jsonl", "a.csv", "a"] {
        for golds in [Golds::Needed, Golds::IfAny] {
            if let Ok(set) = read_dataset_from(name, bytes, &Columns::default(), golds) {
                let ids: HashSet<&str> = set.problems.iter().map(|problem| problem.id.as_str()).collect();
                assert!(!ids.is_empty());
                assert_eq!(ids.len(), set.problems.len());
            }
        }
        let named = Columns {
            problem: Some("a.b".into()),
            answer: Some("c".into()),
            id: Some("d".into()),
        };
        let _ = read_dataset_from(name, bytes, &named, Golds::Needed);
    }
    let _ = samples_of("a", bytes.to_vec());
});
