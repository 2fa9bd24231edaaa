//! `kill -9` instead of a system call. Afterwards the old or the new backup verifies and the store opens, and the next run
//! finishes the work with no help and leaves nothing over.

use std::path::PathBuf;

use crate::scene::{Scene, Work};
use crate::traced::{CHANGING, Deed, calls, is_possible, strike};

/// With this variable every call there is, whatever it does.
pub const ALL: &str = "KEYFERRY_SYSCALLS_ALL";
/// Otherwise one in so many of those that change files.
const STRIDE: usize = 7;

#[test]
fn a_first_backup() {
    everywhere(Work::First, 12);
}

#[test]
fn a_backup_in_place_of_another() {
    everywhere(Work::Backup, 12);
}

#[test]
fn a_backup_beside_earlier_ones() {
    everywhere(Work::Keep, 12);
}

#[test]
fn a_repair() {
    everywhere(Work::Repair, 8);
}

#[test]
fn an_import() {
    everywhere(Work::Import, 8);
}

#[test]
fn a_restore() {
    everywhere(Work::Restore, 8);
}

fn everywhere(work: Work, least: usize) {
    if !is_possible("kill -9 at system calls") {
        return;
    }
    let scene = Scene::new(work);
    let (mut made, mut killed) = (0, 0);
    // What must be in computer.key before or after the store has it is a matter of few calls.
    let rows: &[(&[&str], Vec<PathBuf>, usize)] = match std::env::var_os(ALL) {
        Some(_) => &[(&[], Vec::new(), 1)],
        None => &[
            (&CHANGING, [scene.on_stick(), scene.at_home()].concat(), STRIDE),
            (&CHANGING, scene.computer_key(), 1),
        ],
    };
    for (names, files, stride) in rows {
        let (calls, kills) = row(&scene, names, files, *stride);
        made += calls;
        killed += kills;
    }
    println!("{work:?}: {made} calls, killed at {killed} of them, none failed");
    assert!(killed >= least, "{killed} kills at {made} calls");
}

/// Kills at one in `stride` of these calls on these files; gives how many calls there were, and kills.
fn row(scene: &Scene, names: &[&str], files: &[PathBuf], stride: usize) -> (usize, usize) {
    let args = scene.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    scene.begin();
    let calls = calls(&scene.place, names, files, &args);
    let mut killed = 0;
    for call in calls.iter().step_by(stride) {
        let when = format!("{args:?}, killed at {call:?}");
        scene.begin();
        let ended = strike(&scene.place, call, Deed::Kill, files, &args);
        assert!(!ended.stderr.contains("panicked"), "{when}: {}", ended.stderr);
        // Threads share the work, not always in the same way: such a call may not come.
        let came = !ended.struck.is_empty();
        killed += usize::from(came);
        assert_eq!(ended.exit, if came { None } else { Some(0) }, "{when}: {ended:?}");
        scene.is_usable(&when);
        scene.ends_well(&when);
    }
    (calls.len(), killed)
}
