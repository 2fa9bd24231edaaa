//! Which backups were proven to be restorable, and when: by a rehearsal, which is all of a restore but the spending.

use crate::error::Result;
use crate::sql::records;
use crate::store::Store;

/// Backups that are remembered, those that were proven last.
const REMEMBERED: u32 = 1000;

impl Store {
    /// Keeps, durably, that the backup of this ID was proven restorable at this time (Unix seconds). An earlier time than
    /// the one that is kept changes nothing. A thousand backups are remembered.
    pub fn record_proven(&self, backup: &[u8; 16], time: u64) -> Result<()> {
        self.write(|db| records::put_proven(db, &self.path, backup, time, REMEMBERED))
    }

    /// When the backup of this ID was last proven restorable (Unix seconds); None if it never was, as far as this store
    /// remembers.
    pub fn last_proven(&self, backup: &[u8; 16]) -> Result<Option<u64>> {
        records::proven(&self.db, &self.path, backup)
    }
}
