//! License documents of other systems: look-alikes in `testdata/documents/`, each in a folder that says what it is,
//! and what holds for any bytes and any name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keyferry_license::document::{
    DOCUMENT_LIMIT, DOCUMENT_NAME_LIMIT, DocumentId, DocumentKind, NotTaken, check_name, plain_name,
    recognize, recognize_forced,
};
use proptest::prelude::*;

/// How many look-alikes there are in each folder: one that is lost is missed.
const LOOK_ALIKES: [(&str, usize); 10] = [
    ("broken", 9),
    ("empty", 1),
    ("encrypted", 1),
    ("keyferry", 4),
    ("keygen-license", 2),
    ("keygen-machine", 1),
    ("lcp", 3),
    ("pem", 2),
    ("status-document", 2),
    ("unknown", 4),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/documents")
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// The name of what it is, as JSON has it.
fn told(name: &str, bytes: &[u8]) -> &'static str {
    match recognize(name, bytes) {
        Ok(kind) => kind.name(),
        Err(not_taken) => not_taken.name(),
    }
}

/// Look-alikes of one folder.
fn look_alikes(kind: &str) -> Vec<(String, Vec<u8>)> {
    let read = |path: PathBuf| (name_of(&path).to_owned(), std::fs::read(&path).unwrap());
    listed(&folder().join(kind)).into_iter().map(read).collect()
}

#[test]
fn each_is_what_its_folder_says() {
    let mut counted = BTreeMap::new();
    for kind in listed(&folder()) {
        let kind = name_of(&kind).to_owned();
        for (name, bytes) in look_alikes(&kind) {
            assert_eq!(told(&name, &bytes), kind, "{kind}/{name}");
            *counted.entry(kind.clone()).or_insert(0) += 1;
        }
    }
    let expected = LOOK_ALIKES.map(|(kind, count)| (kind.to_owned(), count));
    assert_eq!(counted, BTreeMap::from(expected));
}

#[test]
fn what_they_hold_decides_and_not_their_names() {
    for kind in [
        "lcp",
        "keygen-license",
        "keygen-machine",
        "status-document",
        "pem",
    ] {
        for (_, bytes) in look_alikes(kind) {
            for name in ["x.lcpl", "x.lic", "x.json", "x.pem", "x", "", ".", "\u{202e}"] {
                assert_eq!(told(name, &bytes), kind, "{name:?}");
            }
        }
    }
    for name in ["x.lcpl", "x.LCPL", ".lcpl"] {
        assert_eq!(told(name, b"{}"), "broken");
    }
    for name in ["x.lic", "lcpl", "x.lcpl.txt"] {
        assert_eq!(told(name, b"{}"), "unknown");
    }
}

#[test]
fn line_ends_and_blanks_around_do_not_matter() {
    for kind in ["keygen-license", "keygen-machine"] {
        for (_, bytes) in look_alikes(kind) {
            let text = String::from_utf8(bytes).unwrap();
            for other in [
                text.replace('\n', "\r\n"),
                text.trim_end().to_owned(),
                format!("\u{feff}\r\n {text}\n\n"),
            ] {
                assert_eq!(told("x.lic", other.as_bytes()), kind);
            }
        }
    }
}

#[test]
fn each_one_is_named_for_people() {
    let told = |bytes: &[u8]| recognize("x.lcpl", bytes).unwrap_err().to_string();
    assert_eq!(told(b""), "the file is empty");
    assert_eq!(
        told(&look_alikes("status-document")[0].1),
        "license status document, not a license"
    );
    assert_eq!(
        told(&look_alikes("pem")[0].1),
        "PEM file (CERTIFICATE), not a license"
    );
    assert_eq!(
        told(b"{\"id\": 1}"),
        "Readium LCP license that can't be read: id, provider or encryption is missing"
    );
    let unknown = recognize("x", b"anything else").unwrap_err();
    assert_eq!(unknown.to_string(), "no license document that is known");
    let large = recognize("x", &vec![b' '; DOCUMENT_LIMIT + 1]).unwrap_err();
    assert_eq!(
        large.to_string(),
        "4194305 bytes long, a license document has at most 4194304"
    );
    let broken = b"-----BEGIN LICENSE FILE-----\nAB*\n-----END LICENSE FILE-----";
    assert_eq!(
        told(broken),
        "Keygen license file that can't be read: byte 31 of the block is not base64"
    );
    for label in ["KEYFERRY REQUEST", "KEYFERRY SERVICE KEY", "KEYFERRY OF LATER"] {
        let own = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let own = recognize_forced("x.lic", own.as_bytes()).unwrap_err();
        assert_eq!(
            own.to_string(),
            "a file of Keyferry, not a license document of another system"
        );
    }
    for (application, name) in [(b"KFst", "keyferry"), (b"\0\0\0\0", "unknown")] {
        let database = [b"SQLite format 3\0".as_slice(), &[0; 52], application, &[0; 28]].concat();
        assert_eq!(self::told("x", &database), name);
    }
    let prose = b"Cards are of the type application/vnd.keyferry.card+cose.\n";
    assert_eq!(recognize("x", prose), Err(NotTaken::Unknown));
    // A label is somebody else's text.
    let label = recognize("x", "-----BEGIN A\u{202e}\x1bB-----\n".as_bytes());
    assert_eq!(label, Err(NotTaken::Pem { label: "AB".into() }));
}

#[test]
fn a_person_may_have_the_rest_taken() {
    for (kind, _) in LOOK_ALIKES {
        for (name, bytes) in look_alikes(kind) {
            let expected = match kind {
                "empty" | "keyferry" => None,
                kind => Some(DocumentKind::of_name(kind).unwrap_or(DocumentKind::Document)),
            };
            assert_eq!(recognize_forced(&name, &bytes).ok(), expected, "{kind}/{name}");
        }
    }
    let large = vec![b' '; DOCUMENT_LIMIT + 1];
    assert!(recognize_forced("x", &large).is_err());
    assert_eq!(recognize_forced("x", &large[1..]), Ok(DocumentKind::Document));
}

#[test]
fn shapes_count_and_values_do_not() {
    let lcp = |id: &str, provider: &str, encryption: &str| {
        let json = format!(r#"{{"encryption": {encryption}, "provider": {provider}, "id": {id}}}"#);
        recognize("x", json.as_bytes())
    };
    assert_eq!(lcp("\"\"", "\"\"", "{}"), Ok(DocumentKind::Lcp));
    for (id, provider, encryption) in [
        ("1", "\"\"", "{}"),
        ("null", "\"\"", "{}"),
        ("\"\"", "[]", "{}"),
        ("\"\"", "true", "{}"),
        ("\"\"", "\"\"", "[]"),
        ("\"\"", "\"\"", "null"),
    ] {
        assert_eq!(lcp(id, provider, encryption), Err(NotTaken::Unknown));
    }
    let status = r#"{"id": "", "status": "", "links": [], "encryption": null}"#;
    assert_eq!(told("x", status.as_bytes()), "status-document");
    let twice = r#"{"id": null, "id": "", "provider": "", "encryption": {}}"#;
    assert_eq!(told("x", twice.as_bytes()), "unknown");
    // With an encryption it is no status document, and without links neither.
    for json in [
        r#"{"id": "", "status": "", "links": [], "encryption": {}}"#,
        r#"{"id": "", "status": ""}"#,
    ] {
        assert_eq!(told("x", json.as_bytes()), "unknown");
    }
}

#[test]
fn deep_or_endless_json_costs_nothing() {
    let within = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"id": "", "provider": "", "encryption": {{}}, "more": {open}{close}}}"#)
    };
    assert_eq!(told("x", within(100).as_bytes()), "lcp");
    for levels in [200, 1_000_000] {
        assert_eq!(told("x", within(levels).as_bytes()), "unknown");
    }
    let open = "[".repeat(DOCUMENT_LIMIT - 10);
    assert_eq!(told("x", format!("{{\"id\": {open}").as_bytes()), "unknown");
    let wide = format!(
        r#"{{"id": "", "provider": "", "encryption": {{}}, "more": [{}0]}}"#,
        "0,".repeat(1_900_000)
    );
    assert_eq!(told("x", wide.as_bytes()), "lcp");
}

#[test]
fn an_id_is_the_digest_of_the_bytes() {
    let id = DocumentId::of(b"abc");
    let shown = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(id.to_string(), shown);
    assert_eq!(shown.parse(), Ok(id));
    assert_eq!(shown.to_uppercase().parse(), Ok(id));
    for wrong in ["", &shown[1..], "x", &format!("{shown}00")] {
        assert!(wrong.parse::<DocumentId>().is_err());
    }
}

#[test]
fn a_kind_is_found_by_its_name() {
    for kind in DocumentKind::ALL {
        assert_eq!(DocumentKind::of_name(kind.name()), Some(kind));
        assert!(!kind.title().is_empty());
    }
    assert_eq!(DocumentKind::of_name("LCP"), None);
}

#[test]
fn a_plain_name_stays_and_any_other_becomes_one() {
    let long = format!("{}.lcpl", "ä".repeat(200));
    let cut = format!("{}.lcpl", "ä".repeat(125));
    let cases: [(&[u8], &str); 12] = [
        (b"book.lcpl", "book.lcpl"),
        (b"a b%41:\x1b[1m.lic", "a b%41:\x1b[1m.lic"),
        ("Schlüssel.lic".as_bytes(), "Schlüssel.lic"),
        (b"caf\xe9.lcpl", "caf%E9.lcpl"),
        (b"\xff\xfe", "%FF%FE"),
        (b"../up", "..%2Fup"),
        (b"..\\up\0", "..%5Cup%00"),
        (b".", "%2E"),
        (b"..", "%2E%2E"),
        (b"...", "..."),
        (b"", "document"),
        (long.as_bytes(), &cut),
    ];
    for (raw, name) in cases {
        assert_eq!(plain_name(raw), name);
        assert_eq!(check_name(name), Ok(()));
        let is_plain = std::str::from_utf8(raw).is_ok_and(|raw| check_name(raw).is_ok());
        assert_eq!(is_plain, raw == name.as_bytes(), "{name}");
    }
    assert!(check_name(&"a".repeat(DOCUMENT_NAME_LIMIT)).is_ok());
    assert!(check_name(&"a".repeat(DOCUMENT_NAME_LIMIT + 1)).is_err());
}

proptest! {
    #[test]
    fn any_name_becomes_a_plain_one(raw: Vec<u8>, times in 1..100usize) {
        let name = plain_name(&raw.repeat(times));
        prop_assert_eq!(check_name(&name), Ok(()));
        prop_assert_eq!(plain_name(name.as_bytes()), name);
    }

    #[test]
    fn no_bytes_are_too_strange(name: String, bytes: Vec<u8>, begin in 0..6usize) {
        let begins: [&[u8]; 6] = [
            b"", b"{", b"{\"id\":", b"-----BEGIN LICENSE FILE-----\n", b"-----BEGIN ", b"\xef\xbb\xbf",
        ];
        let bytes = [begins[begin], &bytes].concat();
        if let Err(not_taken) = recognize(&name, &bytes) {
            prop_assert!(!not_taken.to_string().is_empty());
        }
    }

    #[test]
    fn a_keygen_file_with_a_byte_altered_is_never_another_document(at: prop::sample::Index, to: u8) {
        let (name, mut bytes) = look_alikes("keygen-license").remove(0);
        let at = at.index(bytes.len());
        bytes[at] = to;
        prop_assert!(!matches!(recognize(&name, &bytes), Ok(kind) if kind != DocumentKind::KeygenLicense));
    }
}
