//! Must hold: what a computer gave back is gone there, whatever it kept, until it takes a slot again; the slot is free for
//! another; and no crash, repetition or outage between the two changes that.

use std::path::Path;

use keyferry::{Failure, Outcome, Patience, ReleaseOptions, RestoreOptions, Selection, Silent, authorize};
use keyferry_license::Thumbprint;
use keyferry_protocol::{Answer, Change, Receipt, kind};
use keyferry_store::{Arrival, LastReceipt, NewLicense, Store};
use keyferry_testkit::{Computer, Fault, Issued, NOW, World, kind_of};

use crate::ledger;

/// Changes of a license's rows, with their slots.
fn changes(world: &World, license: &Issued) -> Vec<(Change, u32)> {
    let rows = ledger::rows_of(world, license);
    rows.iter().map(|row| (row.change, row.slot)).collect()
}

fn restored(world: &World, name: &str, from: &Path) -> Computer {
    let computer = world.computer(name);
    assert_eq!(world.restore(&computer, from).failure(), None);
    computer
}

/// Takes every slot that is left, so that nothing comes without one.
fn fill(world: &World, from: &Path, computers: usize) {
    for number in 0..computers {
        restored(world, &format!("filler {number}"), from);
    }
}

#[test]
fn a_freed_slot_is_taken_by_a_fifth_computer() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let second = restored(&world, "second", &stick);
    fill(&world, &stick, 2);
    let fifth = world.computer("fifth");
    assert_eq!(world.restore(&fifth, &stick).failure(), Some(Failure::Limit));
    world.service_clock.set(NOW + 10);
    let ended = second.release(None, world.direct());
    assert_eq!((ended.failure(), ended.report().left), (None, 3));
    let freed = Outcome::Released { slot: Some(2) };
    assert_eq!(ended.events.count(|outcome| *outcome == freed), 3);
    assert_eq!((second.opens(&issued), second.store().count().unwrap()), (0, 0));
    assert!(second.store().outbox_pending().unwrap().is_empty());
    assert_eq!(
        ended.events.transcript(),
        "BACKUPRESTORE_BEGIN 21 00000000\nBACKUPRESTORE_CONNECTING 28 00000000\n\
         BACKUPRESTORE_DISCONNECTING 29 00000000\nBACKUPRESTORE_END 27 00000000\n"
    );
    let taken = world.restore(&fifth, &stick);
    assert_eq!((taken.failure(), fifth.opens(&issued)), (None, 3));
    let again = Outcome::Restored { slot: Some((2, 4)) };
    assert_eq!(taken.events.count(|outcome| *outcome == again), 3);
    assert_eq!(world.restore(&second, &stick).failure(), Some(Failure::Limit));
}

#[test]
fn nothing_that_was_kept_brings_it_back_without_a_slot() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = world.computer("new laptop");
    // An answer by file that is never taken.
    let (requests, answers) = (world.path("requests"), world.path("answers"));
    let by_file = RestoreOptions {
        request_out: Some(requests.clone()),
        ..world.agreed(&stick)
    };
    new.restore(by_file, world.direct());
    let way: std::sync::Arc<dyn keyferry::Transport> = world.direct();
    authorize(&way, Patience::none(), &Silent, &requests, &answers).expect("carried");
    assert_eq!(world.restore(&new, &stick).failure(), None);
    let own = world.folder("own stick");
    world.back_up(&new, &own);
    let copy = world.folder("copy");
    for name in ["store.sqlite", "store.sqlite-wal"] {
        let _ = std::fs::copy(new.home().join(name), copy.join(name));
    }
    world.service_clock.set(NOW + 10);
    assert_eq!(new.release(None, world.direct()).failure(), None);
    fill(&world, &stick, 3);
    let rows = ledger::rows(&world);

    for backup in [&own, &stick] {
        let ended = world.restore(&new, backup);
        assert_eq!(ended.failure(), Some(Failure::Limit), "return seals are dead");
        let down = world.restore_bent(&new, backup, Fault::Down);
        assert_eq!(down.failure(), Some(Failure::ServiceUnavailable));
    }
    let answered = new.take_answers(&answers, world.direct());
    assert_eq!(answered.hresult(), "C00D272E");
    assert_eq!(new.opens(&issued), 0);
    new.lose_store();
    let ended = world.restore(&new, &own);
    assert_eq!(
        ended.failure(),
        Some(Failure::Limit),
        "a new store changes nothing"
    );
    assert_eq!(new.take_answers(&answers, world.direct()).hresult(), "C00D272E");
    assert_eq!(new.opens(&issued), 0);
    for name in ["store.sqlite", "store.sqlite-wal"] {
        let _ = std::fs::remove_file(new.home().join(name));
        let _ = std::fs::copy(copy.join(name), new.home().join(name));
    }
    let opened = Store::open(new.home(), &new.guard());
    assert!(matches!(
        opened,
        Err(keyferry_store::Error::CheckpointFailed { .. })
    ));
    assert_eq!(world.restore(&new, &own).hresult(), "C00D277F");
    assert_eq!(ledger::rows(&world), rows, "nothing was spent");
}

#[test]
fn the_license_file_of_the_origin_is_dead_too() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(2);
    let file = old.home().with_extension("license");
    let import = |trust: &[Thumbprint]| {
        let restorer = old.restorer(world.direct());
        let events = std::sync::Arc::new(keyferry_testkit::Recorder::default());
        restorer
            .import(std::slice::from_ref(&file), trust, events)
            .expect("read")
    };
    let ended = old.release(Some(&issued[..1]), world.direct());
    assert_eq!((ended.failure(), ended.report().left), (None, 1));
    assert_eq!(changes(&world, &issued[0]), [(Change::Release, 1)]);
    assert_eq!(changes(&world, &issued[1]), []);
    assert_eq!(import(&[]).counts.failed["released"], 1);
    old.lose_store();
    assert_eq!(import(&[world.publisher.root()]).counts.failed["released"], 2);
    assert_eq!(old.opens(&issued), 0);
}

#[test]
fn what_a_service_could_not_hear_it_hears_before_the_next_restore() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = restored(&world, "new laptop", &stick);
    world.service_clock.set(NOW + 10);
    let ended = new.release(None, world.bent(Fault::Down));
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2846", 6));
    assert_eq!(ended.events.count(|outcome| *outcome == Outcome::SlotWaits), 2);
    assert_eq!((new.opens(&issued), ended.report().counts.slot_waits), (0, 2));
    assert_eq!(changes(&world, &issued[0]), [(Change::Take, 2)]);
    assert_eq!(new.store().pending(Some(kind::RELEASE)).unwrap().len(), 1);
    let down = new.restore(world.refused(&stick), world.bent(Fault::DownAfterCard));
    assert_eq!(
        down.exit_code(),
        6,
        "no restore is sent before the release is answered"
    );
    assert_eq!(new.opens(&issued), 0);

    let transport = world.direct();
    let back = new.restore(world.refused(&stick), transport.clone());
    assert_eq!((back.failure(), new.opens(&issued)), (None, 2));
    let kinds: Vec<String> = transport
        .traffic()
        .exchanges
        .iter()
        .map(|(request, _)| kind_of(request))
        .collect();
    assert_eq!(kinds[..2], [kind::RELEASE, kind::REVOCATIONS]);
    // Within one second the service can't tell which came first, and is asked once more.
    assert_eq!(kinds[2..], [kind::RESTORE, kind::RESTORE]);
    assert_eq!(
        (back.report().news.given_back, back.events.besides().len()),
        (2, 2)
    );
    let expected = [(Change::Take, 2), (Change::Release, 2), (Change::Take, 2)];
    assert_eq!(changes(&world, &issued[0]), expected);
}

#[test]
fn the_command_again_sends_what_waits() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = restored(&world, "new laptop", &stick);
    world.service_clock.set(NOW + 10);
    new.release(Some(&issued), world.bent(Fault::Down));
    let again = new.release(Some(&issued), world.direct());
    assert_eq!((again.failure(), again.report().left), (None, 0));
    assert_eq!(again.report().counts.released, 2);
    assert_eq!(
        changes(&world, &issued[1]),
        [(Change::Take, 2), (Change::Release, 2)]
    );
    let nothing = new.release(None, world.bent(Fault::Down));
    assert_eq!(nothing.failure(), None, "nothing is left to tell anybody");
}

#[test]
fn a_release_that_is_sent_a_hundred_times_writes_one_row() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = restored(&world, "new laptop", &stick);
    world.service_clock.set(NOW + 10);
    let transport = world.direct();
    assert_eq!(new.release(None, transport.clone()).failure(), None);
    let (request, answer) = transport.traffic().of_kind(kind::RELEASE).remove(0);
    let entries = |answer: &[u8]| {
        let receipt = Answer::decode(answer).unwrap().receipt.expect("a receipt");
        Receipt::verify(&receipt, world.service.card()).unwrap().entries
    };
    let (rows, first) = (ledger::rows(&world), entries(&answer));
    for later in 11..111 {
        assert_eq!(entries(&world.service.handle(&request, NOW + later)), first);
    }
    assert_eq!(ledger::rows(&world), rows);
    assert_eq!(
        changes(&world, &issued[0]),
        [(Change::Take, 2), (Change::Release, 2)]
    );
}

#[test]
fn a_computer_that_missed_a_receipt_asks_once_more() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(1);
    let new = restored(&world, "new laptop", &stick);
    let forgot = LastReceipt {
        request: [9; 32],
        time: NOW - 100,
    };
    let service = world.service.card().thumbprint();
    new.store().put_last_receipt(&service, &forgot).unwrap();
    world.service_clock.set(NOW + 10);
    let transport = world.direct();
    let ended = new.release(None, transport.clone());
    assert_eq!((ended.failure(), ended.report().counts.released), (None, 1));
    assert_eq!(transport.traffic().of_kind(kind::RELEASE).len(), 2);
    assert_eq!(
        changes(&world, &issued[0]),
        [(Change::Take, 2), (Change::Release, 2)]
    );
}

#[test]
fn without_consent_nothing_leaves() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    let options = ReleaseOptions {
        selection: Selection::All,
        individualize: false,
    };
    let transport = world.direct();
    let ended = old.release_as(options, transport.clone());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2728", 8));
    assert_eq!(ended.report().consents_needed[0].licenses, 2);
    assert_eq!((old.opens(&issued), transport.traffic().connections()), (2, 0));
    old.lose_store();
    assert_eq!(
        world.restore_bent(&old, &stick, Fault::Down).failure(),
        None,
        "return keys live"
    );
}

#[test]
fn what_is_not_here_is_named_and_nothing_leaves() {
    let world = World::new();
    let (old, issued, _) = world.backed_up(1);
    let other = world.computer("other");
    let foreign = world.issue(&other, &keyferry_testkit::Wanted::many(1, None));
    let both = [issued[0].clone(), foreign[0].clone()];
    let ended = old.release(Some(&both), world.direct());
    let error = ended.result.expect_err("it is not here").to_string();
    assert!(error.contains(&foreign[0].grant.license.to_string()), "{error}");
    assert_eq!(old.opens(&issued), 1);
}

#[test]
fn by_file_too_the_release_leads() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = restored(&world, "new laptop", &stick);
    world.service_clock.set(NOW + 10);
    new.release(None, world.bent(Fault::Down));
    let (requests, answers) = (world.path("requests"), world.path("answers"));
    let by_file = RestoreOptions {
        request_out: Some(requests.clone()),
        ..world.refused(&stick)
    };
    let written = new.restore(by_file, world.bent(Fault::Down));
    assert_eq!(written.report().requests_out, 2, "a release and a restore");
    world.service_clock.set(NOW + 20);
    let direct = world.direct();
    let way: std::sync::Arc<dyn keyferry::Transport> = direct.clone();
    authorize(&way, Patience::none(), &Silent, &requests, &answers).expect("carried");
    let kinds: Vec<String> = direct
        .traffic()
        .exchanges
        .iter()
        .map(|(request, _)| kind_of(request))
        .collect();
    assert_eq!(kinds, [kind::RELEASE, kind::RESTORE]);
    let taken = new.take_answers(&answers, world.bent(Fault::Down));
    assert_eq!(taken.report().news.given_back, 2);
    assert!(new.store().pending(Some(kind::RELEASE)).unwrap().is_empty());
    assert_eq!(
        changes(&world, &issued[0])[..2],
        [(Change::Take, 2), (Change::Release, 2)]
    );
    // Whether they came by file or are asked for again: not without a row of their own.
    assert_eq!(world.restore(&new, &stick).failure(), None);
    let expected = [(Change::Take, 2), (Change::Release, 2), (Change::Take, 2)];
    assert_eq!(
        (changes(&world, &issued[0]), new.opens(&issued)),
        (expected.to_vec(), 2)
    );
}

#[test]
fn a_release_that_waits_frees_no_slot_of_what_is_here_again() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = restored(&world, "new laptop", &stick);
    world.service_clock.set(NOW + 10);
    new.release(None, world.bent(Fault::Down));
    let back = NewLicense {
        grant: issued[0].grant.clone(),
        key: issued[0].key.clone(),
        arrival: Arrival::Receipt,
    };
    new.store().insert(&[back]).expect("in");
    let none = ReleaseOptions {
        selection: Selection::These {
            licenses: Vec::new(),
            key_ids: Vec::new(),
        },
        individualize: false,
    };
    let ended = new.release_as(none, world.direct());
    assert_eq!((ended.failure(), ended.report().counts.released), (None, 1));
    assert_eq!(changes(&world, &issued[0]), [(Change::Take, 2)]);
    assert_eq!(
        changes(&world, &issued[1]),
        [(Change::Take, 2), (Change::Release, 2)]
    );
    assert_eq!(new.opens(&issued), 1);
}

#[test]
fn receipts_prove_what_was_signed_and_nothing_else() {
    let world = World::new();
    let (_, _, stick) = world.backed_up(3);
    let new = restored(&world, "new laptop", &stick);
    world.service_clock.set(NOW + 10);
    assert_eq!(new.release(None, world.direct()).failure(), None);
    let read = || {
        let mut all = Vec::new();
        keyferry::receipts(&new.store(), |receipt| {
            all.push(receipt);
            Ok(())
        })
        .expect("read");
        all
    };
    let all = read();
    let kinds: Vec<&str> = all.iter().map(|receipt| receipt.kind.as_str()).collect();
    assert_eq!(kinds, [kind::RESTORE, kind::RELEASE]);
    assert!(
        all.iter()
            .all(|receipt| receipt.findings.is_empty() && receipt.rows == 3)
    );
    let store = rusqlite::Connection::open(new.home().join("store.sqlite")).expect("opened");
    let bytes: Vec<u8> = store
        .query_row("SELECT bytes FROM receipt WHERE kind = 'release'", [], |row| {
            row.get(0)
        })
        .expect("a receipt");
    for at in (0..bytes.len()).step_by(23) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let update = "UPDATE receipt SET bytes = ?1 WHERE kind = 'release'";
        store.execute(update, [altered]).expect("altered");
        let all = read();
        assert!(
            all[0].findings.is_empty() && !all[1].findings.is_empty(),
            "byte {at}"
        );
    }
    store
        .execute(
            "UPDATE receipt SET bytes = ?1, time = time + 1 WHERE kind = 'release'",
            [bytes],
        )
        .expect("altered");
    assert!(read()[1].findings[0].contains("another request, time or kind"));
}
