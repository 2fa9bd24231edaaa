//! Room on the disk of a service: a full one is behind failures that don't say so.

use std::path::Path;

use crate::failed::Failed;
use crate::words;

/// A service doesn't start with less: its lock, its card and the first pages of the ledger's log have to fit.
const LEAST: u64 = 256 * 1024;

/// Why a service can't start in this folder, if its disk is full. Of a folder that isn't there its parent's counts.
pub fn full(dir: &Path) -> Option<Failed> {
    let there = dir.ancestors().find(|folder| folder.is_dir());
    let free = free(there.unwrap_or(Path::new(".")))?;
    (free < LEAST).then(|| {
        let message = format!(
            "the disk of {} is full: {} are free",
            words::path(dir),
            words::size(free)
        );
        Failed::other(message)
            .because("service")
            .hint("make room there, and start it again")
    })
}

/// Bytes that are free for this user, where the system tells.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(folder).ok()?;
    // Some that have no size say that nothing is free.
    (volume.f_blocks > 0).then(|| volume.f_bavail.saturating_mul(volume.f_frsize))
}

/// Bytes that are free for this user, where the system tells.
#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}
