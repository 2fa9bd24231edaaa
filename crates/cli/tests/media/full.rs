//! Media that are full or read-only: the earlier backup stays whole, nothing is left over, and when there is room the next
//! run does its work.

use std::fs;

use crate::mounted::{Kind, Mounted, on};
use crate::place::Ran;
use crate::stick::{Computer, overwrite};

const SIZE: u64 = 8 * 1024 * 1024;

#[test]
fn full_fat32() {
    on(Kind::Fat32, SIZE, "full::full_fat32", full);
}

#[test]
fn full_exfat() {
    on(Kind::ExFat, SIZE, "full::full_exfat", full);
}

#[test]
fn full_tmpfs() {
    on(Kind::Tmpfs, SIZE, "full::full_tmpfs", full);
}

/// Says that there is no room, and where.
#[track_caller]
fn no_room(ran: &Ran, medium: &Mounted) {
    ran.failed(10, &[medium.folder()]);
    // The program that serves FAT32 here says of a full medium that nothing is permitted.
    let said: &[&str] = match medium.kind {
        Kind::Fat32 => &["no permission to write"],
        Kind::ExFat | Kind::Tmpfs => &["is full", "bytes free"],
    };
    let told = said.iter().any(|said| ran.stderr.contains(said));
    assert!(told, "{}", ran.stderr);
}

fn full(medium: &mut Mounted) {
    let computer = Computer::with(400);
    let name = computer.name();
    for left in [0, 32 * 1024] {
        medium.fill_up_to(left);
        no_room(&computer.tries(medium), medium);
        assert_eq!(medium.names(), [""; 0], "{left} bytes were free");
        medium.make_room();
    }
    computer.backs_up(medium);
    let before = fs::read(computer.file(medium)).expect("readable");
    // Enough for a part of a second one.
    for left in [0, before.len() as u64 / 2, before.len() as u64 * 9 / 10] {
        medium.fill_up_to(left);
        no_room(&computer.tries(medium), medium);
        assert_eq!(medium.names(), [name.as_str()], "{left} bytes were free");
        let now = fs::read(computer.file(medium)).expect("readable");
        assert!(
            now == before,
            "{left} bytes were free, and the earlier backup is another"
        );
        computer.is_whole(medium.folder());
        repair_in_place(&computer, medium, &before);
        medium.make_room();
    }
    computer.backs_up(medium);
    assert_eq!(medium.names(), [name.as_str()]);
    medium.put_in_again();
    computer.is_whole(medium.folder());
}

/// A repair needs room for both too; without it the damaged file stays as it is, and can still be read.
fn repair_in_place(computer: &Computer, medium: &Mounted, whole: &[u8]) {
    let file = computer.file(medium);
    let mut damaged = whole.to_vec();
    let twentieth = damaged.len() / 20;
    damaged[twentieth..2 * twentieth].fill(0xD5);
    overwrite(&file, &damaged);
    no_room(&computer.place.run(&["repair", medium.folder()]), medium);
    assert_eq!(medium.names(), [computer.name()]);
    assert!(
        fs::read(&file).expect("readable") == damaged,
        "the damaged file is another"
    );
    assert_eq!(computer.place.run(&["verify", medium.folder()]).exit, 3);
    overwrite(&file, whole);
}

#[test]
fn read_only_fat32() {
    on(Kind::Fat32, SIZE, "full::read_only_fat32", read_only);
}

#[test]
fn read_only_exfat() {
    on(Kind::ExFat, SIZE, "full::read_only_exfat", read_only);
}

#[test]
fn read_only_tmpfs() {
    on(Kind::Tmpfs, SIZE, "full::read_only_tmpfs", read_only);
}

/// The little switch on the stick.
fn read_only(medium: &mut Mounted) {
    let computer = Computer::with(50);
    computer.backs_up(medium);
    let before = fs::read(computer.file(medium)).expect("readable");
    medium.make_read_only();
    let is_read_only = format!("{} is read-only", medium.folder());
    computer.tries(medium).failed(10, &[&is_read_only]);
    assert_eq!(medium.names(), [computer.name()]);
    assert!(fs::read(computer.file(medium)).expect("readable") == before);
    computer.is_whole(medium.folder());
    computer.comes_home(medium);
}
