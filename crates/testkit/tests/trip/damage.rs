//! A backup that was damaged or altered: what can be read is restored, what can't is counted, and nothing wrong comes.

use std::path::Path;

use keyferry::{Failure, Outcome};
use keyferry_license::Grant;
use keyferry_testkit::{Issued, Wanted, World, files_below};

use crate::forged::{self, Forgery};
use crate::ledger;

/// Flips a bit of a file.
fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).expect("readable");
    bytes[at] ^= 0x10;
    std::fs::write(file, bytes).expect("written");
}

#[test]
fn the_rest_of_a_damaged_backup_is_restored() {
    const COUNT: u64 = 2000;
    let world = World::new();
    let (old, issued, stick) = world.backed_up(COUNT as usize);
    world.back_up_bare(&old, &stick);
    let file = files_below(&stick).remove(0);
    let middle = std::fs::metadata(&file).unwrap().len() / 2;
    flip(&file, middle as usize);
    let new = world.computer("new laptop");
    let ended = world.restore(&new, &stick);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    let report = ended.report();
    let lost = report.counts.failed["backup-corrupt"];
    assert!(lost > 0 && lost < COUNT, "{lost}");
    assert_eq!(
        (report.counts.total, report.counts.restored),
        (COUNT, COUNT - lost)
    );
    assert!(
        report
            .damage
            .iter()
            .any(|line| line.contains(&format!("{lost} licenses are lost"))),
        "{:?}",
        report.damage
    );
    assert_eq!(new.opens(&issued) as u64, COUNT - lost);
    assert_eq!(ledger::rows(&world).len() as u64, COUNT - lost);
    // The old laptop's backup was whole once: with that one the rest comes.
    flip(&file, middle as usize);
    assert_eq!(
        (world.restore(&new, &stick).failure(), new.opens(&issued)),
        (None, COUNT as usize)
    );
}

#[test]
fn wherever_a_bit_flips_nothing_wrong_comes() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(3);
    world.back_up_bare(&old, &stick);
    let file = files_below(&stick).remove(0);
    let length = std::fs::metadata(&file).unwrap().len() as usize;
    let new = world.computer("new laptop");
    assert_eq!(world.restore(&new, &stick).failure(), None);
    let rows = ledger::rows(&world);
    for step in 0..40 {
        let at = (length - 1) * step / 39;
        flip(&file, at);
        new.lose_store();
        let ended = world.restore(&new, &stick);
        let opens = new.opens(&issued);
        assert_eq!(new.store().count().unwrap(), opens as u64, "at {at}");
        let expected: &[u8] = if opens == 0 { &[5, 10, 1] } else { &[0, 3] };
        assert!(
            expected.contains(&ended.exit_code()),
            "at {at}: {:?} with {opens}",
            ended.failure()
        );
        flip(&file, at);
    }
    assert_eq!(ledger::rows(&world), rows);
}

#[test]
fn a_file_that_was_cut_says_so_and_gives_what_it_has() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2000);
    world.back_up_bare(&old, &stick);
    let file = files_below(&stick).remove(0);
    let whole = std::fs::read(&file).unwrap();
    let new = world.computer("new laptop");
    std::fs::write(&file, &whole[..whole.len() - 300]).unwrap();
    let ended = world.restore(&new, &stick);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    assert!(!ended.report().damage.is_empty());
    let came = new.opens(&issued);
    assert!(came > 0, "{:?}", ended.report().counts);
    std::fs::write(&file, b"").unwrap();
    assert_eq!(world.restore(&new, &file).exit_code(), 5);
    std::fs::write(&file, &whole[..1000]).unwrap();
    assert_eq!(world.restore(&new, &file).exit_code(), 5);
    assert_eq!(new.opens(&issued), came);
}

/// What came of licenses of which the first was forged: its outcome, and how many others came.
fn forged_first(
    world: &World,
    issued: &[Issued],
    forge: impl Fn(&mut Vec<Forgery>),
) -> (Vec<Outcome>, usize) {
    let forger = world.computer("forger");
    let folder = world.folder("forged");
    let mut licenses = Forgery::of(issued);
    forge(&mut licenses);
    let file = forged::write(world, &forger, &folder, &licenses);
    let new = world.computer("new laptop");
    let ended = world.restore(&new, &file);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    let outcomes = ended.events.outcomes();
    let failed = outcomes
        .iter()
        .map(|said| said.outcome)
        .filter(|outcome| !outcome.is_here())
        .collect();
    (failed, new.opens(issued))
}

#[test]
fn an_altered_grant_is_refused() {
    let world = World::new();
    let (_, issued, _) = world.backed_up(3);
    let forged = forged_first(&world, &issued, |licenses| {
        // The title: the document stays well-formed, and its escrow opens. Only the signature doesn't fit.
        let first = &mut licenses[0];
        let title = first.grant.windows(4).position(|bytes| bytes == b"Song");
        first.grant[title.expect("the title")] = b'L';
        first.sealed_for = Grant::parse(&first.grant).expect("well-formed").digest();
    });
    assert_eq!(forged, (vec![Outcome::Failed(Failure::BackupCorrupt)], 2));
    assert!(ledger::rows_of(&world, &issued[0]).is_empty());
}

#[test]
fn a_cut_grant_is_counted() {
    let world = World::new();
    let (_, issued, _) = world.backed_up(3);
    let forged = forged_first(&world, &issued, |licenses| licenses[0].grant.truncate(50));
    assert_eq!(forged, (vec![], 2), "nobody can name it");
}

#[test]
fn an_escrow_of_another_license_is_refused_by_the_service() {
    let world = World::new();
    let (_, issued, _) = world.backed_up(3);
    let forged = forged_first(&world, &issued, |licenses| {
        licenses[0].sealed_for = *issued[1].grant.digest();
        licenses[0].key = issued[1].key.clone();
    });
    assert_eq!(forged, (vec![Outcome::Failed(Failure::BackupCorrupt)], 2));
    assert!(ledger::rows_of(&world, &issued[0]).is_empty(), "it took no slot");
}

#[test]
fn an_escrow_with_another_key_than_the_grant_committed_to_is_refused_by_the_service() {
    let world = World::new();
    let (_, issued, _) = world.backed_up(3);
    let forged = forged_first(&world, &issued, |licenses| {
        licenses[0].key = issued[1].key.clone();
    });
    assert_eq!(forged, (vec![Outcome::Failed(Failure::BackupCorrupt)], 2));
    assert!(ledger::rows_of(&world, &issued[0]).is_empty(), "it took no slot");
}

#[test]
fn a_license_that_stands_twice_takes_one_slot() {
    let world = World::new();
    let (_, issued, _) = world.backed_up(2);
    let folder = world.folder("forged");
    let twice = [Forgery::of(&issued), Forgery::of(&issued[..1])];
    let licenses: Vec<Forgery> = twice.into_iter().flatten().collect();
    let file = forged::write(&world, &world.computer("forger"), &folder, &licenses);
    let new = world.computer("new laptop");
    let ended = world.restore(&new, &file);
    assert_eq!(ended.exit_code(), 3, "{:?}", ended.report());
    assert_eq!(
        (new.opens(&issued), ledger::rows_of(&world, &issued[0]).len()),
        (2, 1)
    );
}

#[test]
fn a_forgers_license_of_an_issuer_that_only_has_the_same_name_is_not_taken() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(1);
    let forger = World::new();
    let old = forger.computer("forger's laptop");
    let fake = forger.issue(&old, &[Wanted::plain("Song 1")]);
    let theirs = forger.folder("stick");
    forger.back_up(&old, &theirs);
    let new = world.computer("new laptop");
    assert_eq!(world.restore(&new, &stick).failure(), None);
    let options = keyferry::RestoreOptions {
        individualize: true,
        ..forger.refused(&theirs)
    };
    let ended = new.restore(options, forger.direct());
    assert_eq!(ended.failure(), Some(Failure::IssuerNotAccepted));
    assert_eq!(ended.report().issuers_to_trust[0].name, "Northwind Audio");
    assert_eq!((new.opens(&fake), new.opens(&issued)), (0, 1));
}
