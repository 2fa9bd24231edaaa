//! What a service logs for programs: each line a JSON object that names its request, and no secret or title at any level.

use std::fs::{self, File};
use std::process::{Child, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::place::Place;

/// Starts a service that logs all into the file `log`.
fn serve(place: &Place) -> Child {
    let args = [
        "--json",
        "serve",
        "--dir",
        "svc",
        "--listen",
        "127.0.0.1:0",
        "--name",
        "Harbor Licenses",
    ];
    let mut command = place.command(&args);
    command.args(["--issuer", "pub/issuer.card", "-vv", "--log-format", "json"]);
    let log = File::create(place.path("log")).expect("a file");
    let child = command.stdout(Stdio::piped()).stderr(log).spawn();
    let mut child = child.expect("it starts");
    // The card names the new address before this is printed.
    let mut byte = [0];
    let stdout = child.stdout.as_mut().expect("a pipe");
    std::io::Read::read_exact(stdout, &mut byte).expect("it listens");
    child
}

#[test]
fn every_line_is_json_and_names_its_request_and_no_secret() {
    let place = Place::with_trust();
    let mut child = serve(&place);
    let key_id = place.give(&[
        "--right",
        "Play",
        "--right",
        "Backup",
        "--title",
        "Zanzibar nights",
    ]);
    fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let thumbprint = place.thumbprint();
    let trust = ["--trust", &thumbprint, "--individualize"];
    let exits = ["b", "c", "d", "e"].map(|home| {
        let restored = place.run(&[&["--home", home, "restore", "stick"][..], &trust].concat());
        restored.exit
    });
    assert_eq!(exits, [0, 0, 0, 7], "the fifth computer is one too many");
    let key = place
        .done(&["--home", "b", "use", &key_id])
        .stdout
        .trim()
        .to_owned();
    child.kill().expect("it ends");
    child.wait().expect("it ended");
    let log = fs::read_to_string(place.path("log")).expect("text");
    let judged: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .filter(|line: &Value| line["message"] == "judged")
        .collect();
    let restored: u64 = judged.iter().filter_map(|line| line["restored"].as_u64()).sum();
    assert_eq!(restored, 3, "{log}");
    for line in &judged {
        assert_eq!(line["span"]["route"], "messages", "{line}");
        assert_eq!(line["span"]["id"].as_str().map(str::len), Some(16), "{line}");
    }
    let bytes: Vec<u8> = (0..key.len() / 2)
        .map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).expect("hex"))
        .collect();
    assert_eq!(bytes.len(), 16, "a content key");
    let secrets = fs::read_to_string(place.path("svc/service.key")).expect("the service's keys");
    let secret_line = secrets.lines().nth(1).expect("a line of it");
    let listed = format!("{bytes:?}");
    for never in [
        "Zanzibar",
        key.as_str(),
        &BASE64_STANDARD.encode(&bytes),
        listed.trim_matches(['[', ']']),
        secret_line,
    ] {
        assert!(
            !log.to_lowercase().contains(&never.to_lowercase()),
            "{never} stands in the log"
        );
    }
}
