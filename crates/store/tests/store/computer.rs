//! computer.key: who the computer is, what it was told, and what happens when one of the files is gone.

use keyferry_license::{Card, CardKind, Secret32, SigningSecret, Thumbprint};
use keyferry_store::{Error, LastReceipt, Store};

use crate::world::{Issuer, NOW, World, card, guard};

#[test]
fn a_new_computer_has_a_card_that_anybody_can_verify() {
    let world = World::new();
    let store = world.store();
    assert!(store.is_new_computer());
    let shown = Card::verify(store.card().unwrap().as_bytes()).unwrap();
    assert_eq!(shown.kind, CardKind::Computer);
    assert_eq!(shown.thumbprint(), store.id());
    assert_eq!(store.signing().public().thumbprint(), store.id());
    assert_eq!(shown.seal_key(NOW).unwrap(), &store.kem().public().unwrap());
    assert_eq!(store.name().unwrap(), format!("Computer {}", store.id().short()));
}

#[test]
fn a_computer_stays_the_same_and_takes_names() {
    let world = World::new();
    let id = world.store().id();
    let store = world.store();
    assert!(!store.is_new_computer());
    assert_eq!(store.id(), id);
    store.set_name("Old laptop").unwrap();
    store.set_name("Old laptop").unwrap();
    let card = world.store().card().unwrap();
    assert_eq!((&*card.name, card.serial), ("Old laptop", 2));
    assert!(store.set_name("").is_err());
    assert_eq!(store.name().unwrap(), "Old laptop");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let store = world.store();
    let _lock = store.operation_lock().unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.home()), 0o700);
    let files: Vec<_> = std::fs::read_dir(world.home())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        assert_eq!(mode(file.clone()), 0o600, "{}", file.display());
    }
}

#[test]
fn another_machine_opens_nothing() {
    let world = World::new();
    drop(world.store());
    let before = world.copy();
    let other = Store::open(&world.home(), &guard("another machine"));
    assert!(matches!(other, Err(Error::OtherMachine { guard: "file" })));
    assert_eq!(world.copy(), before);
    drop(world.store());
}

#[test]
fn a_deleted_store_leaves_the_computer_known() {
    let world = World::new();
    let issuer = Issuer::new("Issuer");
    let store = world.store();
    store.accept_root(&issuer.card, Some("example.com"), NOW).unwrap();
    store.insert(&[issuer.license(1)]).unwrap();
    let id = store.id();
    drop(store);
    world.delete_store();
    let store = world.store();
    assert_eq!((store.id(), store.count().unwrap()), (id, 0));
    assert!(!store.is_new_computer());
    assert!(store.is_accepted(&issuer.id()).unwrap());
    assert_eq!(
        store.issuer_card(&issuer.id()).unwrap().unwrap().as_bytes(),
        issuer.card.as_bytes()
    );
    assert_eq!(store.taken().unwrap(), Some(issuer.license(1).grant.license));
}

#[test]
fn a_deleted_key_makes_another_computer_which_the_old_store_does_not_belong_to() {
    let world = World::new();
    let id = world.store().id();
    let (key, store) = world.copy();
    std::fs::remove_file(world.file("computer.key")).unwrap();
    assert!(matches!(world.try_store(), Err(Error::ForeignStore { .. })));
    assert!(
        !world.file("computer.key").exists(),
        "nothing is made beside a store that it could hide"
    );
    world.delete_store();
    assert_ne!(world.store().id(), id);
    world.put_back("store.sqlite", &store);
    let _ = std::fs::remove_file(world.file("store.sqlite-wal"));
    assert!(matches!(world.try_store(), Err(Error::ForeignStore { .. })));
    world.put_back("computer.key", &key);
    assert_eq!(world.store().id(), id);
}

#[test]
fn a_key_replaced_under_an_open_store_is_noticed() {
    let (world, other) = (World::new(), World::new());
    let store = world.store();
    let other_store = other.store();
    other_store.set_name("Another").unwrap();
    std::fs::copy(other.file("computer.key"), world.file("computer.key")).unwrap();
    assert!(matches!(store.name(), Err(Error::Replaced { .. })));
    assert!(matches!(store.set_name("Mine"), Err(Error::Replaced { .. })));
}

#[test]
fn roots_are_listed_in_the_order_of_acceptance() {
    let world = World::new();
    let store = world.store();
    let issuers = ["First", "Second", "Third"].map(Issuer::new);
    for (issuer, time) in issuers.iter().zip(NOW..) {
        store
            .accept_root(&issuer.card, Some("example.com"), time)
            .unwrap();
    }
    store
        .accept_root(&issuers[0].card_with_serial("First, renamed", 2), None, NOW + 9)
        .unwrap();
    assert!(store.remove_root(&issuers[1].id()).unwrap());
    assert!(!store.remove_root(&issuers[1].id()).unwrap());
    let roots = world.store().accepted_roots().unwrap();
    let names: Vec<_> = roots.iter().map(|root| root.card.name.shown()).collect();
    assert_eq!(names, ["First, renamed", "Third"]);
    assert_eq!(
        (roots[0].host.as_deref(), roots[0].time),
        (Some("example.com"), NOW)
    );
    assert!(!store.is_accepted(&issuers[1].id()).unwrap());
}

#[test]
fn the_card_with_the_higher_serial_wins() {
    let world = World::new();
    let store = world.store();
    let issuer = Issuer::new("Issuer");
    assert!(store.put_card(&issuer.card_with_serial("Second", 2)).unwrap());
    assert!(!store.put_card(&issuer.card).unwrap());
    assert!(
        !store
            .put_card(&issuer.card_with_serial("Also second", 2))
            .unwrap()
    );
    let name = |store: &Store| store.issuer_card(&issuer.id()).unwrap().unwrap().name.to_string();
    assert_eq!(name(&store), "Second");
    assert!(
        !store.is_accepted(&issuer.id()).unwrap(),
        "a card makes nobody trusted"
    );
    assert!(
        store.service_card(&issuer.id()).unwrap().is_none(),
        "an issuer is no service"
    );
    store.accept_root(&issuer.card, None, NOW).unwrap();
    assert!(store.put_card(&issuer.card_with_serial("Third", 3)).unwrap());
    assert_eq!(store.cards(CardKind::Issuer).unwrap().len(), 1);
    drop(store);
    world.delete_store();
    assert_eq!(name(&world.store()), "Third");
}

#[test]
fn cards_have_their_places() {
    let world = World::new();
    let store = world.store();
    let service = card(
        &SigningSecret::generate().unwrap(),
        CardKind::Service,
        "Service",
        1,
    );
    assert!(store.put_card(&service).unwrap());
    assert!(store.service_card(&service.thumbprint()).unwrap().is_some());
    assert!(store.issuer_card(&service.thumbprint()).unwrap().is_none());
    assert!(matches!(
        store.accept_root(&service, None, NOW),
        Err(Error::WrongCard { .. })
    ));
    assert!(matches!(
        store.put_card(&store.card().unwrap()),
        Err(Error::WrongCard { .. })
    ));
}

#[test]
fn what_it_has_with_a_service_is_kept() {
    let world = World::new();
    let (service, other) = (Thumbprint([1; 32]), Thumbprint([2; 32]));
    let store = world.store();
    store.record_consent(&service, NOW).unwrap();
    store.put_certificate(&service, b"receipt").unwrap();
    let last = LastReceipt {
        request: [9; 32],
        time: NOW + 1,
    };
    store.put_last_receipt(&service, &last).unwrap();
    world.delete_store();
    let store = world.store();
    assert_eq!(store.consent(&service).unwrap(), Some(NOW));
    assert_eq!(
        store.certificate(&service).unwrap().as_deref(),
        Some(b"receipt".as_slice())
    );
    assert_eq!(store.last_receipt(&service).unwrap(), Some(last));
    assert_eq!(store.consent(&other).unwrap(), None);
    assert_eq!(store.certificate(&other).unwrap(), None);
    assert_eq!(store.last_receipt(&other).unwrap(), None);
}

#[test]
fn the_sixteen_newest_return_keys_are_kept_and_a_backup_that_fails_costs_none() {
    let world = World::new();
    let store = world.store();
    let keys: Vec<_> = (0..18)
        .map(|n| ([n; 16], Secret32::generate().unwrap()))
        .collect();
    for (backup, key) in &keys {
        store.add_return_key(*backup, key).unwrap();
    }
    let kept = |store: &Store, n: usize| store.return_key(&keys[n].0).unwrap().map(|key| *key.expose());
    let again = world.store();
    assert_eq!(kept(&again, 0), None);
    assert!((1..18).all(|n| kept(&again, n) == Some(*keys[n].1.expose())));
    store.take_back_return_key(&keys[17].0).unwrap();
    assert_eq!(kept(&again, 17), None);
    assert!((1..17).all(|n| kept(&again, n).is_some()), "sixteen are left");
    store.forget_return_keys().unwrap();
    assert!((0..18).all(|n| kept(&again, n).is_none()));
}

#[test]
fn computer_key_does_not_grow_without_bound() {
    let world = World::new();
    let store = world.store();
    let large = vec![0; 600 * 1024];
    store.put_certificate(&Thumbprint([1; 32]), &large).unwrap();
    let too_large = store.put_certificate(&Thumbprint([2; 32]), &large);
    assert!(matches!(too_large, Err(Error::TooLarge { .. })));
    assert!(world.store().certificate(&Thumbprint([1; 32])).unwrap().is_some());
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let world = World::new();
    std::fs::create_dir_all(world.file("computer.lock")).unwrap();
    let Err(error @ Error::Io { .. }) = world.try_store() else {
        panic!("opened");
    };
    assert!(error.to_string().contains("computer.lock"), "{error}");

    let world = World::new();
    std::fs::write(world.home(), b"a file").unwrap();
    assert!(matches!(world.try_store(), Err(Error::Io { .. })));
}

#[test]
fn no_secret_is_shown() {
    let world = World::new();
    let store = world.store();
    let shown = format!("{:?} {:?}", store.signing(), store.kem());
    assert!(
        shown.contains("(..)") && shown.contains("SigningSecret(of "),
        "{shown}"
    );
}
