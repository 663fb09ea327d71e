//! SQLite: one file, any number of processes on one machine.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::database::{Database, Row, StoreError, TextRow, Value};

pub(super) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// The lock of this worker's slot, free when the process ends however it ends.
    slot: Option<File>,
}

impl Sqlite {
    pub(super) fn open(path: &Path, make: bool) -> Result<Self, StoreError> {
        if !make && !path.exists() {
            return Err(StoreError::Missing {
                place: path.display().to_string(),
            });
        }
        let told = |source| StoreError::Sqlite {
            place: path.display().to_string(),
            source,
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = Connection::open_with_flags(path, flags).map_err(told)?;
        connection
            .busy_timeout(Duration::from_secs(60))
            .map_err(told)?;
        // What is committed outlives a killed process; a power cut may cost the last moments, never the file.
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
            .map_err(told)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            slot: None,
        })
    }

    fn told(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let place = self.path.display().to_string();
        move |source| StoreError::Sqlite {
            place: place.clone(),
            source,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

impl Database for Sqlite {
    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(self.told())
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let told = self.told();
        let mut statement = self.connection.prepare_cached(sql).map_err(&told)?;
        let changed = statement.execute(params_from_iter(values)).map_err(&told)?;
        Ok(changed as u64)
    }

    fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        row: &mut dyn FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let told = self.told();
        let mut statement = self.connection.prepare_cached(sql).map_err(&told)?;
        let width = statement.column_count();
        let mut rows = statement.query(params_from_iter(values)).map_err(&told)?;
        while let Some(found) = rows.next().map_err(&told)? {
            let mut values = Vec::with_capacity(width);
            for column in 0..width {
                values.push(match found.get_ref(column).map_err(&told)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(value) => Value::Int(value),
                    ValueRef::Real(value) => Value::Real(value),
                    ValueRef::Text(value) => {
                        Value::Text(String::from_utf8_lossy(value).into_owned())
                    }
                    ValueRef::Blob(value) => Value::Blob(value.to_vec()),
                });
            }
            row(&Row(values))?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.script("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.script("COMMIT")
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.script("ROLLBACK")
    }

    fn ask(&mut self, sql: &str, row: &mut TextRow<'_>) -> Result<(), StoreError> {
        self.script("PRAGMA query_only = ON")?;
        let told = self.told();
        let mut statement = self.connection.prepare(sql).map_err(&told)?;
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).map_err(&told)?;
        while let Some(found) = rows.next().map_err(&told)? {
            let mut values = Vec::with_capacity(names.len());
            for column in 0..names.len() {
                values.push(match found.get_ref(column).map_err(&told)? {
                    ValueRef::Null => None,
                    ValueRef::Integer(value) => Some(value.to_string()),
                    ValueRef::Real(value) => Some(value.to_string()),
                    ValueRef::Text(value) => Some(String::from_utf8_lossy(value).into_owned()),
                    ValueRef::Blob(value) => Some(format!("{} bytes", value.len())),
                });
            }
            row(&names, values);
        }
        Ok(())
    }

    fn now(&self) -> &'static str {
        "((julianday('now') - 2440587.5) * 86400.0)"
    }

    fn skip_locked(&self) -> &'static str {
        // A transaction that will write has the whole file to itself.
        ""
    }

    fn guard(&self) -> &'static str {
        ""
    }

    fn slot(&mut self) -> Result<u64, StoreError> {
        let mut slot = 0;
        loop {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".worker-{slot}"));
            let file = File::create(&name).map_err(|source| StoreError::Lock {
                place: name.to_string_lossy().into_owned(),
                source,
            })?;
            if file.try_lock().is_ok() {
                self.slot = Some(file);
                return Ok(slot);
            }
            slot += 1;
        }
    }
}
