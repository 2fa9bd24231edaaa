//! Must hold: after a whole story there is no content key, escrow or sealed key in the service's memory, and no content
//! key in any file at all.

use keyferry_archive::{Item, Reader, Record};
use keyferry_protocol::{Answer, kind};
use keyferry_testkit::{Fault, Issued, Scanner, Wanted, World, files_below};

/// Everything that opens a content key, or is one, and passed through the service.
fn secrets(issued: &[Issued], backups: &[std::path::PathBuf], answers: &[Vec<u8>]) -> Scanner {
    let mut scanner = Scanner::default();
    for license in issued {
        scanner.add("content key", license.key.expose());
    }
    for backup in backups {
        let file = std::fs::File::open(backup).expect("a backup");
        let mut reader = Reader::open(file).expect("a backup");
        let mut records = reader.records().expect("records");
        while let Some(item) = records.next_item() {
            let Item::Record(Record::License(license)) = item else {
                panic!("{item:?}")
            };
            scanner.add("escrow", &license.escrow.0);
            scanner.add("return seal", &license.returning.expect("one").0);
        }
    }
    for answer in answers {
        let delivery = Answer::decode(answer).expect("an answer").delivery;
        for key in delivery.into_iter().flat_map(|delivery| delivery.keys).flatten() {
            scanner.add("delivered key", &key.0);
        }
    }
    scanner
}

#[test]
fn the_service_keeps_no_key_and_nothing_that_opens_one() {
    let world = World::new();
    let old = world.computer("old laptop");
    let issued = world.issue(&old, &Wanted::many(40, Some(8)));
    let stick = world.folder("stick");
    let mut backups = vec![world.back_up(&old, &stick).path];
    let mut answers = Vec::new();
    let mut refused = 0;
    for number in 2..=5 {
        let computer = world.computer(&format!("computer {number}"));
        let transport = world.direct();
        let ended = computer.restore(world.agreed(&stick), transport.clone());
        refused += usize::from(ended.failure().is_some());
        for (request, answer) in transport.traffic().of_kind(kind::RESTORE) {
            answers.push(answer);
            answers.push(world.service.handle(&request, keyferry_testkit::NOW));
        }
        if number == 2 {
            let copy = world.folder("copy");
            backups.push(world.back_up(&computer, &copy).path);
            computer.lose_store();
            world.restore_bent(&computer, &stick, Fault::ClosesAfterCommit);
            world.restore(&computer, &stick);
        }
    }
    assert_eq!(refused, 1, "the fifth");
    let scanner = secrets(&issued, &backups, &answers);
    assert!(
        scanner.secrets() > 40 + 4 * 35 + 6 * 35 - 1,
        "{}",
        scanner.secrets()
    );
    let folder = world.service_folder();
    let names: Vec<_> = files_below(&folder)
        .into_iter()
        .filter_map(|file| file.file_name().map(Into::into))
        .collect();
    for name in [
        "ledger.sqlite",
        "ledger.sqlite-wal",
        "service.key",
        "service.card",
    ] {
        assert!(names.contains(&std::path::PathBuf::from(name)), "{names:?}");
    }
    assert_eq!(scanner.find_below(&folder), Vec::<String>::new());
    // What has to be there is there, so the files are the right ones and readable.
    let mut sees = Scanner::default();
    sees.add("computer", old.card().thumbprint().as_bytes());
    sees.add("license", issued[0].grant.license.as_bytes());
    assert!(
        sees.find_below(&folder).len() >= 2,
        "{:?}",
        sees.find_below(&folder)
    );

    let planted = folder.join("ledger.sqlite-journal");
    let key: String = issued[7]
        .key
        .expose()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    std::fs::write(&planted, format!("{{\"key\":\"{key}\"}}")).expect("planted");
    assert_eq!(
        scanner.find_below(&folder).len(),
        1,
        "the scanner finds what is planted"
    );
}

#[test]
fn no_content_key_lies_open_in_any_file() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(5);
    let new = world.computer("new laptop");
    world.restore(&new, &stick);
    assert_eq!((old.opens(&issued), new.opens(&issued)), (5, 5));
    let mut scanner = Scanner::default();
    for license in &issued {
        scanner.add("content key", license.key.expose());
    }
    let everything = stick.parent().expect("the world's folder");
    assert!(files_below(everything).len() > 10, "homes, service, stick");
    assert_eq!(scanner.find_below(everything), Vec::<String>::new());
}
