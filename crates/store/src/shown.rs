//! To which services that had lost rows this computer has shown its receipts (docs/protocol.md section 5.8).

use keyferry_license::Thumbprint;

use crate::error::Result;
use crate::sql::records;
use crate::store::Store;

impl Store {
    /// Keeps, durably, that all receipts were shown to this service, for the recovery that started then (Unix seconds).
    pub fn put_shown_to(&self, service: &Thumbprint, started: u64) -> Result<()> {
        self.write(|db| records::put_shown(db, &self.path, service, started))
    }

    /// When the recovery started for which all receipts were shown to this service last (Unix seconds).
    pub fn shown_to(&self, service: &Thumbprint) -> Result<Option<u64>> {
        records::shown(&self.db, &self.path, service)
    }
}
