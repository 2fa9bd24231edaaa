//! A medium that is pulled out, exchanged, or emptied by somebody else while a backup is written to it.

use std::fs;

use crate::mounted::{Kind, Mounted, on};
use crate::place::Ran;
use crate::stick::Computer;
use crate::stopped::{Stopped, is_possible};

const SIZE: u64 = 8 * 1024 * 1024;

/// After which calls a backup is interrupted. The first rename is that of computer.key.
const MOMENTS: [(&str, usize); 9] = [
    ("fsync", 1),
    ("fadvise64", 1),
    ("fsync", 2),
    ("fadvise64", 2),
    ("rename", 1),
    ("fsync", 4),
    ("rename", 2),
    ("fsync", 5),
    ("rename", 3),
];

#[test]
fn pulled_out_fat32() {
    on(Kind::Fat32, SIZE, "gone::pulled_out_fat32", pulled_out);
}

#[test]
fn pulled_out_exfat() {
    on(Kind::ExFat, SIZE, "gone::pulled_out_exfat", pulled_out);
}

/// Interrupts a backup, and says how it ended; nothing if it never came so far.
fn interrupted(
    computer: &Computer,
    medium: &Mounted,
    (call, number): (&str, usize),
    meanwhile: impl FnOnce(),
) -> Option<Ran> {
    let args = Computer::backup("a", medium.folder());
    let stopped = Stopped::after(&computer.place, call, number, &args);
    let reached = stopped.was_reached();
    meanwhile();
    let ran = stopped.goes_on();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    reached.then_some(ran)
}

/// The stick is pulled out; then it is in again, with the old backup or the new one on it.
fn pulled_out(medium: &mut Mounted) {
    if !is_possible("a medium that is pulled out") {
        return;
    }
    let computer = Computer::with(100);
    computer.backs_up(medium);
    let mut reached = 0;
    for moment in MOMENTS {
        let Some(ran) = interrupted(&computer, medium, moment, || medium.unmount()) else {
            medium.mount().expect("in again");
            continue;
        };
        reached += 1;
        // When it has its name, all is done but for removing the one before.
        if ran.exit != 0 {
            ran.failed(10, &[medium.folder()]);
        }
        let below: Vec<_> = fs::read_dir(&medium.folder).expect("a folder").collect();
        assert!(
            below.is_empty(),
            "{moment:?}: where nothing is mounted there is {below:?}"
        );
        medium.wait_until_served();
        medium.mount().expect("in again");
        computer.is_whole(medium.folder());
        computer.backs_up(medium);
        assert_eq!(medium.names(), [computer.name()], "{moment:?}");
        computer.is_whole(medium.folder());
    }
    assert!(reached >= 6, "{reached} moments");
}

#[test]
fn exchanged_fat32() {
    on(Kind::Fat32, SIZE, "gone::exchanged_fat32", exchanged);
}

/// Another stick is put in, with an older backup of the same computer: it isn't touched, and the first one is as it was.
fn exchanged(medium: &mut Mounted) {
    if !is_possible("a medium that is exchanged") {
        return;
    }
    let computer = Computer::with(100);
    computer.backs_up(medium);
    let name = computer.name();
    let old = fs::read(computer.file(medium)).expect("readable");
    let mut reached = 0;
    for moment in MOMENTS {
        let place = tempfile::tempdir().expect("a folder");
        let other = Mounted::new(medium.kind, place.path(), "other", SIZE).expect("another");
        fs::write(other.folder.join(&name), &old).expect("written");
        let swap = || {
            medium.unmount();
            other.bind_to(medium.folder());
        };
        let ran = interrupted(&computer, medium, moment, swap);
        assert_eq!(other.names(), [name.as_str()], "{moment:?}");
        let now = fs::read(other.folder.join(&name)).expect("readable");
        assert!(now == old, "{moment:?}: the other stick's backup is another");
        medium.unmount();
        drop(other);
        medium.wait_until_served();
        medium.mount().expect("in again");
        computer.is_whole(medium.folder());
        if let Some(ran) = ran {
            reached += 1;
            if ran.exit != 0 {
                ran.failed(10, &[medium.folder()]);
            }
        }
        computer.backs_up(medium);
        assert_eq!(medium.names(), [name.as_str()], "{moment:?}");
    }
    assert!(reached >= 6, "{reached} moments");
}

#[test]
fn emptied_tmpfs() {
    on(Kind::Tmpfs, SIZE, "gone::emptied_tmpfs", |medium| {
        emptied(medium, true)
    });
}

#[test]
fn removed_tmpfs() {
    on(Kind::Tmpfs, SIZE, "gone::removed_tmpfs", |medium| {
        emptied(medium, false)
    });
}

/// Somebody removes all files, or the folder with them: that is told, and the next run makes a backup where it can.
fn emptied(medium: &mut Mounted, folder_stays: bool) {
    if !is_possible("a folder that disappears") {
        return;
    }
    let computer = Computer::with(100);
    let folder = medium.folder.join("backups");
    let named = folder.to_str().expect("UTF-8");
    for moment in MOMENTS {
        fs::create_dir(&folder).expect("a folder");
        let backup = Computer::backup("a", named);
        computer.place.done(&backup);
        let stopped = Stopped::after(&computer.place, moment.0, moment.1, &backup);
        fs::remove_dir_all(&folder).expect("removed");
        if folder_stays {
            fs::create_dir(&folder).expect("a folder");
        }
        let ran = stopped.goes_on();
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        if ran.exit != 0 {
            ran.failed(10, &[named]);
        }
        if folder_stays {
            computer.place.done(&backup);
            computer.is_whole(named);
            fs::remove_dir_all(&folder).expect("removed");
        } else {
            let again = computer.place.run(&backup);
            again.failed(10, &[&format!("no medium at {named}: there is no such folder")]);
        }
    }
}
