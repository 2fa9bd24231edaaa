//! `keyferry serve` as its operator sees it: what it listens on, what it allows, and what it says about that.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::place::{Place, text};

/// The answer to a GET, head and all.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
    .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_metrics_have_an_address_of_their_own() {
    let place = Place::with_issuer();
    let served = place.serve_with(&["--metrics", "127.0.0.1:0"]);
    let metrics = get(text(&served.listening, "metrics"), "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 "), "{metrics}");
    let version = concat!(
        "keyferry_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1"
    );
    assert!(metrics.contains(version), "{metrics}");
    let elsewhere = get(text(&served.listening, "address"), "/metrics");
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
}

#[test]
fn limits_that_make_no_sense_are_named() {
    let place = Place::with_issuer();
    for (flag, value, said) in [
        (
            "--trusted-proxy",
            "10.0.0.0/33",
            "neither an address nor a network",
        ),
        (
            "--trusted-proxy",
            "proxy.example.com",
            "neither an address nor a network",
        ),
        ("--max-connections", "0", "nobody could be served"),
        ("--max-connections", "many", "not a whole number"),
        ("--computer-requests", "-1", "invalid"),
    ] {
        place
            .run(&["serve", "--dir", "none", &format!("{flag}={value}")])
            .failed(2, &[flag, said]);
        assert!(!place.path("none").exists());
    }
}

#[cfg(unix)]
#[test]
fn few_open_files_are_said_to_mean_few_connections() {
    let place = Place::with_issuer();
    let program = env!("CARGO_BIN_EXE_keyferry");
    // It listens and is told to end, so that what it said can be read.
    let script = format!(
        "ulimit -Sn 300 && ulimit -Hn 700 && {program} serve --dir svc --listen 127.0.0.1:0 > out 2> err & \
         until grep -qs issuers out; do sleep 0.05; done; kill -INT $!; wait"
    );
    let mut shell = std::process::Command::new("sh");
    let ended = shell.args(["-c", &script]).current_dir(place.path("")).status();
    assert!(ended.expect("a shell").success());
    let said = std::fs::read_to_string(place.path("err")).expect("what it said");
    assert!(
        said.contains("700 files may be open at a time, so there are 350 connections instead of 16384"),
        "{said}"
    );
}
