//! The power goes while a command writes to the store: what was not synced is there in part, in another order, torn at
//! sectors, or not at all. The store opens, holds what was committed, and the next run finishes the work; what was spent
//! stays spent.

use std::fs;
use std::path::PathBuf;

use crate::kills::ALL;
use crate::recorded::{Dice, Left, Recorded};
use crate::scene::{Scene, Work};
use crate::traced::is_possible;

/// So many cuts in an ordinary run, and in a long one.
const CUTS: [usize; 2] = [24, 1500];

#[test]
fn during_an_import() {
    arrivals(Work::Import);
}

#[test]
fn during_a_restore() {
    arrivals(Work::Restore);
}

pub fn cuts() -> usize {
    CUTS[usize::from(std::env::var_os(ALL).is_some())]
}

fn record(scene: &Scene, input: Option<PathBuf>) -> Recorded {
    let args = scene.args();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    scene.begin();
    let home = scene.place.path("a");
    Recorded::of(&scene.place, &home, input.as_deref(), &args)
}

fn put(scene: &Scene, left: &Left) {
    scene.begin();
    let home = scene.place.path("a");
    fs::remove_dir_all(&home).expect("removed");
    fs::create_dir(&home).expect("a folder");
    for (name, bytes) in left {
        fs::write(home.join(name), bytes).expect("written");
    }
}

fn arrivals(work: Work) {
    if !is_possible("power cuts") {
        return;
    }
    let scene = Scene::new(work);
    let recorded = record(&scene, None);
    let done = scene.held("when it is done");
    let mut floors = Vec::new();
    for cut in 0..cuts() {
        let mut dice = Dice(cut as u64);
        // The first is after the last step: whoever was told that it is done keeps all of it.
        let moment = match cut {
            0 => recorded.len(),
            _ => dice.below(recorded.len() + 1),
        };
        let when = format!("{work:?}, cut {cut}, before step {moment} of {}", recorded.len());
        put(&scene, &recorded.cut(moment, None));
        let floor = scene.held(&when);
        put(&scene, &recorded.cut(moment, Some(&mut dice)));
        let held = scene.held(&when);
        assert!(held >= floor, "{when}: {held} licenses, and {floor} were synced");
        assert!(cut > 0 || floor == done, "{when}: {floor} of {done} last");
        scene.ends_well(&when);
        floors.push(floor);
    }
    let some = floors.iter().filter(|floor| **floor > 0).count();
    println!(
        "{work:?}: {} cuts in {} steps, after {some} of them licenses were there",
        floors.len(),
        recorded.len()
    );
    assert!(some > 0 && some < floors.len(), "{some} of {}", floors.len());
}

/// A key that was handed out before the power went is never handed out again.
#[test]
fn during_uses() {
    if !is_possible("power cuts") {
        return;
    }
    let scene = Scene::new(Work::Use);
    let input = scene.place.path("ids");
    fs::write(&input, scene.counted.join("\n")).expect("written");
    let recorded = record(&scene, Some(input));
    let uses = scene.counted.len();
    assert_eq!(recorded.said.lines().count(), uses);
    let mut told = 0;
    for cut in 0..cuts() {
        let mut dice = Dice(cut as u64);
        let moment = match cut {
            0 => recorded.len(),
            _ => dice.below(recorded.len() + 1),
        };
        let when = format!("cut {cut}, before step {moment} of {}", recorded.len());
        put(&scene, &recorded.cut(moment, Some(&mut dice)));
        let before = recorded.said_before(moment).lines().count();
        told += usize::from(before > 0);
        let opened = scene.uses(&when);
        let again = opened[..before].iter().filter(|key| !key.is_empty()).count();
        assert_eq!(
            again, 0,
            "{when}: {before} were handed out before, {opened:?} now"
        );
        assert!(
            scene.uses(&when).iter().all(String::is_empty),
            "{when}: opened twice"
        );
        let listed = scene.held(&when);
        assert_eq!(listed, scene.all(), "{when}");
    }
    println!(
        "{uses} uses: {} cuts in {} steps, {told} of them after keys were handed out",
        cuts(),
        recorded.len()
    );
    assert!(told > 0, "no key was handed out before any cut");
}
