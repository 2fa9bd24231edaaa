//! A pair of PostgreSQL servers of which Patroni keeps one the primary, with etcd, on loopback: what an operator runs where
//! the ledger has to outlive a machine. A commit is acknowledged when the other has it. All of it ends with the test
//! process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::keeper::{Keeper, free_port};
use crate::left_out::left_out;
use crate::postgres::programs::{Programs, User, children_of, command};
use crate::waiting::until;

/// How long it may take until there is a primary, or another one.
const PATIENCE: Duration = Duration::from_secs(120);

/// The two servers.
pub struct PatroniPair {
    programs: Programs,
    user: Option<User>,
    nodes: [Node; 2],
    _etcd: Keeper,
    // Last, so that it goes when everything has ended.
    folder: TempDir,
}

struct Node {
    port: u16,
    data: PathBuf,
    patroni: Mutex<Option<Keeper>>,
}

impl PatroniPair {
    /// Starts it and waits until the standby confirms commits; `None`, and noted as left out, where something is missing.
    pub fn start() -> Option<Self> {
        let programs = Programs::find();
        let missing = |program: &&str| {
            let version = Command::new(program).arg("--version").output();
            !version.is_ok_and(|version| version.status.success())
        };
        let missing: Vec<&str> = ["patroni", "etcd"].into_iter().filter(missing).collect();
        let programs = match (programs, missing.as_slice()) {
            (Ok(programs), []) => programs,
            (Err(why), _) => {
                left_out(&format!("the ledger on PostgreSQL that fails over: {why}"));
                return None;
            }
            (_, missing) => {
                left_out(&format!(
                    "the ledger on PostgreSQL that fails over: no {}",
                    missing.join(", no ")
                ));
                return None;
            }
        };
        let folder = tempfile::Builder::new()
            .prefix("keyferry-patroni-")
            .tempdir()
            .expect("a temporary folder");
        let user = User::for_server(folder.path()).expect("a user for the servers");
        if let Some(user) = &user {
            user.give(folder.path()).expect("the folder is its user's");
        }
        let (etcd, client) = start_etcd(user.as_ref(), folder.path());
        let node = |number| Node::new(&programs, folder.path(), number, client);
        let pair = Self {
            nodes: [node(0), node(1)],
            programs,
            user,
            _etcd: etcd,
            folder,
        };
        for number in 0..2 {
            pair.start_node(number);
        }
        assert!(until(PATIENCE, || pair.is_whole()), "no pair: {}", pair.log());
        Some(pair)
    }

    /// Makes a database, and gives a URL that names both servers.
    pub fn create_database(&self, name: &str) -> String {
        let primary = self.primary().expect("a primary");
        self.sql(primary, &format!("create database {name}"))
            .expect("made");
        let [one, two] = [0, 1].map(|number| self.nodes[number].port);
        format!("postgres://keyferry@127.0.0.1:{one},127.0.0.1:{two}/{name}?target_session_attrs=read-write")
    }

    /// Ends the primary and its Patroni at once, as a loss of power does, and waits until the other is the primary. The one
    /// that was lost comes back as its standby.
    pub fn fail_over(&self) {
        let lost = self.primary().expect("a primary");
        let patroni = self.nodes[lost]
            .patroni
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let patroni = patroni.expect("Patroni runs");
        signal(
            "KILL",
            std::iter::once(patroni.process()).chain(self.processes(lost)),
        );
        patroni.stop();
        let other = 1 - lost;
        assert!(
            until(PATIENCE, || self.is_primary(other)),
            "no other primary: {}",
            self.log()
        );
        self.start_node(lost);
    }

    /// Lets the primary's processes stop where they are for so long. It stays the primary if that isn't too long.
    pub fn pause(&self, time: Duration) {
        let primary = self.primary().expect("a primary");
        let processes = self.processes(primary);
        signal("STOP", processes.iter().copied());
        std::thread::sleep(time);
        signal("CONT", processes.into_iter());
    }

    /// A server and all that it has started.
    fn processes(&self, number: usize) -> Vec<u32> {
        let pid = fs::read_to_string(self.nodes[number].data.join("postmaster.pid")).expect("it runs");
        let server = pid
            .lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("a process");
        std::iter::once(server).chain(children_of(server)).collect()
    }

    /// Does the standby confirm commits?
    pub fn is_whole(&self) -> bool {
        let query = "select count(*) from pg_stat_replication where sync_state = 'sync'";
        self.primary()
            .is_some_and(|primary| self.sql(primary, query).is_ok_and(|count| count == "1"))
    }

    /// What the two wrote.
    pub fn log(&self) -> String {
        let read = |number| fs::read_to_string(self.log_file(number)).unwrap_or_default();
        [read(0), read(1)].concat()
    }

    fn primary(&self) -> Option<usize> {
        (0..2).find(|number| self.is_primary(*number))
    }

    fn is_primary(&self, number: usize) -> bool {
        self.sql(number, "select pg_is_in_recovery()")
            .is_ok_and(|said| said == "f")
    }

    fn sql(&self, number: usize, sql: &str) -> Result<String, String> {
        let port = self.nodes[number].port;
        self.programs
            .sql(&format!("postgres://keyferry@127.0.0.1:{port}/postgres"), sql)
    }

    fn start_node(&self, number: usize) {
        let settings = self.folder.path().join(format!("node-{number}.yml"));
        let words = ["patroni".into(), settings.display().to_string()];
        let folder = self.folder.path();
        let keeper = Keeper::start(
            command(Path::new("/bin/sh"), self.user.as_ref(), folder),
            &words,
            &self.log_file(number),
        );
        *self.nodes[number]
            .patroni
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    fn log_file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("node-{number}.log"))
    }
}

/// To each of them; one may have ended by itself.
fn signal(name: &str, processes: impl Iterator<Item = u32>) {
    let processes = processes.map(|pid| pid.to_string());
    let mut kill = Command::new("kill");
    let _ = kill
        .arg(format!("-{name}"))
        .args(processes)
        .stderr(Stdio::null())
        .status()
        .expect("kill runs");
}

impl Node {
    /// Writes its settings.
    fn new(programs: &Programs, folder: &Path, number: usize, etcd: u16) -> Self {
        let (port, rest, data) = (free_port(), free_port(), folder.join(format!("node-{number}")));
        let (bin, here) = (programs.folder.display(), folder.display());
        let settings = format!(
            r#"scope: keyferry
name: node{number}
restapi: {{listen: "127.0.0.1:{rest}", connect_address: "127.0.0.1:{rest}"}}
etcd3: {{hosts: "127.0.0.1:{etcd}"}}
bootstrap:
  dcs:
    ttl: 8
    loop_wait: 1
    retry_timeout: 3
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 200, fsync: "on", synchronous_commit: "on"}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}, {{auth: trust}}, no-sync]
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{port}
  data_dir: {data}
  bin_dir: {bin}
  pgpass: {here}/pgpass-{number}
  pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
  authentication: {{superuser: {{username: keyferry}}, replication: {{username: replicator}}}}
  parameters: {{unix_socket_directories: "", logging_collector: "off"}}
"#,
            data = data.display()
        );
        fs::write(folder.join(format!("node-{number}.yml")), settings).expect("settings");
        Self {
            port,
            data,
            patroni: Mutex::default(),
        }
    }
}

/// One etcd; gives the port for its clients.
fn start_etcd(user: Option<&User>, folder: &Path) -> (Keeper, u16) {
    let (client, peer) = (free_port(), free_port());
    let [client_url, peer_url] = [client, peer].map(|port| format!("http://127.0.0.1:{port}"));
    let data = folder.join("etcd").display().to_string();
    let cluster = format!("default={peer_url}");
    let words = [
        ("--data-dir", &data),
        ("--listen-client-urls", &client_url),
        ("--advertise-client-urls", &client_url),
        ("--listen-peer-urls", &peer_url),
        ("--initial-advertise-peer-urls", &peer_url),
        ("--initial-cluster", &cluster),
    ];
    let words = words
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value.clone()]);
    let words: Vec<String> = std::iter::once("etcd".to_owned()).chain(words).collect();
    let shell = command(Path::new("/bin/sh"), user, folder);
    (Keeper::start(shell, &words, &folder.join("etcd.log")), client)
}
