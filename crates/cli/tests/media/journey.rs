//! All that is done with a backup, on each file system: made, made anew, verified, damaged, repaired, carried to another
//! place and restored from.

use std::fs;

use crate::mounted::{Kind, Mounted, on};
use crate::stick::{Computer, overwrite};

const SIZE: u64 = 16 * 1024 * 1024;

#[test]
fn there_and_back_on_fat32() {
    on(
        Kind::Fat32,
        SIZE,
        "journey::there_and_back_on_fat32",
        there_and_back,
    );
}

#[test]
fn there_and_back_on_exfat() {
    on(
        Kind::ExFat,
        SIZE,
        "journey::there_and_back_on_exfat",
        there_and_back,
    );
}

#[test]
fn there_and_back_on_tmpfs() {
    on(
        Kind::Tmpfs,
        SIZE,
        "journey::there_and_back_on_tmpfs",
        there_and_back,
    );
}

fn there_and_back(medium: &mut Mounted) {
    is_what_it_is_said_to_be(medium);
    let computer = Computer::with(300);
    let (place, name) = (&computer.place, computer.name());
    place.done(&["--home", "a", "backup", medium.folder(), "--unencrypted"]);
    assert_eq!(medium.names(), [name.as_str()]);
    medium.put_in_again();
    computer.is_whole(medium.folder());

    // Twice within the two seconds that FAT counts in; the second time nobody allows it to be replaced.
    let first = fs::read(computer.file(medium)).expect("readable");
    computer.backs_up(medium);
    let second = fs::read(computer.file(medium)).expect("readable");
    assert_ne!(first, second);
    let refused = place.run(&["--home", "a", "backup", medium.folder(), "--unencrypted"]);
    refused.failed(4, &["a backup exists already"]);
    assert_eq!(medium.names(), [name.as_str()]);
    assert_eq!(fs::read(computer.file(medium)).expect("readable"), second);
    medium.put_in_again();
    computer.is_whole(medium.folder());

    // A tenth of it is noise.
    let mut damaged = second.clone();
    let tenth = damaged.len() / 10;
    damaged[tenth..2 * tenth].fill(0xD5);
    overwrite(&computer.file(medium), &damaged);
    medium.put_in_again();
    assert_eq!(place.run(&["--home", "a", "verify", medium.folder()]).exit, 3);
    let copy = medium.folder.join("copy");
    place.done(&["repair", medium.folder(), "-o", copy.to_str().expect("UTF-8")]);
    assert_eq!(fs::read(&copy).expect("readable"), second);
    fs::remove_file(copy).expect("removed");
    place.done(&["repair", medium.folder()]);
    assert_eq!(medium.names(), [name.as_str()]);
    medium.put_in_again();
    assert_eq!(fs::read(computer.file(medium)).expect("readable"), second);
    computer.comes_home(medium);
    earlier_ones(&computer, medium);
}

/// Some of them made within one second, which is as much as their names tell.
fn earlier_ones(computer: &Computer, medium: &Mounted) {
    for kept in [2, 3, 3, 3] {
        let backup = [
            "--home",
            "a",
            "backup",
            medium.folder(),
            "--unencrypted",
            "--keep",
            "3",
        ];
        computer.place.done(&backup);
        assert_eq!(medium.names().len(), kept, "{:?}", medium.names());
    }
    medium.put_in_again();
    for name in medium.names() {
        let file = medium.folder.join(&name);
        computer.is_whole(file.to_str().expect("UTF-8"));
    }
    let listed = computer.place.json(&["--home", "a", "list", medium.folder()]);
    assert_eq!(listed.exit, 0, "{:?}", listed.all);
    assert_eq!(listed.of("backup").len(), 3, "{:?}", listed.all);
}

/// What these file systems lack is what the tests are about.
fn is_what_it_is_said_to_be(medium: &Mounted) {
    let (one, two) = (medium.folder.join("one"), medium.folder.join("two"));
    fs::write(&one, "1").expect("written");
    assert_eq!(fs::hard_link(&one, &two).is_ok(), medium.kind == Kind::Tmpfs);
    let _ = fs::remove_file(two);
    fs::remove_file(one).expect("removed");
}

#[test]
fn what_a_stopped_process_left_is_put_right_on_fat32() {
    let name = "journey::what_a_stopped_process_left_is_put_right_on_fat32";
    on(Kind::Fat32, SIZE, name, left_behind);
}

#[test]
fn what_a_stopped_process_left_is_put_right_on_exfat() {
    let name = "journey::what_a_stopped_process_left_is_put_right_on_exfat";
    on(Kind::ExFat, SIZE, name, left_behind);
}

/// Between the two renames that replace a backup where there are no hard links.
fn left_behind(medium: &mut Mounted) {
    let computer = Computer::with(50);
    computer.backs_up(medium);
    let (file, name) = (computer.file(medium), computer.name());
    let (previous, temporary) = (format!("{name}.old"), format!("{name}.new"));
    fs::rename(&file, medium.folder.join(&previous)).expect("renamed");
    medium.put_in_again();
    computer.is_whole(medium.folder());
    computer.comes_home(medium);
    let half = fs::read(medium.folder.join(&previous)).expect("readable");
    fs::write(medium.folder.join(&temporary), &half[..half.len() / 2]).expect("written");
    medium.put_in_again();
    computer.is_whole(medium.folder());
    let refused = computer
        .place
        .run(&["--home", "a", "backup", medium.folder(), "--unencrypted"]);
    refused.failed(4, &["a backup exists already"]);
    assert_eq!(medium.names(), [name.as_str()], "it has its name again");
    computer.backs_up(medium);
    assert_eq!(medium.names(), [name.as_str()]);
    computer.is_whole(medium.folder());
}
