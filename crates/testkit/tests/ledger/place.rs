//! Where a ledger is: a fresh one for each rule.

use std::sync::Arc;

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
