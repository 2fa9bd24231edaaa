//! Must hold: a service that lost the last hour of its ledger has, after the computers' next contacts, exactly the rows
//! that it had, in whatever order they come; and it gives no slot before that which could be somebody's.

use std::path::PathBuf;

use keyferry::{Failure, Outcome};
use keyferry_protocol::{Answer, Receipt, Receipts, Row, SignedRequest, kind};
use keyferry_service::ledger::{Ledger, SqliteLedger};
use keyferry_testkit::{Computer, Issued, NOW, Wanted, World};
use rusqlite::Connection;

use crate::ledger;

/// When the backup of the ledger was made.
const BACKUP: u64 = NOW + 100;
/// When the ledger is lost.
const LOSS: u64 = NOW + 3600;

/// A world in which the hour after the backup was a busy one.
struct Busy {
    world: World,
    stick: PathBuf,
    /// Another stick, with a license more, that nobody has: restoring it is a contact.
    more: PathBuf,
    issued: Vec<Issued>,
    early: Computer,
    first: Computer,
    second: Computer,
    rows: Vec<Row>,
}

/// One computer restored before the backup. In the hour after it gave everything back and a first one took it; a second
/// one came; the first gave back; the early one restored again.
fn busy(licenses: usize) -> Busy {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(licenses);
    world.issue(&old, &Wanted::many(1, None));
    let more = world.folder("more");
    world.back_up(&old, &more);
    let restored = |computer: &Computer| assert_eq!(world.restore(computer, &stick).failure(), None);
    let (early, first, second) = (
        world.computer("early"),
        world.computer("first"),
        world.computer("second"),
    );
    restored(&early);
    world.service_clock.set(BACKUP + 10);
    assert_eq!(early.release(None, world.direct()).failure(), None);
    restored(&first);
    world.service_clock.set(BACKUP + 20);
    restored(&second);
    world.service_clock.set(BACKUP + 30);
    assert_eq!(first.release(None, world.direct()).failure(), None);
    restored(&early);
    let rows = ledger::rows(&world);
    assert_eq!(rows.len(), licenses * 6);
    Busy {
        world,
        stick,
        more,
        issued,
        early,
        first,
        second,
        rows,
    }
}

impl Busy {
    /// The ledger is as it was when the backup was made, and told so.
    fn lose(&self) -> SqliteLedger {
        self.world.service_clock.set(LOSS);
        let kept = lose_rows(&self.world, BACKUP);
        assert_eq!(kept, self.issued.len());
        ledger::forget(&self.world, self.first.card().thumbprint());
        ledger::forget(&self.world, self.second.card().thumbprint());
        let ledger = SqliteLedger::open(&self.world.ledger_file()).expect("the ledger opens");
        ledger.start_recovery(BACKUP, LOSS).expect("started");
        ledger
    }

    /// Asks for everything, and a license more that nobody has.
    fn contact(&self, computer: &Computer) {
        let ended = self.world.restore(computer, &self.more);
        let busy = Outcome::Failed(Failure::ServiceBusy);
        assert!(ended.events.count(|outcome| *outcome == busy) > 0, "no new slot");
    }

    fn restore(&self, computer: &Computer) -> Option<Failure> {
        self.world.restore(computer, &self.stick).failure()
    }

    fn recovered(&self, ledger: &SqliteLedger) -> (u64, u64, u64, u64) {
        let told = ledger.recovered(LOSS).expect("counted");
        (told.rows, told.shown, told.gaps, told.conflicts)
    }
}

/// Rows after this time go; says how many stay.
fn lose_rows(world: &World, after: u64) -> usize {
    let ledger = Connection::open(world.ledger_file()).expect("the ledger opens");
    ledger
        .execute("DELETE FROM licenses WHERE time > ?1", [after])
        .expect("deleted");
    ledger
        .query_row("SELECT count(*) FROM licenses", [], |row| row.get(0))
        .expect("counted")
}

#[test]
fn every_order_of_contacts_brings_back_exactly_the_rows_that_were() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let busy = busy(3);
        let ledger = busy.lose();
        for who in order {
            busy.contact([&busy.early, &busy.first, &busy.second][who]);
        }
        assert!(ledger::rows(&busy.world) == busy.rows, "{order:?}");
        assert_eq!(busy.recovered(&ledger), (15, 3, 0, 0), "{order:?}");
        ledger.end_recovery(LOSS).expect("ended");
        busy.world.service_clock.set(LOSS + 10);
        assert_eq!(
            busy.restore(&busy.first),
            None,
            "{order:?}: slots are given again"
        );
        assert_eq!(ledger::rows(&busy.world).len(), busy.rows.len() + 3);
    }
}

#[test]
fn what_is_held_comes_back_and_nothing_else_is_given() {
    let busy = busy(2);
    let ledger = busy.lose();
    // As far as the ledger knows the early one holds slot 2; the others have to show that they hold anything.
    let new = busy.world.computer("new");
    let refused = busy.world.restore(&new, &busy.stick);
    assert_eq!(
        (refused.failure(), new.opens(&busy.issued)),
        (Some(Failure::ServiceBusy), 0)
    );
    assert_eq!(refused.exit_code(), 6);
    busy.second.lose_store();
    assert_eq!(
        busy.restore(&busy.second),
        Some(Failure::ServiceBusy),
        "its receipts died with its store"
    );
    busy.contact(&busy.early);
    busy.early.lose_store();
    let told = busy.world.restore(&busy.early, &busy.stick);
    let reissued = |outcome: &Outcome| matches!(outcome, Outcome::AlreadyHere | Outcome::Reissued { .. });
    assert_eq!((told.failure(), told.events.count(reissued)), (None, 2));
    // The second one's row is missing between others, and the first's release after it.
    busy.contact(&busy.first);
    assert_eq!(busy.recovered(&ledger), (8, 4, 2, 0));
    ledger.end_recovery(LOSS).expect("ended");
    busy.world.service_clock.set(LOSS + 10);
    assert_eq!(
        busy.restore(&new),
        Some(Failure::ServiceBusy),
        "a slot may be somebody's"
    );
    assert_eq!(busy.restore(&busy.early), None, "what is held stays held");
    let missing: Vec<Row> = busy.rows.iter().filter(|row| row.seq == 4).cloned().collect();
    ledger.put_rows(missing, LOSS).expect("put");
    assert!(ledger::rows(&busy.world) == busy.rows);
    assert_eq!(busy.restore(&new), None);
}

#[test]
fn a_release_waits_for_the_end() {
    let busy = busy(2);
    let ledger = busy.lose();
    let waits = |computer: &Computer| computer.store().pending(Some(kind::RELEASE)).expect("read").len();
    let ended = busy.second.release(None, busy.world.direct());
    assert_eq!(
        (ended.failure(), waits(&busy.second)),
        (Some(Failure::ServiceBusy), 1)
    );
    let before = busy.second.store().pending(Some(kind::RELEASE)).expect("read");
    assert_eq!(busy.restore(&busy.second), Some(Failure::ServiceBusy));
    assert_eq!(
        busy.second.store().pending(Some(kind::RELEASE)).expect("read"),
        before,
        "the same bytes wait"
    );
    for computer in [&busy.early, &busy.first] {
        busy.contact(computer);
    }
    assert!(ledger::rows(&busy.world) == busy.rows);
    ledger.end_recovery(LOSS).expect("ended");
    busy.world.service_clock.set(LOSS + 10);
    let ended = busy.second.release(None, busy.world.direct());
    assert_eq!((ended.failure(), waits(&busy.second)), (None, 0));
    assert_eq!(ledger::rows(&busy.world).len(), busy.rows.len() + 2);
}

#[test]
fn receipts_are_shown_once_in_bounded_messages_and_late_ones_too() {
    let busy = busy(1100);
    let ledger = busy.lose();
    let way = busy.world.direct();
    let shown = |computer: &Computer| {
        let before = way.traffic().of_kind(kind::RECEIPTS).len();
        computer.restore(busy.world.agreed(&busy.more), way.clone());
        way.traffic().of_kind(kind::RECEIPTS).split_off(before)
    };
    let messages = shown(&busy.early);
    let said: Vec<(usize, bool)> = messages
        .iter()
        .map(|(request, _)| {
            let request = SignedRequest::decode(request).expect("a request");
            let body: Receipts = request.claim().receipts_body().expect("a body");
            (body.receipts.len(), body.more)
        })
        .collect();
    // Its release and its second restore, of 1,000 and 100 licenses each; the first restore is not asked for.
    assert_eq!(said, [(1, true), (1, true), (1, true), (1, false)]);
    assert!(shown(&busy.early).is_empty(), "all of it was shown");
    shown(&busy.first);
    ledger.end_recovery(LOSS + 1).expect("ended");
    busy.world.service_clock.set(LOSS + 100);
    assert!(shown(&busy.early).is_empty(), "and isn't again when it has ended");
    assert_eq!(shown(&busy.second).len(), 2, "who comes late shows what it has");
    let mut rows = ledger::rows(&busy.world);
    rows.retain(|row| row.time < LOSS);
    assert!(rows == busy.rows, "what was, and the license that it gets now");
    assert!(shown(&busy.second).is_empty());
    let receipt = |answer: &[u8]| {
        let receipt = Answer::decode(answer)
            .expect("an answer")
            .receipt
            .expect("a receipt");
        Receipt::verify(&receipt, busy.world.service.card()).expect("it verifies")
    };
    let last = way.traffic().exchanges.last().map(|(_, answer)| receipt(answer));
    let recovery = last.and_then(|receipt| receipt.recovery).expect("still told");
    assert_eq!(
        (recovery.started, recovery.since, recovery.ended),
        (LOSS, BACKUP, Some(LOSS + 1))
    );
}

#[test]
fn a_slot_that_was_given_twice_is_kept_apart_and_told() {
    let busy = busy(1);
    busy.world.service_clock.set(LOSS);
    lose_rows(&busy.world, BACKUP);
    // Somebody served on without a recovery.
    let new = busy.world.computer("new");
    assert_eq!(busy.restore(&new), None);
    let given = ledger::rows(&busy.world);
    let ledger = SqliteLedger::open(&busy.world.ledger_file()).expect("the ledger opens");
    ledger.start_recovery(BACKUP, LOSS).expect("started");
    for computer in [&busy.early, &busy.first, &busy.second] {
        busy.contact(computer);
    }
    let (_, shown, _, conflicts) = busy.recovered(&ledger);
    assert_eq!(
        (shown, conflicts),
        (3, 2),
        "the row in its place, and the one that follows another"
    );
    let now = ledger::rows_unchained(&busy.world);
    assert!(given.iter().all(|row| now.contains(row)), "what was given stays");
}

#[test]
fn who_comes_late_to_give_back_is_believed_by_its_receipts() {
    let busy = busy(2);
    let ledger = busy.lose();
    busy.contact(&busy.early);
    busy.contact(&busy.first);
    ledger.end_recovery(LOSS).expect("ended");
    busy.world.service_clock.set(LOSS + 10);
    // The ledger doesn't know that it holds anything, until it shows it.
    let ended = busy.second.release(None, busy.world.direct());
    let freed = Outcome::Released { slot: Some(3) };
    assert_eq!(
        (ended.failure(), ended.events.count(|outcome| *outcome == freed)),
        (None, 2)
    );
    let rows = ledger::rows(&busy.world);
    assert_eq!(rows.len(), busy.rows.len() + 2);
    assert!(busy.rows.iter().all(|row| rows.contains(row)));
}
