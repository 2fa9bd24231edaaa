//! New ledgers, and those that another version of the program wrote.

use std::sync::Barrier;

use keyferry_service::Error;

use crate::cast::{asks, cases, hold, rows, thumbprint};
use crate::place::Place;

pub fn many_may_make_a_new_ledger_at_once(place: &Place) {
    let start = Barrier::new(6);
    let case = cases(1)[0];
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                start.wait();
                let ledger = place.open();
                ledger.judge(asks(thumbprint()), vec![case]).expect("judged");
            });
        }
    });
    assert_eq!(hold(&case, &rows(&*place.open(), &case)).len(), 4);
}

pub fn what_was_there_stays(place: &Place) {
    let cases = cases(3);
    let first = place.open();
    first.judge(asks(thumbprint()), cases.clone()).expect("judged");
    let before: Vec<_> = cases.iter().map(|case| rows(&*first, case)).collect();
    // While one works with it, and after all have gone.
    let second = place.open();
    assert_eq!(
        cases.iter().map(|case| rows(&*second, case)).collect::<Vec<_>>(),
        before
    );
    drop((first, second));
    let third = place.open();
    assert_eq!(
        cases.iter().map(|case| rows(&*third, case)).collect::<Vec<_>>(),
        before
    );
}

pub fn a_ledger_of_a_newer_version_is_left_alone(place: &Place) {
    drop(place.open());
    place.make_newer(99);
    for _ in 0..2 {
        let refused = place.try_open().err();
        assert!(
            matches!(refused, Some(Error::LedgerTooNew { found: 99, .. })),
            "{refused:?}"
        );
    }
}
