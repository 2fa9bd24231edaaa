//! What is read when a backup is opened: the header first, then index and footer as far as they are whole.

use std::io::{Read, Seek};

use super::footer::{FOOTER_LIMIT, Footer};
use super::index::{self, Entry, INDEX_LIMIT, TAIL_LEN, Tail};
use super::read::{FooterState, read_at, unreadable};
use super::{Fields, MAGIC, PREAMBLE_LEN, PartKey, Root, VERSION, header_digest};
use crate::damage::{Damage, Lost, Place};
use crate::error::{Error, Result};
use crate::header::{HEADER_LIMIT, Header};

/// What is known once the header was read.
pub(super) struct Opened<'h> {
    pub end: u64,
    pub start: u64,
    pub key: PartKey,
    pub header: &'h Header,
    pub digest: [u8; 32],
}

/// Index and footer as far as they are whole.
pub(super) struct Closing {
    pub end: u64,
    pub index: Option<Vec<Entry>>,
    pub footer: FooterState,
    pub findings: Vec<Damage>,
}

/// The header, its digest, and where the frames begin.
pub(super) fn read_header(source: &mut (impl Read + Seek), len: u64) -> Result<(Header, [u8; 32], u64)> {
    let damaged = |range, why: String| {
        Error::Damaged(Damage {
            place: Place::Header,
            range,
            lost: None,
            why,
        })
    };
    let mut preamble = [0; PREAMBLE_LEN];
    read_at(source, 0, &mut preamble).map_err(|error| damaged(0..len, unreadable(&error)))?;
    let mut fields = Fields(&preamble);
    let (magic, version, stated) = (fields.take::<16>(), fields.u32(), fields.u32());
    let (Some(version), Some(stated)) = (version, stated) else {
        return Err(damaged(0..len, "it is too short".into()));
    };
    if magic != Some(*MAGIC) {
        return Err(damaged(0..16, "it does not begin as a backup does".into()));
    }
    if version != VERSION {
        return Err(Error::Version { found: version });
    }
    if stated as usize > HEADER_LIMIT {
        let why = format!("it claims {stated} bytes, at most {HEADER_LIMIT} are allowed");
        return Err(damaged(0..PREAMBLE_LEN as u64, why));
    }
    let start = (PREAMBLE_LEN + stated as usize + 32) as u64;
    let mut bytes = vec![0; stated as usize + 32];
    read_at(source, PREAMBLE_LEN as u64, &mut bytes)
        .map_err(|error| damaged(0..len.min(start), unreadable(&error)))?;
    let (bytes, digest) = bytes.split_at(stated as usize);
    let actual = header_digest(&preamble, bytes);
    if actual != digest {
        return Err(damaged(0..start, "its digest does not fit".into()));
    }
    let header = Header::from_bytes(bytes).map_err(|error| Error::Header {
        why: error.to_string(),
    })?;
    Ok((header, actual, start))
}

pub(super) fn no_closing(end: u64, start: u64) -> Closing {
    let finding = Damage {
        place: Place::Tail,
        range: end.saturating_sub(TAIL_LEN as u64).max(start)..end,
        lost: Some(Lost::default()),
        why: "missing or damaged: index and footer can't be found, frames are looked for one by one".into(),
    };
    Closing {
        end,
        index: None,
        footer: FooterState::Missing,
        findings: vec![finding],
    }
}

pub(super) fn read_closing(source: &mut (impl Read + Seek), tail: &Tail, opened: &Opened<'_>) -> Closing {
    let footer_at = opened.end - TAIL_LEN as u64 - u64::from(tail.footer_len);
    let mut findings = Vec::new();
    let mut found = |place, range, why: String| {
        let lost = Some(Lost::default());
        findings.push(Damage {
            place,
            range,
            lost,
            why,
        });
    };
    let (index, digest) = match read_index(source, tail, opened) {
        Ok((index, digest)) => (Some(index), Some(digest)),
        Err(why) => {
            found(Place::Index, tail.index_offset..footer_at, why);
            (None, None)
        }
    };
    let root = digest.map(|digest| Root::of(&opened.digest, &digest));
    let footer = if tail.footer_len == 0 {
        found(
            Place::Footer,
            footer_at..footer_at,
            "the backup is not signed".into(),
        );
        FooterState::Missing
    } else {
        match read_footer(source, tail, footer_at, opened, index.as_deref().zip(root)) {
            Ok(Footer {
                licenses, documents, ..
            }) => FooterState::Signed { licenses, documents },
            Err(why) => {
                let end = footer_at + u64::from(tail.footer_len);
                found(Place::Footer, footer_at..end, why.clone());
                FooterState::Broken(why)
            }
        }
    };
    Closing {
        end: opened.end,
        index,
        footer,
        findings,
    }
}

fn read_index(
    source: &mut (impl Read + Seek),
    tail: &Tail,
    opened: &Opened<'_>,
) -> Result<(Vec<Entry>, [u8; 32]), String> {
    if tail.index_len as usize > INDEX_LIMIT {
        return Err(format!(
            "it claims {} bytes, at most {INDEX_LIMIT} are allowed",
            tail.index_len
        ));
    }
    let mut bytes = vec![0; tail.index_len as usize];
    read_at(source, tail.index_offset, &mut bytes).map_err(|error| unreadable(&error))?;
    index::decode(&bytes, &opened.key, opened.start, tail.index_offset).map_err(str::to_owned)
}

/// A footer that says what the rest of the file says.
fn read_footer(
    source: &mut (impl Read + Seek),
    tail: &Tail,
    at: u64,
    opened: &Opened<'_>,
    index: Option<(&[Entry], Root)>,
) -> Result<Footer, String> {
    if tail.footer_len as usize > FOOTER_LIMIT {
        return Err(format!(
            "it claims {} bytes, at most {FOOTER_LIMIT} are allowed",
            tail.footer_len
        ));
    }
    let mut bytes = vec![0; tail.footer_len as usize];
    read_at(source, at, &mut bytes).map_err(|error| unreadable(&error))?;
    let footer = Footer::verify(&bytes, &opened.header.computer).map_err(|error| error.to_string())?;
    let (entries, root) = index.ok_or("the index that it signs is damaged")?;
    if footer.backup != opened.header.backup.0 {
        return Err("it is the footer of another backup".into());
    }
    let counted: u64 = entries.iter().map(|entry| u64::from(entry.frame.licenses)).sum();
    let stated = (footer.root, footer.index_offset, footer.frames, footer.licenses);
    if stated != (root.0, tail.index_offset, entries.len() as u32, counted) {
        return Err("it does not fit what it signs: something before it was exchanged".into());
    }
    Ok(footer)
}
