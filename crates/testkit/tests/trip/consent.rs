//! Must hold: nothing is sent that nobody agreed to, and what can't come leaves the computer as it was.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use keyferry::{Failure, HttpTransport, Outcome, RestoreOptions, Transport, TransportError};
use keyferry_license::{CardKind, ComputerId};
use keyferry_protocol::kind;
use keyferry_testkit::{Computer, Direct, Fault, Publisher, World, kind_of};

use crate::ledger;

/// Everything that a computer knows, as text to compare.
fn everything(computer: &Computer, world: &World) -> String {
    let store = computer.store();
    let service = world.service.card().thumbprint();
    let mut licenses = Vec::new();
    let snapshot = store.snapshot().expect("a snapshot");
    let each = |license: keyferry_store::StoredLicense| {
        licenses.push(license.license());
        Ok::<_, keyferry_store::Error>(())
    };
    snapshot.for_each(each).expect("readable");
    let roots = store.accepted_roots().expect("roots");
    let cards = [CardKind::Issuer, CardKind::Service].map(|kind| store.cards(kind).expect("cards").len());
    format!(
        "{licenses:?} {:?} {cards:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        roots
            .iter()
            .map(|root| root.card.thumbprint())
            .collect::<Vec<_>>(),
        store.consent(&service).expect("consent"),
        store.certificate(&service).expect("certificate"),
        store.last_receipt(&service).expect("receipt"),
        store.outbox_pending().expect("outbox").len(),
        store.receipts().expect("receipts").len(),
        store.taken().expect("a mark"),
        store.barred().expect("a mark"),
    )
}

#[test]
fn the_same_computer_restores_while_the_service_is_down() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(3);
    old.lose_store();
    let ended = world.restore_bent(&old, &stick, Fault::Down);
    assert_eq!((ended.failure(), old.opens(&issued)), (None, 3));
    assert_eq!(
        ended.events.transcript(),
        "BACKUPRESTORE_BEGIN 21 00000000\nBACKUPRESTORE_END 27 00000000\n"
    );
}

#[test]
fn a_new_computer_is_left_as_it_was_while_the_service_is_down() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let before = everything(&new, &world);
    let ended = world.restore_bent(&new, &stick, Fault::Down);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2846", 6));
    assert_eq!(
        ended.events.count(|_| true),
        0,
        "licenses that nobody asked for are counted, not told"
    );
    assert_eq!(ended.report().counts.failed["service-unavailable"], 3);
    assert_eq!(everything(&new, &world), before);
    assert!(ledger::rows(&world).is_empty());
    assert_eq!(
        world.restore(&new, &stick).failure(),
        None,
        "when it is up again, all come"
    );
    assert_eq!(new.opens(&issued), 3);
}

#[test]
fn a_service_that_goes_away_after_its_card_is_named_and_nothing_is_lost() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let ended = world.restore_bent(&new, &stick, Fault::DownAfterCard);
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2845", 6));
    assert_eq!((new.opens(&issued), ledger::rows(&world).len()), (0, 0));
    assert_eq!(world.restore(&new, &stick).failure(), None);
    assert_eq!(new.opens(&issued), 3);
}

#[test]
fn without_consent_not_a_byte_is_sent() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let before = everything(&new, &world);
    let transport = world.direct();
    let options = RestoreOptions {
        individualize: false,
        ..world.agreed(&stick)
    };
    let ended = new.restore(options, transport.clone());
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2728", 8));
    assert_eq!(transport.traffic().connections(), 0);
    let needed = &ended.report().consents_needed;
    assert_eq!(needed.len(), 1);
    assert_eq!(
        (needed[0].name.as_str(), needed[0].licenses),
        ("Northwind Licenses", 3)
    );
    assert_eq!(needed[0].thumbprint, world.service.card().thumbprint());
    assert_eq!(everything(&new, &world), before);
    assert_eq!(world.restore(&new, &stick).failure(), None);
    assert_eq!(new.opens(&issued), 3);
}

#[test]
fn consent_is_asked_for_once() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(1);
    let new = world.computer("new laptop");
    assert_eq!(world.restore(&new, &stick).failure(), None);
    new.lose_store();
    let transport = world.direct();
    let ended = new.restore(world.refused(&stick), transport.clone());
    assert_eq!((ended.failure(), new.opens(&issued)), (None, 1));
    assert!(
        transport.traffic().of_kind(kind::INDIVIDUALIZE).is_empty(),
        "it is certified"
    );
}

/// Listens where the service is said to be, and counts who comes.
fn counting_listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, accepted)
}

#[test]
fn without_consent_or_trust_nobody_connects_to_the_service() {
    let (url, accepted) = counting_listener();
    let world = World::at(&url);
    let (old, issued, stick) = world.backed_up(2);
    let agreed = world.agreed(&stick);
    let no_consent = RestoreOptions {
        individualize: false,
        ..agreed.clone()
    };
    let no_trust = RestoreOptions {
        trust: Vec::new(),
        ..agreed.clone()
    };
    for (options, exit) in [(no_consent, 8), (no_trust, 8)] {
        let new = world.computer(&format!("computer of {}", options.individualize));
        let ended = new.restore(options, Arc::new(HttpTransport::default()));
        assert_eq!(ended.exit_code(), exit);
    }
    old.lose_store();
    let ended = old.restore(agreed.clone(), Arc::new(HttpTransport::default()));
    assert_eq!((ended.failure(), old.opens(&issued)), (None, 2));
    let plan = world
        .computer("who plans")
        .restorer(Arc::new(HttpTransport::default()));
    let planned = plan
        .plan_restore(&agreed, Arc::new(keyferry::Silent))
        .expect("a plan");
    assert_eq!(planned.counts.asks_service, 2);
    assert_eq!(accepted.load(Ordering::SeqCst), 0, "nobody came");
    // The listener does count: whoever agrees connects.
    let base = HttpTransport::default();
    std::thread::spawn(move || base.card(&url));
    let waited = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        accepted.load(Ordering::SeqCst) > 0
    });
    assert!(waited, "a connection is counted");
}

#[test]
fn an_issuer_that_nobody_accepted_is_named_and_nothing_is_sent() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let before = everything(&new, &world);
    let transport = world.direct();
    let options = RestoreOptions {
        trust: Vec::new(),
        ..world.agreed(&stick)
    };
    let ended = new.restore(options, transport.clone());
    assert_eq!(
        (ended.failure(), ended.exit_code()),
        (Some(Failure::IssuerNotAccepted), 8)
    );
    let [issuer] = &ended.report().issuers_to_trust[..] else {
        panic!("{:?}", ended.report())
    };
    assert_eq!((issuer.name.as_str(), issuer.licenses), ("Northwind Audio", 3));
    assert_eq!(issuer.thumbprint, world.publisher.root());
    assert_eq!(issuer.service_url, "http://127.0.0.1:9");
    assert_eq!(transport.traffic().connections(), 0);
    assert_eq!(everything(&new, &world), before);
    assert_eq!(new.opens(&issued), 0);
}

#[test]
fn trusting_somebody_else_helps_nobody() {
    let world = World::new();
    let (_, _, stick) = world.backed_up(1);
    let new = world.computer("new laptop");
    let before = everything(&new, &world);
    let stranger = Publisher::new("Northwind Audio").root();
    let options = RestoreOptions {
        trust: vec![stranger],
        ..world.agreed(&stick)
    };
    let transport = world.direct();
    let ended = new.restore(options, transport.clone());
    assert_eq!(ended.failure(), Some(Failure::InvalidArgument));
    assert_eq!(transport.traffic().connections(), 0);
    assert_eq!(everything(&new, &world), before);
}

#[test]
fn a_computer_that_the_service_forgot_is_individualized_again_under_its_consent() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = world.computer("new laptop");
    assert_eq!(world.restore(&new, &stick).failure(), None);
    let rows = ledger::rows(&world);
    ledger::forget(&world, new.card().thumbprint());
    new.lose_store();
    let transport = world.direct();
    // Nobody agrees anew: what was agreed to is recorded.
    let ended = new.restore(world.refused(&stick), transport.clone());
    assert_eq!((ended.failure(), new.opens(&issued)), (None, 2));
    assert_eq!(transport.traffic().of_kind(kind::INDIVIDUALIZE).len(), 1);
    let begin = |outcome: &Outcome| matches!(outcome, Outcome::Reissued { .. });
    assert_eq!(ended.events.count(begin), 2);
    assert_eq!(ledger::rows(&world), rows, "its slots are still its own");
}

/// A way to a service that forgets a computer before it judges the first request to restore.
struct Forgetful {
    direct: Arc<Direct>,
    ledger: PathBuf,
    computer: ComputerId,
    forget: Once,
}

impl Transport for Forgetful {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        self.direct.card(base)
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        if kind_of(request) == kind::RESTORE {
            self.forget
                .call_once(|| ledger::forget_in(&self.ledger, self.computer));
        }
        self.direct.send(base, request)
    }
}

#[test]
fn a_computer_that_is_forgotten_amid_a_restore_is_individualized_once_for_all_requests() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2500);
    let new = world.computer("new laptop");
    let direct = world.direct();
    let forgetful = Forgetful {
        direct: direct.clone(),
        ledger: world.ledger_file(),
        computer: new.card().thumbprint(),
        forget: Once::new(),
    };
    let ended = new.restore(world.agreed(&stick), Arc::new(forgetful));
    assert_eq!((ended.failure(), new.opens(&issued)), (None, 2500));
    let traffic = direct.traffic();
    let certified = traffic.of_kind(kind::INDIVIDUALIZE).len();
    assert_eq!(certified, 2, "at the first contact, and after it was forgotten");
    assert!(
        traffic.of_kind(kind::RESTORE).len() > 3,
        "what was refused was asked again"
    );
    assert_eq!(ledger::rows(&world).len(), 2500);
}

#[test]
fn another_service_at_the_address_gets_nothing() {
    let world = World::new();
    let (_, _, stick) = world.backed_up(2);
    let new = world.computer("new laptop");
    let before = everything(&new, &world);
    let stranger = world
        .other_service("stranger", "http://127.0.0.1:9")
        .card()
        .as_bytes()
        .to_vec();
    let direct = world.direct();
    let bent = Arc::new(keyferry_testkit::Bent::new(direct.clone(), Fault::Card(stranger)));
    let ended = new.restore(world.agreed(&stick), bent);
    assert_eq!(
        (ended.failure(), ended.exit_code()),
        (Some(Failure::OtherService), 7)
    );
    assert_eq!(direct.traffic().bytes_sent(), 0);
    assert_eq!(everything(&new, &world), before);
}
