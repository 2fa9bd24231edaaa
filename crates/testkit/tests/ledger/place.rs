//! Where a ledger is: a fresh one for each rule.

use keyferry_service::Error;
use keyferry_service::ledger::{Ledger, SqliteLedger};
use rusqlite::Connection;
use tempfile::TempDir;

/// A fresh ledger's place.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// A file.
    pub fn sqlite() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Some(Self { folder })
    }

    /// A handle of its own, as another process has one; makes the ledger if it isn't there.
    pub fn open(&self) -> Box<dyn Ledger> {
        self.try_open().expect("the ledger opens")
    }

    /// The same, where it may fail.
    pub fn try_open(&self) -> Result<Box<dyn Ledger>, Error> {
        Ok(Box::new(SqliteLedger::open(
            &self.folder.path().join("ledger.sqlite"),
        )?))
    }

    /// Deletes by hand all rows after this time.
    pub fn lose_rows(&self, after: u64) {
        let ledger = Connection::open(self.folder.path().join("ledger.sqlite")).expect("the ledger");
        ledger
            .execute("DELETE FROM licenses WHERE time > ?1", [after])
            .expect("deleted");
    }

    /// Says by hand that a later version of the program wrote it.
    pub fn make_newer(&self, version: u32) {
        let ledger = Connection::open(self.folder.path().join("ledger.sqlite")).expect("the ledger");
        ledger
            .pragma_update(None, "user_version", version)
            .expect("updated");
    }
}
