//! Computers that want what is theirs, over and over, and how long the service lets them wait.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyferry::{HttpTransport, RestoreOptions, Transport, TransportError};
use keyferry_license::Thumbprint;
use keyferry_testkit::{Computer, Issued, Wanted};

use crate::served::Served;

/// As many as may hold a license beside the computer that it was issued to.
const COMPUTERS: usize = 3;
/// Of each backup.
const LICENSES: usize = 10;

pub struct Honest {
    computers: Vec<Computer>,
    next: Cell<usize>,
    licenses: Vec<Issued>,
    stick: PathBuf,
    root: Thumbprint,
}

impl Honest {
    /// They have a backup of licenses that this service decides about, and are known to it.
    pub fn new(folder: &Path, served: &Served) -> Self {
        let origin = Computer::new(folder.join("origin"), "origin");
        let wanted = Wanted::many(LICENSES, None);
        let licenses = served.publisher.sign(&served.card, &origin.card(), &wanted);
        let (file, transport) = (folder.join("issued.license"), Arc::new(HttpTransport::default()));
        served
            .publisher
            .write(&served.card, &origin.card(), &licenses, &file);
        origin.import(&file, served.publisher.root(), transport.clone());
        let stick = folder.join("stick");
        std::fs::create_dir(&stick).expect("a folder");
        origin.backup(&stick, true, transport).result.expect("backed up");
        let computer = |number: usize| {
            Computer::new(
                folder.join(format!("home-{number}")),
                &format!("computer {number}"),
            )
        };
        let honest = Self {
            computers: (0..COMPUTERS).map(computer).collect(),
            next: Cell::new(0),
            licenses,
            stick,
            root: served.publisher.root(),
        };
        for _ in 0..COMPUTERS {
            honest.restore();
        }
        honest
    }

    /// One of them restores everything once more, over a connection of its own, and has to get it. How long it waited
    /// for the service.
    pub fn restore(&self) -> Duration {
        let computer = &self.computers[self.next.replace((self.next.get() + 1) % COMPUTERS)];
        if computer.home().join("store.sqlite").exists() {
            computer.lose_store();
        }
        let options = RestoreOptions {
            path: Some(self.stick.clone()),
            individualize: true,
            trust: vec![self.root],
            ..RestoreOptions::default()
        };
        let transport = Arc::new(Timed::default());
        let ended = computer.restore(options, transport.clone());
        assert_eq!(ended.exit_code(), 0, "{:?}", ended.result);
        assert_eq!(computer.opens(&self.licenses), LICENSES);
        *transport.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way to the service that measures how long it takes.
#[derive(Default)]
struct Timed {
    way: HttpTransport,
    waited: Mutex<Duration>,
}

impl Timed {
    fn measure<T>(&self, call: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let came = call();
        *self.waited.lock().unwrap_or_else(PoisonError::into_inner) += begun.elapsed();
        came
    }
}

impl Transport for Timed {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        self.measure(|| self.way.card(base))
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.measure(|| self.way.send(base, request))
    }
}

/// How long each restore waited.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// In milliseconds: so many of a hundred waited no longer.
    fn at(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e3
    }

    /// These, and those with others around, in a few lines.
    pub fn beside(&self, others: &Self) -> String {
        let line = |(name, percent)| {
            let (alone, beside) = (self.at(percent), others.at(percent));
            format!(
                "  {name:<9} {alone:8.1} ms alone {beside:9.1} ms beside them, {:.2} times",
                beside / alone
            )
        };
        let lines: Vec<String> = [("median", 50), ("95 of 100", 95), ("99 of 100", 99)]
            .map(line)
            .into();
        format!(
            "  how long a restore of {LICENSES} licenses waits for the service, {} times alone and {} times beside them:\n{}",
            self.0.len(),
            others.0.len(),
            lines.join("\n")
        )
    }
}
