//! What can't be done is an error, and nothing of it is done.

use keyferry_license::SigningSecret;
use keyferry_service::ledger::{Computer, Refusal};
use keyferry_testkit::NOW;

use crate::cast::{asks_at, cases, rows, thumbprint};
use crate::place::Place;
use crate::refusing::refusal;

pub fn what_is_beyond_its_numbers_is_an_error_and_changes_nothing(place: &Place) {
    let (ledger, cases) = (place.open(), cases(3));
    let beyond = i64::MAX as u64 + 1;
    ledger
        .judge(asks_at(thumbprint(), NOW), vec![cases[2]])
        .expect("judged");
    assert!(
        ledger
            .judge(asks_at(thumbprint(), beyond), cases.clone())
            .is_err()
    );
    assert!(
        ledger
            .judge(asks_at(thumbprint(), u64::MAX), cases.clone())
            .is_err()
    );
    let counts: Vec<usize> = cases.iter().map(|case| rows(&*ledger, case).len()).collect();
    assert_eq!(counts, [0, 0, 1]);
    let computer = Computer {
        id: thumbprint(),
        key: SigningSecret::generate().expect("a key").public(),
        card: vec![1],
        serial: u64::MAX,
        name: "laptop".into(),
        since: NOW,
    };
    assert!(ledger.register(computer.clone()).is_err());
    assert!(ledger.computer(&computer.id).expect("read").is_none());
    assert!(ledger.put_issuer(thumbprint(), u64::MAX, b"card").is_err());
    assert!(ledger.issuers().expect("read").is_empty());
    let refused = refusal(thumbprint(), 1);
    assert!(
        ledger
            .refuse(Refusal {
                now: u64::MAX,
                ..refused.clone()
            })
            .is_err()
    );
    let page = ledger.refuse(refused).expect("kept");
    let page = ledger.page(&page, NOW).expect("read").expect("a page");
    assert_eq!((page.licenses, page.time), (1, NOW));
    ledger.ready().expect("it goes on");
}
