//! Must hold: what an operation tells, and in which order, is pinned by transcripts, one for each way that an operation
//! can go. They lie in testdata/events; lines that begin with # say what happens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyferry::{ReleaseOptions, RestoreOptions, Selection};
use keyferry_protocol::kind;
use keyferry_testkit::{Computer, Ended, Ending, Fault, Wanted, World, files_below};

use crate::ledger;
use crate::stopping;

/// What is compared: each status, and how the command line would end.
fn told<R: Ending>(ended: &Ended<R>) -> String {
    let word = ended.failure().map_or("done", keyferry::Failure::word);
    format!("{}exit {} {word}\n", ended.events.transcript(), ended.exit_code())
}

fn backup(world: &World, computer: &Computer, folder: &Path) -> String {
    told(&computer.backup(folder, false, world.direct()))
}

fn old_laptop(world: &World) -> Computer {
    let old = world.computer("old laptop");
    world.issue(&old, &Wanted::many(4, Some(2)));
    old
}

type Story = fn(&World) -> String;

const STORIES: &[(&str, Story)] = &[
    ("backup", |world| {
        backup(world, &old_laptop(world), &world.folder("stick"))
    }),
    ("backup-canceled", |world| {
        told(&stopping::canceled_backup(
            world,
            &old_laptop(world),
            &world.folder("stick"),
            false,
        ))
    }),
    ("backup-empty", |world| {
        backup(world, &world.computer("empty"), &world.folder("stick"))
    }),
    ("backup-exists", |world| {
        let (old, _, stick) = world.backed_up(1);
        backup(world, &old, &stick)
    }),
    ("backup-no-folder", |world| {
        backup(world, &old_laptop(world), &world.path("not there"))
    }),
    ("backup-store-from-another-machine", |world| {
        let copy = old_laptop(world).on_machine(world.path("home of old laptop"), "another machine");
        backup(world, &copy, &world.folder("stick"))
    }),
    ("backup-while-another-runs", |world| {
        let old = old_laptop(world);
        let _running = old.store().operation_lock().expect("free");
        backup(world, &old, &world.folder("stick"))
    }),
    ("release", |world| {
        told(&old_laptop(world).release(None, world.direct()))
    }),
    ("release-needs-consent", |world| {
        let options = ReleaseOptions {
            selection: Selection::All,
            individualize: false,
        };
        told(&old_laptop(world).release_as(options, world.direct()))
    }),
    ("release-service-down", |world| {
        let second = world.computer("second");
        let (_, _, stick) = world.backed_up(2);
        world.restore(&second, &stick);
        told(&second.release(None, world.bent(Fault::Down)))
    }),
    ("restore-already-here", |world| {
        let (old, _, stick) = world.backed_up(2);
        told(&world.restore(&old, &stick))
    }),
    ("restore-answer-of-another-request", |world| {
        let (_, _, stick) = world.backed_up(2);
        let transport = world.direct();
        world
            .computer("first")
            .restore(world.agreed(&stick), transport.clone());
        let answer = transport.traffic().of_kind(kind::RESTORE).remove(0).1;
        told(&world.restore_bent(&world.computer("second"), &stick, Fault::Answers(answer)))
    }),
    ("restore-answer-truncated", |world| bent(world, Fault::Truncated)),
    ("restore-by-return-seals", |world| {
        let (old, _, stick) = world.backed_up(2);
        old.lose_store();
        told(&old.restore(world.refused(&stick), world.direct()))
    }),
    ("restore-canceled", |world| {
        let (_, _, stick) = world.backed_up(2);
        told(&stopping::canceled_restore(
            world,
            &world.computer("new"),
            &stick,
            1,
        ))
    }),
    ("restore-damaged", |world| {
        let (old, _, stick) = world.backed_up(2);
        world.back_up_bare(&old, &stick);
        let file = files_below(&stick).remove(0);
        let mut bytes = std::fs::read(&file).expect("readable");
        bytes[100] ^= 1;
        std::fs::write(file, bytes).expect("written");
        told(&world.restore(&world.computer("new"), &stick))
    }),
    ("restore-forgotten-by-the-service", |world| {
        let (_, _, stick) = world.backed_up(2);
        let new = world.computer("new");
        world.restore(&new, &stick);
        ledger::forget(world, new.card().thumbprint());
        new.lose_store();
        told(&new.restore(world.refused(&stick), world.direct()))
    }),
    ("restore-individualized-before", |world| {
        let (_, _, stick) = world.backed_up(2);
        let new = world.computer("new");
        world.restore(&new, &stick);
        new.lose_store();
        told(&new.restore(world.refused(&stick), world.direct()))
    }),
    ("restore-individualizes", |world| {
        let (_, _, stick) = world.backed_up(2);
        told(&world.restore(&world.computer("new"), &stick))
    }),
    ("restore-issuer-not-accepted", |world| {
        let (_, _, stick) = world.backed_up(2);
        let options = RestoreOptions {
            trust: Vec::new(),
            ..world.agreed(&stick)
        };
        told(&world.computer("new").restore(options, world.direct()))
    }),
    ("restore-limit", |world| {
        let (_, _, stick) = world.backed_up(2);
        for number in 2..=4 {
            world.restore(&world.computer(&format!("computer {number}")), &stick);
        }
        told(&world.restore(&world.computer("fifth"), &stick))
    }),
    ("restore-needs-consent", |world| {
        let (_, _, stick) = world.backed_up(2);
        let options = RestoreOptions {
            individualize: false,
            ..world.agreed(&stick)
        };
        told(&world.computer("new").restore(options, world.direct()))
    }),
    ("restore-no-backup", |world| {
        told(&world.restore(&world.computer("new"), &world.folder("stick")))
    }),
    ("restore-other-service", |world| {
        let card = world
            .other_service("stranger", "http://127.0.0.1:9")
            .card()
            .as_bytes()
            .to_vec();
        bent(world, Fault::Card(card))
    }),
    ("restore-service-down", |world| bent(world, Fault::Down)),
    ("restore-service-down-while-individualizing", |world| {
        bent(world, Fault::DownAfterCard)
    }),
    ("restore-service-down-while-restoring", |world| {
        bent(world, Fault::DownAfter(0))
    }),
    ("restore-some-licenses", |world| {
        let old = world.computer("old laptop");
        let two = Wanted {
            computers: Some(2),
            ..Wanted::plain("For two")
        };
        world.issue(&old, &[two, Wanted::plain("For four")]);
        let stick = world.folder("stick");
        world.back_up(&old, &stick);
        world.restore(&world.computer("second"), &stick);
        told(&world.restore(&world.computer("third"), &stick))
    }),
    ("restore-two-services", |world| two_services(world, None)),
    ("restore-two-services-one-down", |world| {
        two_services(world, Some(OTHER))
    }),
];

const OTHER: &str = "http://127.0.0.1:7";

/// A restore to a new computer on a way that misbehaves.
fn bent(world: &World, fault: Fault) -> String {
    let (_, _, stick) = world.backed_up(2);
    told(&world.restore_bent(&world.computer("new"), &stick, fault))
}

fn two_services(world: &World, down: Option<&str>) -> String {
    let other = world.other_service("Fabrikam Licenses", OTHER);
    let old = world.computer("old laptop");
    world.issue(&old, &Wanted::many(2, None));
    world.issue_for(&other, &old, &Wanted::many(2, None));
    let stick = world.folder("stick");
    world.back_up(&old, &stick);
    let direct = world.direct_to(vec![other]);
    let fault = down.map_or(Fault::Repeats(1), |down| Fault::DownAt(down.into()));
    let bent = Arc::new(keyferry_testkit::Bent::new(direct, fault));
    told(&world.computer("new").restore(world.agreed(&stick), bent))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/events")
}

#[test]
fn each_operation_tells_what_its_transcript_says() {
    let mut wrong = Vec::new();
    for (name, story) in STORIES {
        let expected = std::fs::read_to_string(folder().join(name).with_extension("txt")).unwrap_or_default();
        let lines = expected.lines().filter(|line| !line.starts_with('#'));
        let expected: String = lines.map(|line| format!("{line}\n")).collect();
        let actual = story(&World::new());
        if actual != expected {
            wrong.push(format!("{name}:\n{actual}"));
        }
    }
    assert!(wrong.is_empty(), "told otherwise:\n\n{}", wrong.join("\n"));
}

#[test]
fn every_transcript_has_its_story_and_says_what_happens() {
    let mut named = BTreeSet::new();
    for file in files_below(&folder()) {
        let text = std::fs::read_to_string(&file).expect("readable");
        assert!(text.starts_with("# "), "{} says what happens", file.display());
        let ends = text
            .lines()
            .filter(|line| line.starts_with("BACKUPRESTORE_END 27 "))
            .count();
        assert_eq!(ends, 1, "{} has one End", file.display());
        named.insert(file.file_stem().expect("a name").to_string_lossy().into_owned());
    }
    let stories: BTreeSet<String> = STORIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named, stories);
    assert_eq!(named.len(), 30);
}
