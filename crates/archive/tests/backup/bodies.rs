//! What the fuzz targets do with arbitrary bytes. The targets in `fuzz/` and the test beside this file call the same
//! functions: nothing may panic, whatever is read can be written again, and all who read say the same.

use std::io::Cursor;

use keyferry_archive::{Encrypted, Error, FooterState, Reader, Unlock, Verdict, Writer, verify};

use crate::made::IDENTITY;
use crate::raw::{Raw, RawFrame, trailer};
use crate::seen::read_open;

/// The ID in the header of the vectors.
pub const BACKUP: [u8; 16] = [1; 16];

/// A file as it is, with the identity of the vectors. Passphrases are for nobody: scrypt's work is not what is tried here.
pub fn backup(bytes: &[u8]) {
    let unlock = |encrypted: &Encrypted| {
        Ok::<_, Error>(match encrypted {
            Encrypted::Passphrase { .. } => Unlock::None,
            _ => Unlock::Identities(vec![IDENTITY.parse().unwrap()]),
        })
    };
    let report = verify(Cursor::new(bytes), unlock, &mut ());
    let Ok(mut reader) = Reader::open_with(Cursor::new(bytes), unlock) else {
        let whole = report.map(|report| report.verdict() == Verdict::Whole);
        assert!(!whole.unwrap_or(false), "whole, and can't be opened");
        return;
    };
    let report = report.expect("what opens can be verified");
    let seen = read_open(&mut reader).expect("memory can be read");
    // A file may be damaged where only its verification looks, never the other way round.
    let signed = matches!(seen.footer, FooterState::Signed { .. });
    assert!(seen.is_whole() || !signed || report.damaged_places > 0);
    if report.encryption.is_none() {
        // Damaged parity costs nothing, and only a verification looks at all of it.
        assert!(!seen.is_whole() || report.damaged_places == report.repairable_places);
        let mut again = Vec::new();
        drop(Writer::new(&mut again, reader.header()).expect("what was read can be written"));
        assert!(bytes.starts_with(&again) || seen.repaired.is_some());
    }
}

/// The start of an encrypted file, as if nothing of its end were damaged.
pub fn encrypted(head: &[u8]) {
    let _ = Encrypted::of(&mut Cursor::new(head));
    backup(&[head, &trailer(head.len() as u64, 0, 0)].concat());
}

/// What a fuzzer can't sign.
pub fn backup_parts(bytes: &[u8]) {
    if let Some(built) = build(bytes) {
        backup(&built);
    }
}

/// A header and records that [`join`] put together, under digests and a signature that fit.
pub fn build(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = cut(bytes)?;
    let mut frames = Vec::new();
    while let Some(([licenses, parts], (plain, after))) = rest
        .split_first_chunk()
        .and_then(|(counts, rest)| Some((*counts, cut(rest)?)))
    {
        let number = frames.len() as u32;
        frames.push(RawFrame::new(number, licenses.into(), parts.into(), plain));
        rest = after;
    }
    Some(Raw::new(header.to_vec(), BACKUP, frames).build())
}

/// A header, then each frame's count of licenses, of parts, and its records.
pub fn join(header: &[u8], frames: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
    let with_length = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let mut out = with_length(header);
    for (licenses, parts, plain) in frames {
        out.extend([*licenses, *parts]);
        out.extend(with_length(plain));
    }
    out
}

/// The first piece, as far as it goes, and what follows it.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    Some(rest.split_at(rest.len().min(u32::from_be_bytes(*len) as usize)))
}
