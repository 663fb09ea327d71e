//! Any bytes are a file of samples: what is read of it goes into a store, is analysed, and comes out again.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use outthink_lab::{Analysis, Maths, Store, StoreError, export_jsonl, export_results, ImportOptions, import, samples_of};

/// In memory where there is such a folder.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
});

/// Files are made anew after so many imports.
const IMPORTS: usize = 200;

// The parquet crate panics on some damaged files, which the lab catches; libFuzzer's own hook would end the process before that.
// A panic that nobody catches still does.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let file = |kind: &str| FOLDER.join(format!("outthink-fuzz-{}.{kind}", std::process::id()));
    let Ok(samples) = samples_of("a", bytes.to_vec()) else { return };
    let store = file("sqlite");
    if DONE.fetch_add(1, Ordering::Relaxed).is_multiple_of(IMPORTS) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", store.display()));
        }
    }
    let Ok(mut store) = Store::open(&store.display().to_string()) else {
        return;
    };
    let options = ImportOptions::new("fuzz", &Maths);
    let Ok(imported) = import(samples, &options, Some(&mut store)) else {
        return;
    };
    let study = imported.study;
    assert_eq!(store.study(Some("fuzz")).ok().as_ref(), Some(&study));
    let mut out = Vec::new();
    let exported = export_jsonl(&study, &mut store, &mut out);
    assert!(exported.is_ok(), "{exported:?}");
    let results = export_results(&study, &mut store, &mut |_| Ok::<(), StoreError>(()));
    assert!(results.is_ok(), "{results:?}");
    let again = samples_of("a", out);
    assert!(again.is_ok(), "{:?}", again.err());
    let analysis = Analysis::of(study, &mut store);
    assert!(analysis.is_ok());
});
