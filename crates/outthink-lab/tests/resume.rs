//! Workers that are killed, and workers that share a store. Each worker is a process of its own: this test binary, run
//! again with a store in its environment.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail by panicking, and says what it skips"
)]

mod mock;

use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::executor::block_on;
use mock::{Place, bench};
use outthink_lab::{Caps, Maths, Shard, Status, Store, Study, run};

const PLACE: &str = "OUTTHINK_TEST_WORKER";
const PROBLEMS: usize = 24;
const LATENCY: Duration = Duration::from_millis(4);
/// Draws that a worker has in flight, about.
const APPETITE: usize = 48;
/// Seconds until a silent worker's lease runs out.
const LEASE: f64 = 1.0;

/// Not a test: what a worker's process does.
#[test]
fn worker() {
    let Ok(place) = std::env::var(PLACE) else {
        return;
    };
    let bench = bench(PROBLEMS, LATENCY, APPETITE).with_strategy();
    let mut store = Store::open(&place).unwrap().with_lease(LEASE);
    store.put_study(&bench.study).unwrap();
    let watch = &mut |_: &Status| {};
    let (study, models) = (&bench.study, &bench.models);
    block_on(run(
        study,
        models,
        store,
        Shard::WHOLE,
        Caps::default(),
        &Maths,
        watch,
    ))
    .unwrap();
    println!("draws {}", bench.draws.load(Ordering::Relaxed));
}

fn start(place: &Place) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["worker", "--exact", "--nocapture"])
        .env(PLACE, place.name())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What must be the same however a study was run: everything but times and what models report of their caches.
fn contents(study: &Study, store: &mut Store) -> Vec<String> {
    let units = store.units(study).unwrap();
    let choices = store.choices(study).unwrap();
    let strategic = units.iter().filter(|unit| {
        let cell = study.cells.iter().find(|cell| cell.hash() == unit.cell);
        unit.state == "done" && study.strategy_of(cell.unwrap()).is_some()
    });
    assert_eq!(strategic.count(), choices.len());
    units
        .iter()
        .map(|unit| {
            let samples = store.samples(unit.id).unwrap();
            let rewards = store.rewards(unit.id).unwrap();
            let tree = store.tree(unit.id).unwrap();
            let spent = unit
                .took
                .as_ref()
                .map(|took| (&took.spent, took.policy, took.verifier));
            let choice = choices.get(&unit.id);
            format!(
                "{} {} {samples:?} {rewards:?} {tree:?} {spent:?} {choice:?}",
                unit.id, unit.state
            )
        })
        .collect()
}

fn same(found: &[String], expected: &[String]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
}

fn undisturbed() -> (Vec<String>, u64) {
    let place = Place::sqlite();
    let bench = bench(PROBLEMS, Duration::ZERO, APPETITE).with_strategy();
    let mut store = Store::open(&place.name()).unwrap();
    store.put_study(&bench.study).unwrap();
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
    let (mut store, ..) = block_on(ran).unwrap();
    (
        contents(study, &mut store),
        bench.draws.load(Ordering::Relaxed),
    )
}

#[test]
fn twenty_kills_lose_nothing_and_double_nothing() {
    let (expected, _) = undisturbed();
    for place in Place::all() {
        for kill in 0..20 {
            let mut worker = start(&place);
            // Sooner and later, so that all states are hit.
            std::thread::sleep(Duration::from_millis(40 + 17 * kill));
            // SIGKILL.
            worker.kill().unwrap();
            worker.wait().unwrap();
        }
        let last = start(&place).wait_with_output().unwrap();
        assert!(last.status.success());
        let study = bench(PROBLEMS, LATENCY, APPETITE).with_strategy().study;
        let mut store = Store::existing(&place.name()).unwrap();
        same(&contents(&study, &mut store), &expected);
        let mut left = None;
        let journal = "SELECT count(*) FROM journal";
        store
            .ask(journal, &mut |_, row| left.clone_from(&row[0]))
            .unwrap();
        assert_eq!(left.as_deref(), Some("0"));
    }
}

#[test]
fn four_workers_share_a_study_and_outlive_a_fifth() {
    let (expected, draws) = undisturbed();
    for place in Place::all() {
        let mut doomed = start(&place);
        std::thread::sleep(Duration::from_millis(150));
        let workers: Vec<Child> = (0..4).map(|_| start(&place)).collect();
        doomed.kill().unwrap();
        doomed.wait().unwrap();
        let mut drawn = 0;
        for worker in workers {
            let output = worker.wait_with_output().unwrap();
            assert!(output.status.success());
            let told = String::from_utf8(output.stdout).unwrap();
            let draws = told
                .lines()
                .find_map(|line| line.split_once("draws "))
                .unwrap()
                .1;
            drawn += draws.parse::<u64>().unwrap();
        }
        let study = bench(PROBLEMS, LATENCY, APPETITE).with_strategy().study;
        let mut store = Store::existing(&place.name()).unwrap();
        same(&contents(&study, &mut store), &expected);
        // Nobody did another's work: together no more than one alone, with what the dead one had begun.
        assert!(drawn <= draws, "{drawn} for {draws}");
    }
}
