//! Plan documents: the same bytes for the same state, carried out if nothing has changed, and refused by name otherwise.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyferry::{BackupOptions, Failure, Only, RestoreOptions, Silent};
use keyferry_testkit::{Computer, Wanted, World, files_below};

fn restore_plan(world: &World, computer: &Computer, options: &RestoreOptions, to: &str) -> PathBuf {
    let file = world.path(to);
    let planned = RestoreOptions {
        plan_out: Some(file.clone()),
        ..options.clone()
    };
    let restorer = computer.restorer(world.direct());
    restorer.plan_restore(&planned, Arc::new(Silent)).expect("a plan");
    file
}

fn backup_plan(world: &World, computer: &Computer, options: &BackupOptions, to: &str) -> PathBuf {
    let file = world.path(to);
    let planned = BackupOptions {
        plan_out: Some(file.clone()),
        ..options.clone()
    };
    let restorer = computer.restorer(world.direct());
    restorer.plan_backup(&planned, Arc::new(Silent)).expect("a plan");
    file
}

/// Carries out what was planned; says how that failed.
fn restore(world: &World, computer: &Computer, options: &RestoreOptions, plan: &Path) -> Option<Failure> {
    let options = RestoreOptions {
        plan: Some(plan.to_owned()),
        ..options.clone()
    };
    computer.restore(options, world.direct()).failure()
}

fn backup(world: &World, computer: &Computer, options: &BackupOptions, plan: &Path) -> Option<Failure> {
    let options = BackupOptions {
        plan: Some(plan.to_owned()),
        ..options.clone()
    };
    computer.backup_as(options, world.direct()).failure()
}

#[test]
fn a_restore_is_done_as_it_was_planned_and_the_same_plan_has_the_same_bytes() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(3);
    old.lose_store();
    let options = world.agreed(&stick);
    let plan = restore_plan(&world, &old, &options, "one.plan");
    let again = restore_plan(&world, &old, &options, "two.plan");
    let text = std::fs::read_to_string(&plan).expect("a plan");
    assert_eq!(text, std::fs::read_to_string(again).expect("a plan"));
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(
        text.contains(r#""title":"Song 2","outcome":"restored""#),
        "{text}"
    );
    assert_eq!(old.store().count().expect("licenses"), 0);
    assert_eq!(restore(&world, &old, &options, &plan), None);
    assert_eq!(old.store().count().expect("licenses"), 3);
    // What was planned is done: now it would be another plan.
    assert_eq!(
        restore(&world, &old, &options, &plan),
        Some(Failure::StoreChanged)
    );
}

#[test]
fn a_restore_that_was_planned_otherwise_is_refused_by_name() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let options = world.agreed(&stick);
    let plan = restore_plan(&world, &new, &options, "a.plan");
    let some = RestoreOptions {
        only: Only::new(["Song 1"]).expect("a pattern"),
        ..options.clone()
    };
    assert_eq!(
        restore(&world, &new, &some, &plan),
        Some(Failure::InvalidArgument)
    );
    assert_eq!(
        restore(&world, &old, &options, &plan),
        Some(Failure::InvalidArgument)
    );
    let text = std::fs::read_to_string(&plan).expect("a plan");
    for altered in [
        text.replace("Song 2", "Song 7"),
        text.replacen("\n{", "\n", 1),
        String::new(),
    ] {
        let file = world.path("altered.plan");
        std::fs::write(&file, altered).expect("written");
        assert_eq!(
            restore(&world, &new, &options, &file),
            Some(Failure::InvalidArgument)
        );
    }
    assert_eq!(
        new.store().count().expect("licenses"),
        0,
        "nothing came by any of them"
    );
    // A license less, then a backup more.
    assert_eq!(restore(&world, &new, &options, &plan), None);
    let plan = restore_plan(&world, &new, &options, "b.plan");
    new.release(Some(&issued[..1]), world.direct());
    assert_eq!(
        restore(&world, &new, &options, &plan),
        Some(Failure::StoreChanged)
    );
    let plan = restore_plan(&world, &new, &options, "c.plan");
    world.back_up(&old, &stick);
    assert_eq!(
        restore(&world, &new, &options, &plan),
        Some(Failure::BackupChanged)
    );
    let plan = restore_plan(&world, &new, &options, "d.plan");
    let there = RestoreOptions {
        plan_out: Some(plan.clone()),
        ..options
    };
    let restorer = new.restorer(world.direct());
    assert!(
        restorer.plan_restore(&there, Arc::new(Silent)).is_err(),
        "a plan is not written over"
    );
}

#[test]
fn a_backup_is_made_as_it_was_planned_or_not_at_all() {
    let world = World::new();
    let old = world.computer("old laptop");
    world.issue(&old, &Wanted::many(3, Some(3)));
    let stick = world.folder("stick");
    let options = BackupOptions {
        folder: Some(stick.clone()),
        overwrite: true,
        ..BackupOptions::default()
    };
    let plan = backup_plan(&world, &old, &options, "a.plan");
    assert!(files_below(&stick).is_empty());
    assert_eq!(backup(&world, &old, &options, &plan), None);
    assert_eq!(
        backup(&world, &old, &options, &plan),
        Some(Failure::BackupChanged),
        "one is there now"
    );
    let plan = backup_plan(&world, &old, &options, "b.plan");
    let before = std::fs::read(&files_below(&stick)[0]).expect("a backup");
    world.issue(&old, &Wanted::many(1, None));
    assert_eq!(backup(&world, &old, &options, &plan), Some(Failure::StoreChanged));
    assert_eq!(
        std::fs::read(&files_below(&stick)[0]).expect("still there"),
        before
    );
    let plan = backup_plan(&world, &old, &options, "c.plan");
    let other = BackupOptions {
        only: Only::new(["Song 1"]).expect("a pattern"),
        ..options.clone()
    };
    assert_eq!(
        backup(&world, &old, &other, &plan),
        Some(Failure::InvalidArgument)
    );
    assert_eq!(backup(&world, &old, &options, &plan), None);
}
