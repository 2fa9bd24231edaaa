//! Many at the same moment, on handles of their own: the limit holds, whoever is first.

use std::sync::Barrier;

use keyferry_license::{ComputerId, Digest, Revocation};
use keyferry_protocol::Reason;
use keyferry_service::ledger::{Ledger, ListPlace};
use keyferry_service::policy::{Asker, Case, Decision, ReturnDecision};
use keyferry_testkit::{NOW, Publisher};

use crate::cast::{asks, asks_after, asks_at, cases, hold, is_yes, item, rows, thumbprint};
use crate::place::Place;
use crate::refusing::refusal;

const HANDLES: usize = 4;

/// Does the work `count` times at once, by turns on so many handles; gives the results by number.
fn at_once<T: Send>(place: &Place, count: usize, work: impl Fn(usize, &dyn Ledger) -> T + Sync) -> Vec<T> {
    let handles: Vec<_> = (0..HANDLES).map(|_| place.open()).collect();
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let (work, start, handles) = (&work, &start, &handles);
        let run = |number: usize| {
            move || {
                start.wait();
                work(number, &*handles[number % HANDLES])
            }
        };
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(run(number))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("done"))
            .collect()
    })
}

/// The licenses in another order for each computer.
fn turned(cases: &[Case], by: usize) -> Vec<Case> {
    let mut cases = cases.to_vec();
    let by = by % cases.len();
    cases.rotate_left(by);
    cases
}

pub fn of_many_computers_exactly_as_many_as_the_limit_get_a_license(place: &Place) {
    let cases = cases(40);
    let computers: Vec<ComputerId> = (0..16).map(|_| thumbprint()).collect();
    let won = at_once(place, computers.len(), |number, ledger| {
        // Half of them in the order of the rows, half in an order of their own.
        let batch = turned(&cases, if number % 2 == 0 { 0 } else { number });
        let judged = ledger
            .judge(asks(computers[number]), batch.clone())
            .expect("judged");
        for (case, judgment) in batch.iter().zip(&judged) {
            let row = judgment.row.as_ref().map(|row| (row.license, row.computer));
            assert_eq!(row, is_yes(judgment).then_some((case.license, computers[number])));
            assert!(is_yes(judgment) || judgment.decision == Decision::Refused(Reason::Limit));
        }
        let yes = batch.iter().zip(&judged).filter(|(_, judgment)| is_yes(judgment));
        yes.map(|(case, _)| case.license).collect::<Vec<_>>()
    });
    let ledger = place.open();
    for case in &cases {
        let mut winners: Vec<ComputerId> = (0..computers.len())
            .filter(|number| won[*number].contains(&case.license))
            .map(|number| computers[number])
            .chain([case.origin])
            .collect();
        let mut holders: Vec<ComputerId> = hold(case, &rows(&*ledger, case)).into_values().collect();
        winners.sort();
        holders.sort();
        assert_eq!(winners.len(), case.limit as usize);
        assert_eq!(winners, holders, "whoever was told yes holds it, and nobody else");
    }
}

pub fn one_request_on_many_ways_spends_once(place: &Place) {
    let (cases, asker) = (cases(40), asks(thumbprint()));
    let answers = at_once(place, 8, |number, ledger| {
        let batch = turned(&cases, number);
        let mut judged = ledger.judge(asker, batch).expect("judged");
        judged.rotate_right(number % cases.len());
        let bound = |row: &keyferry_protocol::Row| (row.slot, row.hash());
        judged
            .iter()
            .map(|one| one.row.as_ref().map(bound))
            .collect::<Vec<Option<(u32, Digest)>>>()
    });
    let ledger = place.open();
    for (number, case) in cases.iter().enumerate() {
        let rows = rows(&*ledger, case);
        assert_eq!(rows.len(), 1);
        for answer in &answers {
            assert_eq!(answer[number], Some((2, rows[0].hash())));
        }
    }
}

pub fn computers_that_take_and_give_back_never_exceed_the_limit(place: &Place) {
    const ROUNDS: u64 = 6;
    let cases = cases(8);
    let kept = at_once(place, 12, |number, ledger| {
        let computer = thumbprint();
        let mut last: Option<Asker> = None;
        let mut held = Vec::new();
        for round in 0..ROUNDS {
            let now = NOW + round;
            let next = |last: Option<Asker>| match last {
                Some(last) => asks_after(&last, now),
                None => asks_at(computer, now),
            };
            let asker = next(last);
            let judged = ledger.judge(asker, turned(&cases, number)).expect("judged");
            let heard = judged
                .iter()
                .map(|one| one.not_before)
                .max()
                .map_or(now, |time| time.max(now));
            last = Some(Asker { now: heard, ..asker });
            let yes = turned(&cases, number)
                .into_iter()
                .zip(judged)
                .filter(|(_, judgment)| is_yes(judgment));
            held = yes.map(|(case, _)| case).collect();
            if round + 1 < ROUNDS {
                let asker = next(last);
                let items = held.iter().map(|case| item(case, computer)).collect();
                let returned = ledger.release(asker, items).expect("released");
                let released = |one: &ReturnDecision| matches!(one, ReturnDecision::Released { .. });
                assert!(returned.iter().all(|one| released(&one.decision)), "{returned:?}");
                let heard = returned
                    .iter()
                    .map(|one| one.not_before)
                    .max()
                    .map_or(now, |time| time.max(now));
                last = Some(Asker { now: heard, ..asker });
            }
        }
        (computer, held)
    });
    let ledger = place.open();
    for case in &cases {
        let holders = hold(case, &rows(&*ledger, case));
        for (computer, held) in &kept {
            let believes = held.iter().any(|one| one.license == case.license);
            assert_eq!(believes, holders.values().any(|holder| holder == computer));
        }
    }
}

pub fn of_two_lists_of_one_number_one_is_taken(place: &Place) {
    let publisher = Publisher::new("Northwind Audio");
    let lists: Vec<_> = cases(6)
        .iter()
        .map(|case| publisher.revoke(1, vec![Revocation::License(case.license)]))
        .collect();
    let places = at_once(place, lists.len(), |number, ledger| {
        ledger.put_list(&lists[number], NOW).expect("put")
    });
    let taken: Vec<usize> = (0..lists.len())
        .filter(|number| places[*number] == ListPlace::Taken(NOW))
        .collect();
    assert_eq!(taken.len(), 1, "{places:?}");
    let others = places.iter().filter(|place| **place == ListPlace::Conflict(2));
    assert_eq!(others.count(), lists.len() - 1, "{places:?}");
    let root = publisher.root();
    let after = keyferry_protocol::ListNumber {
        issuer: root,
        number: 0,
    };
    let kept = place.open().lists(after, usize::MAX).expect("lists");
    assert_eq!(kept, [lists[taken[0]].as_bytes()]);
}

pub fn a_page_counts_each_request_once(place: &Place) {
    let first = refusal(thumbprint(), 3);
    let requests: Vec<_> = (0..5).map(|number| [number; 32]).collect();
    let pages = at_once(place, 20, |number, ledger| {
        let refusal = keyferry_service::ledger::Refusal {
            request: requests[number % requests.len()],
            ..first.clone()
        };
        ledger.refuse(refusal).expect("kept")
    });
    assert!(
        pages.windows(2).all(|pair| pair[0] == pair[1]),
        "one operation has one page"
    );
    let page = place.open().page(&pages[0], NOW).expect("read").expect("a page");
    assert_eq!((page.licenses, page.listed.len()), (15, 15));
}
