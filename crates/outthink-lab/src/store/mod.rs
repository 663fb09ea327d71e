//! The run store: every sample and reward written once, in SQLite or PostgreSQL, with one schema.
//!
//! A unit of work is one search, one pool of whole solutions, or one scoring of a pool, for one problem and one seed. Its
//! id is a hash of what it is, so that a study, a restart and another machine all mean the same unit. Workers lease
//! units; a lease that is not renewed runs out, and what a dead worker had drawn so far is in the journal.

mod claim;
mod database;
mod postgres;
mod read;
mod sqlite;
mod write;

pub use claim::{Claim, Shard};
pub use database::{StoreError, TextRow};
pub use read::{Count, Sample, Took, UnitRow};
pub(crate) use write::Write;
pub use write::{Choice, Drawn, Finished};

use database::{Database, Value};

use crate::study::{Problem, Study};

/// Version of the schema; a store of another version is refused.
const SCHEMA_VERSION: i64 = 1;

/// One text for both databases: SQLite takes PostgreSQL's type names.
const SCHEMA: &str = "
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
CREATE TABLE IF NOT EXISTS choice (
    unit BIGINT PRIMARY KEY, candidate TEXT NOT NULL, reason TEXT NOT NULL, confidence DOUBLE PRECISION, answer TEXT,
    agreement DOUBLE PRECISION, correct BIGINT NOT NULL, samples BIGINT NOT NULL, solutions BIGINT NOT NULL, work TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS journal (
    unit BIGINT NOT NULL, key BIGINT NOT NULL, reply TEXT NOT NULL, PRIMARY KEY (unit, key));
CREATE INDEX IF NOT EXISTS unit_cell ON unit (cell);
CREATE INDEX IF NOT EXISTS unit_open ON unit (state, id);
";

/// A run store.
pub struct Store {
    database: Box<dyn Database>,
    worker: String,
    lease: f64,
}

impl Store {
    /// Seconds until the lease of a worker that has gone silent runs out.
    pub const LEASE: f64 = 60.0;

    /// Opens a store, and makes it if it is not there: a path is SQLite, `postgres://…` is PostgreSQL.
    pub fn open(place: &str) -> Result<Self, StoreError> {
        Self::connect(place, true)
    }

    /// Opens a store that is there.
    pub fn existing(place: &str) -> Result<Self, StoreError> {
        Self::connect(place, false)
    }

    fn connect(place: &str, make: bool) -> Result<Self, StoreError> {
        let mut database: Box<dyn Database> = if is_url(place) {
            Box::new(postgres::Postgres::connect(place)?)
        } else {
            Box::new(sqlite::Sqlite::open(place.as_ref(), make)?)
        };
        database.begin()?;
        // Workers that start together would trip over each other's CREATE TABLE.
        database.script(database.guard())?;
        database.script(SCHEMA)?;
        database.commit()?;
        database.execute(
            "INSERT INTO meta (name, value) VALUES ('schema', $1) ON CONFLICT DO NOTHING",
            &[SCHEMA_VERSION.to_string().into()],
        )?;
        let mut found = String::new();
        database.query(
            "SELECT value FROM meta WHERE name = 'schema'",
            &[],
            &mut |row| {
                found = row.text(0)?;
                Ok(())
            },
        )?;
        if found != SCHEMA_VERSION.to_string() {
            return Err(StoreError::Schema {
                found,
                known: SCHEMA_VERSION,
            });
        }
        Ok(Self {
            database,
            worker: String::new(),
            lease: Self::LEASE,
        })
    }

    /// The same store with leases of another length, in seconds.
    pub fn with_lease(mut self, seconds: f64) -> Self {
        self.lease = seconds;
        self
    }

    /// Notes a study with its problems and its units of work, in the order in which they are to be done. What another
    /// study or an earlier run has done is not done again. A study is replaced by one of the same name.
    pub fn put_study(&mut self, study: &Study) -> Result<(), StoreError> {
        let spec = serde_json::to_string(study).map_err(StoreError::json("a study"))?;
        let mut same = false;
        self.database.query(
            "SELECT count(*) FROM study WHERE name = $1 AND spec = $2",
            &[study.name.as_str().into(), spec.as_str().into()],
            &mut |row| {
                same = row.int(0)? > 0;
                Ok(())
            },
        )?;
        if same {
            return Ok(());
        }
        self.database.begin()?;
        let problems = study.problems.iter().map(|problem| {
            vec![
                problem.key().into(),
                problem.id.as_str().into(),
                problem.text.as_str().into(),
                problem.gold.as_str().into(),
                problem.level.into(),
                problem.subject.as_deref().into(),
            ]
        });
        let columns = "key, id, text, gold, level, subject";
        database::insert(self.database.as_mut(), "problem", columns, problems)?;
        let cells = study.cells.iter().map(|cell| {
            vec![
                cell.hash().into(),
                cell.config().kind().into(),
                cell.json().into(),
            ]
        });
        database::insert(self.database.as_mut(), "cell", "hash, kind, config", cells)?;
        let units = study.units();
        let rows = units.iter().map(|unit| {
            vec![
                unit.id.into(),
                unit.cell.as_str().into(),
                unit.problem.into(),
                (unit.seed as i64).into(),
                unit.source.into(),
                "open".into(),
            ]
        });
        let columns = "id, cell, problem, seed, source, state";
        database::insert(self.database.as_mut(), "unit", columns, rows)?;
        self.database.execute(
            "DELETE FROM member WHERE study = $1",
            &[study.name.as_str().into()],
        )?;
        let members = units.iter().zip(0i64..).map(|(unit, position)| {
            vec![
                study.name.as_str().into(),
                position.into(),
                (unit.number as i64).into(),
                unit.id.into(),
            ]
        });
        let columns = "study, position, problem_number, unit";
        database::insert(self.database.as_mut(), "member", columns, members)?;
        self.database.execute(
            "INSERT INTO study (name, spec) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET spec = excluded.spec",
            &[study.name.as_str().into(), spec.into()],
        )?;
        self.database.commit()
    }

    /// A study by name; without a name, the only one that there is.
    pub fn study(&mut self, name: Option<&str>) -> Result<Study, StoreError> {
        let mut studies: Vec<(String, String)> = Vec::new();
        self.database.query(
            "SELECT name, spec FROM study ORDER BY name",
            &[],
            &mut |row| {
                studies.push((row.text(0)?, row.text(1)?));
                Ok(())
            },
        )?;
        let names: Vec<String> = studies.iter().map(|(name, _)| name.clone()).collect();
        let mut wanted = studies
            .into_iter()
            .filter(|(own, _)| name.is_none_or(|name| name == own));
        match (wanted.next(), wanted.next()) {
            (Some((_, spec)), None) => {
                serde_json::from_str(&spec).map_err(StoreError::json("a study"))
            }
            _ => Err(StoreError::NoStudy {
                name: name.map(str::to_owned),
                known: names.join(", "),
            }),
        }
    }

    /// A question in SQL, answered with the names of the columns and rows of text. It cannot change anything.
    pub fn ask(&mut self, sql: &str, row: &mut TextRow<'_>) -> Result<(), StoreError> {
        self.database.ask(sql, row)
    }

    /// Finds a problem of the store.
    fn problem(&mut self, key: i64) -> Result<Problem, StoreError> {
        let mut found = None;
        self.database.query(
            "SELECT id, text, gold, level, subject FROM problem WHERE key = $1",
            &[key.into()],
            &mut |row| {
                found = Some(Problem {
                    id: row.text(0)?,
                    text: row.text(1)?,
                    gold: row.text(2)?,
                    level: row.maybe_int(3)?,
                    subject: row.maybe_text(4)?,
                });
                Ok(())
            },
        )?;
        found.ok_or_else(|| StoreError::Malformed("a unit without its problem".into()))
    }
}

/// Is it the address of a database server?
pub fn is_url(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://")
}
