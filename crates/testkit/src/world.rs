//! A publisher, a service and computers, in one temporary folder.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use keyferry::{BackupOptions, BackupReport, Parity, RestoreOptions, RestoreReport};
use keyferry_service::{LEDGER_FILE, Service, ServiceConfig, Shutdown, policy::Policy, serve};
use tempfile::TempDir;

use crate::clock::SetClock;
use crate::computer::{Computer, Ended};
use crate::publisher::{Issued, Publisher, Wanted};
use crate::transport::{Bent, Direct, Fault};

/// Where all clocks of a world start (Unix seconds).
pub const NOW: u64 = 1_790_000_000;

/// A world in which licenses move.
pub struct World {
    folder: TempDir,
    /// Who issues.
    pub publisher: Publisher,
    /// Who decides about moves.
    pub service: Arc<Service>,
    /// The service's time.
    pub service_clock: Arc<SetClock>,
}

/// A service behind HTTP on loopback; it stops when this is dropped.
pub struct Hosted {
    shutdown: Shutdown,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.shutdown.request();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// One in which the service has no address at which anybody listens.
    pub fn new() -> Self {
        Self::at("http://127.0.0.1:9")
    }

    /// One whose service is at this address.
    pub fn at(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let publisher = Publisher::new("Northwind Audio");
        let service = open_service(
            &folder.path().join("service"),
            "Northwind Licenses",
            url,
            &publisher,
        );
        Self {
            folder,
            publisher,
            service,
            service_clock: Arc::new(SetClock::at(NOW)),
        }
    }

    /// One whose service is reached by HTTP on loopback, with the machine's clock.
    pub fn hosted() -> (Self, Hosted) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let world = Self::at(&url);
        let shutdown = Shutdown::default();
        let (service, stop) = (world.service.clone(), shutdown.clone());
        let thread = std::thread::spawn(move || serve(listener, service, &stop).expect("served"));
        let hosted = Hosted {
            shutdown,
            thread: Some(thread),
        };
        (world, hosted)
    }

    /// Another service that knows the same publisher.
    pub fn other_service(&self, name: &str, url: &str) -> Arc<Service> {
        open_service(&self.path(name), name, url, &self.publisher)
    }

    /// A place in the world's folder; nothing is made.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An empty folder: a stick, say.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir(&folder).expect("a new folder");
        folder
    }

    /// The service's folder.
    pub fn service_folder(&self) -> PathBuf {
        self.path("service")
    }

    /// The ledger's file.
    pub fn ledger_file(&self) -> PathBuf {
        self.service_folder().join(LEDGER_FILE)
    }

    /// A new computer that knows nobody.
    pub fn computer(&self, name: &str) -> Computer {
        Computer::new(self.path(&format!("home of {name}")), name)
    }

    /// A new computer on the machine that the tests run on.
    pub fn computer_here(&self, name: &str) -> Computer {
        Computer::here(self.path(&format!("home of {name}")), name)
    }

    /// A way to the service that works, and counts from zero.
    pub fn direct(&self) -> Arc<Direct> {
        self.direct_to(Vec::new())
    }

    /// A way that works, to the service and to others.
    pub fn direct_to(&self, mut others: Vec<Arc<Service>>) -> Arc<Direct> {
        others.push(self.service.clone());
        Arc::new(Direct::new(others, self.service_clock.clone()))
    }

    /// A way to the service that misbehaves.
    pub fn bent(&self, fault: Fault) -> Arc<Bent> {
        Arc::new(Bent::new(self.direct(), fault))
    }

    /// Issues licenses to a computer, which takes them and accepts their issuer.
    pub fn issue(&self, computer: &Computer, wanted: &[Wanted]) -> Vec<Issued> {
        self.issue_for(&self.service, computer, wanted)
    }

    /// The same for a service of the caller's choice.
    pub fn issue_for(&self, service: &Service, computer: &Computer, wanted: &[Wanted]) -> Vec<Issued> {
        let (service, card) = (service.card(), computer.card());
        let issued = self.publisher.sign(service, &card, wanted);
        let file = computer.home().with_extension("license");
        self.publisher.write(service, &card, &issued, &file);
        computer.import(&file, self.publisher.root(), self.direct());
        issued
    }

    /// A computer with as many plain licenses, and a folder with their backup.
    pub fn backed_up(&self, licenses: usize) -> (Computer, Vec<Issued>, PathBuf) {
        let old = self.computer("old laptop");
        let issued = self.issue(&old, &Wanted::many(licenses, None));
        let stick = self.folder("stick");
        self.back_up(&old, &stick);
        (old, issued, stick)
    }

    /// A backup that must succeed.
    pub fn back_up(&self, computer: &Computer, folder: &Path) -> BackupReport {
        let transport = self.direct();
        let ended = computer.backup(folder, true, transport.clone());
        assert_eq!(transport.traffic().connections(), 0, "a backup needs no network");
        ended.result.expect("backed up")
    }

    /// A backup without parity, in place of what is there: what is damaged in it stays so.
    pub fn back_up_bare(&self, computer: &Computer, folder: &Path) -> BackupReport {
        let options = BackupOptions {
            folder: Some(folder.into()),
            overwrite: true,
            parity: Parity::None,
            ..BackupOptions::default()
        };
        computer
            .backup_as(options, self.direct())
            .result
            .expect("backed up")
    }

    /// The options of a person who agrees to everything.
    pub fn agreed(&self, from: &Path) -> RestoreOptions {
        RestoreOptions {
            individualize: true,
            trust: vec![self.publisher.root()],
            ..self.refused(from)
        }
    }

    /// The options of a person who agrees to nothing.
    pub fn refused(&self, from: &Path) -> RestoreOptions {
        RestoreOptions {
            path: Some(from.to_owned()),
            ..RestoreOptions::default()
        }
    }

    /// A restore on a way that works, by a person who agrees to everything.
    pub fn restore(&self, computer: &Computer, from: &Path) -> Ended<RestoreReport> {
        computer.restore(self.agreed(from), self.direct())
    }

    /// A restore on a way that misbehaves, by a person who agrees to everything.
    pub fn restore_bent(&self, computer: &Computer, from: &Path, fault: Fault) -> Ended<RestoreReport> {
        computer.restore(self.agreed(from), self.bent(fault))
    }
}

fn open_service(dir: &Path, name: &str, url: &str, publisher: &Publisher) -> Arc<Service> {
    let config = ServiceConfig {
        dir: dir.to_owned(),
        name: name.into(),
        url: url.into(),
        issuers: vec![publisher.card().clone()],
        policy: Policy::default(),
    };
    Arc::new(Service::open(config).expect("a service"))
}
