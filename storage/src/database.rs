//! SQLite or Postgres: where rows live.

use std::{path::PathBuf, str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection, PgPool, SqlSafeStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep, timeout};

use crate::Error;

/// Which database to use, and how much of it.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `postgres://…`, `sqlite:FILE`, or nothing for the file `lectern.db` in `data_dir`.
    pub url: Option<SecretString>,
    /// Where migrations connect to, if `url` leads to a transaction pooler: they need a session of their own.
    pub direct_url: Option<SecretString>,
    /// The folder of the SQLite file; made if it is missing.
    pub data_dir: PathBuf,
    /// Connections to Postgres at once. SQLite is given at most [`SQLITE_CONNECTIONS_MAX`].
    pub max_connections: u32,
}

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file of our own.
    Sqlite(Sqlite),
    /// A server, perhaps behind a pooler.
    Postgres(Postgres),
}

/// A file of SQLite's: the connections that read, and the one that writes.
///
/// SQLite lets one write at a time. Left to it, the others try again and again in no order, until one of them has tried
/// for too long; here they queue, and only other processes are waited for that way.
#[derive(Debug, Clone)]
pub struct Sqlite {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Sqlite {
    /// The connections, for statements that no other function here runs.
    pub fn pool(&self) -> &SqlitePool {
        &self.writer
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A Postgres server: where queries go, and where migrations go.
#[derive(Debug, Clone)]
pub struct Postgres {
    pub(crate) pool: PgPool,
    direct: Box<PgConnectOptions>,
}

impl Postgres {
    /// The connections, for statements that no other function here runs.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// As many processes may start on a new file at once and be one another's rival.
const SQLITE_MIGRATION_RETRIES: u32 = 8;

impl Database {
    /// Connects, so that a wrong URL or a server that is away is found now and not in the middle of a meeting.
    ///
    /// Makes the SQLite file and its folder if they are missing. Tables are [`migrate`](Self::migrate)'s.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, Error> {
        let Some(url) = &config.url else {
            let options = SqliteConnectOptions::new().filename(config.data_dir.join("lectern.db"));
            return open_sqlite(options, config.max_connections).await;
        };
        let url = url.expose_secret();
        match scheme_of(url) {
            "sqlite" => {
                let options = SqliteConnectOptions::from_str(url).map_err(|error| unusable(url, &error))?;
                open_sqlite(options, config.max_connections).await
            }
            "postgres" | "postgresql" => open_postgres(url, config).await,
            _ => Err(Error::DatabaseUrl {
                reason: "it starts with neither postgres: nor sqlite:".to_owned(),
            }),
        }
    }

    /// Brings the tables up to date. Several processes may do this at once: one does it, the others wait.
    pub async fn migrate(&self) -> Result<(), Error> {
        let migrator = Migrator::with_migrations(migrations(self));
        let migrated = match self {
            Self::Sqlite(sqlite) => {
                let mut migrated = migrator.run(&sqlite.writer).await;
                // SQLite has no lock that outlasts a transaction: who finds that another process was faster looks
                // again, and sees what is left to do.
                for _ in 0..SQLITE_MIGRATION_RETRIES {
                    if migrated.is_ok() {
                        break;
                    }
                    migrated = migrator.run(&sqlite.writer).await;
                }
                migrated
            }
            Self::Postgres(postgres) => {
                // Says at once what is wrong, where a pool would try for a while.
                connect(&postgres.direct).await?.close().await.ok();
                let pool = PgPoolOptions::new()
                    .max_connections(1)
                    .connect_lazy_with(PgConnectOptions::clone(&postgres.direct));
                let migrated = migrator.run(&pool).await;
                pool.close().await;
                migrated
            }
        };
        migrated.map_err(|source| Error::Migrate {
            place: self.place(),
            source,
        })?;
        self.index_old_lectures().await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        transaction!(self, Read, "ask the database whether it is there", |connection| {
            sql!("select 1").execute(&mut *connection).await?;
        })
    }

    /// The database as a person may read it: the SQLite file, or the server's URL without its password.
    pub fn place(&self) -> String {
        match self {
            Self::Sqlite(sqlite) => place_of_sqlite(&sqlite.writer.connect_options()),
            Self::Postgres(postgres) => place_of_postgres(&postgres.pool.connect_options()),
        }
    }

    /// Closes every connection once what runs on it is done.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.pool.close().await,
        }
    }
}

/// A thread each; one of them writes.
pub const SQLITE_CONNECTIONS_MAX: u32 = 4;
/// How long a server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a query waits for a connection that is free.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a query waits for SQLite's turn. Every transaction before it waits for a disk, which may be busy with much
/// else than us.
const SQLITE_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long SQLite waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
const BUSY_RETRY: Duration = Duration::from_millis(10);
const SQLITE_BUSY: u32 = 5;

/// What a transaction is for; decides how it begins.
pub(crate) struct Read;
/// See [`Read`].
pub(crate) struct Write;

impl Read {
    pub(crate) const SQLITE: &'static str = "begin";
    pub(crate) const POSTGRES: &'static str = "begin isolation level repeatable read read only";

    pub(crate) fn connections(sqlite: &Sqlite) -> &SqlitePool {
        &sqlite.readers
    }
}

impl Write {
    /// A transaction that reads first and writes later would fail if another one wrote in between.
    pub(crate) const SQLITE: &'static str = "begin immediate";
    pub(crate) const POSTGRES: &'static str = "begin";

    pub(crate) fn connections(sqlite: &Sqlite) -> &SqlitePool {
        &sqlite.writer
    }
}

/// Runs a block in one transaction on whichever database it is; what it fails by becomes [`Error::Query`].
///
/// Everything goes through a transaction, single reads too: sqlx parses and runs a statement in two round trips, and a
/// transaction pooler may lead the second to another server unless a transaction holds it.
macro_rules! transaction {
    ($database:expr, $access:ident, $doing:literal, |$connection:ident| $body:block) => {{
        let result = match $database {
            $crate::database::Database::Sqlite(sqlite) => {
                let pool = $crate::database::$access::connections(sqlite);
                transaction!(@on pool, $crate::database::$access::SQLITE, $connection, $body)
            }
            $crate::database::Database::Postgres(postgres) => {
                transaction!(@on postgres.pool, $crate::database::$access::POSTGRES, $connection, $body)
            }
        };
        result.map_err(|source| $crate::Error::Query { doing: $doing, source })
    }};
    (@on $pool:expr, $begin:expr, $connection:ident, $body:block) => {
        async {
            let mut held = $crate::database::Held::new($pool.acquire().await?);
            let result = async {
                let mut transaction = sqlx::Connection::begin_with(held.connection(), $begin).await?;
                let $connection = &mut *transaction;
                let value = $body;
                transaction.commit().await?;
                Ok::<_, sqlx::Error>(value)
            }
            .await;
            match &result {
                Err(error) if $crate::database::may_end_transaction(error) => drop(held),
                _ => held.give_back(),
            }
            result
        }
        .await
    };
}

/// A connection that is closed unless it is given back: where its user was cancelled, or SQLite gave up, nobody knows what it is in the
/// middle of. (sqlx 0.9 would give back a connection whose `begin` is under way, and whoever has it next is in that
/// transaction.)
pub(crate) struct Held<D: sqlx::Database>(Option<PoolConnection<D>>);

impl<D: sqlx::Database> Held<D> {
    pub(crate) fn new(connection: PoolConnection<D>) -> Self {
        Self(Some(connection))
    }

    pub(crate) fn connection(&mut self) -> &mut D::Connection {
        self.0.as_mut().expect("it is taken out at the end alone")
    }

    pub(crate) fn give_back(mut self) {
        self.0.take();
    }
}

impl<D: sqlx::Database> Drop for Held<D> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Whether SQLite may have ended the transaction by itself: out of memory (7), interrupted (9), input or output failed
/// (10), disk full (13). Then sqlx takes the connection to be in it for ever, and begins no other.
pub(crate) fn may_end_transaction(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.filter(|code| code.len() < POSTGRES_CODE_CHARS)
        .and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 7 | 9 | 10 | 13))
}

const POSTGRES_CODE_CHARS: usize = 5;

/// A statement with its values. Never kept prepared: a pooler's next server wouldn't know it.
macro_rules! sql {
    ($text:expr $(, $value:expr)* $(,)?) => {
        sqlx::query($text).persistent(false)$(.bind($value))*
    };
}

/// A query with its values, whose rows are tuples.
macro_rules! rows {
    ($row:ty, $text:expr $(, $value:expr)* $(,)?) => {
        sqlx::query_as::<_, $row>($text).persistent(false)$(.bind($value))*
    };
}

pub(crate) use {rows, sql, transaction};

async fn open_sqlite(options: SqliteConnectOptions, max_connections: u32) -> Result<Database, Error> {
    let folder = options
        .get_filename()
        .parent()
        .map(PathBuf::from)
        .unwrap_or_default();
    if !folder.as_os_str().is_empty() {
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(|source| Error::DataFolder { path: folder, source })?;
    }
    let options = options
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    let connections = |most: u32| {
        SqlitePoolOptions::new()
            .max_connections(most)
            .acquire_timeout(SQLITE_ACQUIRE_TIMEOUT)
            .connect_lazy_with(options.clone())
    };
    let sqlite = Sqlite {
        readers: connections(max_connections.clamp(2, SQLITE_CONNECTIONS_MAX) - 1),
        writer: connections(1),
    };
    first_connection(&sqlite.writer)
        .await
        .map_err(|source| Error::Connect {
            place: place_of_sqlite(&options),
            remedy: "set LECTERN_DATA to a folder on a local disk that can be written",
            source,
        })?;
    Ok(Database::Sqlite(sqlite))
}

/// Opens the file. SQLite waits for other processes but in one case: while one of them gives a new file its journal.
async fn first_connection(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let give_up_at = Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool.acquire().await {
            Ok(_) => return Ok(()),
            Err(error) if is_busy(&error) && Instant::now() < give_up_at => sleep(BUSY_RETRY).await,
            Err(error) => return Err(error),
        }
    }
}

/// Whether another connection holds the file. The code's lowest byte says so, the others say why.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

async fn open_postgres(url: &str, config: &DatabaseConfig) -> Result<Database, Error> {
    let options = postgres_options(url)?;
    let direct = match &config.direct_url {
        Some(direct) => postgres_options(direct.expose_secret())?,
        None => options.clone(),
    };
    // The pool would try a server that is away again and again; whoever starts us wants to know at once.
    connect(&options).await?.close().await.ok();
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options);
    Ok(Database::Postgres(Postgres {
        pool,
        direct: Box::new(direct),
    }))
}

fn postgres_options(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url).map_err(|error| unusable(url, &error))?;
    // PgBouncer refuses clients that ask for this setting, and we store no floats.
    Ok(options.extra_float_digits(None).application_name("lectern"))
}

async fn connect(options: &PgConnectOptions) -> Result<sqlx::PgConnection, Error> {
    let connected = timeout(CONNECT_TIMEOUT, options.connect())
        .await
        .unwrap_or_else(|_| {
            Err(sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "no answer",
            )))
        });
    connected.map_err(|source| Error::Connect {
        place: place_of_postgres(options),
        remedy: remedy_of(&source),
        source,
    })
}

/// What somebody can do about a server that lets us not in.
fn remedy_of(error: &sqlx::Error) -> &'static str {
    let sqlx::Error::Database(error) = error else {
        return "is the server running, and are host and port in DATABASE_URL right?";
    };
    match error.code().as_deref() {
        Some("28P01" | "28000") => "check user and password in DATABASE_URL",
        Some("3D000") => "create this database first: createdb NAME",
        Some("53300") => {
            "the server has no connection left: lower DATABASE_MAX_CONNECTIONS or raise its max_connections"
        }
        _ => "check DATABASE_URL",
    }
}

fn place_of_sqlite(options: &SqliteConnectOptions) -> String {
    format!("SQLite {}", options.get_filename().display())
}

fn place_of_postgres(options: &PgConnectOptions) -> String {
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    match options.get_socket() {
        Some(socket) => format!("Postgres {user}@{}/{database}", socket.display()),
        None => format!(
            "Postgres postgres://{user}@{}:{}/{database}",
            options.get_host(),
            options.get_port()
        ),
    }
}

fn scheme_of(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// The URL itself stays out of the message: where it is malformed, nobody knows which part of it is the password.
fn unusable(url: &str, error: &sqlx::Error) -> Error {
    let reason = match error {
        sqlx::Error::Configuration(source) => source.to_string(),
        _ => format!("its part after {}: is malformed", scheme_of(url)),
    };
    Error::DatabaseUrl { reason }
}

/// Every migration, in order. What was released never changes: databases remember its checksum.
fn migrations(database: &Database) -> Vec<Migration> {
    // One text for both, and what only one of them understands.
    let lecture_work = match database {
        Database::Sqlite(_) => concat!(
            include_str!("../migrations/0008_lecture_work.sql"),
            include_str!("../migrations/sqlite/0008_lecture_work.sql")
        ),
        Database::Postgres(_) => concat!(
            include_str!("../migrations/0008_lecture_work.sql"),
            include_str!("../migrations/postgres/0008_lecture_work.sql")
        ),
    };
    [
        (1, "meeting", include_str!("../migrations/0001_meeting.sql")),
        (2, "room", include_str!("../migrations/0002_room.sql")),
        (3, "people", include_str!("../migrations/0003_people.sql")),
        (4, "lecture", include_str!("../migrations/0004_lecture.sql")),
        (5, "file", include_str!("../migrations/0005_file.sql")),
        (6, "hook", include_str!("../migrations/0006_hook.sql")),
        (8, "lecture_work", lecture_work),
        (9, "caption", include_str!("../migrations/0009_caption.sql")),
        (10, "identity", include_str!("../migrations/0010_identity.sql")),
        (
            11,
            "chat_stream",
            include_str!("../migrations/0011_chat_stream.sql"),
        ),
        (
            12,
            "guest_captions",
            include_str!("../migrations/0012_guest_captions.sql"),
        ),
        (
            13,
            "administration",
            include_str!("../migrations/0013_administration.sql"),
        ),
        (14, "share", include_str!("../migrations/0014_share.sql")),
        (15, "handover", include_str!("../migrations/0015_handover.sql")),
        (
            16,
            "late_summary",
            include_str!("../migrations/0016_late_summary.sql"),
        ),
    ]
    .into_iter()
    .map(|(version, name, text)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            text.into_sql_str(),
            false,
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> DatabaseConfig {
        DatabaseConfig {
            url: Some(SecretString::from(url)),
            direct_url: None,
            data_dir: PathBuf::from("unused"),
            max_connections: 2,
        }
    }

    #[tokio::test]
    async fn unknown_scheme_is_refused_with_what_to_write() {
        let error = Database::open(&config("mysql://root:hunter2@db/x"))
            .await
            .expect_err("no such database");
        assert!(
            error
                .to_string()
                .contains("postgres://user:password@host:5432/database"),
            "{error}"
        );
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn malformed_url_is_refused_without_its_password() {
        for url in [
            "postgres://me:hunter2@db:port/x",
            "postgres://me:hunter2@/x?sslmode=perhaps",
            "postgres://[hunter2",
        ] {
            let error = Database::open(&config(url)).await.expect_err("not a URL");
            assert!(matches!(error, Error::DatabaseUrl { .. }), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn server_that_is_away_is_named_without_its_password() {
        // Port 1 of this machine: nobody listens there.
        let error = Database::open(&config("postgres://me:hunter2@127.0.0.1:1/lectures"))
            .await
            .expect_err("away");
        let text = error.to_string();
        assert!(text.contains("postgres://me@127.0.0.1:1/lectures"), "{text}");
        assert!(text.contains("is the server running"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[tokio::test]
    async fn every_migration_file_is_listed_once() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
            .expect("the folder is there");
        // The folders hold what only one database understands.
        let mut files: Vec<_> = files
            .map(|file| file.expect("readable").file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".sql"))
            .collect();
        files.sort();
        let folder = tempfile::tempdir().expect("a folder");
        let config = DatabaseConfig {
            url: None,
            data_dir: folder.path().to_owned(),
            ..config("")
        };
        let database = Database::open(&config).await.expect("SQLite opens");
        let listed: Vec<_> = migrations(&database)
            .iter()
            .map(|one| format!("{:04}_{}.sql", one.version, one.description))
            .collect();
        assert_eq!(files, listed);
    }
}
