//! `trust` and `import`: whose licenses are taken, and whose are not.

use crate::place::{Place, text};

#[test]
fn without_a_terminal_trust_needs_the_thumbprint() {
    let place = Place::with_issuer();
    let thumbprint = place.thumbprint();
    for args in [
        &["trust", "add", "pub/issuer.card"][..],
        &["--yes", "trust", "add", "pub/issuer.card"],
    ] {
        let ran = place.run(&[&["--home", "a"], args].concat());
        let command = format!("keyferry --home a trust add pub/issuer.card --thumbprint {thumbprint}");
        ran.failed(8, &["Harbor Books", &command]);
        assert!(
            ran.stdout.contains("Harbor Books\n  thumbprint  "),
            "{}",
            ran.stdout
        );
    }
    let other = "0".repeat(64);
    let ran = place.run(&[
        "--home",
        "a",
        "trust",
        "add",
        "pub/issuer.card",
        "--thumbprint",
        &other,
    ]);
    ran.failed(8, &["not the one in the file"]);
    assert_eq!(
        place.json(&["--home", "a", "trust", "list"]).of("issuer").len(),
        0
    );
    place.done(&[
        "--home",
        "a",
        "trust",
        "add",
        "pub/issuer.card",
        "--thumbprint",
        &thumbprint,
    ]);
    place.done(&[
        "--home",
        "a",
        "trust",
        "add",
        "pub/issuer.card",
        "--thumbprint",
        &thumbprint,
    ]);
    let listed = place.json(&["--home", "a", "trust", "list"]);
    assert_eq!(text(listed.of("issuer")[0], "thumbprint"), thumbprint);
    place
        .run(&["--home", "a", "trust", "remove", &thumbprint])
        .failed(2, &["--yes is missing"]);
    place.done(&["--home", "a", "--yes", "trust", "remove", &thumbprint]);
    place
        .run(&["--home", "a", "--yes", "trust", "remove", &thumbprint])
        .failed(1, &["no issuer with thumbprint"]);
}

#[test]
fn only_issuers_are_trusted() {
    let place = Place::with_issuer();
    place
        .run(&["--home", "a", "trust", "add", "svc/service.card"])
        .failed(1, &["the card of a service"]);
    place
        .run(&["--home", "a", "trust", "add", "a.card"])
        .failed(1, &["the card of a computer"]);
    std::fs::write(place.path("text"), "hello").unwrap();
    place
        .run(&["--home", "a", "trust", "add", "text"])
        .failed(1, &["neither a document of Keyferry nor a license document"]);
    place
        .run(&["--home", "a", "trust", "add", "missing"])
        .failed(1, &["no such file"]);
    place
        .run(&["--home", "a", "trust", "add", "pub/issuer.key"])
        .failed(1, &["secret keys"]);
}

#[test]
fn a_license_shows_its_issuer_and_service() {
    let place = Place::with_trust();
    place.give(&[]);
    let ran = place.run(&["--home", "b", "trust", "add", "given.license"]);
    ran.failed(8, &["Harbor Books"]);
    assert!(
        ran.stdout.contains("service     http://127.0.0.1:"),
        "{}",
        ran.stdout
    );
}

#[test]
fn an_issuer_that_is_not_accepted_gets_nothing_in() {
    let place = Place::with_trust();
    let thumbprint = place.thumbprint();
    place.give(&[]);
    place.done(&["--home", "a", "--yes", "trust", "remove", &thumbprint]);
    let ran = place.run(&["--home", "a", "import", "given.license"]);
    let command = format!("keyferry --home a import given.license --trust {thumbprint}");
    ran.failed(8, &["Harbor Books", "http://127.0.0.1:", &command]);
    let lines = place.json(&["--home", "a", "import", "given.license"]);
    assert_eq!(text(lines.of("trust-needed")[0], "thumbprint"), thumbprint);
    assert_eq!(text(lines.of("license")[0], "outcome"), "issuer-not-accepted");
    place.done(&["--home", "a", "import", "given.license", "--trust", &thumbprint]);
}

#[test]
fn licenses_of_another_computer_are_refused() {
    let place = Place::with_trust();
    place.give(&[]);
    let thumbprint = place.thumbprint();
    let lines = place.json(&["--home", "b", "import", "given.license", "--trust", &thumbprint]);
    assert_eq!((lines.exit, text(lines.summary(), "hr")), (1, "C00D2719"));
    assert_eq!(text(lines.of("license")[0], "outcome"), "other-computer");
}

#[test]
fn a_folder_is_walked_and_the_rest_is_named() {
    let place = Place::with_trust();
    place.give(&[]);
    std::fs::create_dir_all(place.path("in/deep")).unwrap();
    std::fs::copy(place.path("given.license"), place.path("in/deep/x.txt")).unwrap();
    std::fs::write(place.path("in/cat.jpg"), [0xff, 0xd8]).unwrap();
    let lines = place.json(&["--home", "a", "import", "in", "missing"]);
    assert_eq!((lines.exit, text(lines.summary(), "hr")), (3, "C00D275F"));
    assert_eq!(lines.summary()["already_here"], 1);
    let skipped: Vec<&str> = lines
        .of("skipped")
        .into_iter()
        .map(|line| text(line, "path"))
        .collect();
    assert_eq!(skipped, ["in/cat.jpg", "missing"]);
    place
        .run(&["--home", "a", "import", "in/cat.jpg"])
        .failed(1, &["there was no license to import"]);
}

#[test]
fn a_cut_file_is_named_with_its_line() {
    let place = Place::with_trust();
    place.give(&[]);
    let whole = std::fs::read_to_string(place.path("given.license")).unwrap();
    std::fs::write(place.path("cut.license"), &whole[..whole.len() / 2]).unwrap();
    let lines = place.json(&["--home", "a", "import", "cut.license"]);
    assert_eq!(lines.exit, 1);
    assert!(
        text(lines.of("skipped")[0], "why").contains("the file was cut"),
        "{:?}",
        lines.all
    );
}
