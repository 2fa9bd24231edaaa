//! The processes of one service, each with a copy of its keys: started, killed and started again.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyferry_service::ledger::{Ledger, LedgerUrl, SqliteLedger};
use keyferry_service::{CARD_FILE, KEY_FILE, LEDGER_FILE};
use keyferry_testkit::until;

use crate::crowd::{Crowd, NAME};
use crate::proxy::Proxy;

/// A process that can't reach its ledger yet is started again for so long.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Fleet {
    pub proxy: Proxy,
    folder: PathBuf,
    ledger: Option<String>,
    members: Vec<Mutex<Option<Member>>>,
    /// The library that gives a program another clock.
    other_clock: Option<PathBuf>,
}

/// A process that listens.
struct Member {
    child: Child,
    address: SocketAddr,
}

impl Fleet {
    /// Starts them. Without a URL the ledger is SQLite in the folder of the only one.
    pub fn start(crowd: &Crowd, processes: usize, ledger: Option<&str>) -> Self {
        let fleet = Self {
            proxy: crowd.proxy.clone(),
            folder: crowd.folder.clone(),
            ledger: ledger.map(str::to_owned),
            members: (0..processes).map(|_| Mutex::default()).collect(),
            other_clock: if processes > 1 { other_clock() } else { None },
        };
        for number in 1..processes {
            let dir = fleet.dir(number);
            fs::create_dir(&dir).expect("a folder");
            for name in [KEY_FILE, CARD_FILE] {
                fs::copy(fleet.dir(0).join(name), dir.join(name)).expect("the service's keys");
            }
        }
        fleet.all_up();
        fleet
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Ends one as a loss of power does.
    pub fn kill(&self, number: usize) {
        drop(self.member(number).take());
    }

    /// Starts one that was killed; `false` when it ended at once.
    pub fn start_one(&self, number: usize) -> bool {
        let mut member = self.member(number);
        if member.is_none() {
            *member = self.try_start(number);
        }
        let started = member.is_some();
        drop(member);
        self.tell_proxy();
        started
    }

    /// Starts all that don't run, and waits until they do.
    pub fn all_up(&self) {
        for number in 0..self.size() {
            let log = || fs::read_to_string(self.folder.join("not-started")).unwrap_or_default();
            assert!(
                until(PATIENCE, || self.start_one(number)),
                "it doesn't start: {}",
                log()
            );
        }
    }

    /// The ledger, beside the service.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        match &self.ledger {
            None => Arc::new(SqliteLedger::open(&self.dir(0).join(LEDGER_FILE)).expect("the ledger")),
            Some(url) => {
                let url: LedgerUrl = url.parse().expect("a URL");
                url.open(None).expect("the ledger")
            }
        }
    }

    /// `None` where it ends before it listens: its ledger can't be reached.
    fn try_start(&self, number: usize) -> Option<Member> {
        // The last of several is an hour ahead.
        let ahead = number > 0 && number + 1 == self.size();
        let mut command = Command::new(crate::program());
        if let (true, Some(library)) = (ahead, &self.other_clock) {
            command.env("LD_PRELOAD", library).env("FAKETIME", "+1h");
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command.args([
            "--json",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--name",
            NAME,
            "--url",
            &self.proxy.url(),
        ]);
        command
            .arg("--dir")
            .arg(self.dir(number))
            .arg("--issuer")
            .arg(self.folder.join("issuer.card"));
        if let Some(ledger) = &self.ledger {
            command.args(["--ledger", ledger]);
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(number))
            .expect("a log");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = address(&line);
        if address.is_none() {
            fs::write(self.folder.join("not-started"), &line).expect("what it said");
            let _ = child.kill();
            let _ = child.wait();
        }
        address.map(|address| Member { child, address })
    }

    fn tell_proxy(&self) {
        let address = |number| self.member(number).as_ref().map(|member| member.address);
        self.proxy.set((0..self.size()).filter_map(address).collect());
    }

    fn dir(&self, number: usize) -> PathBuf {
        service_dir(&self.folder, number)
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("serve-{number}.log"))
    }

    fn member(&self, number: usize) -> MutexGuard<'_, Option<Member>> {
        self.members[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where faketime has its library; the program of that name would stand between the test and the process that it kills.
fn other_clock() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").expect("libraries").flatten();
    let library = folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file());
    if library.is_none() {
        keyferry_testkit::left_out("a service whose clock is an hour ahead: no faketime");
    }
    library
}

/// The folder of one process.
pub fn service_dir(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("service-{number}"))
}

/// Where it listens, by its first line.
fn address(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line["event"] == "listening").then(|| line["address"].as_str()?.parse().ok())?
}
