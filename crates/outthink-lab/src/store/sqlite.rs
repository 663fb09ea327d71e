//! SQLite: one file, any number of processes on one machine.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};

use super::Access;
use super::database::{Database, Row, StoreError, TextRow, Value};

pub(super) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    slot: Option<Slot>,
}

impl Sqlite {
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        let place = path.display().to_string();
        if access != Access::Make && !path.exists() {
            return Err(StoreError::Missing { place });
        }
        let opened = match access {
            Access::Make => {
                Connection::open_with_flags(path, WRITE | OpenFlags::SQLITE_OPEN_CREATE)
            }
            Access::Write => Connection::open_with_flags(path, WRITE),
            Access::Read => to_read(path),
        };
        let patient = opened.and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(60))?;
            Ok(connection)
        });
        let connection = patient.map_err(|source| failure(place, source))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            slot: None,
        })
    }

    fn told(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        let place = self.path.display().to_string();
        move |source| failure(place.clone(), source)
    }
}

fn failure(place: String, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::NoDatabase { place },
        _ => StoreError::Sqlite { place, source },
    }
}

/// To write, as far as the file may be written.
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE;

/// Opens a file to read. Where the folder may be written SQLite puts files of its own beside it for that time, and takes
/// them away; where it may not, the file is read as it is.
fn to_read(path: &Path) -> rusqlite::Result<Connection> {
    let unwritten = Path::new(&beside(path, "-wal")).metadata();
    let unwritten = unwritten.is_ok_and(|file| file.len() > 0);
    let open = || {
        let connection = Connection::open_with_flags(path, WRITE)?;
        if unwritten {
            // What a killed writer left behind is read, and left.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        }
        connection.execute_batch("PRAGMA query_only = ON; SELECT count(*) FROM sqlite_schema;")?;
        Ok(connection)
    };
    match open() {
        Err(rusqlite::Error::SqliteFailure(error, _))
            if !unwritten && matches!(error.code, ErrorCode::CannotOpen | ErrorCode::ReadOnly) =>
        {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(format!("file:{}?immutable=1", escaped(path)), flags)
        }
        opened => opened,
    }
}

/// A path as a URI has it.
fn escaped(path: &Path) -> String {
    let escape = |byte: &u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes.iter().map(escape).collect()
}

/// A file beside the store's.
fn beside(path: &Path, ending: &str) -> OsString {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name
}

/// A worker's number, as a locked file: it is free when the process ends, however it ends.
struct Slot {
    name: PathBuf,
    _file: File,
}

impl Slot {
    /// Takes a number; none if a living worker has it.
    fn take(name: PathBuf) -> std::io::Result<Option<Self>> {
        loop {
            // What a link points to is somebody else's.
            if name
                .symlink_metadata()
                .is_ok_and(|found| found.is_symlink())
            {
                return Err(std::io::Error::other("it is a symbolic link"));
            }
            let mut options = OpenOptions::new();
            let file = options
                .write(true)
                .create(true)
                .truncate(false)
                .open(&name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had the number may have taken the file away meanwhile.
            if is_at(&file, &name) {
                return Ok(Some(Self { name, _file: file }));
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // It is still locked. What stays is used again.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.name);
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, name: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same =
        |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let pair = file.metadata().ok().zip(name.symlink_metadata().ok());
    pair.is_some_and(|(a, b)| same(a, b))
}

/// Nothing is taken away here.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// What a question may do: read.
fn may(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Pragma {
            pragma_name,
            pragma_value: None,
        } if pragma_name.eq_ignore_ascii_case("table_list") => Authorization::Allow,
        AuthAction::Pragma { pragma_name, .. }
            if ["table_info", "table_xinfo", "index_list", "index_info"]
                .iter()
                .any(|own| pragma_name.eq_ignore_ascii_case(own)) =>
        {
            Authorization::Allow
        }
        _ => Authorization::Deny,
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

    fn tables(&mut self) -> Result<Vec<String>, StoreError> {
        let mut tables = Vec::new();
        self.query(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name",
            &[],
            &mut |row| {
                tables.push(row.text(0)?);
                Ok(())
            },
        )?;
        Ok(tables)
    }

    fn prepare_to_write(&mut self) -> Result<(), StoreError> {
        // What is committed outlives a killed process; a power cut may cost the last moments, never the file.
        self.script("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
    }

    fn ask(&mut self, sql: &str, row: &mut TextRow<'_>) -> Result<(), StoreError> {
        let told = self.told();
        self.connection.authorizer(Some(may)).map_err(&told)?;
        let asked = answer(&self.connection, sql, row);
        let nobody: Option<fn(AuthContext<'_>) -> Authorization> = None;
        self.connection.authorizer(nobody).map_err(&told)?;
        asked.map_err(|error| match error {
            rusqlite::Error::MultipleStatement => StoreError::OneQuestion,
            rusqlite::Error::SqliteFailure(failed, _)
                if failed.code == ErrorCode::AuthorizationForStatementDenied =>
            {
                StoreError::ReadsOnly
            }
            source => told(source),
        })
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
            let name = PathBuf::from(beside(&self.path, &format!(".worker-{slot}")));
            let place = name.display().to_string();
            let taken = Slot::take(name);
            if let Some(taken) = taken.map_err(|source| StoreError::Lock { place, source })? {
                self.slot = Some(taken);
                return Ok(slot);
            }
            slot += 1;
        }
    }
}

/// Rows of text to one statement.
fn answer(connection: &Connection, sql: &str, row: &mut TextRow<'_>) -> rusqlite::Result<()> {
    let mut statements = Batch::new(connection, sql);
    let Some(mut statement) = statements.next()? else {
        return Ok(());
    };
    if statements.next()?.is_some() {
        return Err(rusqlite::Error::MultipleStatement);
    }
    let names = statement.column_names();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    while let Some(found) = rows.next()? {
        let mut values = Vec::with_capacity(names.len());
        for column in 0..names.len() {
            values.push(match found.get_ref(column)? {
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
