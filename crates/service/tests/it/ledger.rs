//! The service's folder: keys, card and ledger through restarts; and rows that tests write by hand.

use keyferry_license::{Card, ComputerId, Thumbprint, armor};
use keyferry_service::ledger::{Ledger, SqliteLedger};
use keyferry_service::{CARD_FILE, Error, KEY_FILE, Service, ServiceConfig};
use rusqlite::{Connection, params};

use crate::world::{License, NOW, World, open};

/// Writes the next row of a license, as another program could. Changes: 1 take, 2 release, 3 revoke.
pub fn write_row(
    world: &World,
    license: &License,
    seq: u64,
    computer: ComputerId,
    change: u8,
    slot: u32,
    time: u64,
) {
    let ledger = SqliteLedger::open(&world.ledger()).unwrap();
    let name = (license.0.issuer, license.0.license);
    let previous = ledger.rows(&[name]).unwrap()[0]
        .last()
        .map_or([0; 32], |row| row.hash().0);
    let statement = "INSERT INTO licenses VALUES (?2, (SELECT number FROM names WHERE value = ?1), ?3,
        (SELECT number FROM names WHERE value = ?4), ?5, ?6, 0, (SELECT number FROM names WHERE value = ?7), ?8, ?9)";
    let (issuer, license) = (name.0.as_bytes(), name.1.as_bytes());
    let values = params![
        issuer,
        license,
        seq,
        computer.as_bytes(),
        change,
        slot,
        [9u8; 32],
        time,
        previous
    ];
    let connection = Connection::open(world.ledger()).unwrap();
    for name in [issuer, computer.as_bytes(), &[9u8; 32]] {
        let give = "INSERT OR IGNORE INTO names (value) VALUES (?1)";
        connection.execute(give, params![name]).unwrap();
    }
    connection.execute(statement, values).unwrap();
}

fn card(world: &World) -> keyferry_license::Verified<Card> {
    let text = std::fs::read(world.dir.path().join(CARD_FILE)).unwrap();
    Card::verify(&armor::single(armor::CARD, &text).unwrap()).unwrap()
}

fn reopen(world: &World, name: &str, url: &str) -> Result<Service, Error> {
    Service::open(ServiceConfig {
        dir: world.dir.path().to_owned(),
        name: name.into(),
        url: url.into(),
        issuers: vec![],
        policy: Default::default(),
    })
}

#[test]
fn keys_stay_and_a_changed_address_or_name_raises_the_serial() {
    let world = World::new();
    let first = card(&world);
    assert_eq!(
        (first.serial, first.as_bytes()),
        (1, world.service.card().as_bytes())
    );
    let same = open(&world.dir, vec![], Default::default());
    assert_eq!(same.card().as_bytes(), first.as_bytes());
    let moved = reopen(&world, "Northwind Licenses", "https://licenses.example.com/").unwrap();
    assert_eq!(
        (moved.card().serial, moved.card().thumbprint()),
        (2, first.thumbprint())
    );
    assert_eq!(&*card(&world).urls[0], "https://licenses.example.com");
    let renamed = reopen(&world, "Other name", "https://licenses.example.com").unwrap();
    assert_eq!(
        (renamed.card().serial, renamed.card().keys.clone()),
        (3, first.keys.clone())
    );
    std::fs::remove_file(world.dir.path().join(CARD_FILE)).unwrap();
    let lost = reopen(&world, "Other name", "https://licenses.example.com").unwrap();
    assert!(
        lost.card().serial > 3,
        "a card that was lost is not outranked by the ones that were given away"
    );
}

#[cfg(unix)]
#[test]
fn the_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let mode = |name: &str| {
        std::fs::metadata(world.dir.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode(KEY_FILE), mode(CARD_FILE) & 0o600), (0o600, 0o600));
    let names = std::fs::read_dir(world.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = names
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "temporary files stayed: {hidden:?}");
}

#[test]
fn issuers_and_computers_are_remembered() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = [world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    let world = World {
        service: open(&world.dir, vec![], Default::default()),
        ..world
    };
    assert_eq!(world.service.issuer_count(), 1);
    assert!(crate::restore::outcome(&world.restore(&mut computer, &licenses, NOW).items[0]).is_ok());
}

#[test]
fn what_can_not_be_served_is_said_at_the_start() {
    let world = World::new();
    let config = |url: &str, issuers| ServiceConfig {
        dir: world.dir.path().to_owned(),
        name: "Northwind Licenses".into(),
        url: url.into(),
        issuers,
        policy: Default::default(),
    };
    for url in [
        "",
        "ftp://example.com",
        "http://",
        "example.com",
        "https://exam\"ple.com",
    ] {
        assert!(
            matches!(
                Service::open(config(url, vec![])),
                Err(Error::Config { field: "url", .. })
            ),
            "{url}"
        );
    }
    let service_card = world.service.card().clone();
    let opened = Service::open(config("http://127.0.0.1:1", vec![service_card]));
    assert!(matches!(opened, Err(Error::Config { field: "issuer", .. })));
    Connection::open(world.ledger())
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let opened = Service::open(config("http://127.0.0.1:1", vec![]));
    assert!(matches!(opened, Err(Error::LedgerTooNew { found: 99, known: 4 })));
}

#[test]
fn a_damaged_row_is_told_and_nothing_is_given() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = [world.issue(origin.id())];
    let mut computer = world.computer("new-laptop");
    write_row(&world, &licenses[0], 1, Thumbprint([5; 32]), 77, 2, NOW);
    let request = computer.restore(&world.service, &licenses);
    let problem = world.send(&mut computer, &request, &licenses, NOW).unwrap_err();
    assert_eq!(problem.code, keyferry_protocol::ProblemCode::Busy);
    assert!(problem.retry_after.is_some());
}
