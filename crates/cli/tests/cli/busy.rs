//! A service that is busy: the commands wait as long as it says and as they are let, and say so.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::place::{Place, Served, text};

/// What stands in front of a service, and says that it is busy.
pub struct Front {
    address: String,
    /// How often it will say so.
    times: Arc<AtomicUsize>,
}

impl Front {
    /// In front of whoever listens there.
    fn before(service: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let (times, service) = (Arc::new(AtomicUsize::new(0)), service.to_owned());
        let left = times.clone();
        // It ends with the tests.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a client");
                let busy = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                match busy {
                    Ok(_) => refuse(client),
                    Err(_) => pass(client, &service),
                }
            }
        });
        Self { address, times }
    }

    /// The next connections hear that it is busy.
    pub fn is_busy(&self, times: usize) {
        self.times.store(times, Ordering::SeqCst);
    }
}

/// A request of a few bytes comes in one piece.
fn refuse(mut client: TcpStream) {
    let mut head = [0; 4096];
    let _ = client.read(&mut head);
    let _ = client.write_all(
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
}

fn pass(client: TcpStream, service: &str) {
    let Ok(server) = TcpStream::connect(service) else {
        return;
    };
    for (mut from, mut to) in [
        (
            client.try_clone().expect("a socket"),
            server.try_clone().expect("a socket"),
        ),
        (server, client),
    ] {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

/// A license that names a service behind a front, backed up on the stick.
pub fn behind() -> (Place, Served, Front) {
    let place = Place::with_trust();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("its address").to_string();
    drop(free);
    let front = Front::before(&address);
    let url = format!("http://{}", front.address);
    let served = place.start(&address, &["--url", &url]);
    place.give(&["--right", "Play", "--right", "Backup"]);
    std::fs::create_dir(place.path("stick")).expect("a folder");
    place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
    (place, served, front)
}

#[test]
fn a_restore_waits_and_says_so() {
    let (place, _served, front) = behind();
    let thumbprint = place.thumbprint();
    let restore = crate::place::restoring(&thumbprint);
    front.is_busy(1);
    let ended = place.json(&[&restore[..], &["--wait", "0"]].concat());
    assert_eq!((ended.exit, ended.of("waiting").len()), (6, 0), "{:?}", ended.all);
    let error = ended.of("error")[0];
    assert_eq!(text(error, "reason"), "service-busy");
    assert!(text(error, "hint").contains("--wait SECONDS"), "{error}");
    assert_eq!(place.json(&["--home", "b", "list"]).summary()["licenses"], 0);
    front.is_busy(1);
    let ended = place.json(&restore);
    assert_eq!(
        (ended.exit, &ended.summary()["restored"]),
        (0, &1.into()),
        "{:?}",
        ended.all
    );
    let waits = ended.of("waiting");
    assert_eq!(waits.len(), 1, "{:?}", ended.all);
    assert_eq!((&waits[0]["seconds"], text(waits[0], "why")), (&2.into(), ""));
    front.is_busy(1);
    let ran = place.done(&["--home", "b", "--yes", "computer", "release", "--all"]);
    assert!(
        ran.stderr.contains("the service is busy: asking again in 2 s"),
        "{}",
        ran.stderr
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_wait() {
    use std::io::{BufRead, BufReader};
    let (place, _served, front) = behind();
    let thumbprint = place.thumbprint();
    front.is_busy(usize::MAX);
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
    let mut command = place.command(&[&args[..], &["--wait", "600"]].concat());
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let waits = lines.any(|line| line.expect("text").contains(r#""event":"waiting""#));
    assert!(waits, "it waits");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("it runs");
    let last = lines.last().expect("a summary").expect("text");
    assert!(last.contains(r#""exit":130"#), "{last}");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}
