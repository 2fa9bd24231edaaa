//! The ledger on SQLite: one writer thread with a queue, readers beside it, every commit durable before it is told.

mod names;
mod recovery;
mod refusals;
mod revocations;
mod rows;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use keyferry_license::{ComputerId, RevocationList, Thumbprint, Verified, VerifyingKey};
use keyferry_protocol::{ListNumber, Recovery, Row};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

use super::{
    Acknowledged, Computer, Ledger, LedgerFound, LicenseName, ListPlace, PageId, Placed, Recovered, Refusal,
    RefusalPage,
};
use crate::error::{Error, Result};
use crate::policy::{Asker, Case, Judgment, Return, Returned};

use rows::Rows;
use writer::{Job, Task};

/// Messages that wait for the writer; more wait before it.
const QUEUE: usize = 64;
/// How long another process may hold the write lock.
const BUSY: Duration = Duration::from_secs(10);
/// Pages that the writer keeps: restores come in random order.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
/// Pages that each reader keeps; there are as many as requests that are judged at once.
const READER_CACHE_KIB: u32 = 4 * 1024;
/// Pages of the write-ahead log between checkpoints (4 KiB each).
const CHECKPOINT_PAGES: u32 = 16_384;

/// See the module.
pub struct SqliteLedger {
    path: PathBuf,
    jobs: Option<SyncSender<Box<dyn Job>>>,
    writer: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
}

impl SqliteLedger {
    /// Opens the ledger in this file; made if it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        let mut connection = connect(path, WRITER_CACHE_KIB)?;
        schema::migrate(&mut connection)?;
        let (jobs, queue) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || writer::run(&mut connection, &queue));
        let writer = writer.map_err(|error| failure("start its writer", error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            jobs: Some(jobs),
            writer: Some(writer),
            readers: Mutex::default(),
        })
    }

    /// What is in this file, if it could be opened; nothing is made.
    pub fn look(path: &Path) -> Result<LedgerFound> {
        schema::look(path)
    }

    /// Writes a copy of the ledger in this file, as it is at one moment, while others write it. `into` must not be there.
    pub fn snapshot(path: &Path, into: &Path) -> Result<()> {
        let connection = connect(path, READER_CACHE_KIB)?;
        let into = into.to_string_lossy();
        connection
            .execute("VACUUM INTO ?1", [into])
            .map(drop)
            .map_err(failed("be copied"))
    }

    /// Reads all of the database and compares it with itself.
    pub fn check_whole(&self) -> Result<()> {
        self.read("be checked", |t| {
            let said: String = t.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            match said.as_str() {
                "ok" => Ok(()),
                _ => Err(Failure::Damaged("SQLite finds it inconsistent")),
            }
        })
    }

    /// Runs a transaction on the writer's thread and waits until it is durable. It may run more than once.
    fn write<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl Fn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let gone = || failure(action, "its writer has stopped".into());
        let (task, result) = Task::new(action, work);
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Box::new(task)).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())?
    }

    /// Reads in one snapshot, beside the writer.
    fn read<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path, READER_CACHE_KIB)?,
        };
        let snapshot = connection.transaction().map_err(failed(action))?;
        let value = work(&snapshot).map_err(|failure| failure.named(action))?;
        snapshot.commit().map_err(failed(action))?;
        self.readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        Ok(value)
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing to finish.
            let _ = writer.join();
        }
    }
}

impl Ledger for SqliteLedger {
    fn judge(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>> {
        self.write("write the decision", move |t| Rows::of(t)?.judge(&asker, &cases))
    }

    fn plan(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>> {
        self.read("be read", |t| Rows::of(t)?.plan(&asker, &cases))
    }

    fn release(&self, asker: Asker, items: Vec<Return>) -> Result<Vec<Returned>> {
        self.write("take slots back", move |t| Rows::of(t)?.release(&asker, &items))
    }

    fn put_list(&self, list: &Verified<RevocationList>, now: u64) -> Result<ListPlace> {
        let list = list.clone();
        self.write("keep a revocation list", move |t| revocations::put(t, &list, now))
    }

    fn lists(&self, after: ListNumber, bytes: usize) -> Result<Vec<Vec<u8>>> {
        self.read("find revocation lists", |t| revocations::lists(t, after, bytes))
    }

    fn newest_lists(&self, issuers: &[Thumbprint]) -> Result<Vec<u64>> {
        self.read("find revocation lists", |t| {
            issuers
                .iter()
                .map(|issuer| revocations::newest(t, issuer))
                .collect()
        })
    }

    fn acknowledge(
        &self,
        computer: ComputerId,
        said: Acknowledged,
        lists: Vec<ListNumber>,
    ) -> Result<Option<ListNumber>> {
        self.write("keep an acknowledgement", move |t| {
            revocations::acknowledge(t, computer, said, &lists)
        })
    }

    fn acknowledgements(&self, list: ListNumber) -> Result<Vec<(ComputerId, Acknowledged)>> {
        self.read("find acknowledgements", |t| {
            revocations::acknowledgements(t, list)
        })
    }

    fn rows(&self, names: &[LicenseName]) -> Result<Vec<Vec<Row>>> {
        self.read("be read", |t| {
            let mut rows = Rows::of(t)?;
            names.iter().map(|name| rows.read(name)).collect()
        })
    }

    fn walk(&self, after: (LicenseName, u64), most: usize) -> Result<Vec<Row>> {
        self.read("be read", |t| rows::walk(t, after, most))
    }

    fn computer(&self, id: &ComputerId) -> Result<Option<Computer>> {
        self.read("find a computer", |t| {
            let query = "SELECT key, card, serial, name, since FROM computers WHERE id = ?1";
            let mut query = t.prepare_cached(query)?;
            let found = query.query_row([id.as_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            });
            let Some((key, card, serial, name, since)) = found.optional()? else {
                return Ok(None);
            };
            let key = VerifyingKey::from_bytes(key).map_err(|_| Failure::Damaged("a computer's key"))?;
            Ok(Some(Computer {
                id: *id,
                key,
                card,
                serial,
                name,
                since,
            }))
        })
    }

    fn register(&self, computer: Computer) -> Result<()> {
        self.write("remember a computer", move |t| {
            let statement = "INSERT INTO computers (id, key, card, serial, name, since)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE
                SET card = excluded.card, serial = excluded.serial, name = excluded.name
                WHERE excluded.serial > serial";
            let (id, key) = (computer.id.as_bytes(), computer.key.as_bytes());
            let values = params![
                id,
                key,
                computer.card,
                computer.serial,
                computer.name,
                computer.since
            ];
            t.prepare_cached(statement)?.execute(values)?;
            Ok(())
        })
    }

    fn put_issuer(&self, root: Thumbprint, serial: u64, card: &[u8]) -> Result<()> {
        let card = card.to_vec();
        self.write("remember an issuer", move |t| {
            let statement = "INSERT INTO issuers (root, serial, card) VALUES (?1, ?2, ?3)
                ON CONFLICT (root) DO UPDATE SET serial = excluded.serial, card = excluded.card
                WHERE excluded.serial > serial";
            t.prepare_cached(statement)?
                .execute(params![root.as_bytes(), serial, card])?;
            Ok(())
        })
    }

    fn issuers(&self) -> Result<Vec<Vec<u8>>> {
        self.read("list the issuers", |t| {
            let mut query = t.prepare_cached("SELECT card FROM issuers ORDER BY root")?;
            let cards = query.query_map([], |row| row.get(0))?;
            Ok(cards.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn refuse(&self, refusal: Refusal) -> Result<PageId> {
        let fresh = keyferry_license::random()?;
        self.write("keep a refusal", move |t| refusals::add(t, &refusal, fresh))
    }

    fn page(&self, id: &PageId, now: u64) -> Result<Option<RefusalPage>> {
        self.read("find a page", |t| refusals::read(t, id, now))
    }

    fn recovery(&self) -> Result<Option<Recovery>> {
        self.read("tell whether it recovers", recovery::newest)
    }

    fn start_recovery(&self, since: u64, now: u64) -> Result<Recovery> {
        self.write("start its recovery", move |t| recovery::start(t, since, now))
    }

    fn end_recovery(&self, now: u64) -> Result<Option<Recovery>> {
        self.write("end its recovery", move |t| recovery::end(t, now))
    }

    fn put_rows(&self, rows: Vec<Row>, recovery: u64) -> Result<Vec<Placed>> {
        self.write("take rows back", move |t| recovery::put(t, &rows, recovery))
    }

    fn shown(&self, computer: ComputerId, recovery: u64) -> Result<()> {
        self.write("take rows back", move |t| recovery::shown(t, computer, recovery))
    }

    fn recovered(&self, recovery: u64) -> Result<Recovered> {
        self.read("count what came back", |t| recovery::recovered(t, recovery))
    }

    fn ready(&self) -> Result<()> {
        self.write("be written", |t| {
            t.query_row("SELECT count(*) FROM issuers", [], |_| Ok(()))?;
            Ok(())
        })
    }
}

/// What ended a transaction.
enum Failure {
    /// The database said so.
    Sql(rusqlite::Error),
    /// It holds what this program never wrote.
    Damaged(&'static str),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sql(error)
    }
}

impl Failure {
    fn named(self, action: &'static str) -> Error {
        match self {
            Failure::Sql(error) => failed(action)(error),
            Failure::Damaged(what) => Error::LedgerDamaged(what),
        }
    }

    /// Another process was faster: from the start again.
    fn is_conflict(&self) -> bool {
        let code = match self {
            Failure::Sql(error) => error.sqlite_error_code(),
            Failure::Damaged(_) => None,
        };
        matches!(
            code,
            Some(ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }
}

fn connect(path: &Path, cache_kib: u32) -> Result<Connection> {
    let connection = Connection::open(path).map_err(failed("be opened"))?;
    let set = || {
        connection.busy_timeout(BUSY)?;
        // Otherwise a statement is planned again whenever something is bound to it, which takes longer than to run it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)
    };
    set().map_err(failed("be opened"))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn failed(action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| failure(action, error.to_string())
}

fn failure(action: &'static str, why: String) -> Error {
    Error::Ledger { action, why }
}
