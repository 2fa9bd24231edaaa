//! Ten thousand open connections that mean no good: silent ones, a byte a second, bodies of a gigabyte, deep CBOR, wrong
//! types. Honest computers restore meanwhile, at the program that operators run, and get what is theirs; every hostile
//! connection gets the answer that is meant for it. How much longer honest computers wait is printed and never asserted.
//!
//! The hostile clients are this test once more, in a process of its own: two ends of so many connections are more open
//! files than one process gets on many systems.

#![cfg(unix)]

mod honest;
mod hostile;
mod served;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use honest::{Honest, Times};
use hostile::Crowd;
use served::Served;

/// How many, and for how long (CONTRIBUTING.md).
const CONNECTIONS: &str = "KEYFERRY_FLOOD_CONNECTIONS";
const SECONDS: &str = "KEYFERRY_FLOOD_SECONDS";
/// Restores without anybody else, to compare with.
const ALONE: usize = 30;
/// What a service may take of memory beside so many.
const MEMORY: u64 = 512 << 20;

/// One at a time: each is to have the machine for itself.
static TURN: Mutex<()> = Mutex::new(());

/// What a trial is about.
struct Trial {
    name: &'static str,
    /// Flags of `keyferry serve`.
    flags: &'static [&'static str],
    /// Has everybody a place?
    room: bool,
}

fn run(trial: &Trial) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let connections = number(CONNECTIONS).unwrap_or(10_000);
    let seconds = number(SECONDS).unwrap_or(20);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let served = Served::start(folder.path(), trial.flags);
    let honest = Honest::new(folder.path(), &served);
    let mut alone = Times::default();
    for _ in 0..ALONE {
        alone.add(honest.restore());
    }
    let quiet = served.memory();
    let crowd = Crowd::start(served.address, connections);
    let (mut beside, end) = (
        Times::default(),
        Instant::now() + Duration::from_secs(seconds as u64),
    );
    let mut open = 0;
    while Instant::now() < end {
        beside.add(honest.restore());
        open = open.max(served.measured("keyferry_connections"));
    }
    let ends = crowd.stop();
    println!(
        "{}: {connections} hostile connections, {open} of them and of others open at once",
        trial.name
    );
    println!("{}", ends.table());
    println!("{}", alone.beside(&beside));
    if let (Some(quiet), Some(peak)) = (quiet, served.memory()) {
        println!(
            "  memory of the service at its peak: {} MiB, and {} MiB before",
            peak >> 20,
            quiet >> 20
        );
        assert!(peak < MEMORY, "{peak} bytes of memory");
    }
    if trial.room {
        assert!(open >= connections as u64, "{open} connections were open at once");
    }
    ends.judge(trial.room);
}

#[test]
fn ten_thousand_connections() {
    if hostile::is_wanted() {
        return hostile::run();
    }
    run(&Trial {
        name: "plain",
        flags: &[],
        room: true,
    });
}

/// The number in a variable of the environment, if it is set.
fn number(variable: &str) -> Option<usize> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}
