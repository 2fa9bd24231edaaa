//! A service with a certificate of its own CA: two processes, and nobody is called who isn't trusted.

use std::io::{Read, Write};
use std::net::TcpListener;

use keyferry_license::armor;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::place::{Place, Served, text};

/// What the service's certificate says.
pub struct Leaf {
    pub names: &'static [&'static str],
    pub until: i32,
}

pub const GOOD: Leaf = Leaf {
    names: &["localhost", "127.0.0.1"],
    until: 2096,
};

/// Makes a CA in `ca.pem` and a certificate of it in `service.pem` and `service-key.pem`.
pub fn certify(place: &Place, leaf: &Leaf) {
    let mut root = CertificateParams::new(Vec::new()).expect("no names");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "Harbor own CA");
    let pair = KeyPair::generate().expect("a key");
    let card = root.self_signed(&pair).expect("a root");
    let issuer = Issuer::new(root, pair);
    let names: Vec<String> = leaf.names.iter().map(|name| (*name).into()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(leaf.until, 1, 1);
    let pair = KeyPair::generate().expect("a key");
    let own = params.signed_by(&pair, &issuer).expect("a certificate");
    write(place, "ca.pem", &card.pem());
    write(place, "service.pem", &own.pem());
    write(place, "service-key.pem", &pair.serialize_pem());
}

fn write(place: &Place, name: &str, text: &str) {
    std::fs::write(place.path(name), text).expect("it can be written");
}

/// A service over https, and a backup of a license that names it, on the stick.
fn backed_up(leaf: &Leaf) -> (Place, Served) {
    let place = Place::with_trust();
    certify(&place, leaf);
    let served = place.serve_with(&["--tls-cert", "service.pem", "--tls-key", "service-key.pem"]);
    give_and_back_up(&place);
    (place, served)
}

fn give_and_back_up(place: &Place) {
    place.give(&["--title", "Moves", "--right", "Play", "--right", "Backup"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
}

/// Runs `restore` on the computer `b`.
fn restore(place: &Place, more: &[&str]) -> crate::place::Lines {
    let thumbprint = place.thumbprint();
    let args = crate::place::restoring(&thumbprint);
    place.json(&[&args, more].concat())
}

/// It must have failed because nobody could be trusted, saying this; nothing arrived.
#[track_caller]
fn not_trusted(place: &Place, more: &[&str], said: &[&str]) {
    let lines = restore(place, more);
    let summary = lines.summary();
    assert_eq!(
        (lines.exit, text(summary, "hr")),
        (6, "C00D2846"),
        "{:?}",
        lines.all
    );
    assert_eq!(summary["failed"]["service-not-trusted"], 1);
    let everything = format!("{:?}", lines.all);
    for said in said {
        assert!(everything.contains(said), "{said:?} is not in {everything}");
    }
    assert_eq!(place.json(&["--home", "b", "list"]).summary()["licenses"], 0);
}

#[test]
fn who_names_the_ca_restores_and_others_are_told_why_not() {
    let (place, served) = backed_up(&GOOD);
    assert!(text(&served.listening, "url").starts_with("https://127.0.0.1:"));
    not_trusted(
        &place,
        &[],
        &["nobody who is known here issued its certificate", "--ca FILE"],
    );
    // Another CA is as good as none.
    let elsewhere = Place::new();
    certify(&elsewhere, &GOOD);
    let other = elsewhere.path("ca.pem");
    not_trusted(
        &place,
        &["--ca", other.to_str().expect("UTF-8")],
        &["nobody who is known here"],
    );
    let lines = restore(
        &place,
        &["--ca", other.to_str().expect("UTF-8"), "--ca", "ca.pem"],
    );
    assert_eq!(
        (lines.exit, &lines.summary()["restored"]),
        (0, &1.into()),
        "{:?}",
        lines.all
    );
    // It is not remembered.
    place.done(&[
        "--home", "b", "--yes", "computer", "release", "--all", "--ca", "ca.pem",
    ]);
    place
        .run(&["--home", "b", "restore", "stick"])
        .failed(6, &["nobody who is known here"]);
    place.done(&["--home", "b", "restore", "stick", "--ca", "ca.pem"]);
}

#[test]
fn a_certificate_of_its_own_can_be_named_too() {
    let place = Place::with_trust();
    let pair = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".into()]).expect("a name");
    write(
        &place,
        "service.pem",
        &params.self_signed(&pair).expect("a certificate").pem(),
    );
    write(&place, "service-key.pem", &pair.serialize_pem());
    let _served = place.serve_with(&["--tls-cert", "service.pem", "--tls-key", "service-key.pem"]);
    give_and_back_up(&place);
    not_trusted(&place, &[], &["nobody who is known here"]);
    assert_eq!(restore(&place, &["--ca", "service.pem"]).exit, 0);
}

#[test]
fn a_certificate_for_another_host_or_of_another_time_is_refused() {
    let (place, _served) = backed_up(&Leaf {
        names: &["licenses.example", "192.0.2.1"],
        ..GOOD
    });
    not_trusted(
        &place,
        &["--ca", "ca.pem"],
        &["its certificate is not for 127.0.0.1, only for licenses.example, 192.0.2.1;"],
    );
    let (place, _served) = backed_up(&Leaf { until: 2021, ..GOOD });
    not_trusted(&place, &["--ca", "ca.pem"], &["its certificate has expired"]);
}

#[test]
fn every_command_that_calls_a_service_takes_the_ca() {
    let (place, _served) = backed_up(&GOOD);
    let thumbprint = place.thumbprint();
    let trust = ["--individualize", "--trust", &thumbprint];
    let by_file = ["--home", "b", "restore", "stick", "--request-out", "requests"];
    place.done(&[by_file.as_slice(), &trust].concat());
    place
        .run(&["authorize", "requests", "-o", "answers"])
        .failed(6, &["is not trusted", "nothing was sent to it"]);
    place.done(&["authorize", "requests", "-o", "answers", "--ca", "ca.pem"]);
    place.done(&["--home", "b", "restore", "--answer", "answers"]);
    let revoke = [
        "--yes",
        "issuer",
        "revoke",
        "pub",
        "--service",
        "svc/service.card",
    ];
    let all = [revoke.as_slice(), &["--all"]].concat();
    place.run(&all).failed(6, &["is not trusted", "to send it later"]);
    place.done(&[revoke.as_slice(), &["--ca", "ca.pem"]].concat());
}

#[test]
fn files_that_hold_no_root_are_named_before_anything_is_done() {
    let (place, _served) = backed_up(&GOOD);
    write(&place, "empty.pem", "");
    write(
        &place,
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    write(&place, "cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    for (file, said) in [
        ("missing.pem", "no such file"),
        ("empty.pem", "there is no certificate in it"),
        ("service-key.pem", "there is no certificate in it"),
        ("broken.pem", "certificate 1 in it can't be used"),
        ("cut.pem", "it is not PEM"),
        ("stick", "stick"),
    ] {
        place
            .run(&["--home", "b", "restore", "stick", "--ca", file])
            .failed(1, &[file, said]);
        place
            .run(&["authorize", "requests", "-o", "answers", "--ca", file])
            .failed(1, &[file, said]);
    }
    place
        .run(&["--home", "b", "restore", "--answer", "answers", "--ca", "ca.pem"])
        .failed(2, &["--ca"]);
    assert!(!place.path("b").exists(), "no home was made");
}

#[test]
fn a_redirect_is_not_followed() {
    let place = Place::with_trust();
    let (front, elsewhere) = (listener(), listener());
    let target = elsewhere.local_addr().expect("an address");
    let base = format!("http://{}", front.local_addr().expect("an address"));
    let _served = place.serve_with(&["--url", &base]);
    give_and_back_up(&place);
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let front = front.try_clone().expect("a second handle");
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://{target}/card\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = front.accept().expect("a caller");
            let mut head = [0; 4096];
            let read = stream.read(&mut head).expect("a request");
            stream.write_all(answer.as_bytes()).expect("it listens");
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let lines = restore(&place, &[]);
        assert_eq!(
            (lines.exit, text(lines.summary(), "hr")),
            (6, "C00D2846"),
            "{:?}",
            lines.all
        );
        let number = &status[..3];
        assert!(
            format!("{:?}", lines.all).contains(&format!("it answered {number}")),
            "{:?}",
            lines.all
        );
        assert!(answering.join().expect("it answered").starts_with("GET /card "));
    }
    elsewhere.set_nonblocking(true).expect("it can be asked");
    let came = elsewhere.accept();
    assert!(
        matches!(&came, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock),
        "{came:?}"
    );
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

#[test]
fn plain_http_to_another_computer_is_refused() {
    let place = Place::with_trust();
    let served = place.serve();
    give_and_back_up(&place);
    let thumbprint = place.thumbprint();
    let trust = ["--individualize", "--trust", &thumbprint];
    let by_file = ["--home", "b", "restore", "stick", "--request-out", "requests"];
    place.done(&[by_file.as_slice(), &trust].concat());
    let url = text(&served.listening, "url");
    let host = "http://licenses.example";
    let elsewhere = format!("{host}/{}", "a".repeat(url.len()))[..url.len()].to_owned();
    let text = std::fs::read(place.path("requests")).expect("requests");
    let mut altered = String::new();
    for block in armor::Blocks::new("KEYFERRY REQUEST", text.as_slice()) {
        let mut bytes = block.expect("a block");
        let at = bytes
            .windows(url.len())
            .position(|window| window == url.as_bytes());
        let at = at.expect("the address stands in it");
        bytes[at..at + url.len()].copy_from_slice(elsewhere.as_bytes());
        altered += &armor::write("KEYFERRY REQUEST", &bytes).expect("armor");
    }
    write(&place, "requests", &altered);
    place
        .run(&["authorize", "requests", "-o", "answers"])
        .failed(6, &["plain http is for services on this computer only"]);
    assert!(!place.path("answers").exists());
}
