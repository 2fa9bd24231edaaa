//! Numbers of issuers, computers and requests in the SQLite ledger: rows name them by number, and whoever reads or writes
//! a batch looks each up once.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};

use super::Failure;

/// The numbers that were looked up in one transaction.
#[derive(Default)]
pub(super) struct Names {
    known: HashMap<[u8; 32], i64>,
}

impl Names {
    /// The number of this name; None if no row has it.
    pub(super) fn find(&mut self, t: &Transaction<'_>, name: &[u8; 32]) -> Result<Option<i64>, Failure> {
        if let Some(number) = self.known.get(name) {
            return Ok(Some(*number));
        }
        let query = "SELECT number FROM names WHERE value = ?1";
        let number = t.prepare_cached(query)?.query_row([name], |row| row.get(0));
        let number = number.optional()?;
        self.known.extend(number.map(|number| (*name, number)));
        Ok(number)
    }

    /// The number of this name, which gets one if it has none.
    pub(super) fn give(&mut self, t: &Transaction<'_>, name: &[u8; 32]) -> Result<i64, Failure> {
        if let Some(number) = self.find(t, name)? {
            return Ok(number);
        }
        let statement = "INSERT INTO names (value) VALUES (?1)";
        t.prepare_cached(statement)?.execute(params![name])?;
        let number = t.last_insert_rowid();
        self.known.insert(*name, number);
        Ok(number)
    }
}
