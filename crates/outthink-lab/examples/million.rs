//! A million samples through a whole study of mock models, stored, analysed and reported: how long, in how much memory.
//!
//!     cargo run --release -p outthink-lab --example million -- STORE [PROBLEMS] [LATENCY_MS] [APPETITE]
//!
//! STORE is a new SQLite file or an empty PostgreSQL database; a problem has 256 samples. With a latency and a small
//! target_in_flight it is a study that waits for its models: start several on one database to see them share it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example prints, and may fail by panicking"
)]

#[path = "../tests/mock/mod.rs"]
mod mock;

use std::time::{Duration, Instant};

use futures::executor::block_on;
use outthink_lab::{Analysis, Caps, Maths, Published, Report, Shard, Status, Store, run};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().unwrap();
    let mut number = |default: usize| {
        arguments
            .next()
            .map_or(default, |number| number.parse().unwrap())
    };
    let (problems, latency, target_in_flight) = (number(3_907), number(0), number(4096));
    let latency = Duration::from_millis(latency as u64);
    let bench = mock::bench_of(
        problems,
        latency,
        target_in_flight,
        "[4, 16, 64, 256]",
        mock::POOLS,
        None,
    );
    let mut store = Store::open(&place).unwrap();
    store.put_study(&bench.study).unwrap();
    let start = Instant::now();
    let watch = &mut |_: &Status| {};
    let (study, models) = (&bench.study, &bench.models);
    let ran = run(
        study,
        models,
        store,
        Shard::WHOLE,
        Caps::default(),
        &Maths,
        watch,
    );
    let (mut store, _, status) = block_on(ran).unwrap();
    println!(
        "{} units done here, {:.2} s, peak memory {}",
        status.done,
        start.elapsed().as_secs_f64(),
        peak()
    );
    if !latency.is_zero() {
        return;
    }
    let start = Instant::now();
    let analysis = Analysis::of(bench.study.clone(), &mut store).unwrap();
    let html = Report::new(&analysis, &Published::load().unwrap()).html();
    println!(
        "analysed and reported {} samples in {:.2} s ({} bytes of HTML), peak memory {}",
        problems * 256,
        start.elapsed().as_secs_f64(),
        html.len(),
        peak()
    );
}

/// The most memory that this process has had, as Linux tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".into(), |kilobytes| kilobytes.trim().to_owned())
}
