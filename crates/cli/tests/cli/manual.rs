//! Manual pages: written into a folder, printed one at a time, and fit for the program that shows them.

use std::fs;
use std::process::Command;

use crate::place::{Place, text};

#[test]
fn pages_are_written_into_a_folder_that_is_there() {
    let place = Place::new();
    place
        .run(&["man", "--to", "nowhere"])
        .failed(1, &["can't write nowhere/keyferry.1"]);
    fs::create_dir(place.path("man1")).expect("a folder");
    for _ in 0..2 {
        place.done(&["man", "--to", "man1"]);
    }
    let backup = fs::read_to_string(place.path("man1/keyferry-backup.1")).expect("a page");
    assert_eq!(place.done(&["man", "backup"]).stdout, backup);
    let lines = place.json(&["man", "trust", "add"]);
    let add = fs::read_to_string(place.path("man1/keyferry-trust-add.1")).expect("a page");
    assert_eq!(text(lines.of("document")[0], "text"), add);
    place
        .run(&["man", "trust", "nobody"])
        .failed(2, &["there is no command \"trust nobody\""]);
}

#[test]
fn groff_has_nothing_to_warn_of() {
    let place = Place::new();
    fs::create_dir(place.path("man1")).expect("a folder");
    place.done(&["man", "--to", "man1"]);
    let groff = |path: &std::path::Path| {
        Command::new("groff")
            .args(["-man", "-ww", "-Tutf8"])
            .arg(path)
            .output()
    };
    let mut pages = 0;
    for entry in fs::read_dir(place.path("man1")).expect("pages") {
        let path = entry.expect("an entry").path();
        let Ok(shown) = groff(&path) else {
            keyferry_testkit::left_out("rendering the manual pages: groff is not installed");
            return;
        };
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(
            shown.status.success() && said.is_empty(),
            "{}: {said}",
            path.display()
        );
        let page = String::from_utf8_lossy(&shown.stdout);
        assert!(page.contains("Keyferry manual"), "{page}");
        pages += 1;
    }
    assert!(pages > 20, "{pages}");
}
