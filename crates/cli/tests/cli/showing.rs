//! `show` over every kind of document and message, each made by the program itself or by its library, and over files that
//! are none.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use keyferry_license::document::DocumentKind;
use keyferry_license::{
    Card, IssuerKey, LicenseFile, RevocationList, Sign1, SigningSecret, Text, Thumbprint, Typ, armor,
    check_deterministic,
};
use keyferry_protocol::{
    ANSWER_LABEL, ANSWER_TYPE, Acknowledge, Answer, AnswerParcel, Challenge, ChallengeAnswer,
    ListAcknowledgement, ListNumber, ListProblemCode, Lists, POSTED_TYPE, Posted, ProblemCode, REQUEST_LABEL,
    REVOCATIONS_TYPE, Release, ReleaseItem, Request, RequestParcel, Revocations, kind,
};
use keyferry_store::{FileGuard, MachineIdentity, Store};

use crate::place::{Lines, Place, Served, text};

/// A trip by file and one by HTTP, with a license revoked and one given back: all that is signed was signed.
struct Trip {
    place: Place,
    served: Served,
}

impl Trip {
    fn made() -> Self {
        let place = Place::with_trust();
        let served = place.serve();
        let trip = Self { place, served };
        let place = &trip.place;
        let rights = ["--right", "Play", "--right", "Backup", "--subject", "Ada"];
        let (taken, given) = (place.give(&rights), place.give(&rights));
        fs::create_dir(place.path("stick")).expect("a folder");
        place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
        let thumbprint = place.thumbprint();
        let agree = ["--trust", &thumbprint, "--individualize"];
        let restore = |home, more: &[&str]| {
            place.json(&[&["--home", home, "restore", "stick"], &agree[..], more].concat())
        };
        assert_eq!(restore("b", &["--request-out", "requests"]).exit, 0);
        place.done(&["authorize", "requests", "-o", "answers"]);
        assert_eq!(restore("c", &[]).exit, 0);
        let revoke = ["issuer", "revoke", "pub", "--service", "svc/service.card"];
        place.done(&[&revoke[..], &["--key-id", &taken, "--subject", "Nobody"]].concat());
        place.done(&["--home", "c", "--yes", "computer", "release", &given]);
        trip
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.place.path(name), bytes).expect("written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.place.path(name)).expect("readable")
    }

    /// What it says of these bytes, on a computer that knows nobody.
    fn show(&self, bytes: &[u8]) -> Lines {
        self.write("shown", bytes);
        self.place.json(&["--home", "nobody", "show", "shown"])
    }

    fn blocks(&self, name: &str, label: &'static str) -> Vec<Vec<u8>> {
        let text = self.read(name);
        let blocks = armor::Blocks::new(label, text.as_slice());
        blocks.map(|block| block.expect("a block")).collect()
    }

    fn card(&self, name: &str) -> Vec<u8> {
        armor::single(armor::CARD, &self.read(name)).expect("a card")
    }

    fn requests(&self) -> Vec<Vec<u8>> {
        let blocks = self.blocks("requests", REQUEST_LABEL);
        let request = |block: &Vec<u8>| RequestParcel::decode(block).expect("a request").0.request;
        blocks.iter().map(request).collect()
    }

    fn answers(&self) -> Vec<Answer> {
        let blocks = self.blocks("answers", ANSWER_LABEL);
        let answer = |block: &Vec<u8>| {
            let parcel = AnswerParcel::decode(block).expect("a parcel");
            Answer::decode(&parcel.answer).expect("an answer")
        };
        blocks.iter().map(answer).collect()
    }

    /// The receipts that the computer `c` keeps, with their kinds.
    fn receipts(&self) -> Vec<(String, Vec<u8>)> {
        let guard = FileGuard::new(MachineIdentity::of_this_machine().expect("a machine"));
        let store = Store::open(&self.place.path("c"), &guard).expect("a store");
        let mut found = Vec::new();
        let walked: Result<(), keyferry_store::Error> = store.for_each_receipt(None, |kept| {
            found.push((kept.kind.clone(), kept.bytes.clone()));
            Ok(())
        });
        walked.expect("receipts");
        found
    }

    fn issuer(&self) -> SigningSecret {
        let key = IssuerKey::from_armor(&self.read("pub/issuer.key")).expect("a key");
        key.signing().clone()
    }

    fn challenge(&self) -> Vec<u8> {
        let card = Card::verify(&self.card("pub/issuer.card")).expect("a card");
        let challenge = Challenge::new(&card).expect("randomness");
        challenge.sign(&self.issuer())
    }

    fn list(&self) -> Vec<u8> {
        self.read("pub/revocations/00000001.list")
    }

    /// The service's answer to a list that it has.
    fn posted(&self) -> Vec<u8> {
        let address = text(&self.served.listening, "address");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let list = self.list();
        let head = format!(
            "POST /v1/revocations HTTP/1.1\r\nhost: {address}\r\ncontent-type: {REVOCATIONS_TYPE}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            list.len()
        );
        stream
            .write_all(&[head.as_bytes(), &list].concat())
            .expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let at = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a body");
        answer.split_off(at + 4)
    }

    /// The footer of the backup, by its type and by where it ends.
    fn footer(&self) -> Vec<u8> {
        let entry = fs::read_dir(self.place.path("stick"))
            .expect("a stick")
            .next()
            .expect("a backup");
        let file = fs::read(entry.expect("an entry").path()).expect("readable");
        let typ = Typ::Backup.media_type().as_bytes();
        let at = file
            .windows(typ.len())
            .position(|bytes| bytes == typ)
            .expect("a footer");
        let start = file[..at]
            .windows(2)
            .rposition(|two| two == [0xd2, 0x84])
            .expect("its begin");
        let end =
            (start..file.len()).find(|end| Sign1::decode(Typ::Backup, &file[start..*end], 1024).is_ok());
        file[start..end.expect("its end")].to_vec()
    }

    /// One of each type that can be signed. A type that is not here has no view either.
    fn signed(&self, typ: Typ) -> (Vec<u8>, &'static str) {
        match typ {
            Typ::Card => (self.card("pub/issuer.card"), "card"),
            Typ::Grant => {
                let block = armor::single(armor::LICENSE, &self.read("given.license")).expect("a block");
                let file = LicenseFile::from_bytes(&block).expect("licenses");
                (file.items[0].grant.clone(), "license")
            }
            Typ::Request => (self.requests().swap_remove(1), "request"),
            Typ::Receipt => (
                self.answers().swap_remove(1).receipt.expect("a receipt"),
                "receipt",
            ),
            Typ::Backup => (self.footer(), "error"),
            Typ::RevocationList => (self.list(), "revocation-list"),
            Typ::ListReceipt => {
                let posted = Posted::decode(&self.posted()).expect("an answer");
                (posted.receipt.expect("a receipt"), "list-receipt")
            }
            Typ::Challenge => (self.challenge(), "challenge"),
            Typ::ChallengeAnswer => {
                let (id, issuer) = (Challenge::id(&self.challenge()), self.issuer());
                let issuer = issuer.public().thumbprint();
                let answer = ChallengeAnswer::new(id, issuer, 3, &self.issuer()).expect("randomness");
                (answer.sign(&self.issuer()), "challenge")
            }
            Typ::ListAcknowledgement => {
                let list = RevocationList::parse(&self.list()).expect("a list");
                let word = ListAcknowledgement {
                    issuer: list.claim().issuer,
                    key: *self.issuer().public().as_bytes(),
                    nonce: [7; 16],
                    number: 4,
                    list: list.digest(),
                };
                (word.sign(&self.issuer()), "challenge")
            }
            _ => panic!("{typ:?} has neither an example here nor a view"),
        }
    }
}

#[test]
fn every_signed_type_is_shown_by_its_kind() {
    let trip = Trip::made();
    for typ in Typ::ALL {
        let (bytes, event) = trip.signed(typ);
        let shown = trip.show(&bytes);
        assert_eq!(shown.of(event).len(), 1, "{typ:?}: {:?}", shown.all);
        let ran = trip.place.run(&["--home", "nobody", "show", "shown"]);
        if typ == Typ::Backup {
            ran.failed(1, &["the footer of a backup"]);
            continue;
        }
        assert_eq!(
            (shown.exit, ran.exit),
            (0, 0),
            "{typ:?}: {:?}{}",
            shown.all,
            ran.stderr
        );
        // What was altered is not shown as true, where the signer is known.
        let mut altered = bytes.clone();
        *altered.last_mut().expect("a byte") ^= 1;
        trip.write("altered", &altered);
        let knows = trip.place.run(&["--home", "c", "show", "altered"]);
        match typ {
            // Asked by `b`, whose card stands in another request.
            Typ::Request => assert!(knows.stdout.contains("not checked"), "{}", knows.stdout),
            _ => knows.failed(1, &["signature"]),
        }
    }
}

#[test]
fn every_media_type_of_a_message_is_shown() {
    let trip = Trip::made();
    let answers = trip.answers();
    for (media, bytes, event) in [
        (ANSWER_TYPE, answers[0].encode(), "answer"),
        (
            ANSWER_TYPE,
            Answer::problem(ProblemCode::Busy, "later", Some(5)).encode(),
            "problem",
        ),
        (POSTED_TYPE, trip.posted(), "list-receipt"),
        (
            POSTED_TYPE,
            Posted::problem(ListProblemCode::Gap, "list 1 is missing", Some(1)).encode(),
            "problem",
        ),
    ] {
        assert!(check_deterministic("message", &bytes).is_ok());
        let shown = trip.show(&bytes);
        assert_eq!(
            (shown.exit, shown.of(event).len()),
            (0, 1),
            "{media}: {:?}",
            shown.all
        );
        assert_eq!(trip.place.run(&["--home", "nobody", "show", "shown"]).exit, 0);
    }
}

#[test]
fn requests_and_answers_by_file_are_shown_with_what_their_signatures_prove() {
    let trip = Trip::made();
    let shown = trip.place.json(&["--home", "nobody", "show", "requests"]);
    let kinds: Vec<&str> = shown
        .of("request")
        .iter()
        .map(|line| text(line, "kind"))
        .collect();
    assert_eq!(kinds, ["individualize", "restore"], "{:?}", shown.all);
    // The first brings the card that proves both.
    assert!(shown.of("request").iter().all(|line| line["signature"] == "good"));
    let titles: Vec<&str> = shown.of("entry").iter().map(|line| text(line, "title")).collect();
    assert_eq!(titles, ["Charts", "Charts"]);
    let ran = trip.place.done(&["--home", "nobody", "show", "requests"]);
    assert!(
        ran.stdout.contains("request restore\n") && ran.stdout.contains("Charts"),
        "{}",
        ran.stdout
    );
    let shown = trip.place.json(&["--home", "nobody", "show", "answers"]);
    assert_eq!(
        shown
            .of("answer")
            .iter()
            .map(|line| line["keys"].clone())
            .collect::<Vec<_>>(),
        [0, 2]
    );
    let receipts = shown.of("receipt");
    assert!(receipts[0]["certified_card"].is_string() && receipts[1]["certified_card"].is_null());
    assert!(
        receipts.iter().all(|line| line["signature"] == "good"),
        "{:?}",
        shown.all
    );
    let slots: Vec<_> = shown
        .of("entry")
        .iter()
        .map(|line| line["slot"].clone())
        .collect();
    assert_eq!(slots, [2, 2]);
    trip.place
        .run(&["--home", "a", "trust", "add", "answers"])
        .failed(1, &["answers names no issuer"]);
}

#[test]
fn requests_of_every_kind_and_their_receipts_are_shown() {
    let trip = Trip::made();
    let secret = SigningSecret::generate().expect("a key");
    let list = ListNumber {
        issuer: trip.place.thumbprint().parse().expect("a thumbprint"),
        number: 1,
    };
    let service: Thumbprint = text(&trip.served.listening, "thumbprint")
        .parse()
        .expect("a thumbprint");
    let block = armor::single(armor::LICENSE, &trip.read("given.license")).expect("a block");
    let grant = LicenseFile::from_bytes(&block).expect("licenses").items[0]
        .grant
        .clone();
    let claim = keyferry_license::Grant::parse(&grant)
        .expect("a grant")
        .claim()
        .clone();
    let release = Release {
        items: vec![ReleaseItem {
            issuer: claim.issuer,
            license: claim.license,
            grant: Some(grant),
        }],
    };
    let prepare = |kind: &str| match kind {
        kind::RELEASE => Request::prepare(&secret, service, [1; 16], None, kind, &release),
        kind::REVOCATIONS => Request::prepare(
            &secret,
            service,
            [1; 16],
            None,
            kind,
            &Revocations { since: vec![list] },
        ),
        kind::ACKNOWLEDGE => Request::prepare(
            &secret,
            service,
            [1; 16],
            None,
            kind,
            &Acknowledge { lists: vec![list] },
        ),
        _ => Request::prepare(&secret, service, [1; 16], None, kind, &list),
    };
    for (kind, entries) in [
        (kind::RELEASE, 1),
        (kind::REVOCATIONS, 1),
        (kind::ACKNOWLEDGE, 1),
        ("dance", 0),
    ] {
        let shown = trip.show(&prepare(kind).expect("a request").bytes);
        assert_eq!(
            (text(shown.of("request")[0], "kind"), shown.of("entry").len()),
            (kind, entries)
        );
        assert_eq!(shown.of("request")[0]["signature"], "unchecked");
    }
    let receipts = trip.receipts();
    let mut kinds: Vec<&str> = receipts.iter().map(|(kind, _)| kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [kind::ACKNOWLEDGE, kind::RELEASE, kind::RESTORE]);
    for (kind, bytes) in &receipts {
        trip.write("shown", bytes);
        let shown = trip.place.json(&["--home", "c", "show", "shown"]);
        let line = shown.of("receipt")[0];
        assert_eq!(
            (text(line, "kind"), text(line, "signature")),
            (kind.as_str(), "good")
        );
        if kind == kind::ACKNOWLEDGE {
            let answer = Answer {
                receipt: Some(bytes.clone()),
                delivery: None,
                card: Some(trip.card("svc/service.card")),
                problem: None,
                lists: Some(Lists {
                    lists: vec![trip.list()],
                    cards: vec![trip.card("pub/issuer.card")],
                }),
            };
            let shown = trip.show(&answer.encode());
            let list = shown.of("revocation-list")[0];
            assert_eq!((text(list, "signature"), &list["entries"]), ("good", &2.into()));
        }
    }
}

#[test]
fn a_refusal_is_shown_with_its_page() {
    let trip = Trip::made();
    let url = Text::new("address", "https://licenses.example/refusals/0").expect("a text");
    let key = SigningSecret::generate().expect("a key");
    let refused = keyferry_protocol::Entry {
        issuer: Thumbprint([0; 32]),
        license: keyferry_license::LicenseId([0; 16]),
        verdict: keyferry_protocol::Verdict::Refused,
        reason: Some(keyferry_protocol::Reason::Malformed),
        slot: None,
        of: None,
        seq: None,
        previous: None,
        row: None,
    };
    let receipt = keyferry_protocol::Receipt {
        request: [1; 32],
        operation: [2; 16],
        service: Thumbprint([3; 32]),
        computer: Thumbprint([4; 32]),
        time: 5,
        kind: Text::new("kind", kind::RESTORE).expect("a text"),
        entries: vec![refused],
        pages: vec![keyferry_protocol::Page {
            reason: keyferry_protocol::Reason::Malformed,
            url,
        }],
        card: None,
        newest: None,
        recovery: None,
    };
    let shown = trip.show(&receipt.sign(&key));
    let entry = shown.of("entry")[0];
    assert_eq!(
        (text(entry, "verdict"), text(entry, "reason")),
        ("refused", "malformed")
    );
    assert!(entry["license"].is_null());
    assert_eq!(
        text(shown.of("page")[0], "url"),
        "https://licenses.example/refusals/0"
    );
}

#[test]
fn encrypted_backups_are_shown_from_outside_or_opened() {
    let trip = Trip::made();
    let place = &trip.place;
    fs::create_dir(place.path("closed")).expect("a folder");
    trip.write("pass", b"a ferry at noon\n");
    let saved = place.json(&["--home", "a", "backup", "closed", "--passphrase-file", "pass"]);
    let path = text(saved.summary(), "path").to_owned();
    let outside = place.json(&["show", &path]);
    let line = outside.of("backup")[0];
    assert_eq!((outside.exit, text(line, "needs")), (0, "passphrase"));
    assert_eq!(outside.of("license").len() + outside.of("card").len(), 0);
    let n = line["inner_bytes"].as_u64().expect("N");
    let text_of = place.done(&["show", &path]);
    assert!(
        text_of.stdout.contains("encryption  a passphrase"),
        "{}",
        text_of.stdout
    );
    let opened = place.json(&["show", &path, "--passphrase-file", "pass"]);
    let line = opened.of("backup")[0];
    assert_eq!(
        (&line["encrypted"], line["inner_bytes"].as_u64()),
        (&true.into(), Some(n))
    );
    assert_eq!(opened.of("license").len(), 2);
    trip.write("wrong", b"a ferry at one\n");
    place
        .run(&["show", &path, "--passphrase-file", "wrong"])
        .failed(12, &["the passphrase is wrong"]);
    // Without its end nothing says that it is a backup.
    let file = fs::read(place.path(&path)).expect("readable");
    trip.write("cut", &file[..file.len() / 2]);
    let cut = place.done(&["show", "cut"]);
    assert!(
        cut.stdout.starts_with("encrypted file, perhaps a backup\n"),
        "{}",
        cut.stdout
    );
}

#[test]
fn foreign_documents_are_shown_by_kind() {
    let place = Place::new();
    let look_alikes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/documents");
    for known in [
        DocumentKind::Lcp,
        DocumentKind::KeygenLicense,
        DocumentKind::KeygenMachine,
    ] {
        let mut files = 0;
        for entry in fs::read_dir(look_alikes.join(known.name())).expect("look-alikes") {
            let path = entry.expect("an entry").path();
            let shown = place.json(&["show", path.to_str().expect("UTF-8")]);
            assert_eq!(
                text(shown.of("license-document")[0], "kind"),
                known.name(),
                "{}",
                path.display()
            );
            files += 1;
        }
        assert!(files > 0, "{known:?}");
    }
    for (folder, said) in [
        ("broken", "can't be read"),
        ("empty", "is empty"),
        ("pem", "is a PEM file"),
        ("status-document", "is a license status document"),
        (
            "unknown",
            "neither a document of Keyferry nor a license document that is known",
        ),
    ] {
        for entry in fs::read_dir(look_alikes.join(folder)).expect("look-alikes") {
            let path = entry.expect("an entry").path();
            place
                .run(&["show", path.to_str().expect("UTF-8")])
                .failed(1, &[said]);
        }
    }
}

#[test]
fn secrets_and_stores_are_named_and_not_shown() {
    let trip = Trip::made();
    for file in ["pub/issuer.key", "svc/service.key", "a/computer.key"] {
        trip.place
            .run(&["show", file])
            .failed(1, &["holds secret keys, of which nothing is shown"]);
        assert_eq!(trip.place.json(&["show", file]).exit, 1);
    }
    trip.place
        .run(&["show", "a/store.sqlite"])
        .failed(1, &["is a license store of Keyferry, which can't be read here"]);
    trip.write("cbor", &[0xd2, 0x84, 0x40]);
    trip.place.run(&["show", "cbor"]).failed(1, &["cbor: "]);
    trip.write("map", &[0xa1, 0x01, 0x01]);
    trip.place
        .run(&["show", "map"])
        .failed(1, &["neither a document of Keyferry"]);
    let card = Card::verify(&trip.card("a.card")).expect("a card");
    let grantless =
        keyferry_license::sign_document(Typ::Grant, &[0xa0], &SigningSecret::generate().expect("a key"));
    trip.write("bad", &grantless);
    trip.place.run(&["show", "bad"]).failed(1, &["bad: "]);
    assert_eq!(card.name.shown(), "Old laptop");
}
