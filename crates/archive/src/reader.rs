//! Reads a backup: the trailer says where the layers lie, the payload gives its records.

use std::io::{Read, Seek, SeekFrom};

use crate::damage::{Damage, Lost, Place, Tally};
use crate::encryption::{Outermost, recognize};
use crate::error::{Error, Result};
use crate::header::Header;
use crate::payload::{FooterState, Item, PREAMBLE_LEN, Payload, Records, read_at};
use crate::protection::{Ending, TRAILER_LEN, Trailer};

/// An open backup, of which the header is known to be whole. What else is damaged is told by
/// [`Reader::findings`] and, while reading, by [`Item::Damage`].
pub struct Reader<R> {
    payload: Payload<R>,
    size: u64,
    trailer: Option<Trailer>,
}

impl<R: Read + Seek> Reader<R> {
    /// Opens a backup. Reads trailer, header, index and footer; no record yet.
    pub fn open(mut source: R) -> Result<Self> {
        let stream = |source| Error::Stream {
            doing: "read",
            at: 0,
            source,
        };
        let size = source.seek(SeekFrom::End(0)).map_err(stream)?;
        let start = first_bytes(&mut source, size).map_err(stream)?;
        let ending = read_ending(&mut source, size);
        // What the file is comes before what is wrong with its end.
        match (recognize(&start), &ending) {
            (Outermost::Age, _) => return Err(Error::Encrypted),
            (Outermost::Unknown, Ok(Ending::Whole(_))) => {
                return Err(Error::Damaged(Damage {
                    place: Place::Header,
                    range: 0..start.len() as u64,
                    lost: None,
                    why: "the trailer is that of a backup, the first bytes are not".into(),
                }));
            }
            (Outermost::Unknown, _) if size == 0 => return Err(Error::NotABackup { why: "it is empty" }),
            (Outermost::Unknown, _) => {
                let why = "it does not begin as one does";
                return Err(Error::NotABackup { why });
            }
            (Outermost::Payload, _) => {}
        }
        let (trailer, ends, finding) = match ending? {
            Ending::Whole(trailer) => (Some(trailer), vec![trailer.inner_len], None),
            Ending::Broken => (None, without_trailer(size), Some("damaged")),
            Ending::Missing => (
                None,
                without_trailer(size),
                Some("missing: the file was cut, or something was added to it"),
            ),
        };
        let mut payload = Payload::open(source, &ends)?;
        if let Some(why) = finding {
            let damage = Damage {
                place: Place::Trailer,
                range: size.saturating_sub(TRAILER_LEN as u64)..size,
                lost: Some(Lost::default()),
                why: why.into(),
            };
            payload.findings.insert(0, damage);
        }
        Ok(Self {
            payload,
            size,
            trailer,
        })
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

/// Where the payload may end when nothing says it: before a trailer that is damaged, or with the file.
fn without_trailer(size: u64) -> Vec<u64> {
    vec![size.saturating_sub(TRAILER_LEN as u64), size]
}
