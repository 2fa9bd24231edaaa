//! Reads a backup: the trailer says where the layers lie, the payload gives its records.

use std::io::{Read, Seek};

use crate::damage::{Damage, Lost, Place, Tally};
use crate::encryption::{Content, Encrypted, FileKey, Inside, Unlock};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::outside::Outside;
use crate::payload::{FooterState, Item, Payload, Records};
use crate::protection::{Mended, Protection, Trailer};

/// An open backup, of which the header is known to be whole. What else is damaged is told by
/// [`Reader::findings`] and, while reading, by [`Item::Damage`].
pub struct Reader<R> {
    payload: Payload<R>,
    encryption: Option<(Encrypted, FileKey)>,
    size: u64,
    trailer: Option<Trailer>,
}

impl<R: Read + Seek> Reader<R> {
    /// Opens a backup that is not encrypted. Reads trailer, header, index and footer; no record yet.
    pub fn open(source: R) -> Result<Self> {
        Self::open_with(source, |_| Ok(Unlock::None))
    }

    /// Opens a backup. If it is encrypted, `unlock` is asked with what, after the work factor was checked and before
    /// any memory is taken for it.
    pub fn open_with<E: From<Error>>(
        source: R,
        unlock: impl FnOnce(&Encrypted) -> Result<Unlock, E>,
    ) -> Result<Self, E> {
        let mut source = Mended::new(source);
        let mut outside = Outside::read(&mut source)?;
        let (ends, findings) = outside.ends()?;
        let mut reader = Self::open_inside(source, &outside, &ends, findings, unlock)?;
        if let Some(protection) = reader.repaired() {
            reader.payload.findings.push(protection.damage());
        }
        Ok(reader)
    }

    /// Opens a backup of which the outside is known, where it may end, and what is wrong with that.
    pub(crate) fn open_inside<E: From<Error>>(
        source: Mended<R>,
        outside: &Outside,
        ends: &[u64],
        mut findings: Vec<Damage>,
        unlock: impl FnOnce(&Encrypted) -> Result<Unlock, E>,
    ) -> Result<Self, E> {
        let (inside, ends, encryption) = match &outside.head {
            None => (Inside::Plain(source), ends.to_vec(), None),
            Some(head) => {
                head.check_work_factor()?;
                let key = head.unlock(&unlock(&head.encrypted)?)?;
                let mut content = Content::new(source, &head.content_key(&key), head.len(), ends);
                if findings.is_empty() {
                    findings.extend(content.missing_end());
                }
                let end = content.len();
                (Inside::Encrypted(content), vec![end], Some((head.encrypted, key)))
            }
        };
        let mut payload = Payload::open(inside, &ends)?;
        payload.findings.splice(0..0, findings);
        Ok(Self {
            payload,
            encryption,
            size: outside.size,
            trailer: outside.trailer,
        })
    }

    /// What it is encrypted with; `None` if it isn't.
    pub fn encryption(&self) -> Option<&Encrypted> {
        self.encryption.as_ref().map(|(encrypted, _)| encrypted)
    }

    /// What opens this very file once more, without a passphrase or an identity.
    pub fn unlock(&self) -> Unlock {
        match &self.encryption {
            Some((_, key)) => Unlock::FileKey(key.clone()),
            None => Unlock::None,
        }
    }

    /// What stands before the records.
    pub fn header(&self) -> &Header {
        &self.payload.header
    }

    /// What the computer's signature says.
    pub fn footer(&self) -> &FooterState {
        &self.payload.footer
    }

    /// What opening found damaged; empty if everything outside the frames is whole.
    pub fn findings(&self) -> &[Damage] {
        &self.payload.findings
    }

    /// Length of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// N: bytes 0..N are the backup without its protection. `None` if the trailer that states it is damaged.
    pub fn inner_len(&self) -> Option<u64> {
        self.trailer.map(|trailer| trailer.inner_len)
    }

    /// What its parity repaired while it was read so far, or could not; `None` as long as nothing was damaged. What was
    /// met while it was opened is among the [`Reader::findings`] too.
    pub fn repaired(&mut self) -> Option<Protection> {
        self.payload.file().found()
    }

    /// The records from the first on.
    pub fn records(&mut self) -> Result<Records<'_, R>> {
        self.payload.records()
    }

    /// Reads everything. An error if anything at all is damaged, unsigned, or not as many as was signed.
    pub fn check_whole(&mut self) -> Result<Tally> {
        if let Some(damage) = self.payload.findings.first() {
            return Err(Error::Damaged(damage.clone()));
        }
        let (footer, size) = (self.payload.footer.clone(), self.size);
        let mut records = self.payload.records()?;
        while let Some(item) = records.next_item() {
            if let Item::Damage(damage) = item {
                return Err(Error::Damaged(damage));
            }
        }
        let tally = records.tally();
        if let Some(protection) = self.repaired() {
            return Err(Error::Damaged(protection.damage()));
        }
        let FooterState::Signed { licenses, documents } = footer else {
            return Err(unsigned(size, "the backup is not signed"));
        };
        if (tally.licenses, tally.documents) != (licenses, documents) {
            return Err(unsigned(size, "it signs other counts than there are"));
        }
        Ok(tally)
    }
}

fn unsigned(size: u64, why: &str) -> Error {
    Error::Damaged(Damage {
        place: Place::Footer,
        range: 0..size,
        lost: Some(Lost::default()),
        why: why.into(),
    })
}
