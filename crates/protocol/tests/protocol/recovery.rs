//! Rows made again of receipts: the hash decides, the time is searched for, and the search is bounded.

use keyferry_license::Digest;
use keyferry_protocol::{
    Change, Entry, Error, ROW_TIME_SEARCH, Receipt, Receipts, Recovery, Remade, Remaking, Row, Verdict, kind,
};

use crate::cast::*;

const WEEK: u64 = 7 * 24 * 60 * 60;

/// The row that a request of the vectors' computer wrote at this time.
fn row(n: u8, change: Change, time: u64) -> Row {
    let entry = granted(n);
    Row {
        issuer: entry.issuer,
        license: entry.license,
        seq: 5,
        computer: receipt(vec![]).computer,
        change,
        slot: 2,
        lease: 0,
        request: receipt(vec![]).request,
        time,
        previous: Digest([9; 32]),
    }
}

fn entry(n: u8, row: &Row, verdict: Verdict) -> Entry {
    Entry {
        verdict,
        seq: Some(row.seq),
        previous: Some(row.previous),
        row: Some(row.hash()),
        ..granted(n)
    }
}

fn made(receipt: &Receipt, remaking: &mut Remaking) -> Vec<Remade> {
    receipt
        .entries
        .iter()
        .map(|entry| remaking.row(receipt, entry))
        .collect()
}

#[test]
fn a_row_is_found_whatever_its_time_was_within_a_week() {
    for back in [0, 1, 59, 86_400, WEEK] {
        let rows = [
            row(1, Change::Take, NOW - back),
            row(2, Change::Release, NOW - back),
        ];
        let told = receipt(vec![
            entry(1, &rows[0], Verdict::Restored),
            entry(2, &rows[1], Verdict::Released),
        ]);
        let expected = rows.map(Remade::Row);
        assert_eq!(made(&told, &mut Remaking::default()), expected, "{back}");
    }
    assert_eq!(ROW_TIME_SEARCH, WEEK);
}

#[test]
fn what_is_not_the_row_is_not_taken_for_it() {
    let true_row = row(1, Change::Take, NOW);
    let good = entry(1, &true_row, Verdict::Restored);
    let unknown = [
        Entry {
            slot: Some(3),
            ..good.clone()
        },
        Entry {
            seq: Some(6),
            ..good.clone()
        },
        Entry {
            previous: Some(Digest([8; 32])),
            ..good.clone()
        },
        Entry {
            verdict: Verdict::Released,
            ..good.clone()
        },
        entry(1, &row(1, Change::Take, NOW + 1), Verdict::Restored),
    ];
    for wrong in unknown {
        let told = receipt(vec![wrong.clone()]);
        assert_eq!(
            made(&told, &mut Remaking::within(1000)),
            [Remade::Unknown],
            "{wrong:?}"
        );
    }
    let none = [
        Entry {
            verdict: Verdict::Reissued,
            ..good.clone()
        },
        Entry {
            seq: None,
            previous: None,
            row: None,
            ..good
        },
    ];
    assert_eq!(
        made(&receipt(none.to_vec()), &mut Remaking::within(1000)),
        [Remade::None, Remade::None]
    );
}

#[test]
fn the_search_is_bounded_for_all_receipts_together() {
    let lost = entry(1, &row(1, Change::Take, 5), Verdict::Restored);
    let late = entry(2, &row(2, Change::Take, NOW - 99), Verdict::Restored);
    let told = |entry: &Entry, n| Receipt {
        request: [n; 32],
        ..receipt(vec![entry.clone()])
    };
    let mut remaking = Remaking::within(100);
    assert!(matches!(
        made(&told(&late, 0x33), &mut remaking)[..],
        [Remade::Row(_)]
    ));
    // The time of the receipt before is of another request, and nothing is left to try.
    assert_eq!(made(&told(&lost, 1), &mut remaking), [Remade::Unknown]);
    assert_eq!(made(&told(&late, 0x33), &mut remaking), [Remade::Unknown]);
}

#[test]
fn receipts_are_needed_from_the_backup_to_the_end() {
    let lasting = Recovery {
        started: 50,
        since: 10,
        ended: None,
    };
    let ended = Recovery {
        ended: Some(60),
        ..lasting
    };
    assert_eq!(
        [9, 10, 60, 61].map(|time| lasting.needs(time)),
        [false, true, true, true]
    );
    assert_eq!(
        [9, 10, 60, 61].map(|time| ended.needs(time)),
        [false, true, true, false]
    );
    assert!(lasting.lasts() && !ended.lasts());
}

#[test]
fn a_message_speaks_of_a_thousand_entries_and_of_one_computer() {
    let request = request(
        kind::RECEIPTS,
        &Receipts {
            receipts: vec![],
            more: false,
        },
    );
    let of = |counts: &[usize]| {
        let receipts = counts
            .iter()
            .map(|count| receipt(vec![granted(1); *count]).sign(&service_key()));
        let body = Receipts {
            receipts: receipts.collect(),
            more: false,
        };
        body.verified(&service_card(), &request)
    };
    assert_eq!(of(&[400, 600]).unwrap().len(), 2);
    assert!(matches!(of(&[400, 601]), Err(Error::Inconsistent(_))));
    let forged = Receipts {
        receipts: vec![receipt(vec![granted(1)]).sign(&issuer_key())],
        more: false,
    };
    assert!(forged.verified(&service_card(), &request).is_err());
}
