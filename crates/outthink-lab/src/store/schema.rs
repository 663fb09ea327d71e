//! The tables, and how those of an earlier version become today's.

use super::database::Database;
use super::{Store, StoreError, shown};
use crate::study::Study;

/// Version of the schema that this program writes; those before it are brought up to it, those after it refused.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// What makes of each version the next, the first of an empty database; one text for both databases, for SQLite takes
/// PostgreSQL's type names. What has been released is never changed: another version is another step.
const STEPS: [&str; 4] = [
    "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE study (name TEXT PRIMARY KEY, spec TEXT NOT NULL);
CREATE TABLE cell (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, config TEXT NOT NULL);
CREATE TABLE problem (
    key BIGINT PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL, gold TEXT NOT NULL, level BIGINT, subject TEXT);
CREATE TABLE unit (
    id BIGINT PRIMARY KEY, cell TEXT NOT NULL, problem BIGINT NOT NULL, seed BIGINT NOT NULL, source BIGINT,
    state TEXT NOT NULL, worker TEXT, expires DOUBLE PRECISION, error TEXT, seconds DOUBLE PRECISION,
    policy_usage TEXT, verifier_usage TEXT, spent TEXT, grader TEXT, tree BYTEA);
CREATE TABLE member (
    study TEXT NOT NULL, position BIGINT NOT NULL, problem_number BIGINT NOT NULL, unit BIGINT NOT NULL,
    PRIMARY KEY (study, position));
CREATE TABLE sample (
    unit BIGINT NOT NULL, idx BIGINT NOT NULL, seed BIGINT, draws BIGINT NOT NULL, steps TEXT NOT NULL,
    tokens BIGINT NOT NULL, token_ids BYTEA, stop TEXT NOT NULL, logprob DOUBLE PRECISION NOT NULL,
    answer TEXT, class BIGINT, correct BIGINT NOT NULL, PRIMARY KEY (unit, idx));
CREATE TABLE reward (
    unit BIGINT NOT NULL, idx BIGINT NOT NULL, rewards TEXT NOT NULL, PRIMARY KEY (unit, idx));
CREATE TABLE journal (
    unit BIGINT NOT NULL, key BIGINT NOT NULL, reply TEXT NOT NULL, PRIMARY KEY (unit, key));
CREATE INDEX unit_cell ON unit (cell);
CREATE INDEX unit_open ON unit (state, id);
",
    // Stores of version 1 may have it: it came without a version of its own.
    "
CREATE TABLE IF NOT EXISTS choice (
    unit BIGINT PRIMARY KEY, candidate TEXT NOT NULL, reason TEXT NOT NULL, confidence DOUBLE PRECISION, answer TEXT,
    agreement DOUBLE PRECISION, correct BIGINT NOT NULL, samples BIGINT NOT NULL, solutions BIGINT NOT NULL, work TEXT NOT NULL);
",
    "
CREATE TABLE token_stats (
    unit BIGINT NOT NULL, idx BIGINT NOT NULL, stats BYTEA NOT NULL, PRIMARY KEY (unit, idx));
",
    // What another program's file says of its samples; -1 is the tree of a unit, with the labels of its nodes.
    "
CREATE TABLE told (
    unit BIGINT NOT NULL, idx BIGINT NOT NULL, run TEXT, labels TEXT, correct BIGINT, PRIMARY KEY (unit, idx));
",
];

/// The tables that every version has.
const TABLES: [&str; 9] = [
    "meta", "study", "cell", "problem", "unit", "member", "sample", "reward", "journal",
];

/// What a database holds.
pub(super) enum Held {
    /// No tables.
    Nothing,
    /// A store of a version.
    Store(i64),
    /// Something else, with these tables.
    Foreign(Vec<String>),
}

/// Looks, and changes nothing.
pub(super) fn held(database: &mut dyn Database) -> Result<Held, StoreError> {
    let tables = database.tables()?;
    if tables.is_empty() {
        return Ok(Held::Nothing);
    }
    if !TABLES.iter().all(|own| tables.iter().any(|has| has == own)) {
        return Ok(Held::Foreign(tables));
    }
    // Tables were once made, and noted, in two transactions.
    let mut version = "1".to_owned();
    database.query(
        "SELECT value FROM meta WHERE name = 'schema'",
        &[],
        &mut |row| {
            version = row.text(0)?;
            Ok(())
        },
    )?;
    match version.parse() {
        Ok(version) if version > 0 => Ok(Held::Store(version)),
        _ => Err(StoreError::Schema {
            found: version,
            known: VERSION,
        }),
    }
}

impl Store {
    /// Makes the tables, or brings them up to this version, all or nothing.
    pub(super) fn migrate(&mut self) -> Result<(), StoreError> {
        self.transaction(|store| {
            // Workers that start together would trip over each other's tables.
            store.database.script(store.database.guard())?;
            // Another one may have come first.
            let from = match held(store.database.as_mut())? {
                Held::Nothing => 0,
                Held::Store(version) => version,
                Held::Foreign(tables) => return Err(StoreError::foreign(&store.place, &tables)),
            };
            for step in STEPS.iter().skip(from as usize) {
                store.database.script(step)?;
            }
            if from < VERSION {
                store.hide_passwords()?;
                store.database.execute(
                    "INSERT INTO meta (name, value) VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    &[VERSION.to_string().into()],
                )?;
            }
            Ok(())
        })
    }

    /// Studies were once noted with the whole address of their store.
    fn hide_passwords(&mut self) -> Result<(), StoreError> {
        for (name, spec) in self.specs()? {
            let study: Study = serde_json::from_str(&spec).map_err(StoreError::json("a study"))?;
            let store = study.recipe.store.as_deref();
            if store.is_none_or(|store| shown(store) == store) {
                continue;
            }
            // It is written without its password.
            let spec = serde_json::to_string(&study).map_err(StoreError::json("a study"))?;
            self.database.execute(
                "UPDATE study SET spec = $1 WHERE name = $2",
                &[spec.into(), name.into()],
            )?;
        }
        Ok(())
    }
}
