//! Must hold: every license without the right Backup is reported with key ID and title, none is in the file, and one
//! that somebody puts there gets no slot.

use std::collections::BTreeSet;
use std::path::Path;

use keyferry::{Failure, Outcome, Status};
use keyferry_archive::{Item, Reader, Record};
use keyferry_license::{Limits, PLAY};
use keyferry_testkit::{Issued, Scanner, Wanted, World};

use crate::forged::{self, Forgery};
use crate::ledger;

/// The bytes of a backup, and after them everything that is compressed in it.
fn opened(file: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(file).expect("readable");
    let mut reader = Reader::open(std::fs::File::open(file).expect("readable")).expect("a backup");
    let mut records = reader.records().expect("records");
    while let Some(item) = records.next_item() {
        match item {
            Item::Record(Record::License(license)) => {
                bytes.extend_from_slice(license.grant);
                bytes.extend_from_slice(&license.escrow.0);
                bytes.extend_from_slice(license.returning.map_or(&[][..], |_| b"returning"));
            }
            Item::Record(Record::Part(part)) => bytes.extend_from_slice(part.bytes),
            other => panic!("{other:?}"),
        }
    }
    bytes
}

/// Looks for what names any of these licenses, and for their keys.
fn scanner(licenses: &[Issued]) -> Scanner {
    let mut scanner = Scanner::default();
    for license in licenses {
        let name = &*license.grant.title;
        scanner.add(&format!("ID of {name}"), license.grant.license.as_bytes());
        scanner.add(&format!("key ID of {name}"), license.grant.key_id.as_bytes());
        scanner.add(&format!("key of {name}"), license.key.expose());
        scanner.add_text(&format!("title of {name}"), name);
    }
    scanner
}

#[test]
fn what_may_not_leave_is_reported_and_is_not_in_the_file() {
    const COUNT: usize = 400;
    let world = World::new();
    let old = world.computer("old laptop");
    let counted = Limits {
        count: Some(3),
        ..Limits::default()
    };
    let wanted = |number: usize| match number % 8 {
        3 => Wanted::without_backup(format!("Stays at home, number {number:03}")),
        // It gives Backup, but no portion of its count.
        7 => Wanted::limited(format!("Counts at home, number {number:03}"), counted),
        _ => Wanted::plain(format!("Travels, number {number:03}")),
    };
    let issued = world.issue(&old, &(0..COUNT).map(wanted).collect::<Vec<_>>());
    let (stays, travels): (Vec<_>, Vec<_>) = issued
        .into_iter()
        .partition(|license| license.grant.title.contains("at home"));
    assert_eq!((stays.len(), travels.len()), (100, 300));
    let stick = world.folder("stick");
    let ended = old.backup(&stick, false, world.direct());
    let report = ended.report();
    assert_eq!((report.counts.restricted, report.counts.backed_up), (100, 300));

    let reported: BTreeSet<_> = ended
        .events
        .statuses()
        .into_iter()
        .filter_map(|status| match status {
            Status::RestrictedLicense {
                key_id,
                license,
                title,
            } => Some((key_id, license, title)),
            _ => None,
        })
        .collect();
    let expected: BTreeSet<_> = stays
        .iter()
        .map(|one| (one.grant.key_id, one.grant.license, one.grant.title.to_string()))
        .collect();
    assert_eq!(reported, expected, "each with its key ID and title");
    assert_eq!(ended.events.count(|outcome| *outcome == Outcome::Restricted), 100);

    let bytes = opened(&report.path);
    assert_eq!(scanner(&stays).find(&bytes), Vec::<String>::new());
    let keys = scanner(&travels).find(&bytes);
    assert!(!keys.iter().any(|name| name.starts_with("key of")), "{keys:?}");
    for license in &travels {
        let title = format!("title of {}", &*license.grant.title);
        assert!(keys.contains(&title), "the scanner sees what is there: {title}");
    }
}

#[test]
fn one_that_is_put_into_a_backup_is_found_by_the_scanner_and_refused_by_the_service() {
    let world = World::new();
    let old = world.computer("old laptop");
    let wanted = [
        Wanted::plain("Travels by right"),
        Wanted::without_backup("Stays at home, always"),
    ];
    let issued = world.issue(&old, &wanted);
    let stick = world.folder("stick");
    let honest = world.back_up(&old, &stick).path;
    assert!(scanner(&issued[1..]).find(&opened(&honest)).is_empty());

    let forged = world.folder("forged");
    let file = forged::write(&world, &old, &forged, &Forgery::of(&issued));
    let found = scanner(&issued[1..]).find(&opened(&file));
    assert!(
        found.contains(&"ID of Stays at home, always, raw".to_owned()),
        "{found:?}"
    );
    assert!(
        found.contains(&"title of Stays at home, always".to_owned()),
        "{found:?}"
    );

    let new = world.computer("new laptop");
    let ended = world.restore(&new, &file);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D275F", 3));
    let refused = Outcome::Failed(Failure::Refused);
    assert_eq!(ended.events.count(|outcome| *outcome == refused), 1);
    assert_eq!((new.opens(&issued[..1]), new.opens(&issued[1..])), (1, 0));
    assert!(ledger::rows_of(&world, &issued[1]).is_empty(), "it took no slot");
    // The computer that it was issued to holds it and needs nobody's right for that.
    assert!(
        old.store()
            .use_key(&issued[1].grant.key_id, None, PLAY, 0)
            .is_ok()
    );
}
