//! A write, a sync, a rename, a link, a removal or an opening that fails: the backup of before is whole, nothing is left over,
//! and what is said has the right exit code; or the work is done all the same. The next run needs no help.

use std::path::PathBuf;

use crate::kills::ALL;
use crate::scene::{Scene, Work};
use crate::traced::{CHANGING, Call, Deed, Ended, calls, is_possible, strike};

/// An error, whether it stays, and what is said of the stick then: the second where the stick is only read.
type Fault = (&'static str, bool, [&'static str; 2]);
const FAULTS: [Fault; 4] = [
    ("EIO", false, ["Input/output error"; 2]),
    ("ENOSPC", true, ["is full", "No space left"]),
    ("EROFS", false, ["is read-only", "Read-only"]),
    ("EDQUOT", false, ["is full", "quota"]),
];
/// In ordinary runs one call in so many.
const STRIDE: usize = 3;

#[test]
fn of_a_first_backup() {
    everywhere(Work::First);
}

#[test]
fn of_a_backup_in_place_of_another() {
    everywhere(Work::Backup);
}

#[test]
fn of_a_backup_beside_earlier_ones() {
    everywhere(Work::Keep);
}

#[test]
fn of_a_repair() {
    everywhere(Work::Repair);
}

#[test]
fn of_an_import() {
    everywhere(Work::Import);
}

#[test]
fn of_a_restore() {
    everywhere(Work::Restore);
}

/// The old backup has a second name then, which goes all the same.
#[test]
fn of_every_rename_on_the_stick() {
    if !is_possible("renames that fail") {
        return;
    }
    let scene = Scene::new(Work::Backup);
    let args = scene.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let rename = Call {
        name: "rename".into(),
        number: 1,
    };
    for fault in FAULTS {
        let stays = (fault.0, true, fault.2);
        assert!(one(&scene, (&scene.on_stick(), true), &rename, stays, &args));
    }
}

fn everywhere(work: Work) {
    if !is_possible("calls that fail") {
        return;
    }
    let stride = if std::env::var_os(ALL).is_some() {
        1
    } else {
        STRIDE
    };
    let scene = Scene::new(work);
    let args = scene.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut counts = (0, 0, 0);
    for (files, on_stick) in [(scene.on_stick(), true), (scene.at_home(), false)] {
        scene.begin();
        let calls = calls(&scene.place, &CHANGING, &files, &args);
        for (turn, call) in calls.iter().enumerate().step_by(stride) {
            // In an ordinary run each call meets another one.
            let faults = match stride {
                1 => FAULTS.as_slice(),
                _ => &FAULTS[turn % FAULTS.len()..][..1],
            };
            for fault in faults {
                let failed = one(&scene, (&files, on_stick), call, *fault, &args);
                counts.0 += 1;
                counts.1 += usize::from(failed);
            }
        }
        counts.2 += calls.len();
    }
    let (tried, failed, made) = counts;
    println!("{work:?}: {made} calls, {tried} made to fail, {failed} of them ended the work");
    assert!(failed > 0 && tried >= made / stride, "{counts:?}");
}

/// Says whether the work failed.
fn one(
    scene: &Scene,
    (files, on_stick): (&[PathBuf], bool),
    call: &Call,
    (error, stays, said): Fault,
    args: &[&str],
) -> bool {
    scene.begin();
    let ended = strike(&scene.place, call, Deed::Fail(error, stays), files, args);
    let when = format!("{error} at {call:?}: {ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{when}");
    assert!(!ended.struck.is_empty() || ended.exit == Some(0), "{when}");
    let failed = ended.exit != Some(0);
    if failed {
        assert!(ended.stderr.contains("error: "), "{when}");
        if !call.name.starts_with("unlink") {
            scene.is_as_before(&when);
        }
        if on_stick {
            is_told(&ended, said, &when);
        }
    }
    scene.is_usable(&when);
    scene.ends_well(&when);
    failed
}

/// That it is the stick, and what is wrong with it.
fn is_told(ended: &Ended, said: [&str; 2], when: &str) {
    assert_eq!(ended.exit, Some(10), "{when}");
    assert!(ended.stderr.contains("/stick"), "{when}");
    assert!(said.iter().any(|said| ended.stderr.contains(said)), "{when}");
}
