//! Repair: layers 1 and 2 as they were written, from a file that is damaged and has parity enough (docs/backup.md section
//! 7.4). Nothing is opened, so no passphrase is needed.

use std::io::{Read, Seek, Write};

use crate::damage::Damage;
use crate::error::{Error, Result};
use crate::outside::Outside;
use crate::payload::read_at;
use crate::protection::{Mended, Parity, Protection};

const PIECE: u64 = 128 * 1024;

/// A backup of which every byte is there, or can be made again.
pub struct Repair<R> {
    source: Mended<R>,
    protection: Protection,
    parity: Parity,
    findings: Vec<Damage>,
    inner_len: u64,
}

impl<R: Read + Seek> Repair<R> {
    /// Looks at every byte of the file. [`Error::NotRepairable`] if it has no parity, or too little is left.
    pub fn open(source: R) -> Result<Self> {
        let mut source = Mended::new(source);
        let mut outside = Outside::read(&mut source)?;
        let (ends, findings) = outside.ends()?;
        let examined = source.examine().map_err(|source| Error::Stream {
            doing: "repair",
            at: 0,
            source,
        })?;
        let Some((protection, table, _)) = examined else {
            let why = if outside.trailer.is_some_and(|trailer| trailer.has_parity()) {
                "too much of its parity is damaged"
            } else {
                "there is no parity in it, or none that is left"
            };
            return Err(Error::NotRepairable { why: why.into() });
        };
        let parity = table.layout.level();
        if !protection.is_repairable() {
            let why = protection.damage().why;
            return Err(Error::NotRepairable { why });
        }
        Ok(Self {
            source,
            protection,
            parity,
            findings,
            inner_len: ends.first().copied().unwrap_or(0),
        })
    }

    /// What is damaged.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// How much parity the file has.
    pub fn parity(&self) -> Parity {
        self.parity
    }

    /// Is every byte of it as it was written, so that there is nothing to repair?
    pub fn is_whole(&self) -> bool {
        let found = &self.protection;
        found.damaged + found.damaged_parity + found.damaged_pages == 0 && self.findings.is_empty()
    }

    /// N: the length of layers 1 and 2.
    pub fn inner_len(&self) -> u64 {
        self.inner_len
    }

    /// Writes layers 1 and 2: a backup without its protection, which every reader takes and tells of.
    pub fn write_inner(&mut self, out: &mut dyn Write) -> Result<()> {
        let mut piece = vec![0; PIECE as usize];
        let mut at = 0;
        while at < self.inner_len {
            let len = (self.inner_len - at).min(PIECE) as usize;
            let stream = |doing| move |source| Error::Stream { doing, at, source };
            read_at(&mut self.source, at, &mut piece[..len]).map_err(stream("read"))?;
            out.write_all(&piece[..len]).map_err(stream("write"))?;
            at += len as u64;
        }
        Ok(())
    }
}
