//! PostgreSQL: any number of workers on any number of machines.

use std::sync::Arc;

use fallible_iterator::FallibleIterator;
use postgres::config::SslMode;
use postgres::error::SqlState;
use postgres::types::{IsNull, ToSql, Type, private::BytesMut};
use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Access;
use super::database::{Database, Row, StoreError, TextRow, Value};

/// The first key of this program's advisory locks; the second is the slot.
const LOCKS: i32 = 0x6f75_7474;

pub(super) struct Postgres {
    client: Client,
    statements: std::collections::HashMap<String, postgres::Statement>,
}

impl Postgres {
    /// `sslmode=require` encrypts and checks the server's certificate; without it nothing is encrypted.
    pub(super) fn connect(url: &str, access: Access) -> Result<Self, StoreError> {
        // Schemes are the same in capitals.
        let (scheme, rest) = url.split_at(url.find("://").unwrap_or_default());
        let config: Config = format!("{}{rest}", scheme.to_lowercase()).parse()?;
        let mut client = match config.get_ssl_mode() {
            SslMode::Require => config.connect(tls()?)?,
            _ => config.connect(NoTls)?,
        };
        client.batch_execute("SET client_min_messages = warning")?;
        if access == Access::Read {
            client.batch_execute("SET default_transaction_read_only = on")?;
        }
        Ok(Self {
            client,
            statements: std::collections::HashMap::new(),
        })
    }

    fn statement(&mut self, sql: &str) -> Result<postgres::Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// Trusts the system's certificates, or those of the file that SSL_CERT_FILE names.
fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    if roots.add_parsable_certificates(found.certs).0 == 0 {
        return Err(StoreError::NoCertificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| StoreError::NoCertificates)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql_checked(kind, out),
            Self::Real(value) => value.to_sql_checked(kind, out),
            // PostgreSQL's texts hold no zero byte; a model's may.
            Self::Text(value) if value.contains('\0') => {
                value.replace('\0', "\u{fffd}").to_sql_checked(kind, out)
            }
            Self::Text(value) => value.to_sql_checked(kind, out),
            Self::Blob(value) => value.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    postgres::types::to_sql_checked!();
}

fn value(row: &postgres::Row, column: usize) -> Result<Value, StoreError> {
    let kind = row.columns()[column].type_();
    Ok(match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(column)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(column)?.map(i64::from).into(),
        Type::FLOAT8 => row.try_get::<_, Option<f64>>(column)?.into(),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column)?.into(),
        _ => row.try_get::<_, Option<String>>(column)?.into(),
    })
}

impl Postgres {
    /// Rows of text to one question. A cursor is declared for one statement that reads, and for nothing else; it comes in a
    /// message that holds one, in a transaction that may not write and cannot be left in it.
    fn answer(&mut self, sql: &str, row: &mut TextRow<'_>) -> Result<(), StoreError> {
        self.script("BEGIN READ ONLY")?;
        let declared = format!("DECLARE question NO SCROLL CURSOR FOR {sql}");
        let refused = |error: postgres::Error| match error.code() {
            Some(code) if *code == SqlState::SYNTAX_ERROR => {
                let several = error
                    .as_db_error()
                    .is_some_and(|said| said.message().contains("multiple commands"));
                match several {
                    true => StoreError::OneQuestion,
                    false => error.into(),
                }
            }
            Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::ReadsOnly,
            _ => error.into(),
        };
        self.client.execute(&declared, &[]).map_err(refused)?;
        let mut names: Vec<String> = Vec::new();
        loop {
            let mut some = false;
            for message in self
                .client
                .simple_query("FETCH 1000 FROM question")
                .map_err(refused)?
            {
                match message {
                    SimpleQueryMessage::RowDescription(columns) => {
                        names = columns.iter().map(|own| own.name().to_owned()).collect();
                    }
                    SimpleQueryMessage::Row(found) => {
                        some = true;
                        let cells = 0..found.len();
                        row(
                            &names,
                            cells
                                .map(|cell| found.get(cell).map(str::to_owned))
                                .collect(),
                        );
                    }
                    _ => {}
                }
            }
            if !some {
                return Ok(());
            }
        }
    }
}

impl Database for Postgres {
    fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.client.batch_execute(sql)?)
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let statement = self.statement(sql)?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        Ok(self.client.execute(&statement, &values)?)
    }

    fn query(
        &mut self,
        sql: &str,
        values: &[Value],
        row: &mut dyn FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let statement = self.statement(sql)?;
        let mut rows = self.client.query_raw(&statement, values)?;
        while let Some(found) = rows.next()? {
            let values: Result<Vec<Value>, StoreError> = (0..found.len())
                .map(|column| value(&found, column))
                .collect();
            row(&Row(values?))?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.script("BEGIN")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.script("COMMIT")
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.script("ROLLBACK")
    }

    fn ask(&mut self, sql: &str, row: &mut TextRow<'_>) -> Result<(), StoreError> {
        let asked = self.answer(sql, row);
        let ended = self.script("ROLLBACK");
        asked.and(ended)
    }

    fn tables(&mut self) -> Result<Vec<String>, StoreError> {
        let mut tables = Vec::new();
        // An extension's are nobody's.
        self.query(
            "SELECT CAST(relname AS TEXT) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
             AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
             AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e') ORDER BY relname",
            &[],
            &mut |row| {
                tables.push(row.text(0)?);
                Ok(())
            },
        )?;
        Ok(tables)
    }

    fn prepare_to_write(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn now(&self) -> &'static str {
        "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"
    }

    fn skip_locked(&self) -> &'static str {
        "FOR UPDATE OF unit SKIP LOCKED"
    }

    fn guard(&self) -> &'static str {
        "SELECT pg_advisory_xact_lock(1869968500)"
    }

    fn slot(&mut self) -> Result<u64, StoreError> {
        let mut slot = 0;
        loop {
            let row = self
                .client
                .query_one("SELECT pg_try_advisory_lock($1, $2)", &[&LOCKS, &slot])?;
            if row.try_get(0)? {
                return Ok(slot as u64);
            }
            slot += 1;
        }
    }
}
