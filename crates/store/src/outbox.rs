//! Requests that wait for their answers, and what becomes of them in one transaction when the answer comes.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use keyferry_license::{KemSecret, Secret32, Thumbprint};
use rusqlite::Connection;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::insert::{Inserted, NewLicense};
use crate::sql::records::{self, OutboxRow, PendingRow, ReceiptRow};
use crate::store::Store;

const NONCE: usize = 12;

/// A request that changes the service's ledger: it is here before it is sent.
#[derive(Debug, Clone)]
pub struct OutboxEntry {
    /// SHA-256 of the request's bytes.
    pub request_id: [u8; 32],
    /// The same for all requests of one operation.
    pub operation: [u8; 16],
    /// Root of the service that it goes to.
    pub service: Thumbprint,
    /// Kind of the request, as the messages name it.
    pub kind: String,
    /// The signed request.
    pub bytes: Vec<u8>,
    /// Opens the delivery of the answer, where one comes with it; deleted with the entry.
    pub one_time: Option<KemSecret>,
}

/// The names of a request that waits, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// SHA-256 of the request's bytes.
    pub request_id: [u8; 32],
    /// The same for all requests of one operation.
    pub operation: [u8; 16],
    /// Root of the service that it goes to.
    pub service: Thumbprint,
    /// Kind of the request, as the messages name it.
    pub kind: String,
}

/// A service's signed word, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The request that it answers.
    pub request_id: [u8; 32],
    /// Root of the service.
    pub service: Thumbprint,
    /// Kind of the request, as the messages name it.
    pub kind: String,
    /// The service's time in it (Unix seconds).
    pub time: u64,
    /// The signed receipt.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Keeps a request until its answer comes; durable. The one-time key lies there sealed under the store key.
    pub fn outbox_put(&self, entry: &OutboxEntry) -> Result<()> {
        self.outbox_put_all(std::slice::from_ref(entry))
    }

    /// Keeps several requests, all or none; durable.
    pub fn outbox_put_all(&self, entries: &[OutboxEntry]) -> Result<()> {
        self.write(|db| self.outbox_put_in(db, entries))
    }

    /// Keeps an entry in place of all of these kinds that wait for the same service; durable.
    pub fn outbox_replace(&self, kinds: &[&str], entry: &OutboxEntry) -> Result<()> {
        self.write(|db| {
            for kind in kinds {
                records::remove_outbox_for(db, &self.path, kind, &entry.service)?;
            }
            self.outbox_put_in(db, std::slice::from_ref(entry))
        })
    }

    pub(crate) fn outbox_put_in(&self, db: &Connection, entries: &[OutboxEntry]) -> Result<()> {
        for entry in entries {
            let row = OutboxRow {
                request: entry.request_id,
                operation: entry.operation,
                service: entry.service.0,
                kind: entry.kind.clone(),
                bytes: entry.bytes.clone(),
                one_time: self.seal_one_time(entry)?,
            };
            records::put_outbox(db, &self.path, &row)?;
        }
        Ok(())
    }

    /// The names of what waits, of one kind or of all, the oldest first: a restore of many licenses may have more
    /// requests waiting than fit into memory.
    pub fn pending(&self, kind: Option<&str>) -> Result<Vec<Pending>> {
        let rows = records::pending(&self.db, &self.path, kind)?;
        let pending = |row: PendingRow| Pending {
            request_id: row.request,
            operation: row.operation,
            service: Thumbprint(row.service),
            kind: row.kind,
        };
        Ok(rows.into_iter().map(pending).collect())
    }

    /// What waits, the oldest first.
    pub fn outbox_pending(&self) -> Result<Vec<OutboxEntry>> {
        let rows = records::outbox(&self.db, &self.path)?;
        rows.into_iter().map(|row| self.entry(row)).collect()
    }

    /// One request that waits.
    pub fn outbox_entry(&self, request_id: &[u8; 32]) -> Result<Option<OutboxEntry>> {
        let row = records::outbox_entry(&self.db, &self.path, request_id)?;
        row.map(|row| self.entry(row)).transpose()
    }

    /// Drops a request and its one-time key; says whether it waited.
    pub fn outbox_remove(&self, request_id: &[u8; 32]) -> Result<bool> {
        self.write(|db| records::remove_outbox(db, &self.path, request_id))
    }

    /// Takes the answer to a request, in one transaction: the licenses come in, the receipt is kept, the request and
    /// its one-time key go. [`Error::NotPending`] when it doesn't wait (any more); then nothing changed.
    pub fn settle(&self, receipt: &Receipt, licenses: &[NewLicense]) -> Result<Vec<Inserted>> {
        self.write(|db| {
            if !records::remove_outbox(db, &self.path, &receipt.request_id)? {
                return Err(Error::NotPending);
            }
            let row = ReceiptRow {
                request: receipt.request_id,
                service: receipt.service.0,
                kind: receipt.kind.clone(),
                time: receipt.time,
                bytes: receipt.bytes.clone(),
            };
            records::put_receipt(db, &self.path, &row)?;
            self.insert_in(db, licenses)
        })
    }

    /// All receipts, the oldest first.
    pub fn receipts(&self) -> Result<Vec<Receipt>> {
        let rows = records::receipts(&self.db, &self.path)?;
        Ok(rows.into_iter().map(Receipt::from).collect())
    }

    /// Calls `each` for every receipt of one service or of all, service by service, the oldest first; stops at its
    /// first error. One receipt is in memory at a time.
    pub fn for_each_receipt<E: From<Error>>(
        &self,
        service: Option<&Thumbprint>,
        mut each: impl FnMut(Receipt) -> Result<(), E>,
    ) -> Result<(), E> {
        let service = service.map(Thumbprint::as_bytes);
        records::for_each_receipt(&self.db, &self.path, service, |row| each(row.into()))
    }

    fn entry(&self, row: OutboxRow) -> Result<OutboxEntry> {
        let one_time = self.open_one_time(&row)?;
        Ok(OutboxEntry {
            request_id: row.request,
            operation: row.operation,
            service: Thumbprint(row.service),
            kind: row.kind,
            bytes: row.bytes,
            one_time,
        })
    }

    /// An entry without a one-time key seals nothing, so that a key can't be taken out of one unnoticed.
    fn seal_one_time(&self, entry: &OutboxEntry) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = keyferry_license::random()?;
        let seed = entry.one_time.as_ref().map(|key| key.seed().expose().as_slice());
        let payload = Payload {
            msg: seed.unwrap_or_default(),
            aad: &entry.request_id,
        };
        let sealed = self.outbox_cipher()?.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| keyferry_license::Error::SealBroken)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open_one_time(&self, row: &OutboxRow) -> Result<Option<KemSecret>> {
        let altered = || {
            Error::damaged(
                &self.path,
                "a waiting request was altered; delete it and restore a backup",
            )
        };
        let (nonce, sealed) = row.one_time.split_first_chunk::<NONCE>().ok_or_else(altered)?;
        let payload = Payload {
            msg: sealed,
            aad: &row.request,
        };
        let seed = self.outbox_cipher()?.decrypt(&Nonce::from(*nonce), payload);
        let seed = Zeroizing::new(seed.map_err(|_| altered())?);
        if seed.is_empty() {
            return Ok(None);
        }
        let seed = seed.as_slice().try_into().map_err(|_| altered())?;
        Ok(Some(KemSecret::from_seed(Secret32::from_bytes(seed))))
    }

    fn outbox_cipher(&self) -> Result<Aes256Gcm> {
        let cipher = Aes256Gcm::new_from_slice(self.derived.outbox.expose());
        cipher.map_err(|_| keyferry_license::Error::SealBroken.into())
    }
}

impl From<ReceiptRow> for Receipt {
    fn from(row: ReceiptRow) -> Self {
        Self {
            request_id: row.request,
            service: Thumbprint(row.service),
            kind: row.kind,
            time: row.time,
            bytes: row.bytes,
        }
    }
}
