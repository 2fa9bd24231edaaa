//! A damaged backup through the program: verified, restored from, repaired in place and elsewhere, or not repairable.

use std::path::PathBuf;

use crate::place::Place;

/// Forty licenses on `a`, backed up to `stick`; gives the file.
fn backed_up(more: &[&str]) -> (Place, PathBuf) {
    let place = Place::with_trust();
    let lines: Vec<String> = (0..40)
        .map(|number| format!(r#"{{"title":"Song {number}","rights":{{"Play":{{}},"Backup":{{}}}}}}"#))
        .collect();
    std::fs::write(place.path("wanted"), lines.join("\n")).expect("written");
    let issue = [
        "issuer",
        "issue",
        "pub",
        "--computer",
        "a.card",
        "--service",
        "svc/service.card",
    ];
    place.done(&[&issue[..], &["--from", "wanted", "-o", "many.license"]].concat());
    place.done(&["--home", "a", "import", "many.license"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    let backup = ["--home", "a", "backup", "stick", "--unencrypted"];
    place.done(&[&backup[..], more].concat());
    let file = std::fs::read_dir(place.path("stick")).expect("the stick").next();
    (place, file.expect("a file").expect("an entry").path())
}

/// Overwrites a part of the file, from one share of it to another.
fn damage(file: &PathBuf, from: f64, to: f64) {
    let mut bytes = std::fs::read(file).expect("readable");
    let at = |share: f64| (bytes.len() as f64 * share) as usize;
    let range = at(from)..at(to);
    for (number, byte) in bytes[range].iter_mut().enumerate() {
        *byte ^= 1 + (number % 255) as u8;
    }
    std::fs::write(file, bytes).expect("written");
}

#[test]
fn a_damaged_backup_is_verified_restored_from_and_repaired() {
    let (place, file) = backed_up(&[]);
    let whole = std::fs::read(&file).expect("readable");
    let verified = place.json(&["--home", "a", "verify", "stick"]);
    assert_eq!(verified.summary()["exit"], 0);
    assert_eq!(verified.summary()["cells_damaged"], 0);
    damage(&file, 0.0, 0.1);
    let damaged = std::fs::read(&file).expect("readable");

    let verified = place.json(&["--home", "a", "verify", "stick"]);
    let summary = verified.summary();
    assert_eq!((&summary["exit"], &summary["good"]), (&3.into(), &40.into()));
    let used = summary["parity_used"].as_f64().expect("a number");
    assert!(used > 0.5 && used <= 1.0, "{used}");
    let error = verified
        .all
        .iter()
        .find(|line| line["event"] == "error")
        .expect("an error");
    assert_eq!(error["reason"], "repairable");
    let verified = place.run(&["--home", "a", "verify", "stick"]);
    assert!(
        verified.stdout.contains("% of what can be repaired"),
        "{}",
        verified.stdout
    );
    assert!(verified.stderr.contains(" repair stick/"), "{}", verified.stderr);

    std::fs::remove_file(place.path("a/store.sqlite")).expect("it was there");
    let came = place.run(&["--home", "a", "restore", "stick"]);
    assert_eq!(came.exit, 0, "{}{}", came.stdout, came.stderr);
    assert!(came.stdout.contains("40 licenses"), "{}", came.stdout);
    assert!(
        came.stderr.contains("were repaired") && came.stderr.contains(" repair stick/"),
        "{}",
        came.stderr
    );

    place.done(&["repair", "stick", "-o", "whole"]);
    assert_eq!(std::fs::read(place.path("whole")).expect("written"), whole);
    assert_eq!(
        std::fs::read(&file).expect("readable"),
        damaged,
        "it was only read"
    );
    assert_eq!(place.run(&["repair", "stick", "-o", "whole"]).exit, 4);
    let repaired = place.json(&["repair", "stick"]);
    assert_eq!(repaired.summary()["damaged"], true);
    assert_eq!(std::fs::read(&file).expect("readable"), whole);
    assert_eq!(place.json(&["repair", "stick"]).summary()["damaged"], false);
    let names: Vec<_> = std::fs::read_dir(place.path("stick"))
        .expect("the stick")
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");

    place.done(&["repair", "stick", "--plain", "-o", "plain"]);
    let plain = std::fs::read(place.path("plain")).expect("written");
    let inner = place.json(&["verify", "stick"]).summary()["inner_bytes"].clone();
    assert_eq!(inner, plain.len());
    assert_eq!(plain, whole[..plain.len()]);
}

#[test]
fn what_can_not_be_repaired_is_said_and_left() {
    let (place, file) = backed_up(&["--parity", "5"]);
    damage(&file, 0.5, 0.62);
    let damaged = std::fs::read(&file).expect("readable");
    let verified = place.run(&["--home", "a", "verify", "stick"]);
    let said = format!("{}{}", verified.stdout, verified.stderr);
    assert_eq!(verified.exit, 5, "{said}");
    assert!(
        said.contains("not repairable") && said.contains("more than the parity repairs"),
        "{said}"
    );
    // What is lost is named, each license once.
    for number in 0..40 {
        assert_eq!(
            verified
                .stdout
                .matches(&format!("  lost  Song {number}\n"))
                .count(),
            1,
            "{said}"
        );
    }
    let lines = place.json(&["--home", "a", "verify", "stick"]);
    let lost = lines.all.iter().filter(|line| line["event"] == "lost");
    assert_eq!(lost.count(), 40);
    let came = place.run(&["--home", "a", "restore", "stick"]);
    assert!(
        came.exit == 5 && came.stdout.contains("  lost  Song 39\n"),
        "{}{}",
        came.stdout,
        came.stderr
    );
    for output in [&[][..], &["-o", "whole"]] {
        let repaired = place.run(&[&["repair", "stick"], output].concat());
        assert_eq!(repaired.exit, 5, "{}", repaired.stderr);
        assert!(
            repaired.stderr.contains("can't be repaired"),
            "{}",
            repaired.stderr
        );
    }
    assert_eq!(std::fs::read(&file).expect("readable"), damaged);
    assert!(!place.path("whole").exists());

    // Without parity there is nothing to repair with.
    let (place, _) = backed_up(&["--parity", "none"]);
    let repaired = place.run(&["repair", "stick"]);
    assert_eq!(repaired.exit, 5);
    assert!(repaired.stderr.contains("no parity in it"), "{}", repaired.stderr);
    assert_eq!(
        place
            .run(&[
                "--home",
                "a",
                "backup",
                "stick",
                "--parity",
                "13",
                "--unencrypted"
            ])
            .exit,
        2
    );
}
