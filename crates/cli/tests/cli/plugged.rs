//! Removable volumes, as desktops mount them: folders bound below /media in a namespace of their own.

use std::fs;
use std::process::Command;

use crate::elsewhere::{MOUNTS, below, is_permitted, unshared};
use crate::place::{Lines, Place, Ran, SCHEMA, text};
use crate::terminal::on_terminal;
use crate::trip::loaded;

/// What is done before a program runs: two sticks are plugged in.
const PLUG_IN: &str = "mount -t tmpfs tmpfs /media; mkdir /media/BLUE '/media/RED STICK'; \
    mount --bind blue /media/BLUE; mount --bind red '/media/RED STICK'; mount -o remount,bind,ro '/media/RED STICK'";

/// A place with two sticks, of which one is read-only.
pub struct Stick<'p>(&'p Place);

impl<'p> Stick<'p> {
    /// `None` where nothing can be mounted, which is noted.
    pub fn plugged(place: &'p Place) -> Option<Self> {
        if !std::path::Path::new("/media").is_dir() {
            keyferry_testkit::left_out("drives: there is no /media");
            return None;
        }
        for name in ["blue", "red"] {
            fs::create_dir_all(place.path(name)).expect("a folder");
        }
        let there = format!("cd '{}'; {PLUG_IN}", place.path("").display());
        is_permitted("drives", &MOUNTS, &there).then_some(Self(place))
    }

    fn run(&self, args: &[&str]) -> Ran {
        unshared(self.0, &MOUNTS, PLUG_IN, args)
    }

    pub fn json(&self, args: &[&str]) -> Lines {
        let ran = self.run(&[&["--json"], args].concat());
        let all = SCHEMA.lines(&ran.stdout);
        Lines { exit: ran.exit, all }
    }

    fn on_terminal(&self, args: &[&str], typed: &str) -> (String, i32) {
        let script = format!("set -e; {PLUG_IN}; exec \"$0\" \"$@\"");
        let mut command: Command = below(&MOUNTS, &script);
        command.arg(env!("CARGO_BIN_EXE_keyferry")).args(args);
        command.current_dir(self.0.path("")).env_remove("KEYFERRY_HOME");
        on_terminal(command, typed)
    }
}

#[test]
fn drives_are_listed_with_the_last_backup_on_them() {
    let place = loaded();
    let Some(sticks) = Stick::plugged(&place) else {
        return;
    };
    place.done(&["--home", "b", "backup", "red", "--unencrypted"]);
    let list = || sticks.json(&["--home", "a", "drives"]);
    let lines = list();
    let found = lines.of("drive");
    let ours: Vec<_> = found
        .into_iter()
        .filter(|drive| text(drive, "path").starts_with("/media/"))
        .collect();
    let [blue, red] = ours.as_slice() else {
        panic!("{ours:?}");
    };
    assert_eq!((text(blue, "name"), text(red, "name")), ("BLUE", "RED STICK"));
    assert_eq!(
        (&blue["read_only"], &red["read_only"]),
        (&false.into(), &true.into())
    );
    assert!(blue["bytes"].as_u64() >= blue["bytes_free"].as_u64() && blue["bytes_free"].as_u64() > Some(0));
    assert!(blue["last_backup"].is_null() && blue["last_backup_age"].is_null());
    assert_eq!(red["last_backup_own"], false);
    assert!(
        text(red, "last_backup").starts_with("/media/RED STICK/licenses-"),
        "{red}"
    );
    // In a folder too; and of this computer first, however old.
    fs::create_dir(place.path("blue/backups")).expect("a folder");
    place.done(&["--home", "a", "backup", "blue/backups", "--unencrypted"]);
    place.done(&["--home", "b", "backup", "blue", "--unencrypted"]);
    let lines = list();
    let blue = lines
        .of("drive")
        .into_iter()
        .find(|drive| drive["name"] == "BLUE")
        .expect("it");
    assert_eq!(blue["last_backup_own"], true);
    assert!(
        text(blue, "last_backup").starts_with("/media/BLUE/backups/licenses-"),
        "{blue}"
    );
    let said = sticks.run(&["--home", "a", "drives"]).stdout;
    assert!(
        said.contains("last backup of this computer: just now") && said.contains("read-only"),
        "{said}"
    );
}

#[test]
fn a_backup_without_a_folder_asks_on_a_terminal_which_drive_takes_it() {
    let place = loaded();
    let Some(sticks) = Stick::plugged(&place) else {
        return;
    };
    let backup = ["--home", "a", "backup", "--unencrypted"];
    // Other volumes may be plugged into the machine that runs this: the number is looked up.
    let (shown, exit) = sticks.on_terminal(&backup, "\n");
    assert_eq!(exit, 2, "{shown}");
    assert!(
        shown.contains("which one takes the backup?") && shown.contains("BackupPath is not set"),
        "{shown}"
    );
    let line = shown
        .lines()
        .find(|line| line.contains(": BLUE  /media/BLUE"))
        .expect("it");
    let number = line.split(':').next().expect("a number");
    let (shown, exit) = sticks.on_terminal(&backup, &format!("{number}\n"));
    assert_eq!(exit, 0, "{shown}");
    assert!(
        shown.contains("backed up 1 license to /media/BLUE/licenses-"),
        "{shown}"
    );
    assert_eq!(fs::read_dir(place.path("blue")).expect("the stick").count(), 1);
    let (shown, exit) = sticks.on_terminal(&backup, "red\n");
    assert_eq!(exit, 0, "{shown}");
    assert_eq!(fs::read_dir(place.path("red")).expect("a folder").count(), 1);
    // Nobody is asked who can't answer.
    sticks
        .run(&backup)
        .failed(2, &["BackupPath is not set", "keyferry drives"]);
}
