//! The ledger on PostgreSQL: any number of service processes over one database (docs/ledger.md). Calls block; the
//! driver's own work runs on a thread of its own.

mod failure;
mod pool;
mod recovery;
mod refusals;
mod revocations;
mod rows;
mod schema;
mod statements;

use deadpool_postgres::Object;
use keyferry_license::{ComputerId, RevocationList, Thumbprint, Verified, VerifyingKey};
use keyferry_protocol::{ListNumber, Recovery, Row};
use zeroize::Zeroizing;

use super::url::PostgresUrl;
use super::{
    Acknowledged, Computer, Ledger, LedgerFound, LicenseName, ListPlace, PageId, Placed, Recovered, Refusal,
    RefusalPage,
};
use crate::error::Result;
use crate::policy::{Asker, Case, Judgment, Return, Returned};

use failure::Failure;
pub(super) use failure::told;
use pool::Pool;

/// See the module.
pub struct PostgresLedger {
    pool: Pool,
}

impl PostgresLedger {
    /// Connects; tables are made if they are not there, older ones brought to this version.
    pub fn open(url: &PostgresUrl, password: Option<&Zeroizing<String>>) -> Result<Self> {
        let pool = Pool::new(url, password)?;
        Self { pool }.settled()
    }

    /// The same, but nothing is made in a database that is no ledger.
    pub fn open_existing(url: &PostgresUrl, password: Option<&Zeroizing<String>>) -> Result<Self> {
        let pool = Pool::new(url, password)?;
        pool.run("be opened", schema::must_exist)?;
        Self { pool }.settled()
    }

    /// What is in this database, if it could be opened; nothing is made.
    pub fn look(url: &PostgresUrl, password: Option<&Zeroizing<String>>) -> Result<LedgerFound> {
        Pool::new(url, password)?.run("be looked at", schema::look)
    }

    fn settled(self) -> Result<Self> {
        self.run("be brought to this version", schema::migrate)?;
        self.run("be checked", async |client| schema::check(&*client).await)?;
        Ok(self)
    }

    /// Runs work that may be run again: after a lost connection, say.
    fn run<T>(
        &self,
        action: &'static str,
        work: impl AsyncFn(&mut Object) -> Result<T, Failure>,
    ) -> Result<T> {
        self.pool.run(action, work)
    }
}

impl Ledger for PostgresLedger {
    fn judge(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>> {
        self.run("write the decision", async |client| {
            rows::judge(client, &asker, &cases).await
        })
    }

    fn plan(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>> {
        self.run("be read", async |client| rows::plan(client, &asker, &cases).await)
    }

    fn release(&self, asker: Asker, items: Vec<Return>) -> Result<Vec<Returned>> {
        self.run("take slots back", async |client| {
            rows::release(client, &asker, &items).await
        })
    }

    fn put_list(&self, list: &Verified<RevocationList>, now: u64) -> Result<ListPlace> {
        self.run("keep a revocation list", async |client| {
            revocations::put(client, list, now).await
        })
    }

    fn lists(&self, after: ListNumber, bytes: usize) -> Result<Vec<Vec<u8>>> {
        self.run("find revocation lists", async |client| {
            revocations::lists(client, after, bytes).await
        })
    }

    fn newest_lists(&self, issuers: &[Thumbprint]) -> Result<Vec<u64>> {
        self.run("find revocation lists", async |client| {
            revocations::newest(client, issuers).await
        })
    }

    fn acknowledge(
        &self,
        computer: ComputerId,
        said: Acknowledged,
        lists: Vec<ListNumber>,
    ) -> Result<Option<ListNumber>> {
        self.run("keep an acknowledgement", async |client| {
            revocations::acknowledge(client, computer, said, &lists).await
        })
    }

    fn acknowledgements(&self, list: ListNumber) -> Result<Vec<(ComputerId, Acknowledged)>> {
        self.run("find acknowledgements", async |client| {
            revocations::acknowledgements(client, list).await
        })
    }

    fn rows(&self, names: &[LicenseName]) -> Result<Vec<Vec<Row>>> {
        self.run("be read", async |client| rows::read(client, names).await)
    }

    fn computer(&self, id: &ComputerId) -> Result<Option<Computer>> {
        self.run("find a computer", async |client| {
            let query = client.prepare_cached(statements::COMPUTER).await?;
            let Some(row) = client.query_opt(&query, &[&id.as_bytes().as_slice()]).await? else {
                return Ok(None);
            };
            let damaged = || Failure::Damaged("a computer's key");
            let key: [u8; 32] = row.try_get::<_, &[u8]>(0)?.try_into().map_err(|_| damaged())?;
            Ok(Some(Computer {
                id: *id,
                key: VerifyingKey::from_bytes(key).map_err(|_| damaged())?,
                card: row.try_get(1)?,
                serial: unsigned(row.try_get(2)?)?,
                name: row.try_get(3)?,
                since: unsigned(row.try_get(4)?)?,
            }))
        })
    }

    fn register(&self, computer: Computer) -> Result<()> {
        self.run("remember a computer", async |client| {
            let statement = client.prepare_cached(statements::REGISTER).await?;
            let (serial, since) = (signed(computer.serial)?, signed(computer.since)?);
            // PostgreSQL's text can't hold a NUL.
            let name = computer.name.replace('\0', "");
            client
                .execute(
                    &statement,
                    &[
                        &computer.id.as_bytes().as_slice(),
                        &computer.key.as_bytes().as_slice(),
                        &computer.card,
                        &serial,
                        &name,
                        &since,
                    ],
                )
                .await?;
            Ok(())
        })
    }

    fn put_issuer(&self, root: Thumbprint, serial: u64, card: &[u8]) -> Result<()> {
        self.run("remember an issuer", async |client| {
            let statement = client.prepare_cached(statements::PUT_ISSUER).await?;
            let serial = signed(serial)?;
            client
                .execute(&statement, &[&root.as_bytes().as_slice(), &serial, &card])
                .await?;
            Ok(())
        })
    }

    fn issuers(&self) -> Result<Vec<Vec<u8>>> {
        self.run("list the issuers", async |client| {
            let rows = client.query(statements::ISSUERS, &[]).await?;
            rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
        })
    }

    fn refuse(&self, refusal: Refusal) -> Result<PageId> {
        let fresh = keyferry_license::random()?;
        self.run("keep a refusal", async |client| {
            refusals::add(client, &refusal, fresh).await
        })
    }

    fn page(&self, id: &PageId, now: u64) -> Result<Option<RefusalPage>> {
        self.run("find a page", async |client| {
            refusals::read(client, id, now).await
        })
    }

    fn walk(&self, after: (LicenseName, u64), most: usize) -> Result<Vec<Row>> {
        self.run("be read", async |client| rows::walk(client, after, most).await)
    }

    fn recovery(&self) -> Result<Option<Recovery>> {
        self.run("tell of its recovery", async |client| {
            recovery::newest(client).await
        })
    }

    fn start_recovery(&self, since: u64, now: u64) -> Result<Recovery> {
        self.run("start a recovery", async |client| {
            recovery::start(client, since, now).await
        })
    }

    fn end_recovery(&self, now: u64) -> Result<Option<Recovery>> {
        self.run("end a recovery", async |client| recovery::end(client, now).await)
    }

    fn put_rows(&self, rows: Vec<Row>, recovery: u64) -> Result<Vec<Placed>> {
        self.run("take rows back", async |client| {
            recovery::put(client, &rows, recovery).await
        })
    }

    fn shown(&self, computer: ComputerId, recovery: u64) -> Result<()> {
        self.run("keep who has shown everything", async |client| {
            recovery::shown(client, computer, recovery).await
        })
    }

    fn recovered(&self, recovery: u64) -> Result<Recovered> {
        self.run("tell of its recovery", async |client| {
            recovery::recovered(client, recovery).await
        })
    }

    fn ready(&self) -> Result<()> {
        self.run("be written", schema::writable)
    }
}

/// A number as the database keeps it.
fn signed(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::TooLarge)
}

/// A number as it was written.
fn unsigned(number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(|_| Failure::Damaged("a number below zero"))
}

/// 32 bytes of a column.
fn bytes32(row: &tokio_postgres::Row, column: usize) -> Result<[u8; 32], Failure> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes
        .try_into()
        .map_err(|_| Failure::Damaged("a digest that is not 32 bytes long"))
}
