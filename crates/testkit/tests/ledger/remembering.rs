//! Computers and issuers.

use keyferry_license::{ComputerId, SigningSecret};
use keyferry_service::ledger::{Computer, Ledger};
use keyferry_testkit::NOW;

use crate::cast::thumbprint;
use crate::place::Place;

/// What it says of a computer, as far as it can be compared.
fn known(ledger: &dyn Ledger, id: ComputerId) -> Option<(Vec<u8>, u64, String, u64)> {
    let computer = ledger.computer(&id).expect("read")?;
    assert_eq!(computer.id, id);
    Some((computer.card, computer.serial, computer.name, computer.since))
}

pub fn a_computer_is_known_by_its_newest_card_since_the_first(place: &Place) {
    let (ledger, id) = (place.open(), thumbprint());
    let key = SigningSecret::generate().expect("a key").public();
    let computer = |serial: u64, since| Computer {
        id,
        key,
        card: vec![serial as u8; 300],
        serial,
        name: format!("laptop {serial} — Ωμέγα"),
        since,
    };
    let shown = |serial: u64, since| {
        Some((
            vec![serial as u8; 300],
            serial,
            format!("laptop {serial} — Ωμέγα"),
            since,
        ))
    };
    assert_eq!(known(&*ledger, id), None);
    for (serial, since, expected) in [
        (2, NOW, shown(2, NOW)),
        // The same once more, later.
        (2, NOW + 9, shown(2, NOW)),
        (5, NOW + 1, shown(5, NOW)),
        // An older card that comes late.
        (3, NOW + 20, shown(5, NOW)),
    ] {
        ledger.register(computer(serial, since)).expect("registered");
        assert_eq!(known(&*place.open(), id), expected, "after {serial}");
    }
    let kept = ledger.computer(&id).expect("read").expect("a computer").key;
    assert_eq!(kept.as_bytes(), key.as_bytes());
    assert_eq!(known(&*ledger, thumbprint()), None);
}

pub fn an_issuer_is_known_by_its_newest_card(place: &Place) {
    let ledger = place.open();
    let mut roots = [thumbprint(), thumbprint(), thumbprint()];
    roots.sort();
    for (root, serial, card) in [
        (roots[2], 1, "third"),
        (roots[0], 1, "first"),
        (roots[1], 4, "second"),
        (roots[1], 3, "older"),
        (roots[1], 4, "of the same serial"),
        (roots[2], 2, "third, newer"),
    ] {
        ledger
            .put_issuer(root, serial, card.as_bytes())
            .expect("remembered");
    }
    let cards = place.open().issuers().expect("read");
    assert_eq!(cards, [&b"first"[..], b"second", b"third, newer"]);
    ledger.ready().expect("it answers");
}
