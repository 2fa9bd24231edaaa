//! The checker: content with what the service did, and for each thing that must not be a test that does just that.

use keyferry_license::{Digest, Thumbprint};
use keyferry_protocol::{Answer, Entry, Prepared, Receipt, Verdict};
use keyferry_service::ServiceKeys;
use keyferry_service::check::{Checked, Checker, Fault, Finding};
use keyferry_service::ledger::{Ledger, SqliteLedger};
use keyferry_service::policy::Policy;
use rusqlite::Connection;

use crate::ledger::write_row;
use crate::world::{Computer, License, NOW, World};

/// A computer whose receipts are never given.
const STRANGER: Thumbprint = Thumbprint([5; 32]);

/// Three licenses that moved: the first to two computers, one of which gave it back and took it again; the second for two
/// computers only; the third nowhere.
struct Scene {
    world: World,
    licenses: Vec<License>,
    computers: [Computer; 2],
    receipts: Vec<Vec<u8>>,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let mut origin = world.computer("old-laptop");
        let licenses = vec![
            world.issue(origin.id()),
            world.issue_with(origin.id(), |grant| grant.computers = Some(2)),
            world.issue(origin.id()),
        ];
        let [mut one, mut two] = ["first", "second"].map(|name| world.computer(name));
        let mut receipts = Vec::new();
        let mut time = NOW;
        let mut say = |computer: &mut Computer, request: Prepared| {
            time += 10;
            let answer = world.service.handle(&request.bytes, time);
            computer.hear(&answer, &world.service);
            receipts.push(Answer::decode(&answer).unwrap().receipt.unwrap());
        };
        let request = origin.restore(&world.service, &licenses);
        say(&mut origin, request);
        for computer in [&mut one, &mut two] {
            let request = computer.restore(&world.service, &licenses[..2]);
            say(computer, request);
        }
        let request = one.release(&world.service, &licenses[..1]);
        say(&mut one, request);
        for _ in 0..2 {
            let request = one.restore(&world.service, &licenses[..2]);
            say(&mut one, request);
        }
        Self {
            world,
            licenses,
            computers: [one, two],
            receipts,
        }
    }

    fn check_with(&self, receipts: &[Vec<u8>]) -> (Checked, Vec<Finding>) {
        let ledger = SqliteLedger::open(&self.world.ledger()).unwrap();
        let (policy, mut findings) = (Policy::default(), Vec::new());
        let mut checker = Checker::new(&ledger, self.world.service.card(), &policy);
        let mut told = |finding| findings.push(finding);
        for receipt in receipts {
            checker.receipt(receipt, &mut told).unwrap();
        }
        let checked = checker.finish(&mut told).unwrap();
        assert_eq!(checked.findings, findings.len() as u64);
        (checked, findings)
    }

    /// The faults that are found, and the number of the row.
    fn faults(&self) -> Vec<(Fault, Option<u64>)> {
        let (_, findings) = self.check_with(&self.receipts);
        findings
            .into_iter()
            .map(|finding| (finding.fault, finding.seq))
            .collect()
    }

    fn write(&self, license: usize, seq: u64, computer: Thumbprint, change: u8, slot: u32, time: u64) {
        write_row(
            &self.world,
            &self.licenses[license],
            seq,
            computer,
            change,
            slot,
            time,
        );
    }

    /// Changes or removes a row of a license by hand.
    fn edit(&self, statement: &str, license: usize, seq: u64) {
        let id = self.licenses[license].0.license;
        let changed = Connection::open(self.world.ledger())
            .unwrap()
            .execute(statement, (id.as_bytes(), seq));
        assert_eq!(changed.unwrap(), 1);
    }

    /// A receipt that only the service's own key could have made.
    fn forge(&self, computer: &Computer, entry: impl FnOnce(&mut Entry)) -> Vec<u8> {
        let last = self.receipts.last().unwrap();
        let mut receipt = Receipt::verify(last, self.world.service.card()).unwrap();
        receipt.computer = computer.id();
        receipt.entries.truncate(1);
        entry(&mut receipt.entries[0]);
        receipt.sign(
            ServiceKeys::open(self.world.dir.path(), NOW)
                .unwrap()
                .signing(NOW),
        )
    }
}

#[test]
fn what_the_service_did_is_proven() {
    let scene = Scene::new();
    let (checked, findings) = scene.check_with(&scene.receipts);
    assert_eq!(findings, []);
    let expected = Checked {
        // Two takes, a release and a take; one take, and one that was refused.
        rows: 5,
        licenses: 2,
        receipts: 6,
        computers: 3,
        // Three, two, one of two; the release; two, twice.
        promises: 11,
        unproven: 0,
        findings: 0,
    };
    assert_eq!(checked, expected);
}

#[test]
fn what_nobody_shows_is_counted_and_not_blamed() {
    let scene = Scene::new();
    let (checked, findings) = scene.check_with(&[]);
    assert_eq!((findings.len(), checked.rows, checked.unproven), (0, 5, 5));
    // The receipts of one computer until before it gave back: what came later may have one that isn't here.
    let (checked, findings) = scene.check_with(&scene.receipts[..3]);
    assert_eq!((findings.len(), checked.unproven), (0, 2));
    // An answer that never came, to a request that the release then dropped.
    let without = [&scene.receipts[..1], &scene.receipts[2..]].concat();
    let (_, findings) = scene.check_with(&without);
    assert_eq!(findings, [], "{findings:?}");
}

#[test]
fn a_row_without_cause_is_found() {
    let scene = Scene::new();
    let (_, findings) = scene.check_with(&[&scene.receipts[..2], &scene.receipts[3..]].concat());
    assert_eq!(findings, [], "receipts that are missing altogether show nothing");
    scene.write(2, 1, scene.computers[0].id(), 1, 2, NOW + 15);
    assert_eq!(scene.faults(), [(Fault::NoCause, Some(1))]);
    let (_, findings) = scene.check_with(&scene.receipts);
    let said = findings[0].to_string();
    assert!(said.contains(&scene.licenses[2].0.license.to_string()), "{said}");
    assert!(
        said.contains("row 1") && said.contains(&scene.computers[0].id().to_string()),
        "{said}"
    );
}

#[test]
fn a_release_without_cause_is_found() {
    let scene = Scene::new();
    scene.write(0, 5, scene.computers[1].id(), 2, 3, NOW + 50);
    let unproven = scene.faults();
    assert_eq!(unproven, [], "it is later than what this computer shows");
    let later = scene.forge(&scene.computers[1], |entry| {
        entry.verdict = Verdict::Refused;
    });
    let (_, findings) = scene.check_with(&[&scene.receipts[..], &[later]].concat());
    let faults: Vec<_> = findings
        .into_iter()
        .map(|finding| (finding.fault, finding.seq))
        .collect();
    assert_eq!(faults, [(Fault::NoCause, Some(5))]);
}

#[test]
fn a_gap_is_found() {
    let scene = Scene::new();
    scene.write(0, 6, STRANGER, 1, 4, NOW + 60);
    assert_eq!(scene.faults(), [(Fault::Gap, Some(6))]);
}

#[test]
fn a_yes_without_its_row_is_found() {
    let scene = Scene::new();
    scene.edit("DELETE FROM licenses WHERE license = ?1 AND seq = ?2", 0, 4);
    // Two receipts name it: the restore that wrote it, and the one that found it.
    assert_eq!(scene.faults(), [(Fault::NoRow, Some(4)), (Fault::NoRow, Some(4))]);
}

#[test]
fn a_row_that_was_changed_is_found() {
    let scene = Scene::new();
    scene.edit(
        "UPDATE licenses SET slot = 4 WHERE license = ?1 AND seq = ?2",
        0,
        4,
    );
    assert_eq!(
        scene.faults(),
        [(Fault::OtherRow, Some(4)), (Fault::OtherRow, Some(4))]
    );
}

#[test]
fn a_broken_chain_is_found_without_any_receipt() {
    let scene = Scene::new();
    scene.edit(
        "UPDATE licenses SET time = time + 1 WHERE license = ?1 AND seq = ?2",
        0,
        2,
    );
    let (_, findings) = scene.check_with(&[]);
    let faults: Vec<_> = findings
        .into_iter()
        .map(|finding| (finding.fault, finding.seq))
        .collect();
    assert_eq!(faults, [(Fault::Chain, Some(3))]);
}

#[test]
fn a_time_that_falls_is_found() {
    let scene = Scene::new();
    scene.write(0, 5, STRANGER, 1, 4, NOW);
    assert_eq!(scene.faults(), [(Fault::Time, Some(5))]);
}

#[test]
fn a_limit_that_is_exceeded_is_found() {
    let scene = Scene::new();
    scene.write(0, 5, STRANGER, 1, 4, NOW + 60);
    assert_eq!(scene.faults(), [], "the fourth of four");
    scene.write(0, 6, Thumbprint([6; 32]), 1, 5, NOW + 60);
    assert_eq!(
        scene.faults(),
        [(Fault::OverLimit { held: 5, limit: 4 }, Some(6))]
    );
    // A smaller limit is known from the receipts.
    scene.write(1, 2, STRANGER, 1, 3, NOW + 60);
    let expected = (Fault::OverLimit { held: 3, limit: 2 }, Some(2));
    assert!(scene.faults().contains(&expected), "{:?}", scene.faults());
}

#[test]
fn a_slot_that_is_given_twice_is_found() {
    let scene = Scene::new();
    scene.write(0, 5, STRANGER, 1, 3, NOW + 60);
    assert_eq!(scene.faults(), [(Fault::SlotTwice, Some(5))]);
    let scene = Scene::new();
    scene.write(0, 5, STRANGER, 1, 1, NOW + 60);
    assert_eq!(
        scene.faults(),
        [(Fault::SlotTwice, Some(5))],
        "the first is the origin's"
    );
}

#[test]
fn a_second_slot_is_found() {
    let scene = Scene::new();
    scene.write(2, 1, STRANGER, 1, 2, NOW + 60);
    assert_eq!(scene.faults(), []);
    scene.write(2, 2, STRANGER, 1, 3, NOW + 60);
    assert_eq!(scene.faults(), [(Fault::SecondSlot, Some(2))]);
}

#[test]
fn a_release_of_anothers_slot_is_found() {
    let scene = Scene::new();
    scene.write(0, 5, STRANGER, 2, 3, NOW + 60);
    assert_eq!(scene.faults(), [(Fault::NotHeld, Some(5))]);
    let scene = Scene::new();
    scene.write(0, 5, STRANGER, 2, 1, NOW + 60);
    assert_eq!(
        scene.faults(),
        [(Fault::NotHeld, Some(5))],
        "receipts tell who the origin is"
    );
}

#[test]
fn two_origins_are_found() {
    let scene = Scene::new();
    let forged = scene.forge(&scene.computers[0], |entry| {
        entry.license = scene.licenses[2].0.license;
        (entry.verdict, entry.slot) = (Verdict::Reissued, Some(1));
        (entry.seq, entry.previous, entry.row) = (None, None, None);
    });
    let (_, findings) = scene.check_with(&[&scene.receipts[..], &[forged]].concat());
    let faults: Vec<_> = findings
        .into_iter()
        .map(|finding| (finding.fault, finding.seq))
        .collect();
    assert_eq!(faults, [(Fault::TwoOrigins, None)]);
}

#[test]
fn a_receipt_that_tells_otherwise_than_its_row_is_found() {
    let scene = Scene::new();
    let wrong: [fn(&mut Entry); 3] = [
        |entry| entry.slot = Some(3),
        |entry| entry.verdict = Verdict::Released,
        // By a request that isn't the row's.
        |entry| entry.verdict = Verdict::Restored,
    ];
    for wrong in wrong {
        let forged = scene.forge(&scene.computers[0], wrong);
        let (_, findings) = scene.check_with(&[&scene.receipts[..], &[forged]].concat());
        let faults: Vec<_> = findings
            .into_iter()
            .map(|finding| (finding.fault, finding.seq))
            .collect();
        assert_eq!(faults, [(Fault::Contradiction, Some(4))]);
    }
    let nowhere = scene.forge(&scene.computers[0], |entry| {
        (entry.verdict, entry.seq, entry.row) = (Verdict::Restored, None, Some(Digest([1; 32])));
    });
    let (_, findings) = scene.check_with(&[&scene.receipts[..], &[nowhere]].concat());
    assert_eq!(findings[0].fault, Fault::NoRow);
}

#[test]
fn a_receipt_of_somebody_else_proves_nothing() {
    let scene = Scene::new();
    let other = Scene::new();
    let mut bent = scene.receipts[1].clone();
    *bent.last_mut().unwrap() ^= 1;
    for bad in [other.receipts[1].clone(), bent, b"no receipt".to_vec()] {
        let (checked, findings) = scene.check_with(&[&scene.receipts[..], &[bad]].concat());
        assert!(
            matches!(
                findings[..],
                [Finding {
                    fault: Fault::BadReceipt(_),
                    ..
                }]
            ),
            "{findings:?}"
        );
        assert_eq!((checked.receipts, checked.promises), (6, 11));
    }
}

#[test]
fn a_row_that_can_not_be_read_is_an_error() {
    let scene = Scene::new();
    scene.edit(
        "UPDATE licenses SET change = 77 WHERE license = ?1 AND seq = ?2",
        0,
        4,
    );
    let ledger = SqliteLedger::open(&scene.world.ledger()).unwrap();
    let policy = Policy::default();
    let checker = Checker::new(&ledger, scene.world.service.card(), &policy);
    let failed = checker.finish(&mut |finding| panic!("{finding}")).unwrap_err();
    assert!(
        matches!(failed, keyferry_service::Error::LedgerDamaged(_)),
        "{failed}"
    );
    assert_eq!(ledger.rows(&[]).unwrap().len(), 0);
}
