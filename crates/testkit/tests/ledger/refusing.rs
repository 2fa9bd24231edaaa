//! Refusal pages.

use keyferry_license::ComputerId;
use keyferry_protocol::Reason;
use keyferry_service::ledger::{LISTED_LICENSES, PAGE_LIFETIME, Refusal, RefusedLicense};
use keyferry_testkit::NOW;

use crate::cast::{LIMIT, case, thumbprint};
use crate::place::Place;

/// A refusal of so many licenses, all of them listed.
pub fn refusal(computer: ComputerId, licenses: usize) -> Refusal {
    let listed = (1..=licenses).map(|number| {
        let case = case();
        RefusedLicense {
            issuer: case.issuer,
            license: case.license,
            origin: case.origin,
            limit: LIMIT,
            title: format!("Slow River, part {number}; \"Ωμέγα\" ' \\ %"),
        }
    });
    Refusal {
        computer,
        operation: [4; 16],
        request: [1; 32],
        reason: Reason::Limit,
        licenses: licenses as u64,
        listed: listed.collect(),
        now: NOW,
    }
}

pub fn there_is_a_page_for_each_computer_operation_and_reason(place: &Place) {
    let ledger = place.open();
    let first = refusal(thumbprint(), 2);
    let all = [
        first.clone(),
        Refusal {
            computer: thumbprint(),
            ..first.clone()
        },
        Refusal {
            operation: [5; 16],
            ..first.clone()
        },
        Refusal {
            reason: Reason::Twice,
            ..first.clone()
        },
    ];
    let pages: Vec<_> = all
        .iter()
        .map(|refusal| ledger.refuse(refusal.clone()).expect("kept"))
        .collect();
    for (number, (refusal, page)) in all.iter().zip(&pages).enumerate() {
        assert!(!pages[..number].contains(page));
        let read = place.open().page(page, NOW).expect("read").expect("a page");
        assert_eq!(
            (read.computer, read.reason, read.time),
            (refusal.computer, refusal.reason, NOW)
        );
        assert_eq!((read.licenses, &read.listed), (2, &refusal.listed));
    }
    assert!(ledger.page(&[0; 16], NOW).expect("read").is_none());
}

pub fn a_retry_adds_nothing_to_its_page(place: &Place) {
    let (ledger, first) = (place.open(), refusal(thumbprint(), 3));
    let page = ledger.refuse(first.clone()).expect("kept");
    assert_eq!(
        place
            .open()
            .refuse(Refusal {
                now: NOW + 60,
                ..first.clone()
            })
            .expect("kept"),
        page
    );
    let next = Refusal {
        request: [2; 32],
        now: NOW + 60,
        ..refusal(first.computer, 2)
    };
    assert_eq!(ledger.refuse(next.clone()).expect("kept"), page);
    let read = ledger.page(&page, NOW).expect("read").expect("a page");
    assert_eq!((read.licenses, read.time), (5, NOW));
    assert_eq!(read.listed, [first.listed, next.listed].concat());
}

pub fn a_page_lists_a_hundred_and_counts_all(place: &Place) {
    let (ledger, computer) = (place.open(), thumbprint());
    let mut page = None;
    for request in 0..3 {
        let part = Refusal {
            request: [request; 32],
            licenses: 1000,
            ..refusal(computer, 40)
        };
        let same = ledger.refuse(part).expect("kept");
        assert_eq!(*page.get_or_insert(same), same);
    }
    let read = ledger
        .page(&page.expect("a page"), NOW)
        .expect("read")
        .expect("a page");
    assert_eq!((read.licenses, read.listed.len()), (3000, LISTED_LICENSES));
}

pub fn a_page_is_forgotten_in_time(place: &Place) {
    let (ledger, first) = (place.open(), refusal(thumbprint(), 1));
    let page = ledger.refuse(first.clone()).expect("kept");
    let last = NOW + PAGE_LIFETIME;
    assert!(ledger.page(&page, last).expect("read").is_some());
    assert!(ledger.page(&page, last + 1).expect("read").is_none());
    // The next page sweeps away what is too old, and nothing else.
    let at = |now, request: u8| Refusal {
        request: [request; 32],
        now,
        ..refusal(thumbprint(), 1)
    };
    let young = ledger.refuse(at(NOW + 100, 2)).expect("kept");
    ledger.refuse(at(last + 50, 3)).expect("kept");
    assert!(
        ledger.page(&page, NOW).expect("read").is_none(),
        "it is gone, not only hidden"
    );
    assert!(ledger.page(&young, NOW).expect("read").is_some());
    let anew = ledger
        .refuse(Refusal {
            now: last + 60,
            ..first
        })
        .expect("kept");
    assert_ne!(anew, page);
}
