//! On a terminal and with signals: questions, keys that are not shown by accident, and Ctrl-C.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::place::{Place, SCHEMA};

/// Runs it on a terminal on which this is typed; the answer is what stands there at the end, and the exit code.
pub fn on_terminal(mut command: Command, typed: &str) -> (String, i32) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&master).expect("granted");
    unlockpt(&master).expect("unlocked");
    let name = ptsname(&master, Vec::new())
        .expect("its name")
        .into_string()
        .expect("UTF-8");
    let side = || {
        Stdio::from(
            File::options()
                .read(true)
                .write(true)
                .open(&name)
                .expect("the other side"),
        )
    };
    let mut child = command
        .stdin(side())
        .stdout(side())
        .stderr(side())
        .spawn()
        .expect("it starts");
    // The command holds the other side open; when all are closed reading here ends.
    drop(command);
    let mut master = File::from(master);
    master.write_all(typed.as_bytes()).expect("typed");
    let mut shown = Vec::new();
    let mut bytes = [0; 1024];
    while let Ok(read @ 1..) = master.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..read]);
    }
    let exit = child.wait().expect("it ends").code().unwrap_or(-1);
    (String::from_utf8_lossy(&shown).into_owned(), exit)
}

#[test]
fn a_person_is_asked_for_trust() {
    let place = Place::with_issuer();
    let add = || place.command(&["--home", "a", "--yes", "trust", "add", "pub/issuer.card"]);
    let (shown, exit) = on_terminal(add(), "\n");
    assert!(
        shown.contains("[y/N]") && shown.contains("Harbor Books was not accepted"),
        "{shown}"
    );
    assert_eq!(exit, 8, "--yes answers no question of trust");
    let (shown, exit) = on_terminal(add(), "y\n");
    assert_eq!(exit, 0, "{shown}");
    assert_eq!(
        place.json(&["--home", "a", "trust", "list"]).of("issuer").len(),
        1
    );
    let thumbprint = place.thumbprint();
    let (shown, exit) = on_terminal(
        place.command(&["--home", "a", "trust", "remove", &thumbprint]),
        "n\n",
    );
    assert_eq!(exit, 130, "{shown}");
}

#[test]
fn a_terminal_shows_a_key_only_when_asked() {
    let place = Place::with_trust();
    let id = place.give(&["--right", "Play:count=1"]);
    let (shown, exit) = on_terminal(place.command(&["--home", "a", "use", &id]), "");
    assert!(exit == 2 && shown.contains("--reveal is missing"), "{shown}");
    let (shown, exit) = on_terminal(place.command(&["--home", "a", "use", &id, "--reveal"]), "");
    assert_eq!(exit, 0, "the refusal counted nothing: {shown}");
    let key = shown.lines().map(str::trim).find(|line| line.len() == 32);
    assert!(key.is_some(), "{shown}");
}

#[test]
fn no_color_is_respected() {
    let place = Place::new();
    let (shown, _) = on_terminal(place.command(&["restore"]), "");
    assert!(shown.contains("\x1b[1;31merror:"), "{shown:?}");
    let mut command = place.command(&["restore"]);
    command.env("NO_COLOR", "1");
    let (shown, _) = on_terminal(command, "");
    assert!(
        shown.contains("keyferry: error: ") && !shown.contains('\x1b'),
        "{shown:?}"
    );
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process");
    kill_process(id, signal).expect("it runs");
}

#[test]
fn a_service_stops_when_it_is_told_to() {
    let place = Place::with_issuer();
    for wish in [Signal::TERM, Signal::INT] {
        let mut service = place.serve();
        signal(&service.child, wish);
        assert_eq!(service.child.wait().expect("it ends").code(), Some(0), "{wish:?}");
    }
}

/// A restore that waits for a service, where somebody else listens, and the connection that it made.
fn stuck(place: &Place, listener: TcpListener) -> (Child, TcpListener, TcpStream) {
    place.give(&["--right", "Play", "--right", "Backup"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    let thumbprint = place.thumbprint();
    let args = [
        "--json",
        "--home",
        "b",
        "restore",
        "stick",
        "--individualize",
        "--trust",
        &thumbprint,
    ];
    let child = place
        .command(&args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let (connection, _) = listener.accept().expect("it connects");
    (child, listener, connection)
}

#[test]
fn ctrl_c_cancels_a_restore_even_while_nobody_answers() {
    let place = Place::with_trust();
    let between = TcpListener::bind("127.0.0.1:0").expect("a free address");
    let url = format!("http://{}", between.local_addr().expect("its address"));
    drop(place.serve_with(&["--url", &url]));
    let (mut child, _listener, _connection) = stuck(&place, between);
    signal(&child, Signal::INT);
    let mut said = String::new();
    let stdout = child.stdout.as_mut().expect("a pipe");
    stdout.read_to_string(&mut said).expect("UTF-8");
    let lines = SCHEMA.lines(&said);
    assert_eq!(
        (
            child.wait().expect("it ends").code(),
            &lines.last().expect("a line")["hr"]
        ),
        (Some(130), &"C00D2768".into()),
        "{said}"
    );
    assert_eq!(place.json(&["--home", "b", "list"]).summary()["licenses"], 0);
}
