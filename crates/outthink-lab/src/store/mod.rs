//! The run store: every sample and reward written once, in SQLite or PostgreSQL, with one schema.
//!
//! A unit of work is one search, one pool of whole solutions, or one scoring of a pool, for one problem and one seed. Its
//! id is a hash of what it is, so that a study, a restart and another machine all mean the same unit. Workers lease
//! units; a lease that is not renewed runs out, and what a dead worker had drawn so far is in the journal.

mod claim;
mod database;
pub(crate) mod place;
mod postgres;
mod read;
mod schema;
mod sqlite;
mod write;

use crate::study::{Problem, Study};
pub use claim::{Claim, Shard};
use database::{Database, Value};
pub use database::{StoreError, TextRow};
pub use place::{is_url, shown};
pub use read::{Count, Sample, Took, UnitRow};
use schema::Held;
pub(crate) use write::Write;
pub use write::{Choice, Drawn, FinishedUnit, Told};

/// A run store.
pub struct Store {
    database: Box<dyn Database>,
    /// Where it is, as it may be shown.
    place: String,
    worker: String,
    lease: f64,
    /// The first unit of a part of a study that may be open; those before it are done.
    front: Option<(String, Shard, i64)>,
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// To write, and to make it if it is not there.
    Make,
    /// To write.
    Write,
    /// To read: nothing changes, and whoever may only read can.
    Read,
}

impl Store {
    /// Seconds until the lease of a worker that has gone silent runs out.
    pub const LEASE: f64 = 60.0;

    /// The longest lease, in seconds: one that ends later was dated by a clock that was wrong.
    pub const LONGEST_LEASE: f64 = 86_400.0;

    /// Opens a store to write, and makes it if it is not there: a path is SQLite, `postgres://…` is PostgreSQL. A store of an
    /// earlier version of this program is brought up to this one's.
    pub fn open(place: &str) -> Result<Self, StoreError> {
        Self::connect(place, Access::Make)
    }

    /// Opens a store that is there, to write.
    pub fn existing(place: &str) -> Result<Self, StoreError> {
        Self::connect(place, Access::Write)
    }

    /// Opens a store that is there, to read: nothing is changed, nothing can be, and no right to write is needed.
    pub fn read(place: &str) -> Result<Self, StoreError> {
        Self::connect(place, Access::Read)
    }

    fn connect(place: &str, access: Access) -> Result<Self, StoreError> {
        place::check(place)?;
        let database: Box<dyn Database> = if is_url(place) {
            Box::new(postgres::Postgres::connect(place, access)?)
        } else {
            Box::new(sqlite::Sqlite::open(place.as_ref(), access)?)
        };
        let mut store = Self {
            database,
            place: shown(place),
            worker: String::new(),
            lease: Self::LEASE,
            front: None,
        };
        // What is not ours is refused before anything is written.
        match schema::held(store.database.as_mut())? {
            Held::Foreign(tables) => return Err(StoreError::foreign(&store.place, &tables)),
            Held::Store(version) if version > schema::VERSION => {
                return Err(StoreError::Schema {
                    found: version.to_string(),
                    known: schema::VERSION,
                });
            }
            Held::Nothing if access != Access::Make => {
                return Err(StoreError::Missing { place: store.place });
            }
            _ if access == Access::Read => {}
            Held::Store(schema::VERSION) => store.database.prepare_to_write()?,
            Held::Nothing | Held::Store(_) => {
                store.database.prepare_to_write()?;
                store.migrate()?;
            }
        }
        Ok(store)
    }

    /// Does all or, if it fails, nothing.
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.begin()?;
        let done = work(self).and_then(|done| self.database.commit().map(|()| done));
        if done.is_err() {
            // The first error says what is wrong.
            let _ = self.database.rollback();
        }
        done
    }

    /// The same store with leases of another length, in seconds; at most [`Store::LONGEST_LEASE`].
    pub fn with_lease(mut self, seconds: f64) -> Self {
        self.lease = seconds.min(Self::LONGEST_LEASE);
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
        match same {
            true => Ok(()),
            false => self.transaction(|store| store.note(study, spec, None)),
        }
    }

    /// Notes a study of samples that are there already, and no units but these.
    pub(crate) fn put_imported(
        &mut self,
        study: &Study,
        units: &std::collections::HashSet<i64>,
    ) -> Result<(), StoreError> {
        let spec = serde_json::to_string(study).map_err(StoreError::json("a study"))?;
        self.transaction(|store| store.note(study, spec, Some(units)))
    }

    /// What would be seen of the store if a study was noted; nothing is.
    pub fn rehearse<T>(
        &mut self,
        study: &Study,
        look: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let spec = serde_json::to_string(study).map_err(StoreError::json("a study"))?;
        self.database.begin()?;
        let seen = self.note(study, spec, None).and_then(|()| look(self));
        self.database.rollback()?;
        seen
    }

    fn note(
        &mut self,
        study: &Study,
        spec: String,
        only: Option<&std::collections::HashSet<i64>>,
    ) -> Result<(), StoreError> {
        self.front = None;
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
        let mut units = study.units();
        if let Some(only) = only {
            units.retain(|unit| only.contains(&unit.id));
        }
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
        Ok(())
    }

    /// A study by name; without a name, the only one that there is.
    pub fn study(&mut self, name: Option<&str>) -> Result<Study, StoreError> {
        let studies = self.specs()?;
        let names: Vec<String> = studies.iter().map(|(name, _)| name.clone()).collect();
        let mut wanted = studies
            .into_iter()
            .filter(|(own, _)| name.is_none_or(|name| name == own));
        match (wanted.next(), wanted.next()) {
            (Some((_, spec)), None) => {
                let mut study: Study =
                    serde_json::from_str(&spec).map_err(StoreError::json("a study"))?;
                // Earlier versions noted passwords with it.
                study.recipe.store = study.recipe.store.as_deref().map(shown);
                study.check().map_err(StoreError::Malformed)?;
                Ok(study)
            }
            _ => Err(StoreError::NoStudy {
                name: name.map(str::to_owned),
                known: names.join(", "),
            }),
        }
    }

    /// The studies by name, as they are noted.
    fn specs(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        let mut studies = Vec::new();
        self.database.query(
            "SELECT name, spec FROM study ORDER BY name",
            &[],
            &mut |row| {
                studies.push((row.text(0)?, row.text(1)?));
                Ok(())
            },
        )?;
        Ok(studies)
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
