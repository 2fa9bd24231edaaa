//! What a file shows without being opened: its length, its trailer, and the header of its encryption.

use std::io::{Read, Seek, SeekFrom};

use crate::damage::{Damage, Lost, Place};
use crate::encryption::{Head, Outermost, recognize};
use crate::error::{Error, Result};
use crate::payload::{PREAMBLE_LEN, read_at};
use crate::protection::{CHECK_LEN, Check, Ending, Mended, TRAILER_LEN, Table, Trailer};

pub(crate) struct Outside {
    /// Length of the file.
    pub size: u64,
    /// If it is whole.
    pub trailer: Option<Trailer>,
    ending: Result<Ending>,
    /// What layers 1 and 2 should be, where the file says it and that is whole.
    pub check: Option<[u8; CHECK_LEN]>,
    /// If it is encrypted.
    pub head: Option<Head>,
    /// The protection, or a part of it, is damaged.
    unprotected: Option<Damage>,
}

impl Outside {
    /// What the file is comes before what is wrong with its end: so what can be read of both is kept. Where there is
    /// parity, the rest is read through it.
    pub fn read(source: &mut Mended<impl Read + Seek>) -> Result<Self> {
        let stream = |source| Error::Stream {
            doing: "read",
            at: 0,
            source,
        };
        let size = source.seek(SeekFrom::End(0)).map_err(stream)?;
        let ending = read_ending(source.raw(), size);
        let (trailer, unprotected) = protect(source, &ending, size);
        let start = first_bytes(source, size).map_err(stream)?;
        let head = match (recognize(&start), &ending) {
            (Outermost::Payload, _) => None,
            (Outermost::Age, _) => Some(Head::read(source)?),
            (Outermost::Unknown, Ok(Ending::Whole(_))) => {
                return Err(Error::Damaged(Damage {
                    place: Place::Header,
                    range: 0..start.len() as u64,
                    lost: None,
                    why: "the trailer is that of a backup, the first bytes are not".into(),
                }));
            }
            (Outermost::Unknown, _) => {
                let why = if size == 0 {
                    "it is empty"
                } else {
                    "it does not begin as one does"
                };
                return Err(Error::NotABackup { why });
            }
        };
        let check = trailer.filter(Trailer::has_check);
        let check = check.and_then(|trailer| Check::read(source, trailer.inner_len));
        Ok(Self {
            size,
            trailer,
            check,
            ending,
            head,
            unprotected,
        })
    }

    /// Where layers 1 and 2 may end, and what is wrong with the protection that should say it.
    pub fn ends(&mut self) -> Result<(Vec<u64>, Vec<Damage>)> {
        let ending = std::mem::replace(&mut self.ending, Ok(Ending::Missing))?;
        let why = match ending {
            Ending::Whole(trailer) => {
                let broken = (trailer.has_check() && self.check.is_none()).then(|| Damage {
                    place: Place::Protection,
                    range: trailer.inner_len..trailer.inner_len + CHECK_LEN as u64,
                    lost: Some(Lost::default()),
                    why: "the check over the backup is damaged itself".into(),
                });
                let findings = broken.into_iter().chain(self.unprotected.take());
                return Ok((vec![trailer.inner_len], findings.collect()));
            }
            Ending::Broken => "damaged",
            Ending::Missing => "missing: the file was cut, or something was added to it",
        };
        let before = self.size.saturating_sub(TRAILER_LEN as u64);
        let damage = Damage {
            place: Place::Trailer,
            range: before..self.size,
            lost: Some(Lost::default()),
            why: why.into(),
        };
        let ends = match (self.trailer, &self.head) {
            // The pages of check values say it too.
            (Some(trailer), _) => vec![trailer.inner_len],
            // Before a trailer that is damaged, or with the file.
            (None, None) => vec![before, self.size],
            // The check stands there too, and of both any part may be left. A last chunk proves where it ends.
            (None, Some(_)) => (before.saturating_sub(CHECK_LEN as u64)..=self.size).collect(),
        };
        Ok((ends, vec![damage]))
    }
}

/// Sees to it that damage is repaired from now on; gives the trailer, which the pages of check values stand in for.
fn protect(
    source: &mut Mended<impl Read + Seek>,
    ending: &Result<Ending>,
    size: u64,
) -> (Option<Trailer>, Option<Damage>) {
    let (trailer, table) = match ending {
        Ok(Ending::Whole(trailer)) if trailer.has_parity() => {
            let table = Table::at(source.raw(), trailer.inner_len, size);
            let fits = |table: &Table| Trailer::with_parity(&table.layout) == *trailer;
            let Some(table) = table.filter(fits) else {
                let damage = Damage {
                    place: Place::Protection,
                    range: trailer.inner_len..trailer.inner_len + trailer.len,
                    lost: Some(Lost::default()),
                    why: "nothing in it leads to the parity".into(),
                };
                return (Some(*trailer), Some(damage));
            };
            (*trailer, table)
        }
        Ok(Ending::Whole(trailer)) => return (Some(*trailer), None),
        Ok(Ending::Broken | Ending::Missing) => match Table::search(source.raw(), 0, size) {
            None => return (None, None),
            Some(table) => (Trailer::with_parity(&table.layout), table),
        },
        Err(_) => return (None, None),
    };
    source.protect(table);
    (Some(trailer), None)
}

fn first_bytes(source: &mut (impl Read + Seek), size: u64) -> std::io::Result<Vec<u8>> {
    let mut start = vec![0; PREAMBLE_LEN.min(usize::try_from(size).unwrap_or(PREAMBLE_LEN))];
    read_at(source, 0, &mut start)?;
    Ok(start)
}

fn read_ending(source: &mut (impl Read + Seek), size: u64) -> Result<Ending> {
    let mut bytes = [0; TRAILER_LEN];
    let Some(at) = size.checked_sub(TRAILER_LEN as u64) else {
        return Ok(Ending::Missing);
    };
    // A bad sector under the trailer costs the trailer alone.
    match read_at(source, at, &mut bytes) {
        Ok(()) => Trailer::from_bytes(&bytes, size),
        Err(_) => Ok(Ending::Broken),
    }
}
