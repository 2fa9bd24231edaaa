//! `computer release` and `receipts`: slots given back, now or at the next contact, and what services signed about it.

use serde_json::Value;

use crate::place::{Lines, Place, Served, text};

const RELEASE: [&str; 5] = ["--home", "a", "--yes", "computer", "release"];

/// A computer with two licenses whose service listens.
fn loaded() -> (Place, Served, Vec<String>) {
    let place = Place::with_trust();
    let service = place.serve();
    let key_ids = ["Charts", "Maps"]
        .map(|title| place.give(&["--title", title, "--right", "Play", "--right", "Backup"]));
    (place, service, key_ids.to_vec())
}

fn release(place: &Place, more: &[&str]) -> Lines {
    place.json(&[&RELEASE, more].concat())
}

fn summary<'l>(lines: &'l Lines, fields: &[&str]) -> Vec<&'l Value> {
    fields.iter().map(|field| &lines.summary()[*field]).collect()
}

#[test]
fn licenses_are_given_back_after_a_question_and_consent() {
    let (place, _service, key_ids) = loaded();
    let plan = release(&place, &["-n", "--all", "--individualize"]);
    assert_eq!(
        summary(&plan, &["exit", "given_back", "left"]),
        [0, 2, 0],
        "{:?}",
        plan.all
    );
    place
        .run(&["--home", "a", "computer", "release", "--all", "--individualize"])
        .failed(2, &["--yes is missing"]);
    place
        .run(&[&RELEASE, &["--all"][..]].concat())
        .failed(8, &["Harbor Licenses", "computer release --all --individualize"]);
    assert_eq!(place.json(&["--home", "a", "list"]).summary()["licenses"], 2);
    let one = release(&place, &[&key_ids[0], "--individualize"]);
    assert_eq!(
        summary(&one, &["exit", "given_back", "left"]),
        [0, 1, 1],
        "{:?}",
        one.all
    );
    assert_eq!(text(one.of("license")[0], "outcome"), "given-back");
    assert_eq!(text(one.of("license")[0], "title"), "Charts");
    assert_eq!(place.json(&["--home", "a", "list"]).summary()["licenses"], 1);
    let rest = place.done(&[&RELEASE, &["--all"][..]].concat());
    assert!(rest.stdout.contains("1 license given back"), "{}", rest.stdout);
    place
        .run(&["--home", "a", "use", &key_ids[0]])
        .failed(7, &["no license here"]);
}

#[test]
fn what_makes_no_sense_is_said() {
    let (place, _service, _) = loaded();
    place.run(&RELEASE).failed(2, &["no license is named", "--all"]);
    place
        .run(&[&RELEASE, &["nonsense"][..]].concat())
        .failed(2, &["neither a license ID nor a key ID"]);
    place
        .run(&[&RELEASE, &["AAAAAAAAAAAAAAAAAAAAAA==", "--individualize"][..]].concat())
        .failed(1, &["there is no license for key ID"]);
    assert_eq!(place.json(&["--home", "a", "list"]).summary()["licenses"], 2);
}

#[test]
fn a_service_that_is_down_hears_of_it_later() {
    let (place, service, _) = loaded();
    let address = text(&service.listening, "url")
        .trim_start_matches("http://")
        .to_owned();
    drop(service);
    let lines = release(&place, &["--all", "--individualize"]);
    assert_eq!(
        (lines.exit, text(lines.summary(), "hr")),
        (6, "C00D2846"),
        "{:?}",
        lines.all
    );
    assert_eq!(summary(&lines, &["left", "given_back", "slot_waits"]), [2, 0, 2]);
    assert_eq!(place.json(&["--home", "a", "list"]).summary()["licenses"], 0);
    place
        .run(&RELEASE)
        .failed(6, &["the slots are given back at the next contact"]);
    let _service = place.serve_at(&address);
    let told = place.done(&RELEASE);
    assert!(told.stdout.contains("2 licenses given back"), "{}", told.stdout);
    let lines = place.json(&["--home", "a", "receipts"]);
    let receipts = lines.of("receipt");
    assert_eq!((receipts.len(), text(receipts[0], "kind")), (1, "release"));
    assert_eq!(receipts[0]["counts"], serde_json::json!({ "given-back": 2 }));
    let verified = place.json(&["--home", "a", "receipts", "verify"]);
    assert_eq!(
        summary(&verified, &["exit", "receipts", "rows", "bad"]),
        [0, 1, 2, 0]
    );
    let verified = place.done(&["--home", "a", "receipts", "verify"]);
    assert!(
        verified.stdout.starts_with("1 receipt verified; 2 rows"),
        "{}",
        verified.stdout
    );
}

#[test]
fn without_receipts_there_is_nothing_to_prove() {
    let place = Place::with_trust();
    assert_eq!(place.json(&["--home", "a", "receipts"]).summary()["receipts"], 0);
    assert_eq!(
        place.json(&["--home", "a", "receipts", "verify"]).summary()["bad"],
        0
    );
}
