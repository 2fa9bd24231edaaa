//! Where a ledger is: a fresh one for each rule.

use std::sync::{Arc, OnceLock};

use keyferry_service::Error;
use keyferry_service::ledger::{Ledger, LedgerUrl};
use keyferry_testkit::Postgres;
use rusqlite::Connection;
use tempfile::TempDir;

/// A fresh ledger's place.
pub enum Place {
    /// A folder with a file.
    Sqlite(TempDir),
    /// A database, by the name of it.
    Postgres(&'static Postgres, String),
}

impl Place {
    /// A file.
    pub fn sqlite() -> Option<Self> {
        Some(Self::Sqlite(tempfile::tempdir().expect("a temporary folder")))
    }

    /// A database, where a server can be had.
    pub fn postgres() -> Option<Self> {
        let server = Postgres::shared()?;
        Some(Self::Postgres(server, server.create_database()))
    }

    /// Tables that were prepared on three servers as docs/operations.md has it.
    pub fn three_servers() -> Option<Self> {
        let (head, others) = (Postgres::shared()?, others()?);
        let url = head.create_database();
        let name = url.rsplit('/').next().expect("a name");
        let mut sql = prepared("the head").replace("dbname 'keyferry'", &format!("dbname '{name}'"));
        for (server, number) in others.iter().zip(["two", "three"]) {
            server.sql("postgres", &format!("create database {name}"));
            server.sql(name, &prepared(&format!("server {number}")));
            let there = format!("host '{number}.example.com', port '5432'");
            assert!(sql.contains(&there), "the head names server {number}");
            sql = sql.replace(&there, &format!("host '127.0.0.1', port '{}'", server.port()));
        }
        head.sql(name, &sql);
        Some(Self::Postgres(head, url))
    }

    fn url(&self) -> LedgerUrl {
        let url = match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.path().join("ledger.sqlite").display()),
            Self::Postgres(_, url) => url.clone(),
        };
        url.parse().expect("a ledger's URL")
    }

    /// A handle of its own, as another process has one; makes the ledger if it isn't there.
    pub fn open(&self) -> Arc<dyn Ledger> {
        self.try_open().expect("the ledger opens")
    }

    /// The same, where it may fail.
    pub fn try_open(&self) -> Result<Arc<dyn Ledger>, Error> {
        self.url().open(None)
    }

    /// Deletes by hand all rows after this time.
    pub fn lose_rows(&self, after: u64) {
        self.sql(&format!("DELETE FROM licenses WHERE time > {after}"));
    }

    /// Says by hand that a later version of the program wrote it, and that no older one can work with it.
    pub fn make_newer(&self, version: u32) {
        self.sql(&match self {
            Self::Sqlite(_) => format!("PRAGMA user_version = {version}"),
            Self::Postgres(..) => {
                format!("UPDATE ledger_version SET version = {version}, oldest = {version}")
            }
        });
    }

    /// What nobody does but a test.
    fn sql(&self, statement: &str) {
        match self {
            Self::Sqlite(folder) => {
                let ledger = Connection::open(folder.path().join("ledger.sqlite")).expect("the ledger");
                ledger.execute_batch(statement).expect("done");
            }
            Self::Postgres(server, url) => {
                let database = url.rsplit('/').next().unwrap_or_default();
                server.sql(database, statement);
            }
        }
    }
}

/// The two servers beside the one that tests share.
fn others() -> Option<&'static [Postgres; 2]> {
    static OTHERS: OnceLock<Option<[Postgres; 2]>> = OnceLock::new();
    let start = || Some([Postgres::start()?, Postgres::start()?]);
    OTHERS.get_or_init(start).as_ref()
}

/// The statements of the documentation that are for this server.
fn prepared(server: &str) -> String {
    let text = include_str!("../../../../docs/operations.md");
    let begin = format!("```sql\n-- on {server}\n");
    let (_, rest) = text
        .split_once(&begin)
        .expect("the statements are in the documentation");
    rest.split("```").next().expect("an end").to_owned()
}
