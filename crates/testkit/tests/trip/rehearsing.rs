//! Rehearsals and plans: services say what they would do, for this computer and for one that holds none, and nothing is
//! spent by it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use keyferry::{Failure, Outcome, RehearsalOptions, RehearsalReport, Result, Silent, Transport};
use keyferry_archive::Reader;
use keyferry_license::Limits;
use keyferry_protocol::{SignedRequest, kind};
use keyferry_store::Store;
use keyferry_testkit::{Computer, Fault, NOW, Recorder, Wanted, World, files_below};

use crate::ledger;

/// A computer that its service knows, with plain licenses and one whose uses are counted, and a folder with their backup.
fn known(world: &World) -> (Computer, std::path::PathBuf) {
    let old = world.computer("old laptop");
    let counted = Limits {
        count: Some(5),
        portion: Some(5),
        ..Limits::default()
    };
    let mut wanted = Wanted::many(3, None);
    wanted.push(Wanted::limited("Counted", counted));
    world.issue(&old, &wanted);
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    let agreed = rehearse_as(&old, &stick, world.direct(), true);
    assert_eq!(agreed.expect("rehearsed").failure, None);
    (old, stick)
}

fn rehearse_as(
    computer: &Computer,
    from: &Path,
    way: Arc<dyn Transport>,
    individualize: bool,
) -> Result<RehearsalReport> {
    let options = RehearsalOptions {
        path: from.to_owned(),
        individualize,
        ..RehearsalOptions::default()
    };
    computer
        .restorer(way)
        .rehearse(&options, &Silent, &AtomicBool::new(false))
}

fn rehearse(computer: &Computer, from: &Path, way: Arc<dyn Transport>) -> RehearsalReport {
    rehearse_as(computer, from, way, false).expect("rehearsed")
}

fn proven(store: &Store, folder: &Path) -> Option<u64> {
    let file = std::fs::File::open(&files_below(folder)[0]).expect("a backup");
    let backup = Reader::open(file).expect("it opens").header().backup;
    store.last_proven(&backup.0).expect("the store answers")
}

#[test]
fn a_rehearsal_asks_for_everything_twice_and_spends_nothing() {
    let world = World::new();
    let (old, stick) = known(&world);
    old.clock.set(NOW + 77);
    let home = |computer: &Computer| files_below(computer.home()).len();
    let (before, files) = (ledger::everything(&world), home(&old));
    let left = old.home().join("rehearsal-of-one-that-was-killed");
    std::fs::create_dir(&left).expect("a folder");
    std::fs::write(left.join("store.sqlite"), "half of a store").expect("written");
    let way = world.direct();
    let report = rehearse(&old, &stick, way.clone());
    assert_eq!(ledger::everything(&world), before, "not a row has changed");
    assert_eq!(report.failure, None, "{report:?}");
    // Three come home by the return key; the one that is counted is asked for.
    let (this, new) = (&report.as_this.counts, &report.as_new.counts);
    assert_eq!((this.restored, this.reissued, this.total), (3, 1, 4));
    assert_eq!((new.restored, new.reissued, new.total), (4, 0, 4));
    let as_new: Vec<(String, Option<bool>)> = way
        .traffic()
        .exchanges
        .iter()
        .map(|(request, _)| {
            let request = SignedRequest::decode(request).expect("a request");
            let body = request.claim().restore_body().expect("a body");
            (request.claim().kind.to_string(), body.as_new)
        })
        .collect();
    assert_eq!(
        as_new,
        [(kind::PLAN.into(), None), (kind::PLAN.into(), Some(true))]
    );
    assert_eq!(report.proven, Some(NOW + 77));
    assert_eq!(proven(&old.store(), &stick), Some(NOW + 77));
    assert_eq!(old.store().count().expect("licenses"), 4);
    assert_eq!(home(&old), files, "the store that was tried in is gone");
    // All four slots are as free as they were.
    for name in ["second", "third", "fourth"] {
        assert_eq!(world.restore(&world.computer(name), &stick).failure(), None);
    }
}

#[test]
fn what_a_service_refuses_is_not_proven() {
    let world = World::new();
    let (old, stick) = known(&world);
    for name in ["second", "third", "fourth"] {
        assert_eq!(world.restore(&world.computer(name), &stick).failure(), None);
    }
    old.clock.set(NOW + 99);
    let before = ledger::everything(&world);
    let report = rehearse(&old, &stick, world.direct());
    assert_eq!(ledger::everything(&world), before);
    assert_eq!(report.failure, Some(Failure::Limit));
    assert_eq!(report.failure.map(Failure::exit_code), Some(7));
    assert_eq!(
        report.as_this.counts.all_failed(),
        0,
        "this computer has its slots"
    );
    assert_eq!((report.as_new.counts.all_failed(), report.failed()), (4, 4));
    assert_eq!(report.proven, Some(NOW), "as it was proven before");
}

#[test]
fn a_service_that_is_not_there_proves_nothing() {
    let world = World::new();
    let (old, stick) = known(&world);
    for fault in [Fault::Down, Fault::DownAfterCard] {
        let report = rehearse(&old, &stick, world.bent(fault));
        assert_eq!(report.failure, Some(Failure::ServiceUnavailable), "{report:?}");
        assert_eq!(
            (report.as_this.counts.restored, report.as_new.counts.restored),
            (3, 0)
        );
        assert!(report.why.expect("why").contains("connection refused"));
    }
}

#[test]
fn who_never_agreed_is_asked_first_and_nothing_is_sent() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(2);
    let way = world.direct();
    let report = rehearse(&old, &stick, way.clone());
    assert_eq!(report.failure, Some(Failure::NeedsIndividualization));
    assert_eq!(report.as_new.consents_needed.len(), 1);
    assert_eq!(way.traffic().connections(), 0);
    assert_eq!(report.proven, None);
}

#[test]
fn damage_beyond_repair_proves_nothing_and_what_is_repaired_does() {
    let world = World::new();
    let (old, stick) = known(&world);
    let file = files_below(&stick).remove(0);
    let whole = std::fs::read(&file).expect("a backup");
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 600].fill(0x5a);
    std::fs::write(&file, &bytes).expect("written");
    let report = rehearse(&old, &stick, world.direct());
    assert_eq!(report.failure, None, "{report:?}");
    world.back_up_bare(&old, &stick);
    let mut bytes = std::fs::read(&file).expect("a backup");
    let frame = bytes
        .windows(8)
        .position(|at| at == b"KFframe\n")
        .expect("a frame");
    bytes[frame + 200] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let report = rehearse(&old, &stick, world.direct());
    assert_eq!(report.failure, Some(Failure::BackupCorrupt), "{report:?}");
    assert_eq!(report.proven, None);
}

#[test]
fn a_plan_says_what_the_service_says_and_spends_nothing() {
    let world = World::new();
    let (_, stick) = known(&world);
    let new = world.computer("new laptop");
    let agreed = world.agreed(&stick);
    assert_eq!(new.restore(agreed.clone(), world.direct()).failure(), None);
    new.lose_store();
    let plan = |way: Arc<dyn Transport>| {
        let events = Arc::new(Recorder::default());
        let report = new.restorer(way).plan_restore(&agreed, events.clone());
        (report.expect("a plan"), events)
    };
    let before = ledger::everything(&world);
    let (report, events) = plan(world.direct());
    assert_eq!(ledger::everything(&world), before);
    assert_eq!((report.counts.reissued, report.failure), (4, None));
    assert!(
        events
            .outcomes()
            .iter()
            .all(|said| said.outcome == Outcome::Reissued { slot: (2, 4) })
    );
    assert_eq!(new.store().count().expect("licenses"), 0);
    let (report, _) = plan(world.bent(Fault::Down));
    assert_eq!((report.counts.asks_service, report.failure), (4, None));
    assert_eq!(report.unasked.len(), 1);
    assert_eq!(report.unasked[0].name, "Northwind Licenses");
}
