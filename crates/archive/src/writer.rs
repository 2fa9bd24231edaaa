//! Writes a backup: the payload, encrypted or not, and the trailer after it.

use std::io::Write;

use keyferry_license::{Grant, SealedKey, SigningSecret, Verified};

use crate::encryption::{Encryption, Sealing, Unlock};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::payload::{PayloadWriter, Root};
use crate::protection::Trailer;
use crate::record::{License, Record};

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Licenses.
    pub licenses: u64,
    /// License documents.
    pub documents: u64,
    /// Length of what was written.
    pub bytes: u64,
    /// What the computer signed.
    pub root: Root,
}

/// Writes a backup in one pass, in memory that does not grow with it. Dropping it before [`Writer::finish`] leaves
/// a file that no reader takes for whole.
pub struct Writer<W: Write> {
    payload: PayloadWriter<Sealing<W>>,
    unlock: Unlock,
}

impl<W: Write> Writer<W> {
    /// Begins a backup that is not encrypted: checks the header against the rules and writes it.
    pub fn new(out: W, header: &Header) -> Result<Self> {
        Self::encrypted(out, header, &Encryption::None)
    }

    /// Begins a backup that is encrypted so. A passphrase takes 256 MiB of memory for a moment, here and only here.
    pub fn encrypted(out: W, header: &Header, encryption: &Encryption) -> Result<Self> {
        let out = Sealing::start(out, encryption)?;
        let unlock = out.unlock();
        let payload = PayloadWriter::new(out, header)?;
        Ok(Self { payload, unlock })
    }

    /// What opens the very file that is being written, to read it back: no passphrase is worked through again, and no
    /// recipient's identity is needed. [`Unlock::None`] if it isn't encrypted.
    pub fn unlock(&self) -> Unlock {
        self.unlock.clone()
    }

    /// Adds a record. An error of the caller's fault leaves the writer as it was.
    pub fn push(&mut self, record: &Record<'_>) -> Result<()> {
        let grant = match record {
            Record::License(license) => Grant::parse(license.grant).ok(),
            _ => None,
        };
        let name = grant
            .as_ref()
            .map(|grant| (&grant.claim().license, &*grant.claim().title));
        self.payload.push(record, name)
    }

    /// Adds a license that never had a lease.
    pub fn push_license(
        &mut self,
        grant: &[u8],
        escrow: &SealedKey,
        returning: Option<&SealedKey>,
    ) -> Result<()> {
        self.push(&license(grant, escrow, returning))
    }

    /// Adds a license that never had a lease, whose grant was verified: the same without decoding it again.
    pub fn push_grant(
        &mut self,
        grant: &Verified<Grant>,
        escrow: &SealedKey,
        returning: Option<&SealedKey>,
    ) -> Result<()> {
        let record = license(grant.as_bytes(), escrow, returning);
        self.payload.push(&record, Some((&grant.license, &*grant.title)))
    }

    /// Adds a license document in as many parts as it takes; gives its SHA-256.
    pub fn push_document(&mut self, name: &str, kind: &str, bytes: &[u8]) -> Result<[u8; 32]> {
        self.payload.push_document(name, kind, bytes)
    }

    /// Writes index, footer and trailer: a backup without parity. The key is that of the computer in the header.
    pub fn finish(self, secret: &SigningSecret) -> Result<(W, Summary)> {
        self.end(secret, true)
    }

    /// Writes index and footer. The protection is still to be made: by [`protect`](crate::protect), or by
    /// [`publish`](crate::medium::publish). The key is that of the computer in the header.
    pub fn finish_inner(self, secret: &SigningSecret) -> Result<(W, Summary)> {
        self.end(secret, false)
    }

    fn end(self, secret: &SigningSecret, with_trailer: bool) -> Result<(W, Summary)> {
        let (sealing, written) = self.payload.finish(secret)?;
        let stream = |source| Error::Stream {
            doing: "write",
            at: written.len,
            source,
        };
        let (mut out, inner_len, check) = sealing.finish().map_err(stream)?;
        let protection = match check {
            _ if !with_trailer => Vec::new(),
            Some(check) => [&check.to_bytes()[..], &Trailer::with_check(inner_len).to_bytes()].concat(),
            None => Trailer::plain(inner_len).to_bytes().to_vec(),
        };
        out.write_all(&protection).map_err(stream)?;
        out.flush().map_err(stream)?;
        let summary = Summary {
            licenses: written.licenses,
            documents: written.documents,
            bytes: inner_len + protection.len() as u64,
            root: written.root,
        };
        Ok((out, summary))
    }
}

fn license<'a>(grant: &'a [u8], escrow: &SealedKey, returning: Option<&SealedKey>) -> Record<'a> {
    Record::License(License {
        grant,
        escrow: *escrow,
        returning: returning.copied(),
        lease_close: None,
    })
}
