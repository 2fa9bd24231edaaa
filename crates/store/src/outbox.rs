//! Requests that wait for their answers, and what becomes of them in one transaction when the answer comes.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use keyferry_license::{KemSecret, Secret32, Thumbprint};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::insert::{Inserted, NewLicense};
use crate::sql::records::{self, OutboxRow, ReceiptRow};
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
    /// The signed request.
    pub bytes: Vec<u8>,
    /// Opens the delivery of the answer; deleted with the entry.
    pub one_time: KemSecret,
}

/// A service's signed word, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The request that it answers.
    pub request_id: [u8; 32],
    /// Root of the service.
    pub service: Thumbprint,
    /// Kind of the request, as the messages number it.
    pub kind: u64,
    /// The service's time in it (Unix seconds).
    pub time: u64,
    /// The signed receipt.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Keeps a request until its answer comes; durable. The one-time key lies there sealed under the store key.
    pub fn outbox_put(&self, entry: &OutboxEntry) -> Result<()> {
        let row = OutboxRow {
            request: entry.request_id,
            operation: entry.operation,
            service: entry.service.0,
            bytes: entry.bytes.clone(),
            one_time: self.seal_one_time(entry)?,
        };
        self.write(|db| records::put_outbox(db, &self.path, &row))
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
                kind: receipt.kind,
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
        let receipt = |row: ReceiptRow| Receipt {
            request_id: row.request,
            service: Thumbprint(row.service),
            kind: row.kind,
            time: row.time,
            bytes: row.bytes,
        };
        Ok(rows.into_iter().map(receipt).collect())
    }

    fn entry(&self, row: OutboxRow) -> Result<OutboxEntry> {
        let one_time = self.open_one_time(&row)?;
        Ok(OutboxEntry {
            request_id: row.request,
            operation: row.operation,
            service: Thumbprint(row.service),
            bytes: row.bytes,
            one_time,
        })
    }

    fn seal_one_time(&self, entry: &OutboxEntry) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = keyferry_license::random()?;
        let payload = Payload {
            msg: entry.one_time.seed().expose(),
            aad: &entry.request_id,
        };
        let sealed = self.outbox_cipher()?.encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| keyferry_license::Error::SealBroken)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open_one_time(&self, row: &OutboxRow) -> Result<KemSecret> {
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
        let seed = seed.as_slice().try_into().map_err(|_| altered())?;
        Ok(KemSecret::from_seed(Secret32::from_bytes(seed)))
    }

    fn outbox_cipher(&self) -> Result<Aes256Gcm> {
        let cipher = Aes256Gcm::new_from_slice(self.derived.outbox.expose());
        cipher.map_err(|_| keyferry_license::Error::SealBroken.into())
    }
}
