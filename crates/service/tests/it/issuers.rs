//! What one process over a ledger registered, the others know when it is first named; and nobody who names many keeps the
//! ledger busy.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use keyferry_license::{
    Card, CardKey, CardKind, ComputerId, Grant, KeyUse, PublicKey, Revocation, RevocationList, SigningSecret,
    Text, Verified,
};
use keyferry_protocol::{ListProblemCode, Reason};
use keyferry_service::ledger::SqliteLedger;
use keyferry_service::{CARD_FILE, KEY_FILE, Service, ServiceConfig};

use crate::restore::outcome;
use crate::server::Server;
use crate::world::{License, NOW, World};

/// Another process of the service, over the same ledger, that registers this issuer and ends.
fn register_elsewhere(world: &World, card: &Verified<Card>) {
    let dir = tempfile::tempdir().unwrap();
    for file in [KEY_FILE, CARD_FILE] {
        fs::copy(world.dir.path().join(file), dir.path().join(file)).unwrap();
    }
    let card_of_service = world.service.card();
    let config = ServiceConfig {
        dir: dir.path().to_owned(),
        name: card_of_service.name.to_string(),
        url: card_of_service.urls[0].to_string(),
        issuers: vec![card.clone()],
        policy: Default::default(),
    };
    let ledger = SqliteLedger::open(&world.ledger()).unwrap();
    Service::with_ledger(config, Arc::new(ledger)).unwrap();
}

/// An issuer with these keys to sign with.
fn card(root: &SigningSecret, keys: &[&SigningSecret], serial: u64) -> Verified<Card> {
    let key = |key: &&SigningSecret| CardKey {
        usage: KeyUse::Sign,
        key: PublicKey::Ed25519(key.public()),
        not_before: NOW,
        not_after: None,
    };
    let card = Card {
        kind: CardKind::Issuer,
        name: Text::new("name", "Southwind Audio").unwrap(),
        root: PublicKey::Ed25519(root.public()),
        keys: keys.iter().map(key).collect(),
        urls: Vec::new(),
        serial,
    };
    card.sign(root).unwrap()
}

/// A license of this issuer, signed by one of its keys.
fn signed(world: &World, origin: ComputerId, root: &SigningSecret, key: &SigningSecret) -> License {
    let (grant, content) = world.issue_with(origin, |grant| grant.issuer = root.public().thumbprint());
    let grant = Grant::clone(&grant);
    (grant.sign(key).unwrap(), content)
}

/// How often the ledger was asked for all issuers.
fn looks(metrics: SocketAddr) -> u64 {
    let response = crate::metrics::get(metrics, "/metrics");
    let name = "keyferry_ledger_call_seconds_count{call=\"issuers\"} ";
    let count = response.text().lines().find_map(|line| line.strip_prefix(name));
    count.map_or(0, |count| count.parse().unwrap())
}

#[test]
fn what_another_process_registered_is_known_when_it_is_named() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let mut computer = world.computer("new-laptop");
    let [root, first, second] = [(); 3].map(|()| SigningSecret::generate().unwrap());
    let by_first = [signed(&world, origin.id(), &root, &first)];
    let by_second = [signed(&world, origin.id(), &root, &second)];
    let mut restored =
        |licenses: &[License], now| outcome(&world.restore(&mut computer, licenses, now).items[0]);
    assert_eq!(restored(&by_first, NOW), Err(Reason::UnknownIssuer));
    register_elsewhere(&world, &card(&root, &[&first], 1));
    assert_eq!(
        restored(&by_first, NOW),
        Err(Reason::UnknownIssuer),
        "it has looked already"
    );
    assert!(restored(&by_first, NOW + 1).is_ok());
    // A newer card, with another key.
    assert_eq!(restored(&by_second, NOW + 2), Err(Reason::BadSignature));
    register_elsewhere(&world, &card(&root, &[&second, &first], 2));
    assert!(restored(&by_second, NOW + 3).is_ok());
    assert!(restored(&by_first, NOW + 3).is_ok());
    assert_eq!(world.service.issuer_count(), 2);
}

#[test]
fn a_list_of_an_issuer_that_another_process_registered_is_taken() {
    let world = World::new();
    let [root, first, second] = [(); 3].map(|()| SigningSecret::generate().unwrap());
    let list = |number, key| {
        let list = RevocationList {
            issuer: root.public().thumbprint(),
            number,
            nonce: None,
            entries: vec![Revocation::Everything],
        };
        list.sign(key).unwrap().as_bytes().to_vec()
    };
    let code = |bytes: &[u8], now| {
        world
            .service
            .take_list(bytes, now)
            .problem
            .map(|problem| problem.code)
    };
    assert_eq!(code(&list(1, &first), NOW), Some(ListProblemCode::UnknownIssuer));
    register_elsewhere(&world, &card(&root, &[&first], 1));
    assert_eq!(code(&list(1, &first), NOW + 1), None);
    assert_eq!(
        code(&list(2, &second), NOW + 2),
        Some(ListProblemCode::BadSignature)
    );
    register_elsewhere(&world, &card(&root, &[&second], 2));
    assert_eq!(code(&list(2, &second), NOW + 3), None);
}

#[test]
fn a_stranger_who_names_many_keeps_the_ledger_quiet() {
    let world = World::new();
    let stranger = world.computer("a stranger");
    let unknown: Vec<License> = (0..50)
        .map(|_| {
            let root = SigningSecret::generate().unwrap();
            signed(&world, stranger.id(), &root, &root)
        })
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = listener.local_addr().unwrap();
    let server = Server::run(world.service, |front| front.metrics = Some(listener));
    let before = looks(metrics);
    for _ in 0..20 {
        for chunk in unknown.chunks(5) {
            server
                .service
                .handle(&stranger.restore(&server.service, chunk).bytes, NOW);
        }
    }
    assert_eq!(looks(metrics), before + 1);
    server
        .service
        .handle(&stranger.restore(&server.service, &unknown).bytes, NOW + 1);
    assert_eq!(looks(metrics), before + 2);
}
