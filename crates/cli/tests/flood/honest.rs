//! Computers that want what is theirs, over and over, and how long the service lets them wait.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyferry::{HttpTransport, RestoreOptions, Roots, Transport, TransportError};
use keyferry_license::Thumbprint;
use keyferry_testkit::{Computer, Issued, Wanted};

use crate::served::Served;

/// As many as may hold a license beside the computer that it was issued to.
const COMPUTERS: usize = 3;
/// Of each backup.
const LICENSES: usize = 10;
/// Of a large backup: as many as one request holds.
const MANY: usize = 1000;

pub struct Honest {
    computers: Vec<Computer>,
    next: Cell<usize>,
    licenses: Vec<Issued>,
    stick: PathBuf,
    root: Thumbprint,
    certificate: Roots,
}

impl Honest {
    /// They have a backup of licenses that this service decides about, and are known to it.
    pub fn new(folder: &Path, served: &Served) -> Self {
        let (licenses, stick) = backed_up(folder, "small", served, LICENSES);
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
            certificate: served.certificate.clone(),
        };
        for _ in 0..COMPUTERS {
            honest.restore();
        }
        honest
    }

    fn agreed(&self, path: PathBuf) -> RestoreOptions {
        RestoreOptions {
            path: Some(path),
            individualize: true,
            trust: vec![self.root],
            ..RestoreOptions::default()
        }
    }

    /// The request by which somebody restored many licenses.
    pub fn large_request(&self, folder: &Path, served: &Served) -> Vec<u8> {
        let (_, stick) = backed_up(folder, "large", served, MANY);
        let computer = Computer::new(folder.join("greedy"), "greedy");
        let transport = Arc::new(Timed::new(&self.certificate));
        let ended = computer.restore(self.agreed(stick), transport.clone());
        assert_eq!(ended.exit_code(), 0, "{:?}", ended.result);
        std::mem::take(&mut transport.largest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One of them restores everything once more, over a connection of its own, and has to get it. How long it waited
    /// for the service.
    pub fn restore(&self) -> Duration {
        let computer = &self.computers[self.next.replace((self.next.get() + 1) % COMPUTERS)];
        if computer.home().join("store.sqlite").exists() {
            computer.lose_store();
        }
        let options = self.agreed(self.stick.clone());
        let transport = Arc::new(Timed::new(&self.certificate));
        let ended = computer.restore(options, transport.clone());
        assert_eq!(ended.exit_code(), 0, "{:?}", ended.result);
        assert_eq!(computer.opens(&self.licenses), LICENSES);
        *transport.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A computer with so many licenses, and their backup.
fn backed_up(folder: &Path, name: &str, served: &Served, count: usize) -> (Vec<Issued>, PathBuf) {
    let origin = Computer::new(folder.join(name), name);
    let licenses = served
        .publisher
        .sign(&served.card, &origin.card(), &Wanted::many(count, None));
    let file = folder.join(name).with_extension("license");
    served
        .publisher
        .write(&served.card, &origin.card(), &licenses, &file);
    let transport = Arc::new(Timed::new(&served.certificate));
    origin.import(&file, served.publisher.root(), transport.clone());
    let stick = folder.join(name).with_extension("stick");
    std::fs::create_dir(&stick).expect("a folder");
    origin.backup(&stick, true, transport).result.expect("backed up");
    (licenses, stick)
}

/// A way to the service that measures how long it takes, and keeps the largest request.
struct Timed {
    way: HttpTransport,
    waited: Mutex<Duration>,
    largest: Mutex<Vec<u8>>,
}

impl Timed {
    fn new(certificate: &Roots) -> Self {
        Self {
            way: HttpTransport::with_roots(certificate),
            waited: Mutex::default(),
            largest: Mutex::default(),
        }
    }

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
        let mut largest = self.largest.lock().unwrap_or_else(PoisonError::into_inner);
        if request.len() > largest.len() {
            *largest = request.to_vec();
        }
        drop(largest);
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
