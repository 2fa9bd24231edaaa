//! `list`, `show`, `computer`: what things say of themselves.

use crate::place::{Place, text};

#[test]
fn licenses_are_listed_safely() {
    let place = Place::with_trust();
    let id = place.give(&["--title", "Charts\u{202e}\u{1b}[31m for boats", "--kind", "book"]);
    let listed = place.done(&["--home", "a", "list"]).stdout;
    assert!(
        listed.contains(&id) && listed.contains("Charts[31m for boats"),
        "{listed:?}"
    );
    let lines = place.json(&["--home", "a", "list"]);
    let line = lines.of("license")[0];
    assert_eq!((text(line, "kind"), text(line, "key_id")), ("book", id.as_str()));
    assert_eq!(lines.summary()["licenses"], 1);
    let license = text(line, "license");
    for what in [license, &id] {
        let shown = place.json(&["--home", "a", "show", what]);
        assert_eq!(text(shown.of("license")[0], "license"), license);
        assert_eq!(shown.of("license")[0]["may_be_backed_up"], false);
    }
    let ran = place.run(&["--home", "b", "show", license]);
    ran.failed(1, &["there is no license"]);
}

#[test]
fn cards_say_everything() {
    let place = Place::with_issuer();
    for (file, kind, name) in [
        ("a.card", "computer", "Old laptop"),
        ("pub/issuer.card", "issuer", "Harbor Books"),
        ("svc/service.card", "service", "Harbor Licenses"),
    ] {
        let lines = place.json(&["show", file]);
        let card = lines.of("card")[0];
        assert_eq!((text(card, "kind"), text(card, "name")), (kind, name));
        assert_eq!(text(card, "thumbprint").len(), 64);
        assert!(place.done(&["show", file]).stdout.contains("to sign"), "{file}");
    }
    place
        .run(&["show", "pub/issuer.key"])
        .failed(1, &["secret keys, of which nothing is shown"]);
    place
        .run(&["show", "svc/service.key"])
        .failed(1, &["secret keys, of which nothing is shown"]);
    place.run(&["show", "svc"]).failed(1, &["is a directory"]);
}

#[test]
fn a_computer_is_named_and_shows_its_card() {
    let place = Place::new();
    assert!(
        place
            .done(&["--home", "a", "computer", "name"])
            .stdout
            .starts_with("Computer ")
    );
    place.done(&["--home", "a", "computer", "name", "Desk\u{202e}top"]);
    assert_eq!(
        place.done(&["--home", "a", "computer", "name"]).stdout,
        "Desktop\n"
    );
    place
        .run(&["--home", "a", "computer", "name", " "])
        .failed(2, &["can't be empty"]);
    let card = place.done(&["--home", "a", "computer", "card"]).stdout;
    assert!(card.starts_with("-----BEGIN KEYFERRY CARD-----\n"), "{card}");
    place.done(&["--home", "a", "computer", "card", "-o", "a.card"]);
    assert_eq!(std::fs::read_to_string(place.path("a.card")).unwrap(), card);
    place
        .run(&["--home", "a", "computer", "card", "-o", "a.card"])
        .failed(1, &["a.card is there already"]);
    let lines = place.json(&["--home", "a", "computer", "card"]);
    assert_eq!(text(lines.of("document")[0], "text"), card);
}

#[test]
fn a_license_file_that_was_altered_is_not_shown_as_true() {
    let place = Place::with_trust();
    place.give(&[]);
    let whole = std::fs::read_to_string(place.path("given.license")).unwrap();
    let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
    let last = lines.len() - 4;
    let flipped = if lines[last].starts_with('A') { "B" } else { "A" };
    lines[last].replace_range(0..1, flipped);
    std::fs::write(place.path("altered.license"), lines.join("\n") + "\n").unwrap();
    assert_ne!(place.run(&["show", "altered.license"]).exit, 0);
}
