//! A home folder that was copied to another machine opens nothing there, and is not changed by the attempt.

use std::path::Path;

use keyferry_store::Store;
use keyferry_testkit::{World, files_below};

fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let read = |file: std::path::PathBuf| {
        let bytes = std::fs::read(&file).expect("readable");
        (file, bytes)
    };
    files_below(folder).into_iter().map(read).collect()
}

#[test]
fn a_copied_home_is_refused_and_left_alone() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    let home = world.folder("copied home");
    for (file, bytes) in contents(old.home()) {
        std::fs::write(home.join(file.file_name().expect("a name")), bytes).expect("copied");
    }
    let before = contents(&home);
    let copy = old.on_machine(home.clone(), "another machine");
    let other_stick = world.folder("other stick");
    let backup = copy.backup(&other_stick, false, world.direct());
    assert_eq!((backup.hresult().as_str(), backup.exit_code()), ("C00D2719", 1));
    let transport = world.direct();
    let restore = copy.restore(world.agreed(&stick), transport.clone());
    assert_eq!((restore.hresult().as_str(), restore.exit_code()), ("C00D2719", 1));
    assert_eq!(transport.traffic().connections(), 0);
    assert!(files_below(&other_stick).is_empty());
    assert_eq!(contents(&home), before);
    assert!(Store::open(&home, &copy.guard()).is_err());
    assert_eq!(old.opens(&issued), 2, "on its own machine all is well");
}

#[test]
fn deleting_the_computers_key_makes_another_computer() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    let before = old.card().thumbprint();
    old.lose_store();
    std::fs::remove_file(old.home().join("computer.key")).expect("it was there");
    assert_ne!(old.card().thumbprint(), before);
    let ended = world.restore(&old, &stick);
    assert_eq!((ended.failure(), ended.report().counts.restored), (None, 2));
    let slot = keyferry::Outcome::Restored { slot: Some((2, 4)) };
    assert_eq!(
        ended.events.count(|outcome| *outcome == slot),
        2,
        "it takes a slot like any other"
    );
    assert_eq!(old.opens(&issued), 2);
}
