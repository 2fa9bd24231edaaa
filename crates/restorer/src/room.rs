//! Room on the medium for a backup: told before anything is written, while the earlier backup stays until the new one was
//! read back.

use std::path::Path;

use keyferry_archive::{Error as ArchiveError, Header, Parity};
use keyferry_license::Grant;
use keyferry_store::{Snapshot, Store};

use crate::drives::{volume_of, volumes};
use crate::error::{Error, Result};
use crate::only::Picker;

/// A license takes at most about this many bytes in a backup, in practice.
const MUCH: u64 = 2000;
/// What doesn't compress of a license: its ID, key ID, commitment, signature and escrow; and the return seal.
const LICENSE: u64 = 16 + 16 + 32 + 64 + 32;
const RETURN_SEAL: u64 = 32;
/// The longest file of FAT.
const SHORTEST_LIMIT: u64 = u32::MAX as u64;

/// What is known of the medium.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes that are free for this person; `None` where nobody says so.
    pub free: Option<u64>,
    /// Length of the longest file, where there is a limit.
    pub longest: Option<u64>,
}

/// An error if the backup doesn't fit. What it takes is guessed roughly first; only where that may be too much the licenses
/// are looked at, and what surely can't be compressed is added up: so nothing is refused that would have fitted.
pub(crate) fn require(
    folder: &Path,
    header: &Header,
    parity: Parity,
    (store, snapshot): (&Store, &Snapshot),
    picker: &Picker,
) -> Result<()> {
    let fixed = fixed(header);
    let documents: u64 = store.documents()?.iter().map(|document| document.size).sum();
    let much = with_parity(
        fixed + snapshot.count() * MUCH + documents * 2 + (1 << 20),
        parity,
    );
    let known = Room {
        free: free(folder),
        // Whoever is far from the first limit needn't know what is mounted.
        longest: None,
    };
    if much < SHORTEST_LIMIT && known.free.is_some_and(|free| much <= free) {
        return Ok(());
    }
    let room = of(folder, known);
    if fits(folder, room, much).is_ok() {
        return Ok(());
    }
    let mut needed = fixed;
    snapshot.for_each(|license| {
        let grant = license.grant()?;
        let grant = grant.claim();
        if grant.rights.may_be_backed_up() && (picker.is_all() || picker.picks(grant)) {
            needed += least(grant);
        }
        Ok::<_, Error>(())
    })?;
    fits(folder, room, with_parity(needed, parity))
}

fn fits(folder: &Path, room: Room, needed: u64) -> Result<()> {
    let folder = folder.display().to_string();
    if let Some(limit) = room.longest.filter(|limit| needed > *limit) {
        let limit = Some(limit);
        return Err(ArchiveError::FileTooLong { folder, limit }.into());
    }
    match room.free.filter(|free| needed > *free) {
        None => Ok(()),
        Some(free) => Err(ArchiveError::TooLittleRoom { folder, needed, free }.into()),
    }
}

/// Cards and encapsulations.
fn fixed(header: &Header) -> u64 {
    let cards = [&header.computer]
        .into_iter()
        .chain(&header.issuers)
        .chain(&header.services);
    let cards: usize = cards.map(|card| card.as_bytes().len()).sum();
    let seals: usize = header.seals.iter().map(|seal| seal.enc.as_bytes().len()).sum();
    (cards + seals) as u64
}

fn least(grant: &Grant) -> u64 {
    let returning = if grant.rights.keep_state() { 0 } else { RETURN_SEAL };
    LICENSE + returning
}

fn with_parity(bytes: u64, parity: Parity) -> u64 {
    let percent = parity.to_string().parse().unwrap_or(0);
    bytes.saturating_add(bytes / 100 * percent)
}

/// The same with all that can be known.
fn of(folder: &Path, known: Room) -> Room {
    let volumes = volumes().unwrap_or_default();
    let volume = volume_of(&volumes, folder);
    Room {
        free: known.free.or_else(|| said(volume?.free)),
        longest: volume.and_then(|volume| volume.longest_file()),
    }
}

#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let of = rustix::fs::statvfs(folder).ok()?;
    said(of.f_bavail.saturating_mul(of.f_frsize))
}

/// Some file systems in user space say that nothing is free, whatever is. Of one that is full the first write tells.
fn said(free: u64) -> Option<u64> {
    Some(free).filter(|free| *free > 0)
}

/// Told with what else is known of the volume.
#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(free: u64, longest: Option<u64>, needed: u64) -> Option<String> {
        let free = Some(free);
        let fits = fits(Path::new("/stick"), Room { free, longest }, needed);
        fits.err().map(|error| error.to_string())
    }

    #[test]
    fn what_does_not_fit_is_told_in_bytes() {
        assert_eq!(error(100, None, 100), None);
        assert_eq!((said(0), said(1)), (None, Some(1)));
        let full = error(100, None, 101).unwrap();
        assert!(
            full.contains("/stick has 100 bytes free") && full.contains("at least 101"),
            "{full}"
        );
        let (gib, fat) = (1 << 30, Some(SHORTEST_LIMIT));
        assert_eq!(error(8 * gib, fat, 4 * gib - 1), None);
        let long = error(8 * gib, fat, 4 * gib).unwrap();
        assert!(
            long.contains("no file as long") && long.contains("4294967295 bytes"),
            "{long}"
        );
        let unknown = Room {
            free: None,
            longest: None,
        };
        assert!(fits(Path::new("/stick"), unknown, u64::MAX).is_ok());
    }

    #[test]
    fn parity_is_a_part_of_what_is_needed() {
        assert_eq!(with_parity(1000, Parity::None), 1000);
        assert_eq!(with_parity(1000, Parity::Twelve), 1120);
        assert_eq!(with_parity(u64::MAX, Parity::TwentyFive), u64::MAX);
    }
}
