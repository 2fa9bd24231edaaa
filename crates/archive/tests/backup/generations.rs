//! Earlier backups that are kept: through a stop or a power cut at every step, and what is never removed.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use keyferry_archive::medium::{BackupName, Earlier, Keep, Medium, Published, choose, publish};
use keyferry_archive::{BackupId, Encryption, Error, Identity, Parity, Reader, Writer};
use keyferry_license::CardKind;

use crate::fake::{FakeMedium, Fault, Files, MODIFIED};
use crate::made::{IDENTITY, NOW, backup, card, header, inner, license, protected, secret};

/// A backup of this number.
fn file(number: u8) -> Vec<u8> {
    backup(&header(number), 1, &[]).0
}

/// One that is encrypted.
fn closed() -> Vec<u8> {
    let reader = IDENTITY.parse::<Identity>().unwrap().recipient();
    protected(
        &inner(&header(3), 1, &Encryption::Recipients(vec![reader])),
        Parity::Five,
    )
}

/// A whole backup of another computer.
fn of_another() -> Vec<u8> {
    let mut header = header(9);
    header.computer = card(CardKind::Computer, "New laptop", 9);
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    let license = license(1, &header);
    writer
        .push_license(&license.grant, &license.escrow, None)
        .unwrap();
    writer.finish(&secret(9)).unwrap().0
}

fn name() -> BackupName {
    BackupName::current(&header(1).computer.thumbprint())
}

fn earlier(seconds: u64) -> String {
    name().earlier(NOW + seconds).unwrap().to_string()
}

fn keep(backups: u32) -> Earlier {
    Earlier {
        replace: false,
        keep: Some(Keep {
            backups: NonZeroU32::new(backups).unwrap(),
            computer: header(1).computer.thumbprint(),
        }),
    }
}

fn put(medium: &FakeMedium, earlier: Earlier, number: u8) -> Result<Published<()>, Error> {
    publish(
        medium,
        &name().to_string(),
        earlier,
        Parity::None,
        |out| {
            let error = |source| Error::Stream {
                doing: "write",
                at: 0,
                source,
            };
            out.write_all(&file(number)).map_err(error)
        },
        |file, ()| Reader::open(file)?.check_whole().map(drop),
    )
}

/// Which backup these bytes are, if they are whole.
fn number(bytes: &[u8]) -> Option<u8> {
    let mut reader = Reader::open(std::io::Cursor::new(bytes)).ok()?;
    reader.check_whole().ok()?;
    let BackupId([number, ..]) = reader.header().backup;
    Some(number)
}

fn numbers(files: &Files) -> BTreeSet<u8> {
    files.values().filter_map(|bytes| number(bytes)).collect()
}

/// What a restore would take.
fn chosen(files: &Files) -> Option<u8> {
    let medium = FakeMedium::new(true, files);
    let found = choose(&medium, name().computer()).unwrap()?;
    number(&files[&found.name.to_string()])
}

/// The current backup 3, generations 2 and 1.
fn three() -> Files {
    [
        (name().to_string(), file(3)),
        (earlier(20), file(2)),
        (earlier(10), file(1)),
    ]
    .into()
}

#[test]
fn the_current_one_becomes_a_generation_and_the_oldest_goes() {
    for links in [true, false] {
        let medium = FakeMedium::new(links, &three());
        let published = put(&medium, keep(3), 4).unwrap();
        // It was made before the newest generation, says its header: so it follows that by a second.
        let expected: Files = [
            (name().to_string(), file(4)),
            (earlier(21), file(3)),
            (earlier(20), file(2)),
        ]
        .into();
        assert_eq!(medium.now(), expected);
        assert_eq!(published.kept.unwrap().to_string(), earlier(21));
        assert_eq!(published.removed, [name().earlier(NOW + 10).unwrap()]);
    }
}

#[test]
fn stopped_at_any_step_nothing_that_is_to_be_kept_is_lost_and_the_next_run_needs_no_help() {
    for (links, before) in [(true, three()), (false, three()), (true, Files::new())] {
        let steps = (0..400).take_while(|step| {
            let medium = FakeMedium::new(links, &before).with_fault(*step, Fault::Stops);
            let _ = put(&medium, keep(3), 4);
            check(&before, &medium.now(), links);
            for files in medium.after_power_cut() {
                check(&before, &files, links);
            }
            medium.was_reached()
        });
        let steps = steps.count();
        assert!((15..400).contains(&steps), "{steps} steps");
    }
}

fn check(before: &Files, files: &Files, links: bool) {
    let there = numbers(files);
    let (was, is) = (chosen(before), chosen(files));
    assert!(is == was || is == Some(4), "{is:?}");
    let newest: BTreeSet<u8> = numbers(before).into_iter().rev().take(2).collect();
    assert!(there.is_superset(&newest), "{there:?}");
    if is != Some(4) {
        assert!(there.is_superset(&numbers(before)), "{there:?}");
    }
    let next = FakeMedium::new(links, files);
    put(&next, keep(3), 5).unwrap();
    let mut expected: Vec<u8> = numbers(before).into_iter().collect();
    // One that is whole and has no name yet is made anew.
    expected.extend((files.get(&name().to_string()) == Some(&file(4))).then_some(4));
    expected.push(5);
    let expected: BTreeSet<u8> = expected.into_iter().rev().take(3).collect();
    let after = next.now();
    assert_eq!(numbers(&after), expected);
    assert_eq!(after.len(), expected.len(), "{:?}", after.keys());
    assert!(
        after.keys().all(|name| name.ends_with(".keyferry")),
        "{:?}",
        after.keys()
    );
    assert_eq!(chosen(&after), Some(5));
}

#[test]
fn a_failed_step_costs_no_backup() {
    for links in [true, false] {
        let steps = (0..400).take_while(|step| {
            let fault = Fault::Fails(std::io::ErrorKind::Other);
            let medium = FakeMedium::new(links, &three()).with_fault(*step, fault);
            let result = put(&medium, keep(3), 4);
            let left = medium.now();
            match result {
                Ok(_) => assert!(numbers(&left).is_superset(&[4, 3, 2].into()), "step {step}"),
                Err(_) => assert_eq!(left, three(), "step {step}"),
            }
            check(&three(), &left, links);
            medium.was_reached()
        });
        assert!((15..400).contains(&steps.count()));
    }
}

#[test]
fn damaged_generations_do_not_count_and_never_cost_one_that_is_whole() {
    let mut cut = file(3);
    cut.truncate(cut.len() - 100);
    let mut altered = file(2);
    altered[4..200].fill(0);
    let before: Files = [
        (name().to_string(), cut),
        (earlier(20), altered),
        (earlier(10), file(1)),
    ]
    .into();
    let medium = FakeMedium::new(true, &before);
    let published = put(&medium, keep(2), 4).unwrap();
    assert!(published.removed.is_empty());
    assert_eq!(medium.now().len(), 4);
    // As soon as one is whole that is newer, all of them go.
    put(&medium, keep(2), 5).unwrap();
    assert_eq!(numbers(&medium.now()), [4, 5].into());
    assert_eq!(medium.now().len(), 2);
}

#[test]
fn what_is_not_this_computers_backup_is_never_removed() {
    let foreign = {
        let mut files = three();
        let mut other = name().to_string();
        other.replace_range(9..17, "0badcafe");
        files.insert(other.replace(".keyferry", "-20200101T000000Z.keyferry"), file(1));
        // Of this computer by their names alone.
        files.insert(earlier(5), b"a shopping list".to_vec());
        files.insert(earlier(6), of_another());
        files.insert(format!("{}.bak", earlier(7)), file(1));
        files
    };
    let medium = FakeMedium::new(true, &foreign);
    let published = put(&medium, keep(1), 4);
    assert!(
        matches!(published, Err(Error::Exists { .. })),
        "one is all that may be kept"
    );
    let one = Earlier {
        replace: true,
        ..keep(1)
    };
    let published = put(&medium, one, 4).unwrap();
    assert_eq!(published.removed.len(), 2);
    let mut expected = foreign.clone();
    expected.retain(|name, _| *name != earlier(10) && *name != earlier(20));
    expected.insert(name().to_string(), file(4));
    assert_eq!(medium.now(), expected);
}

#[test]
fn who_does_not_say_how_many_leaves_generations_alone() {
    let medium = FakeMedium::new(true, &three());
    put(&medium, true.into(), 4).unwrap();
    let mut expected = three();
    expected.insert(name().to_string(), file(4));
    assert_eq!(medium.now(), expected);
}

#[test]
fn one_that_is_encrypted_is_named_by_the_time_of_its_file() {
    let closed = closed();
    let before: Files = [(name().to_string(), closed.clone())].into();
    let medium = FakeMedium::new(true, &before);
    put(&medium, keep(2), 4).unwrap();
    let kept = name().earlier(MODIFIED).unwrap().to_string();
    assert_eq!(medium.now().get(&kept), Some(&closed));
    assert_eq!(medium.modified(&kept).unwrap(), MODIFIED);
    // It counts, and goes when it is too many.
    put(&medium, keep(2), 5).unwrap();
    assert_eq!(medium.now().len(), 2);
    assert_eq!(numbers(&medium.now()), [4, 5].into());
}

#[test]
fn a_restore_takes_the_newest_generation_that_is_whole_where_there_is_no_current_one() {
    let mut files = three();
    files.remove(&name().to_string());
    assert_eq!(chosen(&files), Some(2));
    files.get_mut(&earlier(20)).unwrap().truncate(600);
    assert_eq!(chosen(&files), Some(1));
}
