//! Earlier backups that are kept in a folder, as people and programs ask for it.

use std::fs;

use crate::place::{Lines, Place, text};
use crate::trip::loaded;

const BACKUP: [&str; 5] = ["--home", "a", "backup", "stick", "--unencrypted"];

fn back_up(place: &Place, more: &[&str]) -> Lines {
    place.json(&[&BACKUP[..], more].concat())
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("stick")).expect("the folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("plain names");
    let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

fn removed(lines: &Lines) -> usize {
    lines.summary()["removed"].as_array().map_or(0, Vec::len)
}

#[test]
fn so_many_are_kept_and_the_oldest_goes() {
    let place = loaded();
    let first = back_up(&place, &["--keep", "3"]);
    assert!(first.summary()["kept"].is_null());
    let current = fs::read(place.path(text(first.summary(), "path"))).expect("the first");
    let second = back_up(&place, &["--keep", "3"]);
    assert_eq!((second.exit, &second.summary()["replaced"]), (0, &false.into()));
    let kept = place.path(text(second.summary(), "kept"));
    assert_eq!(fs::read(&kept).expect("the first"), current);
    back_up(&place, &["--keep", "3"]);
    assert!(kept.exists());
    let fourth = back_up(&place, &["--keep", "3"]);
    assert_eq!(removed(&fourth), 1);
    assert!(!kept.exists() && names(&place).len() == 3, "{:?}", names(&place));
    assert_eq!(place.json(&["list", "stick"]).of("backup").len(), 3);
    // A restore takes the current one, and an earlier one if it is named.
    let (listed, verified) = (place.json(&["list", "stick"]), |path| {
        place.json(&["verify", path])
    });
    assert_eq!(
        text(listed.of("backup")[0], "path"),
        text(fourth.summary(), "path")
    );
    for line in listed.of("backup") {
        assert_eq!(verified(text(line, "path")).exit, 0);
    }
    let said = place.done(&[&BACKUP[..], &["--keep", "2"]].concat()).stdout;
    assert!(
        said.contains("the earlier one is kept as stick/licenses-"),
        "{said}"
    );
    assert_eq!(
        said.matches("an older one is removed: stick/licenses-").count(),
        2,
        "{said}"
    );
}

#[test]
fn without_a_number_earlier_ones_are_left_alone_and_one_alone_has_to_be_allowed() {
    let place = loaded();
    back_up(&place, &["--keep", "2"]);
    back_up(&place, &["--keep", "2"]);
    place.run(&BACKUP).failed(4, &["--overwrite", "--keep 2"]);
    back_up(&place, &["--overwrite"]);
    assert_eq!(names(&place).len(), 2);
    place
        .run(&[&BACKUP[..], &["--keep", "1"]].concat())
        .failed(4, &["--overwrite"]);
    let one = back_up(&place, &["--overwrite", "--keep", "1"]);
    assert_eq!((removed(&one), names(&place).len()), (1, 1));
    assert_eq!(one.summary()["replaced"], true);
    place
        .run(&[&BACKUP[..], &["--keep", "0"]].concat())
        .failed(2, &["--keep"]);
}

#[test]
fn a_backup_of_nothing_neither_takes_a_place_nor_removes_anything() {
    let place = loaded();
    back_up(&place, &["--keep", "2"]);
    back_up(&place, &["--keep", "2"]);
    let before = names(&place);
    fs::remove_file(place.path("a/store.sqlite")).expect("the store");
    for more in [&["--keep", "2"][..], &["--keep", "1", "--overwrite"]] {
        let refused = back_up(&place, more);
        assert_eq!(refused.exit, 4, "{:?}", refused.all);
        assert_eq!(names(&place), before);
    }
    // Nor where the current one is gone.
    let current = before
        .iter()
        .find(|name| name.len() < 30)
        .expect("the current one");
    fs::remove_file(place.path("stick").join(current)).expect("removed");
    assert_eq!(back_up(&place, &["--keep", "1"]).exit, 4);
    assert_eq!(names(&place).len(), 1);
    // What is kept comes back without it.
    let restored = place.json(&["--home", "a", "restore", "stick"]);
    assert_eq!(
        (restored.exit, &restored.summary()["restored"]),
        (0, &1.into()),
        "{:?}",
        restored.all
    );
}
