//! Licenses of a backup in chunks, decoded and not yet verified.

use std::io::{Read, Seek};

use keyferry_archive::{Item, Record, Records};
use keyferry_license::{Grant, SealedKey, Unverified};

/// Licenses that are looked at together; also the most that one request asks for.
pub(crate) const CHUNK: usize = keyferry_protocol::MAX_ITEMS;

/// A license of the backup.
pub(crate) struct Row {
    pub(crate) grant: Unverified<Grant>,
    pub(crate) escrow: SealedKey,
    pub(crate) returning: Option<SealedKey>,
}

/// Up to [`CHUNK`] licenses, and what could not be read between them.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) rows: Vec<Row>,
    pub(crate) damage: Vec<String>,
    /// Licenses lost by the damage, as far as the index tells.
    pub(crate) lost: u64,
}

/// The next chunk; None at the end.
pub(crate) fn next_chunk<R: Read + Seek>(records: &mut Records<'_, R>) -> Option<Chunk> {
    let mut chunk = Chunk::default();
    while chunk.rows.len() < CHUNK {
        match records.next_item() {
            None if chunk.rows.is_empty() && chunk.damage.is_empty() => return None,
            None => break,
            Some(Item::Damage(damage)) => {
                chunk.lost += damage.lost.map_or(1, |lost| u64::from(lost.licenses));
                chunk.damage.push(damage.to_string());
            }
            Some(Item::Record(Record::License(license))) => match Grant::parse(license.grant) {
                Ok(grant) => chunk.rows.push(Row {
                    grant,
                    escrow: license.escrow,
                    returning: license.returning,
                }),
                Err(error) => {
                    chunk.lost += 1;
                    chunk.damage.push(format!("a license can't be read: {error}"));
                }
            },
            Some(Item::Record(_)) => {}
        }
    }
    Some(chunk)
}
