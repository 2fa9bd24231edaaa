//! Revocation lists: taken in their turn, obeyed at once, acknowledged by computers.

use keyferry_license::{Digest, Revocation, RevocationList, Text, Thumbprint, Verified};
use keyferry_protocol::{ListNumber, Reason};
use keyferry_service::ledger::{Acknowledged, ListPlace, subject};
use keyferry_service::policy::{Case, Decision};
use keyferry_testkit::{NOW, Publisher};

use crate::cast::{asks, asks_after, case_of, is_yes, item, judge, rows, thumbprint};
use crate::place::Place;

fn number(issuer: Thumbprint, number: u64) -> ListNumber {
    ListNumber { issuer, number }
}

pub fn a_list_is_taken_in_its_turn(place: &Place) {
    let (ledger, publisher) = (place.open(), Publisher::new("Northwind Audio"));
    let license = |_| Revocation::License(case_of(publisher.root()).license);
    let lists: Vec<_> = (1..=3).map(|n| publisher.revoke(n, vec![license(n)])).collect();
    let put = |list: &Verified<RevocationList>, now| ledger.put_list(list, now).expect("put");
    let newest = || {
        ledger
            .newest_lists(&[thumbprint(), publisher.root()])
            .expect("numbers")
    };
    assert_eq!(newest(), [0, 0]);
    assert_eq!(put(&lists[1], NOW), ListPlace::Gap(1));
    assert_eq!(put(&lists[0], NOW), ListPlace::Taken(NOW));
    assert_eq!(put(&lists[2], NOW), ListPlace::Gap(2));
    assert_eq!(put(&lists[1], NOW + 1), ListPlace::Taken(NOW + 1));
    assert_eq!(newest(), [0, 2]);
    // The same once more is the same; another in its place is none.
    assert_eq!(put(&lists[0], NOW + 9), ListPlace::Taken(NOW));
    assert_eq!(
        put(&publisher.revoke(1, vec![license(9)]), NOW),
        ListPlace::Conflict(3)
    );
    assert_eq!(put(&lists[2], NOW + 2), ListPlace::Taken(NOW + 2));
    let kept = place
        .open()
        .lists(number(publisher.root(), 0), usize::MAX)
        .expect("lists");
    assert_eq!(kept, lists.iter().map(|list| list.as_bytes()).collect::<Vec<_>>());
}

pub fn lists_come_in_order_as_many_as_fit(place: &Place) {
    let (ledger, publisher) = (place.open(), Publisher::new("Northwind Audio"));
    let all = |n: u64| {
        (0..n * 10)
            .map(|_| Revocation::License(case_of(publisher.root()).license))
            .collect()
    };
    let lists: Vec<_> = (1..=12).map(|n| publisher.revoke(n, all(n))).collect();
    for list in &lists {
        ledger.put_list(list, NOW).expect("put");
    }
    let bytes = |range: std::ops::Range<usize>| -> usize {
        lists[range].iter().map(|list| list.as_bytes().len()).sum()
    };
    let got = |after, room| {
        ledger
            .lists(number(publisher.root(), after), room)
            .expect("lists")
    };
    for (after, room, range) in [
        (0, usize::MAX, 0..12),
        (9, usize::MAX, 9..12),
        (0, bytes(0..3), 0..3),
        (0, bytes(0..3) - 1, 0..2),
        (4, bytes(4..6) + 1, 4..6),
        (3, bytes(3..4) - 1, 3..3),
        (12, usize::MAX, 12..12),
    ] {
        let expected: Vec<_> = lists[range].iter().map(|list| list.as_bytes().to_vec()).collect();
        assert_eq!(got(after, room), expected, "after {after}, {room} bytes");
    }
}

pub fn a_number_that_no_list_has_is_no_error(place: &Place) {
    let (ledger, publisher) = (place.open(), Publisher::new("Northwind Audio"));
    let entry = vec![Revocation::Everything];
    ledger
        .put_list(&publisher.revoke(1, entry.clone()), NOW)
        .expect("put");
    let said = Acknowledged {
        request: [1; 32],
        time: NOW,
    };
    for high in [2, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let list = number(publisher.root(), high);
        assert!(ledger.lists(list, usize::MAX).expect("lists").is_empty());
        assert!(
            ledger
                .acknowledgements(list)
                .expect("acknowledgements")
                .is_empty()
        );
        let missing = ledger.acknowledge(thumbprint(), said, vec![list]).expect("asked");
        assert_eq!(missing, Some(list));
        let put = ledger
            .put_list(&publisher.revoke(high.max(3), entry.clone()), NOW)
            .expect("put");
        assert_eq!(put, ListPlace::Gap(2));
    }
}

pub fn what_a_list_names_is_revoked_at_once(place: &Place) {
    let (ledger, other) = (place.open(), place.open());
    let publishers = ["Northwind Audio", "Fabrikam Books"].map(Publisher::new);
    let [by_license, by_key, mut by_subject, mut spared] = [0; 4].map(|_| case_of(publishers[0].root()));
    by_subject.subject = Some(subject("customer 4711"));
    spared.subject = Some(subject("customer 4712"));
    let computer = thumbprint();
    let taken = asks(computer);
    let all = vec![by_license, by_key, by_subject, spared];
    assert!(
        ledger
            .judge(taken, all.clone())
            .expect("judged")
            .iter()
            .all(is_yes)
    );
    let list = publishers[0].revoke(
        1,
        vec![
            Revocation::License(by_license.license),
            Revocation::KeyId(by_key.key_id),
            Revocation::Subject(Text::new("subject", "customer 4711").expect("short")),
        ],
    );
    ledger.put_list(&list, NOW).expect("put");
    // The holder, a newcomer and whoever plans, on either handle.
    for handle in [&ledger, &other] {
        for asker in [taken, asks(computer), asks(thumbprint())] {
            let decisions = |judged: Vec<_>| {
                judged
                    .into_iter()
                    .map(|one: keyferry_service::policy::Judgment| one.decision)
            };
            let judged: Vec<_> = decisions(handle.judge(asker, all.clone()).expect("judged")).collect();
            assert_eq!(judged[..3], [Decision::Refused(Reason::Revoked); 3]);
            assert_ne!(judged[3], Decision::Refused(Reason::Revoked));
            let planned = decisions(handle.plan(asker, all.clone()).expect("planned"));
            assert!(
                planned
                    .take(3)
                    .all(|decision| decision == Decision::Refused(Reason::Revoked))
            );
        }
    }
    // What is revoked may be given back all the same.
    let back = ledger
        .release(asks_after(&taken, NOW), vec![item(&by_key, computer)])
        .expect("released");
    assert!(back[0].is_new);
    // The same license ID of another issuer is another license.
    let foreign = Case {
        issuer: publishers[1].root(),
        ..by_license
    };
    assert!(is_yes(&judge(&*ledger, asks(thumbprint()), foreign)));
    let everything = publishers[1].revoke(1, vec![Revocation::Everything]);
    other.put_list(&everything, NOW).expect("put");
    for case in [foreign, case_of(publishers[1].root())] {
        let judged = judge(&*ledger, asks(thumbprint()), case);
        assert_eq!(judged.decision, Decision::Refused(Reason::Revoked));
    }
    assert!(
        is_yes(&judge(&*ledger, taken, spared)),
        "the first issuer's others are not touched"
    );
    assert_eq!(rows(&*other, &by_license).len(), 1);
}

pub fn a_computers_word_counts_once_and_only_for_lists_that_are_here(place: &Place) {
    let (ledger, publisher) = (place.open(), Publisher::new("Northwind Audio"));
    for n in 1..=2 {
        let license = case_of(publisher.root()).license;
        ledger
            .put_list(&publisher.revoke(n, vec![Revocation::License(license)]), NOW)
            .expect("put");
    }
    let [one, two, three] = [1, 2, 3].map(|n| number(publisher.root(), n));
    let said = |request: u8, time| Acknowledged {
        request: [request; 32],
        time,
    };
    let mut computers = [thumbprint(), thumbprint(), thumbprint()];
    computers.sort();
    // The highest first: they come by computer all the same.
    for (n, computer) in (1..).zip(computers.iter().rev()) {
        let missing = ledger
            .acknowledge(*computer, said(n, NOW + u64::from(n)), vec![one])
            .expect("asked");
        assert_eq!(missing, None);
    }
    let missing = ledger
        .acknowledge(computers[0], said(9, NOW + 9), vec![one, two, three])
        .expect("asked");
    assert_eq!(missing, Some(three));
    assert_eq!(
        ledger.acknowledgements(two).expect("read"),
        [],
        "nothing of it was written"
    );
    let both = ledger
        .acknowledge(computers[0], said(8, NOW + 8), vec![two, one])
        .expect("asked");
    assert_eq!(both, None);
    let other = place.open();
    let expected = [
        (computers[0], said(3, NOW + 3)),
        (computers[1], said(2, NOW + 2)),
        (computers[2], said(1, NOW + 1)),
    ];
    assert_eq!(
        other.acknowledgements(one).expect("read"),
        expected,
        "the first word stays"
    );
    assert_eq!(
        other.acknowledgements(two).expect("read"),
        [(computers[0], said(8, NOW + 8))]
    );
    let stranger = number(Thumbprint(Digest::default().0), 1);
    assert_eq!(
        ledger
            .acknowledge(computers[0], said(7, NOW), vec![stranger])
            .expect("asked"),
        Some(stranger)
    );
}
