//! `--only` on the command line: what is said of what was left out, what met nothing, and what stands in the way.

use std::fs;

use crate::place::{Place, text};

/// Three licenses on `a`, and an empty folder `stick`.
fn with_three() -> Place {
    let place = Place::with_trust();
    for title in ["Charts 1", "Charts 2", "Logbook [1]"] {
        place.give(&["--title", title, "--right", "Play", "--right", "Backup"]);
    }
    fs::create_dir(place.path("stick")).expect("a folder");
    place
}

fn backup<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let plain = ["--home", "a", "backup", "stick", "--unencrypted"];
    [&plain[..], more].concat()
}

#[test]
fn what_was_left_out_is_counted_and_what_met_nothing_is_named() {
    let place = with_three();
    let ran = place.done(&backup(&["--only", "title:charts*"]));
    assert!(
        ran.stdout.contains("backed up 2 licenses") && ran.stdout.contains("\n1 more not selected\n"),
        "{}",
        ran.stdout
    );
    let lines = place.json(&backup(&[
        "--overwrite",
        "--only",
        "charts ?",
        "--only",
        "Logbook [1]",
    ]));
    assert_eq!(lines.exit, 0, "{:?}", lines.all);
    let summary = lines.summary();
    assert_eq!(
        (&summary["backed_up"], &summary["left_out"]),
        (&3.into(), &0.into())
    );

    let again = place.run(&[
        "--home", "a", "restore", "stick", "--only", "charts 1", "--only", "no:such",
    ]);
    assert_eq!(again.exit, 3, "{}", again.stderr);
    assert!(
        again.stderr.contains("error: 1 pattern met nothing: no:such"),
        "{}",
        again.stderr
    );
    assert!(
        again.stdout.contains("1 license here already"),
        "{}",
        again.stdout
    );
    let none = place.json(&["--home", "a", "restore", "stick", "--only", "no:such"]);
    assert_eq!((none.exit, text(none.of("error")[0], "reason")), (1, "no-match"));
    place
        .run(&["--home", "a", "restore", "stick", "--only", "a[b"])
        .failed(2, &["the pattern \"a[b\" can't be read", "written [[]"]);
}

#[test]
fn a_selection_over_a_fuller_backup_says_where_else_to_go() {
    let place = with_three();
    place.done(&backup(&[]));
    place.run(&backup(&["--only", "charts 1"])).failed(4, &[]);
    place.run(&backup(&["--only", "charts 1", "--overwrite"])).failed(
        4,
        &[
            "would hold a selection only",
            "or the selection to another folder",
        ],
    );
    place
        .run(&["--home", "a", "backup", "stick", "--only", "it's 1"])
        .failed(2, &[r"backup stick --unencrypted --only 'it'\''s 1'"]);
}

#[test]
fn a_restore_that_has_to_be_typed_again_is_typed_with_its_patterns() {
    let place = with_three();
    place.done(&backup(&[]));
    place
        .run(&["--home", "b", "restore", "stick", "--only", "title:charts *"])
        .failed(8, &["restore stick --only 'title:charts *' --trust"]);
}
