//! SIGHUP: a service takes its certificate up again and goes on, and nothing else outlives its end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::https::{GOOD, Leaf, certify};
use crate::place::{Place, text};

/// Asks on a connection that stays open.
fn is_healthy(stream: &mut TcpStream) -> bool {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("it is sent");
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"ok\n") {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => answer.extend(&piece[..length]),
            _ => return false,
        }
    }
    answer.starts_with(b"HTTP/1.1 200")
}

#[test]
fn what_is_open_goes_on_and_sigterm_ends_it() {
    let place = Place::with_issuer();
    let mut served = place.serve();
    let address = text(&served.listening, "address").to_owned();
    let mut open = TcpStream::connect(&address).expect("it listens");
    assert!(is_healthy(&mut open));
    for _ in 0..2 {
        served.signal(Signal::HUP);
        let line = served.next_line();
        assert_eq!(line["event"], "reloaded");
        assert!(line["certificate_until"].is_null());
        assert!(is_healthy(&mut open));
    }
    served.signal(Signal::TERM);
    assert_eq!(served.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let place = Place::with_trust();
    certify(&place, &GOOD);
    let mut served = place.serve_with(&["--tls-cert", "service.pem", "--tls-key", "service-key.pem"]);
    place.give(&["--right", "Play", "--right", "Backup"]);
    fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    certify(&place, &Leaf { until: 2097, ..GOOD });
    served.signal(Signal::HUP);
    let line = served.next_line();
    assert_eq!(
        (&line["event"], &line["certificate_until"]),
        (&"reloaded".into(), &4_007_836_800_u64.into())
    );
    fs::write(place.path("service-key.pem"), "no key").expect("written");
    served.signal(Signal::HUP);
    let line = served.next_line();
    assert_eq!(line["event"], "warning");
    assert!(text(&line, "message").contains("stays as it was"), "{line}");
    let thumbprint = place.thumbprint();
    let restore = crate::place::restoring(&thumbprint);
    place.done(&[&restore[..], &["--ca", "ca.pem"]].concat());
}

#[test]
fn the_service_of_a_demo_ends_with_it() {
    let place = Place::new();
    for signal in [Signal::HUP, Signal::TERM] {
        let folder = format!("demo-{}", signal.as_raw());
        let mut command = place.command(&["demo", "--licenses", "1000", "--dir", &folder]);
        let mut demo = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let name = place.path(&folder).join("service/service.running");
        let address = loop {
            let said = fs::read_to_string(&name).unwrap_or_default();
            let address = said
                .split_once(" at http://")
                .map(|(_, address)| address.to_owned());
            match address.filter(|address| TcpStream::connect(address).is_ok()) {
                Some(address) => break address,
                None => assert!(
                    demo.try_wait().expect("it can be asked").is_none(),
                    "it ended: {said}"
                ),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let id = rustix::process::Pid::from_child(&demo);
        rustix::process::kill_process(id, signal).expect("it runs");
        assert_eq!(demo.wait().expect("it ends").code(), Some(130));
        assert!(TcpStream::connect(&address).is_err(), "its service goes on");
    }
}
