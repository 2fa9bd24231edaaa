//! Wherever a backup of a hundred licenses is altered, cut, mixed or added to: verification sees it and says where, and a
//! restore never brings a wrong license. `cargo xtask soak flip` does what takes too long here.

mod mixed;

use std::path::PathBuf;
use std::sync::Arc;

use keyferry::{BackupOptions, Encryption, Identity, Parity, Silent, Unlock};
use keyferry_testkit::{Computer, Flips, Issued, Restoring, World, files_below, names_place};

const LICENSES: usize = 100;
/// A restore is tried for one byte in so many; the soak takes the others.
const STEP: usize = 16;

/// A backup and the computer that made it and lost its store.
struct Made {
    world: World,
    computer: Computer,
    issued: Vec<Issued>,
    file: PathBuf,
    flips: Flips,
    unlock: Unlock,
}

impl Made {
    fn plain(licenses: usize) -> Self {
        Self::new(licenses, Encryption::None, Unlock::None)
    }

    fn encrypted(licenses: usize) -> Self {
        let identity = Identity::generate();
        let to = Encryption::Recipients(vec![identity.recipient()]);
        Self::new(licenses, to, Unlock::Identities(vec![identity]))
    }

    fn new(licenses: usize, encryption: Encryption, unlock: Unlock) -> Self {
        let world = World::new();
        let (computer, issued, stick) = world.backed_up(licenses);
        let options = BackupOptions {
            folder: Some(stick.clone()),
            overwrite: true,
            encryption,
            parity: Parity::None,
            ..BackupOptions::default()
        };
        let running = computer
            .restorer(world.direct())
            .backup(options, Arc::new(Silent));
        running.and_then(|running| running.wait()).expect("backed up");
        computer.lose_store();
        let file = files_below(&stick).remove(0);
        let flips = Flips::new(std::fs::read(&file).expect("readable"), unlock.clone());
        assert_eq!(flips.len(), licenses);
        Self {
            world,
            computer,
            issued,
            file,
            flips,
            unlock,
        }
    }

    fn restoring(&self) -> Restoring<'_> {
        let (file, unlock) = (self.file.clone(), self.unlock.clone());
        Restoring::new(&self.world, &self.computer, &self.issued, file, unlock)
    }

    /// Every byte, one bit of it.
    fn verify_every_byte(&self) {
        let wrong: Vec<String> = (0..self.flips.whole.len())
            .filter_map(|at| self.flips.check(at, bit(at)).err())
            .take(20)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Every so manieth byte, and the first and last of every part.
    fn restore_some_bytes(&self) {
        let ends = self.flips.parts.iter().map(|part| &part.range);
        let ends = ends.flat_map(|range| [range.start, range.end - 1]);
        let some = (5..self.flips.whole.len()).step_by(STEP);
        let restoring = self.restoring();
        let wrong: Vec<String> = ends
            .chain(some)
            .filter_map(|at| restoring.check(&self.flips, at, bit(at)).err())
            .take(20)
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        // The computer can: nothing but the damage kept the licenses away.
        assert_eq!(
            restoring.restore(&self.flips.whole),
            (0, String::new(), self.issued.len())
        );
    }
}

/// Another bit of each byte.
fn bit(at: usize) -> u8 {
    1 << (at % 8)
}

#[test]
fn every_byte_of_a_plain_backup_is_seen_by_verification() {
    Made::plain(LICENSES).verify_every_byte();
}

#[test]
fn every_byte_of_an_encrypted_backup_is_seen_by_verification() {
    Made::encrypted(LICENSES).verify_every_byte();
}

#[test]
fn a_damaged_plain_backup_restores_nothing_wrong() {
    Made::plain(LICENSES).restore_some_bytes();
}

#[test]
fn a_damaged_encrypted_backup_restores_nothing_wrong() {
    Made::encrypted(LICENSES).restore_some_bytes();
}

/// Of several frames, so that a selection may come whole while something else is lost.
#[test]
fn a_selection_of_a_damaged_backup_is_as_right_as_all_of_it() {
    for made in [Made::plain(2500), Made::encrypted(2500)] {
        let restoring = made.restoring();
        let size = made.flips.whole.len();
        let wrong: Vec<String> = (1..30)
            .map(|n| n * (size - 1) / 30)
            .chain([0, size - 1])
            .filter_map(|at| {
                restoring
                    .check_selection(&made.flips, at, bit(at), at as u64 * 7)
                    .err()
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn the_parts_are_those_of_the_specification() {
    let names = |made: &Made| {
        let mut names: Vec<&str> = made.flips.parts.iter().map(|part| part.name).collect();
        names.dedup();
        names
    };
    let plain = [
        "magic",
        "version",
        "header length",
        "header",
        "header digest",
        "frame head",
        "frame records",
        "frame head",
        "frame names",
    ];
    assert_eq!(
        names(&Made::plain(3)),
        [&plain[..], &["index", "footer", "tail", "trailer"]].concat()
    );
    assert_eq!(
        names(&Made::encrypted(3)),
        ["age header", "age nonce", "age chunk", "check", "trailer"]
    );
}

#[test]
fn places_are_read_from_texts() {
    let text = "trailer (bytes 10 to 20): damaged\nheader (bytes 0 to 4): its digest does not fit";
    for at in 0..30 {
        assert_eq!(names_place(text, at), at < 4 || (10..20).contains(&at), "{at}");
    }
    assert!(!names_place("nothing of bytes", 0));
}
