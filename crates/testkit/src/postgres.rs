//! A PostgreSQL server of the tests' own: made in a temporary folder, on loopback, with the settings of production where
//! they matter (every commit is durable). It ends with the test process, however that ends.

pub(crate) mod programs;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use self::programs::{Programs, User};
use crate::keeper::{first_number, free_port};
use crate::left_out::left_out;
use crate::waiting::until;

/// The role that owns everything.
const ROLE: &str = "keyferry";

/// How long a server may take to answer after it was started: it may have a crash to recover from.
const START: Duration = Duration::from_secs(120);

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = 128MB
logging_collector = off
log_min_messages = warning
";

/// Runs the server until it is told to stop, or until the pipe to it closes: then its files go too. A server that was
/// paused (SIGSTOP) has to go on to be able to end.
const KEEPER: &str = r#"
"$1/postgres" -D "$2" -p "$3" >>"$2/log" 2>&1 &
p=$!
echo "$p"
read -r word
kill -CONT "$p" 2>/dev/null
for stat in /proc/[0-9]*/stat; do
    read -r pid name state parent rest <"$stat" || continue
    [ "$parent" = "$p" ] && kill -CONT "$pid"
done 2>/dev/null
kill -INT "$p" 2>/dev/null
wait "$p"
[ "$word" = stop ] || { rm -rf "$2" && rmdir "${2%/*}"; } 2>/dev/null
"#;

/// A server. Dropping it ends it.
pub struct Postgres {
    programs: Programs,
    user: Option<User>,
    data: PathBuf,
    port: u16,
    running: Mutex<Option<Running>>,
    databases: AtomicUsize,
    // Last, so that it goes when the server has ended.
    _folder: Option<TempDir>,
}

/// The keeper of a server that runs.
struct Running {
    keeper: Child,
    /// The server's first process.
    server: u32,
}

impl Postgres {
    /// The server that the tests of this process share; `None`, and noted as left out, where there is none to be had.
    pub fn shared() -> Option<&'static Postgres> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Postgres::start).as_ref()
    }

    /// A server of the caller's own.
    pub fn start() -> Option<Postgres> {
        let folder = tempfile::Builder::new()
            .prefix("keyferry-postgres-")
            .tempdir()
            .expect("a temporary folder");
        let mut started = Self::start_in(folder.path(), "")?;
        started._folder = Some(folder);
        Some(started)
    }

    /// One whose files are in this folder, with these lines in addition to its settings. The folder becomes the
    /// server's; its owner may be another user then.
    pub fn start_in(folder: &Path, settings: &str) -> Option<Postgres> {
        let programs = match Programs::find() {
            Ok(programs) => programs,
            Err(why) => {
                left_out(&format!("the ledger on PostgreSQL: {why}"));
                return None;
            }
        };
        let user = User::for_server(folder).expect("a user for the server");
        if let Some(user) = &user {
            user.give(folder).expect("the server's folder is its user's");
        }
        let data = folder.join("data");
        initialize(&programs, user.as_ref(), folder, &data);
        let mut made = Self {
            programs,
            user,
            port: free_port(),
            running: Mutex::default(),
            databases: AtomicUsize::new(0),
            data,
            _folder: None,
        };
        made.add_settings(SETTINGS);
        made.add_settings(settings);
        // Somebody else may take the port first.
        while !made.try_start() {
            assert!(
                made.log().contains("could not bind"),
                "it doesn't start: {}",
                made.log()
            );
            made.port = free_port();
        }
        Some(made)
    }

    /// Makes a database and gives its URL.
    pub fn create_database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("ledger_{number}");
        self.sql("postgres", &format!("create database {name}"));
        self.url(&name)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL and gives what it tells: a line for each row, columns set apart by `|`.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql)
            .unwrap_or_else(|error| panic!("psql: {error}\nin: {sql}"))
    }

    /// The same; fails with what `psql` said.
    pub fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        self.programs.sql(&self.url(database), sql)
    }

    /// Makes a folder the server's, so that it can keep tables there.
    pub fn own(&self, folder: &Path) {
        if let Some(user) = &self.user {
            user.give(folder).expect("the folder is the server's");
        }
    }

    /// Ends it, as an operator does.
    pub fn stop(&self) {
        let Some(mut running) = self.running().take() else {
            return;
        };
        let mut keeper = running.keeper.stdin.take().expect("its input is a pipe");
        keeper.write_all(b"stop\n").expect("its keeper is there");
    }

    /// Ends all of its processes at once, as a loss of power does.
    pub fn kill(&self) {
        self.signal("KILL");
        self.stop();
    }

    /// Starts it after it was stopped or killed, and waits until it answers.
    pub fn start_again(&self) {
        assert!(
            until(START, || self.try_start()),
            "it doesn't start: {}",
            self.log()
        );
    }

    /// `false` when it ended at once.
    fn try_start(&self) -> bool {
        let mut keeper = programs::command(Path::new("/bin/sh"), self.user.as_ref(), &self.data)
            .args(["-c", KEEPER, "keeper"])
            .arg(&self.programs.folder)
            .arg(&self.data)
            .arg(self.port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a keeper for the server");
        let server = first_number(&mut keeper);
        *self.running() = Some(Running { keeper, server });
        let answers = || self.try_sql("postgres", "select 1").is_ok();
        let settled = until(START, || !programs::is_running(server) || answers());
        assert!(settled, "it doesn't answer: {}", self.log());
        let runs = programs::is_running(server);
        if !runs {
            self.stop();
        }
        runs
    }

    /// Stops its processes where they are: connections stay, nothing answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets its processes go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Adds lines to its settings; they hold from the next start.
    pub fn add_settings(&self, settings: &str) {
        let file = self.data.join("postgresql.conf");
        let before = fs::read_to_string(&file).expect("the server's settings");
        fs::write(&file, before + settings + "\n").expect("the server's settings are written");
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }

    /// To all of its processes.
    fn signal(&self, signal: &str) {
        let server = self.process();
        let children = programs::children_of(server);
        let all = std::iter::once(server).chain(children).map(|pid| pid.to_string());
        // One of them may have ended by itself.
        let _ = Command::new("kill")
            .arg(format!("-{signal}"))
            .args(all)
            .stderr(Stdio::null())
            .status()
            .expect("kill runs");
    }

    /// The server's first process.
    fn process(&self) -> u32 {
        self.running().as_ref().expect("a server that runs").server
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Makes the server's files; they needn't be durable before there is anything in them.
fn initialize(programs: &Programs, user: Option<&User>, folder: &Path, data: &Path) {
    let made = programs::command(&programs.folder.join("initdb"), user, folder)
        .args(["--no-sync", "--locale=C", "--encoding=UTF8", "--auth=trust"])
        .args(["--username", ROLE, "--pgdata"])
        .arg(data)
        .stdin(Stdio::null())
        .output()
        .expect("initdb runs");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "initdb: {said}");
}

#[cfg(test)]
mod tests {
    use super::{Postgres, programs};
    use crate::waiting::until;
    use std::time::Duration;

    #[test]
    fn what_was_committed_outlives_a_crash_and_the_server_its_tests_not() {
        let Some(server) = Postgres::start() else { return };
        let url = server.create_database();
        let database = url.rsplit('/').next().expect("a name").to_owned();
        let sql = |text: &str| server.sql(&database, text);
        assert_eq!(sql("show fsync"), "on");
        assert_eq!(sql("show synchronous_commit"), "on");
        sql("create table kept (number integer); insert into kept values (7)");
        server.kill();
        assert!(server.try_sql(&database, "select 1").is_err());
        server.start_again();
        assert_eq!(sql("select number from kept"), "7");
        server.stop();
        assert!(server.try_sql(&database, "select 1").is_err());
        server.start_again();
        assert_eq!(sql("select number from kept"), "7");

        let waiting = std::thread::scope(|scope| {
            server.pause();
            let asked = scope.spawn(|| server.sql(&database, "select number from kept"));
            std::thread::sleep(Duration::from_millis(200));
            let waiting = !asked.is_finished();
            server.resume();
            assert_eq!(asked.join().expect("asked"), "7");
            waiting
        });
        assert!(waiting, "a server that is paused answers nobody");

        let (process, folder) = (server.process(), server.data.clone());
        server.pause();
        drop(server);
        assert!(until(Duration::from_secs(20), || !programs::is_running(process)));
        assert!(!folder.exists());
    }
}
