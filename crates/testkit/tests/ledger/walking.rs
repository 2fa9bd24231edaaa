//! Reading all rows.

use keyferry_license::LicenseId;
use keyferry_protocol::Row;
use keyferry_service::ledger::{Ledger, row_key};

use crate::cast::{asks, case_of, cases, rows, thumbprint};
use crate::place::Place;

pub fn each_row_comes_once_and_in_order_whatever_the_step(place: &Place) {
    let ledger = place.open();
    // Issuers that gave two of their licenses the same IDs as the others, and licenses of their own beside.
    let mut all = cases(20);
    let shared: [LicenseId; 2] = [all[3].license, all[11].license];
    for _ in 0..5 {
        let issuer = thumbprint();
        all.extend(shared.map(|license| {
            let mut case = case_of(issuer);
            case.license = license;
            case
        }));
    }
    for _ in 0..3 {
        ledger.judge(asks(thumbprint()), all.clone()).expect("judged");
    }
    let mut expected: Vec<Row> = all.iter().flat_map(|case| rows(&*ledger, case)).collect();
    expected.sort_by_key(|row| row_key(&(row.issuer, row.license), row.seq));
    assert_eq!(expected.len(), 90);
    for most in [1, 2, 7, 30, 90, 1000] {
        assert_eq!(walked(&*ledger, most), expected, "{most} at a time");
    }
}

fn walked(ledger: &dyn Ledger, most: usize) -> Vec<Row> {
    let mut after = Default::default();
    let mut all: Vec<Row> = Vec::new();
    loop {
        let rows = ledger.walk(after, most).expect("read");
        assert!(rows.len() <= most);
        let Some(last) = rows.last() else { return all };
        after = ((last.issuer, last.license), last.seq);
        all.extend(rows);
    }
}
