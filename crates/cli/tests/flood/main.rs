//! Ten thousand open connections that mean no good: silent ones, a byte a second, bodies of a gigabyte, deep CBOR, wrong
//! types. Honest computers restore meanwhile, at the program that operators run, and get what is theirs; every hostile
//! connection gets the answer that is meant for it. How much longer honest computers wait is printed and never asserted.
//!
//! The hostile clients are this test once more, in a process of its own: two ends of so many connections are more open
//! files than one process gets on many systems.

#![cfg(unix)]

mod honest;
mod hostile;
mod kinds;
mod served;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyferry_testkit::left_out;
use rustix::process::{Resource, getrlimit};

use honest::{Honest, Times};
use hostile::Crowd;
use kinds::Set;
use served::Served;

/// How many, and for how long (CONTRIBUTING.md).
const CONNECTIONS: &str = "KEYFERRY_FLOOD_CONNECTIONS";
const SECONDS: &str = "KEYFERRY_FLOOD_SECONDS";
/// More than ten thousand, so that as many are open at a time.
const WANTED: usize = 11_000;
/// Open files that no hostile connection needs.
const OTHER_FILES: usize = 1500;
/// Restores without anybody else, to compare with.
const ALONE: usize = 100;
/// What a service may take of memory beside so many.
const MEMORY: u64 = 512 << 20;

/// Those who lost their places and aren't gone, and who reads the metrics.
const LEAVING: u64 = 512;

/// One at a time: each is to have the machine for itself.
static TURN: Mutex<()> = Mutex::new(());

/// What a trial is about.
struct Trial {
    name: &'static str,
    hostile: Set,
    /// As many hostile connections of those that are wanted, in hundredths.
    share: usize,
    seconds: u64,
    /// Flags of `keyferry serve`.
    flags: &'static [&'static str],
    /// So many places there are, if that is fewer than all need.
    places: Option<u64>,
    /// So many in a hundred are open all the time where there is a place for all.
    open: usize,
}

const PLAIN: Trial = Trial {
    name: "plain",
    hostile: Set::All,
    share: 100,
    seconds: 18,
    flags: &[],
    places: None,
    // The others were refused, and pause before they come again.
    open: 91,
};

fn run(trial: &Trial) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let connections = connections() * trial.share / 100;
    let seconds = number(SECONDS).map_or(trial.seconds, |seconds| seconds as u64);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let served = Served::start(folder.path(), trial.flags);
    let honest = Honest::new(folder.path(), &served);
    let mut alone = Times::default();
    for _ in 0..ALONE {
        alone.add(honest.restore());
    }
    let quiet = served.memory();
    let request = folder.path().join("large.request");
    std::fs::write(&request, honest.large_request(folder.path(), &served)).expect("a request");
    let crowd = Crowd::start(served.address, trial.hostile, connections, &request);
    let (mut beside, end) = (Times::default(), Instant::now() + Duration::from_secs(seconds));
    let mut open = 0;
    while Instant::now() < end {
        beside.add(honest.restore());
        open = open.max(served.measured("keyferry_connections"));
    }
    let ends = crowd.stop();
    println!(
        "{}: {connections} hostile connections, at most {open} of all open at once",
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
    let least = connections * trial.open / 100;
    match trial.places {
        None => assert!(open >= least as u64, "{open} connections were open at once"),
        Some(places) => assert!(open <= places + LEAVING, "{open} connections were open at once"),
    }
    ends.judge(trial.hostile, trial.places.is_none());
}

#[test]
fn ten_thousand_connections() {
    if hostile::is_wanted() {
        return hostile::run();
    }
    run(&PLAIN);
}

#[test]
fn a_house_with_places_for_a_fifth_of_them() {
    run(&Trial {
        name: "full house",
        seconds: 6,
        flags: &["--max-connections", "2000"],
        places: Some(2000),
        ..PLAIN
    });
}

#[test]
fn ten_thousand_handshakes() {
    run(&Trial {
        name: "handshakes",
        hostile: Set::Handshakes,
        seconds: 12,
        flags: &["--tls-cert", "service.pem", "--tls-key", "service-key.pem"],
        open: 75,
        ..PLAIN
    });
}

#[test]
fn a_hundred_that_ask_for_a_thousand_licenses_each() {
    run(&Trial {
        name: "large requests",
        hostile: Set::Large,
        share: 1,
        seconds: 6,
        open: 0,
        ..PLAIN
    });
}

/// As many as are wanted, or as this system lets one process open.
fn connections() -> usize {
    let wanted = number(CONNECTIONS).unwrap_or(WANTED);
    let files = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let most = usize::try_from(files)
        .unwrap_or(usize::MAX)
        .saturating_sub(OTHER_FILES);
    if most < wanted {
        left_out(&format!(
            "{} of {wanted} connections: ulimit -Hn is {files}",
            wanted - most
        ));
    }
    wanted.min(most)
}

/// The number in a variable of the environment, if it is set.
fn number(variable: &str) -> Option<usize> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}
