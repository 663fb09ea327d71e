//! What a store is opened on: stores of earlier versions, what is no store, and what may only be read.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail by panicking, and says what it skips"
)]

mod mock;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use mock::{Bench, Place, bench};
use outthink_core::{Domain, ModelError, Problem};
use outthink_lab::store::Sample;
use outthink_lab::{
    Analysis, Caps, Estimate, Maths, Published, Report, Shard, Status, Store, StoreError, Study,
    export_jsonl, old_verdicts, regrade, run,
};
use rusqlite::Connection;

fn go(bench: &Bench, store: Store, answers: &dyn Domain) -> (Store, Status) {
    let (study, models) = (&bench.study, &bench.models);
    let watch = &mut |_: &Status| {};
    let ran = run(
        study,
        models,
        store,
        Shard::WHOLE,
        Caps::default(),
        answers,
        watch,
    );
    let (store, _, status) = block_on(ran).unwrap();
    (store, status)
}

/// A place with a study that is done.
fn done(bench: &Bench, place: &Place) {
    let mut store = Store::open(&place.name()).unwrap();
    store.put_study(&bench.study).unwrap();
    go(bench, store, &Maths);
}

type Held = (
    String,
    Vec<Sample>,
    Vec<(usize, Vec<f64>)>,
    Option<outthink_core::Tree>,
);

fn contents(study: &Study, store: &mut Store) -> Vec<Held> {
    let units = store.units(study).unwrap();
    let held = units.into_iter().map(|unit| {
        let samples = store.samples(unit.id).unwrap();
        let rewards = store.rewards(unit.id).unwrap();
        (unit.state, samples, rewards, store.tree(unit.id).unwrap())
    });
    held.collect()
}

fn asked(store: &mut Store, sql: &str) -> Result<Vec<String>, StoreError> {
    let mut rows = Vec::new();
    store.ask(sql, &mut |_, row| {
        let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
        rows.push(cells.join(" "));
    })?;
    Ok(rows)
}

/// Statements on the database itself, whoever may not.
fn script(place: &Place, sql: &str) {
    match place {
        Place::File(file) => Connection::open(file).unwrap().execute_batch(sql).unwrap(),
        Place::Database(url) => {
            let mut client = postgres::Client::connect(url, postgres::NoTls).unwrap();
            client.batch_execute(sql).unwrap();
        }
    }
}

/// The file's folder: names and contents.
fn folder(file: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// A study as the first version of the program noted it, with a password in its store's address.
fn first_spec(study: &Study) -> String {
    let mut spec = serde_json::to_value(study).unwrap();
    for role in ["policies", "verifiers"] {
        for model in spec[role].as_array_mut().unwrap() {
            let fields = model.as_object_mut().unwrap();
            fields.remove("oracle");
            fields.insert("active_parameters".into(), 250.into());
        }
    }
    spec["recipe"]["store"] = "postgres://u:hunter2@h/db".into();
    spec["recipe"].as_object_mut().unwrap().remove("strategies");
    spec.to_string()
}

/// The tables of the first version (commit 84bfc33), as they were made then.
const FIRST: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS study (name TEXT PRIMARY KEY, spec TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cell (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS problem (
    key BIGINT PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL, gold TEXT NOT NULL, level BIGINT, subject TEXT);
CREATE TABLE IF NOT EXISTS unit (
    id BIGINT PRIMARY KEY, cell TEXT NOT NULL, problem BIGINT NOT NULL, seed BIGINT NOT NULL, source BIGINT,
    state TEXT NOT NULL, worker TEXT, expires DOUBLE PRECISION, error TEXT, seconds DOUBLE PRECISION,
    policy_usage TEXT, verifier_usage TEXT, spent TEXT, grader TEXT, tree BYTEA);
CREATE TABLE IF NOT EXISTS member (
    study TEXT NOT NULL, position BIGINT NOT NULL, problem_number BIGINT NOT NULL, unit BIGINT NOT NULL,
    PRIMARY KEY (study, position));
CREATE TABLE IF NOT EXISTS sample (
    unit BIGINT NOT NULL, idx BIGINT NOT NULL, seed BIGINT, draws BIGINT NOT NULL, steps TEXT NOT NULL,
    tokens BIGINT NOT NULL, token_ids BYTEA, stop TEXT NOT NULL, logprob DOUBLE PRECISION NOT NULL,
    answer TEXT, class BIGINT, correct BIGINT NOT NULL, PRIMARY KEY (unit, idx));
CREATE TABLE IF NOT EXISTS reward (
    unit BIGINT NOT NULL, idx BIGINT NOT NULL, rewards TEXT NOT NULL, PRIMARY KEY (unit, idx));
CREATE TABLE IF NOT EXISTS journal (
    unit BIGINT NOT NULL, key BIGINT NOT NULL, reply TEXT NOT NULL, PRIMARY KEY (unit, key));
CREATE INDEX IF NOT EXISTS unit_cell ON unit (cell);
CREATE INDEX IF NOT EXISTS unit_open ON unit (state, id);
INSERT INTO meta (name, value) VALUES ('schema', '1');
";

/// What came to the first version without another number (commit 4c423f1).
const CHOICE: &str = "
CREATE TABLE IF NOT EXISTS choice (
    unit BIGINT PRIMARY KEY, candidate TEXT NOT NULL, reason TEXT NOT NULL, confidence DOUBLE PRECISION, answer TEXT,
    agreement DOUBLE PRECISION, correct BIGINT NOT NULL, samples BIGINT NOT NULL, solutions BIGINT NOT NULL, work TEXT NOT NULL);
";

/// What version 3 added (commit 0d9e51c and after).
const STATS: &str = "
CREATE TABLE IF NOT EXISTS token_stats (
    unit BIGINT NOT NULL, idx BIGINT NOT NULL, stats BYTEA NOT NULL, PRIMARY KEY (unit, idx));
";

/// A store of an earlier version with all that another one holds, token statistics apart.
fn earlier(version: u8, with_choices: bool, bench: &Bench, of: &Place) -> Place {
    let old = Place::like(of);
    script(&old, FIRST);
    if with_choices {
        script(&old, CHOICE);
    }
    let spec = first_spec(&bench.study).replace('\'', "''");
    let name = &bench.study.name;
    match (of, &old) {
        (Place::File(from), Place::File(_)) => {
            let tables = ["cell", "problem", "unit", "member", "sample", "reward"];
            let copies =
                tables.map(|table| format!("INSERT INTO {table} SELECT * FROM new.{table};"));
            let attach = format!("ATTACH '{}' AS new;", from.display());
            script(&old, &format!("{attach}{}", copies.concat()));
        }
        // Two databases of a server know nothing of each other: the study is run before its tables are taken back.
        _ => {
            script(
                &old,
                "DROP TABLE meta, study, cell, problem, unit, member, sample, reward, journal CASCADE",
            );
            script(&old, "DROP TABLE IF EXISTS choice, token_stats, told");
            done(bench, &old);
            script(&old, "UPDATE meta SET value = '1'; DELETE FROM study");
            if !with_choices {
                script(&old, "DROP TABLE choice");
            }
            script(&old, "DROP TABLE token_stats, told");
        }
    }
    if version >= 3 {
        script(&old, STATS);
    }
    script(
        &old,
        &format!("INSERT INTO study (name, spec) VALUES ('{name}', '{spec}')"),
    );
    script(
        &old,
        &format!("UPDATE meta SET value = '{version}' WHERE name = 'schema'"),
    );
    old
}

#[test]
fn a_store_of_every_earlier_version_is_read_as_it_is_and_goes_on() {
    let bench = bench(5, Duration::ZERO, 64);
    for place in Place::all() {
        done(&bench, &place);
        let expected = contents(&bench.study, &mut Store::read(&place.name()).unwrap());
        for (version, with_choices) in [(1, false), (1, true), (2, true), (3, true)] {
            let old = earlier(version, with_choices, &bench, &place);
            let before = match &old {
                Place::File(file) => folder(file),
                Place::Database(_) => Vec::new(),
            };
            let mut store = Store::read(&old.name()).unwrap();
            let study = store.study(None).unwrap();
            assert_eq!(study.recipe.store.as_deref(), Some("postgres://u:***@h/db"));
            assert_eq!(study.policies[0].cost.unwrap().active, Some(250));
            assert!(!study.verifiers[0].oracle);
            assert!(contents(&study, &mut store) == expected);
            let analysis = Analysis::of(study, &mut store).unwrap();
            assert!(analysis.entries.iter().all(|entry| entry.problems == 5));
            drop(store);
            if let Place::File(file) = &old {
                assert!(folder(file) == before);
            }
            // What is written becomes today's version, and nothing is drawn anew; a strategy finds its table.
            let bench = mock::bench(5, Duration::ZERO, 64).with_strategy();
            let mut store = Store::open(&old.name()).unwrap();
            let version = asked(&mut store, "SELECT value FROM meta WHERE name = 'schema'");
            assert_eq!(version.unwrap(), ["4"]);
            let told = asked(&mut store, "SELECT spec FROM study").unwrap();
            assert!(!told.iter().any(|spec| spec.contains("hunter2")));
            store.put_study(&bench.study).unwrap();
            let open = store.count("mock").unwrap().open;
            let (mut store, status) = go(&bench, store, &Maths);
            assert_eq!((status.done, status.count.failed), (open, 0));
            assert_eq!(store.choices(&bench.study).unwrap().len(), open);
        }
    }
}

#[test]
fn what_is_no_store_or_a_later_ones_is_refused_untouched() {
    for place in Place::all() {
        let refuse = |told: &str| {
            let before = match &place {
                Place::File(file) => folder(file),
                Place::Database(_) => Vec::new(),
            };
            for open in [Store::read, Store::existing, Store::open] {
                let refused = open(&place.name()).err().map(|error| error.to_string());
                assert!(
                    refused.as_ref().is_some_and(|said| said.contains(told)),
                    "{refused:?}"
                );
            }
            if let Place::File(file) = &place {
                assert!(folder(file) == before);
            }
        };
        script(&place, "CREATE TABLE places (name TEXT)");
        refuse("the tables `places`");
        // Others have a `meta` too.
        script(&place, "CREATE TABLE meta (key TEXT)");
        refuse("the tables `meta`, `places`");
        script(&place, "DROP TABLE places; DROP TABLE meta");
        drop(Store::open(&place.name()).unwrap());
        script(&place, "UPDATE meta SET value = '99'");
        refuse("the store has schema 99, and this program knows those up to 4");
        script(&place, "UPDATE meta SET value = 'two'");
        refuse("the store has schema two");
    }
    let place = Place::sqlite();
    let Place::File(file) = &place else { return };
    for read in [Store::read, Store::existing] {
        assert!(matches!(
            read(&place.name()),
            Err(StoreError::Missing { .. })
        ));
        assert!(!file.exists());
    }
    std::fs::write(file, "").unwrap();
    assert!(matches!(
        Store::read(&place.name()),
        Err(StoreError::Missing { .. })
    ));
    std::fs::write(file, "dear diary, ".repeat(100)).unwrap();
    for open in [Store::read, Store::existing, Store::open] {
        assert!(open(&place.name()).is_err());
    }
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        "dear diary, ".repeat(100)
    );
}

/// All that reads: what a report, an export and a plan need.
fn read_all(place: &Place) -> Result<usize, Box<dyn std::error::Error>> {
    let mut store = Store::read(&place.name())?;
    let study = store.study(None)?;
    let mut lines = Vec::new();
    let count = export_jsonl(&study, &mut store, &mut lines)?;
    Estimate::of(&study, &mut store, 64)?;
    outthink_lab::tuning::Evidence::of(&study, &mut store, "policy")?;
    for unit in store.units(&study)? {
        store.samples(unit.id)?;
        if let Some(tree) = store.tree(unit.id)? {
            assert!(tree.solutions().len() <= tree.nodes().len());
        }
    }
    let analysis = Analysis::of(study, &mut store)?;
    let report = Report::new(&analysis, &Published::load()?);
    Ok(count + report.html().len() + report.markdown().len())
}

#[test]
fn reading_changes_nothing_and_needs_no_right_to_write() {
    for place in Place::all() {
        let bench = bench(4, Duration::ZERO, 64).with_strategy();
        done(&bench, &place);
        let mut store = Store::read(&place.name()).unwrap();
        assert!(
            store
                .put_study(&mock::bench(3, Duration::ZERO, 64).study)
                .is_err()
        );
        assert!(
            store.enlist().and_then(|()| store.renew()).is_err()
                || place.name().contains("postgres")
        );
        drop(store);
        match &place {
            Place::File(file) => {
                let before = folder(file);
                assert_eq!(before.len(), 1, "{before:?}");
                read_all(&place).unwrap();
                assert!(folder(file) == before);
                let parent = file.parent().unwrap();
                let writable = |yes: bool| {
                    for path in [parent, file] {
                        let mut permissions = path.metadata().unwrap().permissions();
                        use std::os::unix::fs::PermissionsExt;
                        let mode = permissions.mode();
                        permissions.set_mode(if yes { mode | 0o200 } else { mode & !0o222 });
                        std::fs::set_permissions(path, permissions).unwrap();
                    }
                };
                writable(false);
                if std::fs::write(parent.join("probe"), "").is_ok() {
                    println!("whoever runs this test may write what is read-only");
                    std::fs::remove_file(parent.join("probe")).unwrap();
                }
                let read = read_all(&place);
                writable(true);
                read.unwrap();
                assert!(folder(file) == before);
            }
            Place::Database(url) => {
                script(
                    &place,
                    "DROP ROLE IF EXISTS outthink_reader; CREATE ROLE outthink_reader LOGIN;
                     GRANT SELECT ON ALL TABLES IN SCHEMA public TO outthink_reader",
                );
                let reader = url.replace("outthink@", "outthink_reader@");
                read_all(&Place::Database(reader)).unwrap();
                script(
                    &place,
                    "DROP OWNED BY outthink_reader; DROP ROLE outthink_reader",
                );
            }
        }
    }
}

#[test]
fn a_question_can_read_and_nothing_else() {
    const EITHER: [&str; 8] = [
        "DELETE FROM sample",
        "UPDATE unit SET state = 'open'",
        "INSERT INTO meta (name, value) VALUES ('a', 'b')",
        "DROP TABLE sample",
        "CREATE TABLE more (name TEXT)",
        "CREATE TEMP TABLE more (name TEXT)",
        "SELECT 1; DELETE FROM sample",
        "BEGIN; DELETE FROM sample; COMMIT",
    ];
    const SQLITE: [&str; 9] = [
        "ATTACH 'made.sqlite' AS made",
        "VACUUM INTO 'made.sqlite'",
        "VACUUM",
        "REINDEX",
        "ANALYZE",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 7",
        "WITH old AS (SELECT 1) DELETE FROM sample",
    ];
    const POSTGRES: [&str; 8] = [
        "BEGIN READ WRITE; DELETE FROM sample; COMMIT",
        "COMMIT; DELETE FROM sample",
        "COMMIT",
        "SET default_transaction_read_only = off",
        "WITH gone AS (DELETE FROM sample RETURNING unit) SELECT * FROM gone",
        "DO $$ BEGIN DELETE FROM sample; END $$",
        "COPY sample TO PROGRAM 'touch made'",
        "SELECT set_config('transaction_read_only', 'off', false)",
    ];
    for place in Place::all() {
        let bench = bench(2, Duration::ZERO, 64);
        done(&bench, &place);
        let expected = contents(&bench.study, &mut Store::read(&place.name()).unwrap());
        let own: &[&str] = match &place {
            Place::File(_) => &SQLITE,
            Place::Database(_) => &POSTGRES,
        };
        // However the store was opened.
        for open in [Store::read, Store::open] {
            let mut store = open(&place.name()).unwrap();
            for sql in EITHER.iter().chain(own) {
                assert!(asked(&mut store, sql).is_err(), "{sql}");
            }
            for (sql, answer) in [
                ("SELECT count(*) FROM problem", vec!["2"]),
                ("SELECT count(*) FROM problem; -- that is all", vec!["2"]),
                (
                    "WITH few AS (SELECT 7 AS n) SELECT n, n + 1 FROM few;",
                    vec!["7 8"],
                ),
                ("VALUES (1), (2)", vec!["1", "2"]),
                ("SELECT id FROM problem WHERE id = 'none'", vec![]),
            ] {
                assert_eq!(asked(&mut store, sql).unwrap(), answer, "{sql}");
            }
            assert!(contents(&bench.study, &mut store) == expected);
        }
        assert!(!Path::new("made.sqlite").exists());
    }
}

#[test]
fn rows_that_do_not_fit_are_errors_and_never_panics() {
    let bench = bench(2, Duration::ZERO, 64).with_strategy();
    let whole = Place::sqlite();
    done(&bench, &whole);
    assert!(read_all(&whole).unwrap() > 1000);
    let Place::File(from) = &whole else { return };
    let spec = serde_json::to_string(&bench.study).unwrap();
    let other = |from: &str, to: &str| {
        assert!(spec.contains(from), "{from}");
        format!(
            "UPDATE study SET spec = '{}'",
            spec.replace(from, to).replace('\'', "''")
        )
    };
    let mut changes = vec![
        other(r#""policy":0"#, r#""policy":9"#),
        other(r#""verifier":0"#, r#""verifier":9"#),
        other(r#""verifier":0"#, r#""verifier":null"#),
        other(r#"[["verifier",0]]"#, r#"[["verifier",9]]"#),
        other(r#""id":"problem-1""#, r#""id":"problem-7""#),
        "UPDATE study SET spec = '{}'".into(),
        "UPDATE study SET spec = 'not JSON'".into(),
        "DELETE FROM sample".into(),
        "DELETE FROM sample WHERE idx = 0".into(),
        "DELETE FROM reward".into(),
        "DELETE FROM choice".into(),
        "DELETE FROM problem".into(),
        "UPDATE reward SET rewards = '[]'".into(),
        "UPDATE reward SET rewards = '[1e300, -5, 0.5, 0.5, 0.5, 0.5]'".into(),
        "UPDATE reward SET rewards = '[null]'".into(),
        "UPDATE sample SET steps = '[]'".into(),
        "UPDATE unit SET spent = '{\"draws\":18446744073709551615,\"policy\":{\"generated\":0,\"shared\":[]},\"verifier\":{\"generated\":0,\"shared\":[]}}'".into(),
        "UPDATE unit SET spent = '{\"draws\":0,\"policy\":{\"generated\":9,\"shared\":[[18446744073709551615,9,9]]},\"verifier\":{\"generated\":0,\"shared\":[]}}'".into(),
        "UPDATE unit SET tree = x'00ff00ff'".into(),
        "UPDATE sample SET token_ids = x'ffffffffff'".into(),
        "UPDATE unit SET cell = 'none'".into(),
        "UPDATE unit SET state = 'done'; DELETE FROM choice".into(),
    ];
    for (table, columns) in [
        ("member", &["problem_number", "unit", "position"][..]),
        (
            "unit",
            &[
                "seed",
                "problem",
                "source",
                "seconds",
                "state",
                "spent",
                "policy_usage",
            ],
        ),
        (
            "sample",
            &[
                "draws", "tokens", "class", "correct", "stop", "logprob", "steps", "answer",
            ],
        ),
        ("reward", &["idx", "rewards"]),
        (
            "choice",
            &["samples", "solutions", "work", "agreement", "candidate"],
        ),
    ] {
        for column in columns {
            for value in ["-1", "9223372036854775807", "'x'"] {
                // One row, for keys are one of a kind.
                changes.push(format!(
                    "UPDATE OR IGNORE {table} SET {column} = {value} WHERE rowid = (SELECT max(rowid) FROM {table})"
                ));
                changes.push(format!("UPDATE OR IGNORE {table} SET {column} = {value}"));
            }
        }
    }
    for change in changes {
        let place = Place::sqlite();
        let Place::File(file) = &place else { return };
        std::fs::copy(from, file).unwrap();
        script(&place, &change);
        let read = std::panic::catch_unwind(|| read_all(&place).map_err(|error| error.to_string()));
        assert!(read.is_ok(), "{change}");
    }
}

#[test]
fn a_worker_follows_no_link_and_leaves_nothing_behind() {
    let place = Place::sqlite();
    let Place::File(file) = &place else { return };
    let mut store = Store::open(&place.name()).unwrap();
    let victim = file.with_file_name("victim");
    std::fs::write(&victim, "precious").unwrap();
    let link = file.with_file_name("store.sqlite.worker-0");
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    let refused = store.enlist().err().map(|error| error.to_string());
    assert!(refused.is_some_and(|told| told.contains("worker-0")));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    std::fs::remove_file(&link).unwrap();
    let mut second = Store::open(&place.name()).unwrap();
    store.enlist().unwrap();
    second.enlist().unwrap();
    assert!(file.with_file_name("store.sqlite.worker-1").exists());
    drop(store);
    // The number is free again, and nobody has it twice.
    let mut third = Store::open(&place.name()).unwrap();
    third.enlist().unwrap();
    assert!(link.exists());
    drop((second, third));
    let left = folder(file).into_iter().map(|(path, _)| path);
    let left: Vec<PathBuf> = left.collect();
    assert_eq!(left, [file.clone(), victim]);
}

#[test]
fn a_lease_that_a_wrong_clock_dated_far_ahead_is_not_waited_for() {
    let place = Place::sqlite();
    let bench = bench(1, Duration::ZERO, 64);
    let mut store = Store::open(&place.name()).unwrap();
    store.put_study(&bench.study).unwrap();
    let lease = |seconds: f64| {
        let now = "((julianday('now') - 2440587.5) * 86400.0)";
        script(
            &place,
            &format!("UPDATE unit SET worker = 'worker-7', expires = {now} + {seconds}"),
        );
    };
    lease(600.0);
    assert!(store.claim("mock", Shard::WHOLE, 1).unwrap().is_empty());
    lease(365.0 * 86_400.0);
    assert_eq!(store.claim("mock", Shard::WHOLE, 1).unwrap().len(), 1);
}

/// Finds nothing right.
struct Severe;

impl Domain for Severe {
    fn identity(&self) -> String {
        "severe 1".into()
    }

    fn extract(&self, problem: &Problem, solution: &str) -> Option<String> {
        Maths
            .extract(problem, solution)
            .map(|answer| format!("{answer}?"))
    }

    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        Maths.group(problem, answers)
    }

    fn grade<'a>(
        &'a self,
        _: &'a Problem,
        _: &'a str,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<bool>, ModelError>> {
        ready(Ok(vec![false; answers.len()])).boxed()
    }
}

#[test]
fn what_another_grader_judged_is_said_and_judged_anew_from_the_texts() {
    for place in Place::all() {
        let bench = bench(4, Duration::ZERO, 64);
        done(&bench, &place);
        let mut store = Store::read(&place.name()).unwrap();
        let expected = contents(&bench.study, &mut store);
        assert_eq!(old_verdicts(&bench.study, &mut store).unwrap(), None);
        drop(store);
        let other = Place::like(&place);
        let mut store = Store::open(&other.name()).unwrap();
        store.put_study(&bench.study).unwrap();
        let (mut store, _) = go(&bench, store, &Severe);
        let units = store.count("mock").unwrap().done;
        drop(store);
        script(&other, "UPDATE unit SET grader = 'outthink-answer 0.1.0'");
        let mut store = Store::existing(&other.name()).unwrap();
        let analysis = Analysis::of(bench.study.clone(), &mut store).unwrap();
        let told = analysis.old_verdicts.unwrap();
        assert!(
            told.contains(&format!("outthink-answer 0.1.0 ({units} units)")),
            "{told}"
        );
        let regraded = regrade(&bench.study, &mut store, &Maths).unwrap();
        assert_eq!(
            (regraded.units, regraded.wrong, regraded.failed),
            (units, 0, None)
        );
        assert!(regraded.right > 0);
        assert!(contents(&bench.study, &mut store) == expected);
        assert_eq!(old_verdicts(&bench.study, &mut store).unwrap(), None);
        // Once is enough.
        assert_eq!(regrade(&bench.study, &mut store, &Maths).unwrap().units, 0);
    }
}
