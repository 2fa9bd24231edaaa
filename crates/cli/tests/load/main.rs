//! Many computers restore and give back the same licenses while the services that they ask are killed, their clocks differ
//! and their database stops or fails over: the checker has to be content in the end, and every computer to have what the
//! ledger says that it holds. `cargo xtask soak ledger` runs it for a minute with 64 computers; here it is short.

#![cfg(unix)]

mod crowd;
mod faults;
mod fleet;
mod full;
#[allow(dead_code, reason = "written for another target, which uses all of it")]
#[path = "../media/mounted.rs"]
mod mounted;
mod proxy;
mod random;
mod verdict;

use std::path::PathBuf;

use keyferry_testkit::{PatroniPair, Postgres, Wanted};

use crate::crowd::Crowd;
use crate::faults::{Database, Faults};
use crate::fleet::Fleet;
use crate::random::number_from;

/// How long a trial lasts, in seconds (docs: CONTRIBUTING.md), and from which number everything random in it follows.
const SECONDS: &str = "KEYFERRY_LOAD_SECONDS";
const SEED: &str = "KEYFERRY_LOAD_SEED";
/// So many licenses are wanted by all of them.
const LICENSES: usize = 24;
/// So many computers ask in a soak, and in a short trial.
const MANY: usize = 64;
const FEW: usize = 12;

/// What a trial is about.
struct Trial {
    name: &'static str,
    processes: usize,
    ledger: Option<String>,
    database: Database,
}

/// Runs it; everything that it found is printed before anything fails.
fn run(trial: Trial, short: u64) {
    let seconds = number_from(SECONDS);
    let (computers, seconds) = (
        if seconds.is_some() { MANY } else { FEW },
        seconds.unwrap_or(short),
    );
    let seed = number_from(SEED).unwrap_or_else(random::fresh);
    println!("{}: seed {seed}, {computers} computers, {seconds} s", trial.name);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut wanted = Wanted::many(LICENSES, None);
    for (wanted, limit) in wanted
        .iter_mut()
        .zip([None, Some(2), Some(3)].into_iter().cycle())
    {
        wanted.computers = limit;
    }
    let crowd = Crowd::new(folder.path(), computers, &wanted);
    let fleet = Fleet::start(&crowd, trial.processes, trial.ledger.as_deref());
    let faults = Faults::new(&fleet, trial.database, seed);
    let did = crowd.ask_for(seconds, seed, || faults.happen(seconds));
    println!("{}: {did}; {}", trial.name, faults.happened());
    fleet.all_up();
    crowd.settle();
    let ledger = fleet.ledger();
    verdict::check(&crowd, &*ledger);
}

#[test]
fn one_process_on_sqlite() {
    let (name, processes) = ("SQLite", 1);
    run(
        Trial {
            name,
            processes,
            ledger: None,
            database: Database::None,
        },
        6,
    );
}

#[test]
fn three_processes_on_one_postgresql() {
    let Some(server) = Postgres::start() else { return };
    let trial = Trial {
        name: "PostgreSQL",
        processes: 3,
        ledger: Some(server.create_database()),
        database: Database::Alone(server),
    };
    run(trial, 12);
}

#[test]
fn three_processes_on_a_pair_that_fails_over() {
    let Some(pair) = PatroniPair::start() else { return };
    let trial = Trial {
        name: "PostgreSQL by Patroni",
        processes: 3,
        ledger: Some(pair.create_database("ledger")),
        database: Database::Pair(pair),
    };
    run(trial, 15);
}

/// The program under test.
fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_keyferry").into()
}
