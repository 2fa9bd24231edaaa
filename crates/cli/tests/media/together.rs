//! Several writers in one folder at once.

use std::fs;
use std::process::{Child, Stdio};

use crate::mounted::{Kind, Mounted, on};
use crate::stick::Computer;

const SIZE: u64 = 8 * 1024 * 1024;
const ROUNDS: usize = 8;

#[test]
fn two_computers_on_fat32() {
    on(
        Kind::Fat32,
        SIZE,
        "together::two_computers_on_fat32",
        two_computers,
    );
}

#[test]
fn two_computers_on_exfat() {
    on(
        Kind::ExFat,
        SIZE,
        "together::two_computers_on_exfat",
        two_computers,
    );
}

#[test]
fn two_computers_on_tmpfs() {
    on(
        Kind::Tmpfs,
        SIZE,
        "together::two_computers_on_tmpfs",
        two_computers,
    );
}

fn start(computer: &Computer, home: &str, medium: &Mounted) -> Child {
    let mut command = computer.place.command(&Computer::backup(home, medium.folder()));
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

/// Neither disturbs the other.
fn two_computers(medium: &mut Mounted) {
    let computer = Computer::with(100);
    computer.another("b");
    for _ in 0..ROUNDS {
        let both = ["a", "b"].map(|home| start(&computer, home, medium));
        for mut child in both {
            assert!(child.wait().expect("it ends").success());
        }
    }
    let names = medium.names();
    assert_eq!(names.len(), 2, "{names:?}");
    medium.put_in_again();
    for name in names {
        assert!(name.ends_with(".keyferry"), "{name}");
        let file = medium.folder.join(name);
        computer.is_whole(file.to_str().expect("UTF-8"));
    }
}

#[test]
fn one_computer_twice_on_fat32() {
    on(
        Kind::Fat32,
        SIZE,
        "together::one_computer_twice_on_fat32",
        one_twice,
    );
}

#[test]
fn one_computer_twice_on_tmpfs() {
    on(
        Kind::Tmpfs,
        SIZE,
        "together::one_computer_twice_on_tmpfs",
        one_twice,
    );
}

/// Two copies of a computer on one machine know nothing of each other but the file that both write: one of them makes it,
/// and the other does after it or says that it was disturbed.
fn one_twice(medium: &mut Mounted) {
    let computer = Computer::with(100);
    let copy = computer.place.path("copy");
    fs::create_dir(&copy).expect("a folder");
    for file in fs::read_dir(computer.place.path("a"))
        .expect("a folder")
        .flatten()
    {
        fs::copy(file.path(), copy.join(file.file_name())).expect("copied");
    }
    for _ in 0..2 * ROUNDS {
        let both = ["a", "copy"].map(|home| start(&computer, home, medium));
        let exits = both.map(|mut child| child.wait().expect("it ends").code());
        assert!(exits.contains(&Some(0)), "{exits:?}");
        assert!(exits.iter().all(|exit| matches!(exit, Some(0 | 11))), "{exits:?}");
        assert_eq!(medium.names(), [computer.name()], "{exits:?}");
        computer.is_whole(medium.folder());
    }
}
