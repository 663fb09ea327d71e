//! What the store needs of a database; all SQL is written once, with `$1, $2, …` in order of appearance.

/// Why the store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite's own words.
    #[error("SQLite store {place}")]
    Sqlite {
        /// The file.
        place: String,
        /// What it says.
        source: rusqlite::Error,
    },
    /// Neither a file nor a server.
    #[error(
        "{0} is no place of a store: a file, or postgres://USER:PASSWORD@HOST/DATABASE (in a password, @ is %40, / is %2F, # is %23)"
    )]
    Place(String),
    /// A database of something else.
    #[error(
        "{place} is no store of outthink: it has {tables}; name another {}", match super::is_url(place) { true => "database", false => "file" }
    )]
    Foreign {
        /// Where.
        place: String,
        /// What is there.
        tables: String,
    },
    /// A file that SQLite cannot read.
    #[error("{place} is not a store: it is no SQLite file")]
    NoDatabase {
        /// The file.
        place: String,
    },
    /// A store that is not there.
    #[error("there is no store {place}; `outthink study` makes one")]
    Missing {
        /// The file.
        place: String,
    },
    /// PostgreSQL's own words.
    #[error("PostgreSQL store")]
    Postgres {
        /// What it says.
        #[from]
        source: postgres::Error,
    },
    /// Encryption without anything to check the server by.
    #[error(
        "sslmode=require needs certificates to check the server by, and this system has none; name a file in SSL_CERT_FILE"
    )]
    NoCertificates,
    /// The slots of workers cannot be claimed.
    #[error("cannot lock {place}")]
    Lock {
        /// The lock file.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// A later version's store.
    #[error(
        "the store has schema {found}, and this program knows those up to {known}; use the program that wrote it, or a newer one"
    )]
    Schema {
        /// In the store.
        found: String,
        /// In this program.
        known: i64,
    },
    /// A question that would change something.
    #[error("`outthink sql` only reads; nothing in a store can be changed with it")]
    ReadsOnly,
    /// Several statements.
    #[error("ask one question at a time: there is another statement after the first")]
    OneQuestion,
    /// No such study, or several and none named.
    #[error("{}; the store holds: {known}", match name { Some(name) => format!("there is no study `{name}`"), None => "name a study".into() })]
    NoStudy {
        /// What was asked for.
        name: Option<String>,
        /// What there is.
        known: String,
    },
    /// JSON that cannot be written or read.
    #[error("the store's record of {what} cannot be read")]
    Json {
        /// Of what.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A row that this program cannot have written.
    #[error("the store holds {0}")]
    Malformed(String),
}

impl StoreError {
    pub(super) fn foreign(place: &str, tables: &[String]) -> Self {
        /// Names that are shown.
        const FEW: usize = 3;
        let names = tables.iter().take(FEW).map(|name| format!("`{name}`"));
        let names: Vec<String> = names.collect();
        let more = if tables.len() > FEW { ", …" } else { "" };
        Self::Foreign {
            place: place.to_owned(),
            tables: format!("the tables {}{more}", names.join(", ")),
        }
    }

    pub(crate) fn json(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { what, source }
    }
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer.
pub(crate) struct Row(pub(crate) Vec<Value>);

impl Row {
    fn wrong<T>(&self, column: usize, wanted: &str) -> Result<T, StoreError> {
        Err(StoreError::Malformed(format!(
            "{:?} in column {column} where {wanted} is expected",
            self.0.get(column)
        )))
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(*value),
            _ => self.wrong(column, "a whole number"),
        }
    }

    pub(crate) fn maybe_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    /// A number of things, or a place in a row of them.
    pub(crate) fn count(&self, column: usize) -> Result<usize, StoreError> {
        match self.int(column)?.try_into() {
            Ok(count) => Ok(count),
            Err(_) => self.wrong(column, "a number from 0"),
        }
    }

    pub(crate) fn maybe_count(&self, column: usize) -> Result<Option<usize>, StoreError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.count(column).map(Some),
        }
    }

    pub(crate) fn real(&self, column: usize) -> Result<f64, StoreError> {
        match self.0.get(column) {
            Some(Value::Real(value)) => Ok(*value),
            Some(Value::Int(value)) => Ok(*value as f64),
            _ => self.wrong(column, "a number"),
        }
    }

    pub(crate) fn maybe_real(&self, column: usize) -> Result<Option<f64>, StoreError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.real(column).map(Some),
        }
    }

    pub(crate) fn text(&self, column: usize) -> Result<String, StoreError> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(value.clone()),
            _ => self.wrong(column, "a text"),
        }
    }

    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.text(column).map(Some),
        }
    }

    pub(crate) fn maybe_blob(&self, column: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            Some(Value::Blob(value)) => Ok(Some(value)),
            _ => self.wrong(column, "bytes"),
        }
    }
}

/// Takes the names of the columns and a row as text; nothing for NULL.
pub type TextRow<'a> = dyn FnMut(&[String], Vec<Option<String>>) + 'a;

/// A database: SQLite or PostgreSQL.
pub(crate) trait Database: Send {
    /// Runs statements without parameters.
    fn script(&mut self, sql: &str) -> Result<(), StoreError>;

    /// Runs one statement; how many rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError>;

    /// Runs one statement and hands on the rows one by one.
    fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        row: &mut dyn FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Begins a transaction that will write.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Ends the transaction for good.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Ends the transaction as if it had not been.
    fn rollback(&mut self) -> Result<(), StoreError>;

    /// The names of the tables and views that there are.
    fn tables(&mut self) -> Result<Vec<String>, StoreError>;

    /// Makes ready to write.
    fn prepare_to_write(&mut self) -> Result<(), StoreError>;

    /// A question of a user's, which may change nothing.
    fn ask(&mut self, sql: &str, row: &mut TextRow<'_>) -> Result<(), StoreError>;

    /// The database's clock, in seconds since 1970, as an SQL expression.
    fn now(&self) -> &'static str;

    /// What keeps two workers from waiting for each other's rows, as an SQL clause.
    fn skip_locked(&self) -> &'static str;

    /// What lets one worker at a time make the tables, as SQL.
    fn guard(&self) -> &'static str;

    /// A number for this worker that no living worker of the store has, and that is free again when this one dies.
    fn slot(&mut self) -> Result<u64, StoreError>;
}

/// Adds rows, many a statement; rows whose key is there already are left as they are.
pub(crate) fn insert(
    database: &mut dyn Database,
    table: &str,
    columns: &str,
    rows: impl Iterator<Item = Vec<Value>>,
) -> Result<(), StoreError> {
    /// Rows a statement: few enough for the limits on parameters, and two shapes of statement in all.
    const MANY: usize = 64;
    let width = columns.split(',').count();
    let statement = |count: usize| {
        let mut number = 0;
        let mut tuple = || {
            let places: Vec<String> = (0..width)
                .map(|_| {
                    number += 1;
                    format!("${number}")
                })
                .collect();
            format!("({})", places.join(", "))
        };
        let tuples: Vec<String> = (0..count).map(|_| tuple()).collect();
        let tuples = tuples.join(", ");
        format!("INSERT INTO {table} ({columns}) VALUES {tuples} ON CONFLICT DO NOTHING")
    };
    let (many, one) = (statement(MANY), statement(1));
    let mut waiting: Vec<Value> = Vec::new();
    for row in rows {
        waiting.extend(row);
        if waiting.len() == MANY * width {
            database.execute(&many, &waiting)?;
            waiting.clear();
        }
    }
    for row in waiting.chunks(width) {
        database.execute(&one, row)?;
    }
    Ok(())
}
