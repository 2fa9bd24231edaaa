//! Restoring on a computer without a network: requests and answers travel as files.

use crate::place::{Place, text};

/// A backup of two licenses on the stick, and a service that runs.
fn travels() -> (Place, crate::place::Served) {
    let place = Place::with_trust();
    let service = place.serve();
    for title in ["One", "Two"] {
        place.give(&["--title", title, "--right", "Play", "--right", "Backup"]);
    }
    std::fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    (place, service)
}

fn ask(place: &Place, home: &str, file: &str) -> crate::place::Lines {
    let thumbprint = place.thumbprint();
    let trust = ["--individualize", "--trust", &thumbprint];
    let args = [
        &["--home", home, "restore", "stick", "--request-out", file],
        trust.as_slice(),
    ]
    .concat();
    place.json(&args)
}

#[test]
fn one_trip_there_and_back_suffices() {
    let (place, _service) = travels();
    let asked = ask(&place, "b", "requests");
    assert_eq!(asked.exit, 0, "{:?}", asked.all);
    assert_eq!(
        asked.statuses(),
        ["BACKUPRESTORE_BEGIN", "BACKUPRESTORE_END"],
        "nothing is sent"
    );
    let summary = asked.summary();
    assert_eq!(
        (&summary["asks_service"], &summary["restored"]),
        (&2.into(), &0.into())
    );
    // The certificate leads, the licenses follow.
    assert_eq!(summary["requests_out"], 2);
    place.done(&["authorize", "requests", "-o", "answers"]);
    let taken = place.json(&["--home", "b", "restore", "--answer", "answers"]);
    assert_eq!(
        (taken.exit, &taken.summary()["restored"]),
        (0, &2.into()),
        "{:?}",
        taken.all
    );
    assert_eq!(place.json(&["--home", "b", "list"]).summary()["licenses"], 2);
}

#[test]
fn an_answer_is_used_once_and_on_its_computer_alone() {
    let (place, _service) = travels();
    ask(&place, "b", "requests");
    place.done(&["authorize", "requests", "-o", "answers"]);
    let elsewhere = place.json(&["--home", "c", "restore", "--answer", "answers"]);
    assert_eq!(
        (elsewhere.exit, text(elsewhere.summary(), "hr")),
        (1, "C00D2719"),
        "{:?}",
        elsewhere.all
    );
    place.done(&["--home", "b", "restore", "--answer", "answers"]);
    let again = place.json(&["--home", "b", "restore", "--answer", "answers"]);
    assert_eq!(
        (again.exit, text(again.summary(), "hr")),
        (1, "C00D272E"),
        "{:?}",
        again.all
    );
    assert_eq!(place.json(&["--home", "c", "list"]).summary()["licenses"], 0);
}

#[test]
fn the_same_requests_carried_twice_take_no_second_slot() {
    let (place, _service) = travels();
    ask(&place, "b", "requests");
    place.done(&["authorize", "requests", "-o", "first"]);
    place.done(&["authorize", "requests", "-o", "second"]);
    let taken = place.json(&["--home", "b", "restore", "--answer", "second"]);
    assert_eq!(taken.exit, 0, "{:?}", taken.all);
    let slots: Vec<_> = taken
        .of("license")
        .iter()
        .map(|line| line["slot"].clone())
        .collect();
    assert_eq!(slots, [2, 2], "the first trip took it");
}

#[test]
fn files_are_not_written_over_and_bad_ones_are_named() {
    let (place, service) = travels();
    std::fs::write(place.path("there"), "precious").expect("a file");
    assert_eq!(ask(&place, "b", "there").exit, 10);
    ask(&place, "b", "requests");
    place
        .run(&["authorize", "requests", "-o", "there"])
        .failed(10, &["there already"]);
    assert_eq!(
        std::fs::read_to_string(place.path("there")).expect("a file"),
        "precious"
    );
    place
        .run(&["authorize", "there", "-o", "answers"])
        .failed(10, &["no request"]);
    place
        .run(&["--home", "b", "restore", "--answer", "there"])
        .failed(10, &["no answer"]);
    place
        .run(&["--home", "b", "restore", "--answer", "requests"])
        .failed(1, &["KEYFERRY REQUEST"]);
    drop(service);
    place
        .run(&["authorize", "requests", "-o", "answers"])
        .failed(6, &["can't be reached"]);
    assert!(!place.path("answers").exists(), "all or nothing");
}
