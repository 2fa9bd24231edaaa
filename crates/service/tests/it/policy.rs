//! The policy alone: a table of cases, and random histories in which no limit is ever exceeded.

use keyferry_license::{Digest, KeyId, LicenseId, Thumbprint};
use keyferry_protocol::{Change, LastReceipt, Reason, Row};
use keyferry_service::policy::{
    Asker, Case, Decision, Judgment, Return, ReturnDecision, Returned, holders, judge, release,
};
use proptest::prelude::*;

const ORIGIN: u8 = 1;
const NOW: u64 = 1000;

fn computer(n: u8) -> Thumbprint {
    Thumbprint([n; 32])
}

fn case(limit: u32) -> Case {
    Case {
        issuer: computer(200),
        license: LicenseId([7; 16]),
        origin: computer(ORIGIN),
        key_id: KeyId([8; 16]),
        subject: None,
        limit,
        backup: true,
    }
}

fn asker(n: u8, request: u8) -> Asker {
    Asker {
        computer: Some(computer(n)),
        request: [request; 32],
        last_receipt: None,
        now: NOW,
        recovering: false,
    }
}

fn knows(request: u8, time: u64) -> Option<LastReceipt> {
    Some(LastReceipt {
        request: [request; 32],
        time,
    })
}

/// Rows from (computer, change, slot, request, time).
fn rows(changes: &[(u8, Change, u32, u8, u64)]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (n, change, slot, request, time) in changes {
        rows.push(Row {
            issuer: case(4).issuer,
            license: case(4).license,
            seq: rows.len() as u64 + 1,
            computer: computer(*n),
            change: *change,
            slot: *slot,
            lease: 0,
            request: [*request; 32],
            time: *time,
            previous: rows.last().map_or(Digest::default(), Row::hash),
        });
    }
    rows
}

fn decide(limit: u32, rows: &[Row], asker: &Asker) -> Decision {
    judge(&case(limit), rows, false, asker).decision
}

use Change::{Release, Revoke, Take};

#[test]
fn slots_are_taken_and_held_and_free_again() {
    let take = |slot, of| Decision::Take { slot, of };
    let reissue = |slot, of| Decision::Reissue { slot, of };
    let no = Decision::Refused;
    let full = [(2, Take, 2, 1, 10), (3, Take, 3, 2, 10), (4, Take, 4, 3, 10)];
    let gap = [(2, Take, 2, 1, 10), (3, Take, 3, 2, 10), (2, Release, 2, 3, 10)];
    let moved = [(1, Release, 1, 1, 10), (2, Take, 1, 2, 10)];
    let revoked = [(2, Take, 2, 1, 10), (0, Revoke, 0, 9, 11)];
    for (name, limit, history, who, expected) in [
        (
            "the origin holds slot 1 without a row",
            4,
            &[][..],
            1,
            reissue(1, 4),
        ),
        ("the first other computer", 4, &[], 2, take(2, 4)),
        ("a limit of one", 1, &[], 2, no(Reason::Limit)),
        ("a limit of one, the origin", 1, &[], 1, reissue(1, 1)),
        ("all slots taken", 4, &full, 5, no(Reason::Limit)),
        ("all slots taken, a holder", 4, &full, 3, reissue(3, 4)),
        ("the operator allows more", 6, &full, 5, take(5, 6)),
        ("the operator allowed more once", 2, &full, 4, reissue(4, 4)),
        ("the limit fell below the holders", 2, &full, 5, no(Reason::Limit)),
        ("a released slot is the next", 4, &gap, 5, take(2, 4)),
        ("the origin released its slot", 4, &moved[..1], 2, take(1, 4)),
        ("the origin's slot is another's now", 4, &moved, 2, reissue(1, 4)),
        ("revoked for a stranger", 4, &revoked, 5, no(Reason::Revoked)),
        ("revoked for a holder", 4, &revoked, 2, no(Reason::Revoked)),
        ("revoked for the origin", 4, &revoked, 1, no(Reason::Revoked)),
    ] {
        assert_eq!(decide(limit, &rows(history), &asker(who, 50)), expected, "{name}");
    }
}

#[test]
fn a_holder_needs_no_right_to_be_backed_up() {
    let case = Case {
        backup: false,
        ..case(4)
    };
    let held = rows(&[(2, Take, 2, 1, 10)]);
    let of = |who| judge(&case, &held, false, &asker(who, 50)).decision;
    assert_eq!(of(1), Decision::Reissue { slot: 1, of: 4 });
    assert_eq!(of(2), Decision::Reissue { slot: 2, of: 4 });
    assert_eq!(of(3), Decision::Refused(Reason::NoBackupRight));
}

#[test]
fn only_a_computer_that_knows_its_newest_row_spends_anything() {
    let history = rows(&[(2, Take, 2, 1, 10), (2, Release, 2, 3, 20)]);
    let released = Decision::Refused(Reason::Released);
    for (name, last, expected) in [
        ("nothing heard", None, released),
        ("heard before", knows(1, 10), released),
        ("heard in the same second", knows(7, 20), released),
        (
            "heard of the release",
            knows(3, 20),
            Decision::Take { slot: 2, of: 4 },
        ),
        ("heard later", knows(7, 21), Decision::Take { slot: 2, of: 4 }),
    ] {
        let asker = Asker {
            last_receipt: last,
            ..asker(2, 50)
        };
        let judgment = judge(&case(4), &history, false, &asker);
        assert_eq!(judgment.decision, expected, "{name}");
        let stale = u64::from(judgment.decision == released);
        assert!(
            judgment.not_before >= 20 + stale,
            "{name}: the receipt must make the next request fresh"
        );
    }
}

#[test]
fn a_request_that_was_judged_never_spends_again() {
    let history = rows(&[(2, Take, 2, 50, 10), (2, Release, 2, 3, 20)]);
    let claims_the_future = Asker {
        last_receipt: knows(9, u64::MAX),
        ..asker(2, 50)
    };
    assert_eq!(
        decide(4, &history, &claims_the_future),
        Decision::Refused(Reason::Released)
    );
}

#[test]
fn time_never_goes_backwards_in_a_license() {
    let history = rows(&[(2, Take, 2, 1, NOW + 500)]);
    let judgment = judge(&case(4), &history, false, &asker(3, 50));
    assert_eq!(judgment.new_row().unwrap().time, NOW + 500);
    assert_eq!(judgment.not_before, NOW + 500);
    assert_eq!(judgment.new_row().unwrap().previous, history[0].hash());
}

#[test]
fn a_computer_that_holds_nothing_is_judged_as_the_next() {
    let asker = Asker {
        computer: None,
        ..asker(1, 50)
    };
    assert_eq!(decide(4, &[], &asker), Decision::Take { slot: 2, of: 4 });
    let full = rows(&[(2, Take, 2, 1, 10), (3, Take, 3, 2, 10), (4, Take, 4, 3, 10)]);
    assert_eq!(decide(4, &full, &asker), Decision::Refused(Reason::Limit));
}

#[derive(Debug, Clone)]
enum Step {
    /// A new request; does the computer remember what it last heard?
    Restore {
        who: u8,
        remembers: bool,
    },
    /// An earlier request once more.
    Again {
        which: usize,
    },
    Release {
        who: u8,
        remembers: bool,
    },
    /// An earlier release once more.
    ReleaseAgain {
        which: usize,
    },
    /// The issuer revokes it.
    Revoke,
    Clock {
        by: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 1..8u8;
    let step = prop_oneof![
        8 => (who.clone(), any::<bool>()).prop_map(|(who, remembers)| Step::Restore { who, remembers }),
        6 => any::<usize>().prop_map(|which| Step::Again { which }),
        4 => (who, any::<bool>()).prop_map(|(who, remembers)| Step::Release { who, remembers }),
        4 => any::<usize>().prop_map(|which| Step::ReleaseAgain { which }),
        1 => Just(Step::Revoke),
        2 => (-3..4i64).prop_map(|by| Step::Clock { by }),
    ];
    prop::collection::vec(step, 0..60)
}

struct History {
    case: Case,
    rows: Vec<Row>,
    now: u64,
    requests: Vec<(Asker, Judgment)>,
    heard: [Option<LastReceipt>; 8],
    releases: Vec<(Asker, Returned)>,
    revoked: bool,
    counter: u8,
}

impl History {
    fn restore(&mut self, asker: Asker) -> Judgment {
        let judgment = judge(&self.case, &self.rows, self.revoked, &asker);
        if self.revoked {
            assert_eq!(judgment.decision, Decision::Refused(Reason::Revoked));
        }
        self.rows.extend(judgment.new_row().cloned());
        let who = asker.computer.unwrap().0[0] as usize;
        self.heard[who] = Some(LastReceipt {
            request: asker.request,
            time: self.now.max(judgment.not_before),
        });
        judgment
    }

    /// A computer gives the license back, and asks again where it didn't know its newest row.
    fn release(&mut self, who: u8, remembers: bool) {
        for remembers in [remembers, true] {
            self.counter += 1;
            let asker = Asker {
                last_receipt: self.heard[who as usize].filter(|_| remembers),
                now: self.now,
                ..asker(who, self.counter)
            };
            let held = self.slot(who);
            let returned = self.give_back(asker);
            self.releases.push((asker, returned.clone()));
            match (returned.decision, held) {
                (ReturnDecision::Released { slot }, Some(before)) => {
                    assert_eq!((slot, self.slot(who)), (before, None));
                }
                (ReturnDecision::NotHeld, None) => {}
                (ReturnDecision::Stale, Some(_)) if !remembers => {
                    assert_eq!(self.slot(who), held);
                    continue;
                }
                // Two receipts of one second can't be told apart; the second try always can.
                (ReturnDecision::Stale, Some(_)) => {
                    self.counter += 1;
                    let asker = Asker {
                        last_receipt: self.heard[who as usize],
                        request: [self.counter; 32],
                        ..asker
                    };
                    let returned = self.give_back(asker);
                    assert!(matches!(returned.decision, ReturnDecision::Released { .. }));
                    self.releases.push((asker, returned));
                }
                other => panic!("{other:?}"),
            }
            return;
        }
    }

    fn give_back(&mut self, asker: Asker) -> Returned {
        let item = Return {
            issuer: self.case.issuer,
            license: self.case.license,
            origin: asker.computer == Some(self.case.origin),
        };
        let returned = release(&item, &self.rows, &asker);
        self.rows.extend(returned.new_row().cloned());
        let who = asker.computer.unwrap().0[0] as usize;
        self.heard[who] = Some(LastReceipt {
            request: asker.request,
            time: self.now.max(returned.not_before),
        });
        returned
    }

    fn slot(&self, who: u8) -> Option<u32> {
        let held = holders(self.case.origin, &self.rows);
        let own = held.into_iter().find(|(_, holder, _)| *holder == computer(who));
        own.map(|(slot, ..)| slot)
    }

    /// An earlier release once more: the same row, and whatever was taken since stays taken.
    fn release_again(&mut self, which: usize) {
        if self.releases.is_empty() {
            return;
        }
        let (asker, before) = self.releases[which % self.releases.len()].clone();
        let (rows, held) = (self.rows.len(), holders(self.case.origin, &self.rows).len());
        let asker = Asker {
            now: self.now,
            ..asker
        };
        let after = self.give_back(asker);
        if before.row.is_some() {
            assert_eq!((after.decision, &after.row), (before.decision, &before.row));
            assert!(!after.is_new);
            assert_eq!(
                (rows, held),
                (self.rows.len(), holders(self.case.origin, &self.rows).len())
            );
        }
    }

    fn again(&mut self, which: usize) {
        if self.requests.is_empty() {
            return;
        }
        let (asker, before) = self.requests[which % self.requests.len()].clone();
        let asker = Asker {
            now: self.now,
            ..asker
        };
        let count = self.rows.len();
        let after = self.restore(asker);
        if before.new_row().is_some() {
            assert_eq!(self.rows.len(), count, "a retry wrote a row");
            match after.decision {
                Decision::Reissue { .. } => {
                    // The slot that it got then, or one that a later request of this computer got.
                    let row = after.row.as_ref().unwrap();
                    assert!(row.request != asker.request || Some(row) == before.row.as_ref());
                }
                Decision::Refused(Reason::Revoked) => assert!(self.revoked),
                decision => assert_eq!(decision, Decision::Refused(Reason::Released)),
            }
        }
    }

    fn check(&self) {
        let held = holders(self.case.origin, &self.rows);
        assert!(held.len() <= self.case.limit as usize, "{held:?}");
        for (slot, computer, _) in &held {
            assert!(*slot >= 1 && *slot <= self.case.limit);
            assert_eq!(held.iter().filter(|(_, other, _)| other == computer).count(), 1);
            assert_eq!(held.iter().filter(|(other, ..)| other == slot).count(), 1);
        }
        for (row, next) in self.rows.iter().zip(self.rows.iter().skip(1)) {
            assert_eq!((next.seq, next.previous), (row.seq + 1, row.hash()));
            assert!(next.time >= row.time);
        }
    }
}

proptest! {
    #[test]
    fn no_history_exceeds_the_limit(limit in 1..6u32, steps in steps()) {
        let mut history = History {
            case: case(limit),
            rows: Vec::new(),
            now: NOW,
            requests: Vec::new(),
            heard: [None; 8],
            releases: Vec::new(),
            revoked: false,
            counter: 0,
        };
        for step in steps {
            match step {
                Step::Restore { who, remembers } => {
                    history.counter += 1;
                    let last_receipt = history.heard[who as usize].filter(|_| remembers);
                    let asker = Asker { last_receipt, now: history.now, ..asker(who, history.counter) };
                    let judgment = history.restore(asker);
                    let released = judgment.decision == Decision::Refused(Reason::Released);
                    history.requests.push((asker, judgment));
                    if released {
                        // Whoever asks again with the receipt it just got is not told the same again.
                        history.counter += 1;
                        let last_receipt = history.heard[who as usize];
                        let asker = Asker { last_receipt, request: [history.counter; 32], ..asker };
                        let judgment = history.restore(asker);
                        assert_ne!(judgment.decision, Decision::Refused(Reason::Released));
                        history.requests.push((asker, judgment));
                    }
                }
                Step::Again { which } => history.again(which),
                Step::Release { who, remembers } => history.release(who, remembers),
                Step::ReleaseAgain { which } => history.release_again(which),
                Step::Revoke => history.revoked = true,
                Step::Clock { by } => history.now = history.now.saturating_add_signed(by),
            }
            history.check();
        }
    }
}
