//! `verify --rehearse`, `--max-age`, `restore -n` and plans against a service that runs.

use std::fs;

use crate::place::{Place, Served, text};

/// Two licenses on `a` and their backup in `stick`, made by a computer that its service will know.
fn backed_up() -> (Place, Served) {
    let place = Place::with_issuer();
    let served = place.serve();
    let thumbprint = place.thumbprint();
    let card = ["--home", "a", "trust", "add", "pub/issuer.card"];
    place.done(&[&card[..], &["--thumbprint", &thumbprint]].concat());
    for title in ["Charts", "Logbook"] {
        place.give(&[
            "--computers",
            "2",
            "--title",
            title,
            "--right",
            "Play",
            "--right",
            "Backup",
        ]);
    }
    fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    (place, served)
}

const REHEARSE: [&str; 5] = ["--home", "a", "verify", "stick", "--rehearse"];

#[test]
fn a_rehearsal_needs_consent_then_proves_and_then_is_refused() {
    let (place, served) = backed_up();
    place.run(&REHEARSE).failed(
        8,
        &[
            "if you agree: keyferry --home a verify",
            "--rehearse --individualize",
        ],
    );
    let agreed = [&REHEARSE[..], &["--individualize"]].concat();
    let ran = place.done(&agreed);
    for said in [
        "2 licenses would come to this computer, if it lost its licenses\n",
        "2 licenses would come to a computer that holds none of it\n",
        "last proven restorable on ",
    ] {
        assert!(ran.stdout.contains(said), "{said:?} is not in {}", ran.stdout);
    }
    let lines = place.json(&REHEARSE);
    assert_eq!(
        (lines.exit, lines.of("rehearsed").len()),
        (0, 4),
        "{:?}",
        lines.all
    );
    let summary = lines.summary();
    assert_eq!(
        (&summary["rehearsed"], &summary["would_come"]),
        (&2.into(), &2.into())
    );
    assert!(summary["last_proven"].is_u64());

    let thumbprint = place.thumbprint();
    place.done(&[
        "--home",
        "b",
        "restore",
        "stick",
        "--trust",
        &thumbprint,
        "--individualize",
    ]);
    let refused = place.run(&REHEARSE);
    refused.failed(7, &["the rehearsal failed: the limit of computers is reached"]);
    for said in ["2 licenses would not: the limit", "  Charts (key ID"] {
        assert!(
            refused.stdout.contains(said),
            "{said:?} is not in {}",
            refused.stdout
        );
    }
    drop(served);
    place.run(&REHEARSE).failed(6, &["nothing was taken; try again"]);
}

#[test]
fn a_backup_that_is_too_old_is_told_with_and_without_a_rehearsal() {
    let (place, _served) = backed_up();
    let max = |age| place.json(&["--home", "a", "verify", "stick", "--max-age", age]);
    assert_eq!(max("1d").exit, 0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let old = max("0s");
    assert_eq!((old.exit, text(old.of("error")[0], "reason")), (3, "too-old"));
    let rehearsed = [&REHEARSE[..], &["--individualize", "--max-age", "0s"]].concat();
    let rehearsed = place.json(&rehearsed);
    assert_eq!(text(rehearsed.of("error")[0], "reason"), "too-old");
    assert!(rehearsed.summary()["last_proven"].is_u64(), "proven all the same");
    place
        .run(&["--home", "a", "verify", "stick", "--max-age", "30"])
        .failed(2, &["is not a span such as"]);
}

#[test]
fn what_is_damaged_beyond_repair_is_not_rehearsed() {
    let (place, _served) = backed_up();
    place.done(&[&REHEARSE[..], &["--individualize"]].concat());
    let bare = [
        "backup",
        "stick",
        "--unencrypted",
        "--overwrite",
        "--parity",
        "none",
    ];
    let saved = place.json(&[&["--home", "a"], &bare[..]].concat());
    let path = text(saved.summary(), "path").to_owned();
    let mut bytes = fs::read(place.path(&path)).expect("the backup");
    let frame = bytes
        .windows(8)
        .position(|at| at == b"KFframe\n")
        .expect("a frame");
    bytes[frame + 100] ^= 1;
    fs::write(place.path(&path), bytes).expect("written");
    let lines = place.json(&REHEARSE);
    assert_eq!(
        (lines.exit, lines.of("rehearsed").len()),
        (5, 0),
        "{:?}",
        lines.all
    );
    assert!(lines.summary()["last_proven"].is_null());
}

#[test]
fn a_dry_run_says_what_the_service_would_do_and_what_could_not_be_asked() {
    let (place, served) = backed_up();
    let thumbprint = place.thumbprint();
    let agreed = ["--trust", &thumbprint, "--individualize"];
    place.done(&[&["--home", "b", "restore", "stick"], &agreed[..]].concat());
    fs::remove_file(place.path("b/store.sqlite")).expect("the store");
    let dry = ["--home", "b", "restore", "stick", "-n"];
    let ran = place.done(&dry);
    assert!(
        ran.stdout.contains("2 licenses would be restored, place 2 of 2"),
        "{}",
        ran.stdout
    );
    let lines = place.json(&dry);
    assert_eq!(lines.summary()["reissued"], 2, "{:?}", lines.all);
    drop(served);
    let ran = place.done(&dry);
    assert!(
        ran.stderr.contains("warning: Harbor Licenses could not be asked"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout.contains("2 licenses would be asked of the service"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_plan_is_carried_out_once_and_refused_by_name_afterwards() {
    let (place, _served) = backed_up();
    let thumbprint = place.thumbprint();
    let restore = [
        "--home",
        "b",
        "restore",
        "stick",
        "--trust",
        &thumbprint,
        "--individualize",
    ];
    let with = |more: &[&'static str]| [&restore[..], more].concat();
    let planned = place.done(&with(&["--plan-out", "a.plan"]));
    assert!(
        planned.stdout.contains("the plan is in a.plan"),
        "{}",
        planned.stdout
    );
    assert!(
        planned.stderr.contains("type the same with --plan a.plan"),
        "{}",
        planned.stderr
    );
    place
        .run(&with(&["--plan-out", "a.plan"]))
        .failed(10, &["it is there already"]);
    place
        .run(&["--home", "b", "restore", "stick", "--plan", "a.plan"])
        .failed(
            2,
            &[
                "the plan is another one: it was made with --trust",
                "give the same options",
            ],
        );
    place.done(&with(&["--plan", "a.plan"]));
    let again = place.json(&with(&["--plan", "a.plan"]));
    assert_eq!(
        (again.exit, text(again.of("error")[0], "reason")),
        (7, "store-changed")
    );

    let backup = ["--home", "a", "backup", "stick", "--unencrypted", "--overwrite"];
    let dry = place.done(&[&backup[..], &["--plan-out", "b.plan"]].concat());
    assert!(dry.stdout.contains("would back up 2 licenses"), "{}", dry.stdout);
    place.done(&backup);
    let old = place.json(&[&backup[..], &["--plan", "b.plan"]].concat());
    assert_eq!(
        (old.exit, text(old.of("error")[0], "reason")),
        (7, "backup-changed")
    );
    place
        .run(&[&backup[..], &["--plan", "b.plan", "-n"]].concat())
        .failed(2, &["cannot be used with"]);
}
