//! What goes wrong during a trial, and when: it follows from the seed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use keyferry_testkit::{PatroniPair, Postgres};

use crate::fleet::Fleet;
use crate::random::Random;

/// Where the ledger is, as far as it can be harmed.
pub enum Database {
    /// In the process.
    None,
    /// One server.
    Alone(Postgres),
    /// A primary and its standby.
    Pair(PatroniPair),
}

pub struct Faults<'f> {
    fleet: &'f Fleet,
    database: Database,
    seed: u64,
    killed: AtomicUsize,
    stopped: AtomicUsize,
    failed_over: AtomicUsize,
}

/// How long the database stops: shorter where the whole trial is short.
fn stop(seconds: u64) -> Duration {
    Duration::from_secs(if seconds < 60 { 2 } else { 5 })
}

impl<'f> Faults<'f> {
    pub fn new(fleet: &'f Fleet, database: Database, seed: u64) -> Self {
        Self {
            fleet,
            database,
            seed,
            killed: AtomicUsize::new(0),
            stopped: AtomicUsize::new(0),
            failed_over: AtomicUsize::new(0),
        }
    }

    /// Kills a process every second or two and starts it again; a third of the way in the database stops for a while, and half of the way it fails over, where there is a pair.
    pub fn happen(&self, seconds: u64) {
        let mut random = Random::new(self.seed, u64::MAX);
        let begun = Instant::now();
        let end = Duration::from_secs(seconds);
        while begun.elapsed() < end {
            std::thread::sleep(Duration::from_millis(500 + random.below(1500) as u64));
            let victim = random.below(self.fleet.size());
            self.fleet.kill(victim);
            self.killed.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(random.below(500) as u64));
            self.fleet.start_one(victim);
            if begun.elapsed() > end / 3 && self.stopped.load(Ordering::Relaxed) == 0 {
                self.stop_database(stop(seconds));
            }
            if let Database::Pair(pair) = &self.database
                && begun.elapsed() > end / 2
                && self.failed_over.load(Ordering::Relaxed) == 0
            {
                pair.fail_over();
                self.failed_over.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn stop_database(&self, time: Duration) {
        match &self.database {
            Database::None => return,
            Database::Alone(server) => {
                server.pause();
                std::thread::sleep(time);
                server.resume();
            }
            Database::Pair(pair) => pair.pause(time),
        }
        self.stopped.fetch_add(1, Ordering::Relaxed);
    }

    /// What happened, for people.
    pub fn happened(&self) -> String {
        format!(
            "{} processes killed, the database stopped {} times and failed over {} times",
            self.killed.load(Ordering::Relaxed),
            self.stopped.load(Ordering::Relaxed),
            self.failed_over.load(Ordering::Relaxed)
        )
    }
}
