//! A folder for one test, with the program, an issuer, computers and a service in it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use keyferry_testkit::LineSchema;
use serde_json::Value;

/// What every line of JSON mode has to be.
pub static SCHEMA: LazyLock<LineSchema> = LazyLock::new(LineSchema::shipped);

/// A folder with everything of one test.
pub struct Place(tempfile::TempDir);

/// What came of a run.
pub struct Ran {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The lines of a run in JSON mode.
pub struct Lines {
    pub exit: i32,
    pub all: Vec<Value>,
}

/// A service that runs until it is dropped.
pub struct Served {
    pub child: Child,
    pub listening: Value,
}

impl Place {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// With an issuer in `pub`, a service card in `svc`, and the card of the computer `a` in `a.card`.
    pub fn with_issuer() -> Self {
        let place = Self::new();
        place.done(&["issuer", "init", "pub", "--name", "Harbor Books"]);
        drop(place.serve());
        place.done(&["--home", "a", "computer", "name", "Old laptop"]);
        place.done(&["--home", "a", "computer", "card", "-o", "a.card"]);
        place
    }

    /// The same, with the issuer accepted on `a`.
    pub fn with_trust() -> Self {
        let place = Self::with_issuer();
        let thumbprint = place.thumbprint();
        place.done(&[
            "--home",
            "a",
            "trust",
            "add",
            "pub/issuer.card",
            "--thumbprint",
            &thumbprint,
        ]);
        place
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The issuer's thumbprint.
    pub fn thumbprint(&self) -> String {
        text(self.json(&["issuer", "card", "pub"]).summary(), "thumbprint").to_owned()
    }

    /// Issues a license to `a` and imports it there; the answer is its key ID.
    pub fn give(&self, more: &[&str]) -> String {
        let mut args = vec![
            "issuer",
            "issue",
            "pub",
            "--computer",
            "a.card",
            "--service",
            "svc/service.card",
        ];
        args.extend(["--overwrite", "-o", "given.license"]);
        if !more.contains(&"--title") {
            args.extend(["--title", "Charts"]);
        }
        args.extend(more);
        let issued = self.json(&args);
        assert_eq!(issued.exit, 0, "{:?}", issued.all);
        self.done(&["--home", "a", "import", "given.license"]);
        text(issued.summary(), "key_id").to_owned()
    }

    /// The program, about to run here, knowing nothing of the person who runs the tests.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyferry"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
            .env_remove("KEYFERRY_HOME")
            .env_remove("XDG_DATA_HOME")
            .env("HOME", self.path("person"));
        command
    }

    /// Runs it.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("the program runs").into()
    }

    /// Runs it with this on its standard input.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("it ends");
        // It may end before it has read everything.
        let _ = writer.join().expect("the writer ends");
        output.into()
    }

    /// Runs it; anything but success is a failure of the test.
    pub fn done(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.exit, 0, "{args:?} said: {}{}", ran.stdout, ran.stderr);
        ran
    }

    /// Runs it in JSON mode; every line has to be as the schema says, and the last has to be the summary with the exit
    /// code.
    pub fn json(&self, args: &[&str]) -> Lines {
        let ran = self.run(&[&["--json"], args].concat());
        let all = SCHEMA.lines(&ran.stdout);
        assert_eq!(ran.stderr, "", "in JSON mode stderr is silent");
        let lines = Lines { exit: ran.exit, all };
        assert_eq!(lines.summary()["event"], "summary", "{args:?}");
        assert_eq!(lines.summary()["exit"], lines.exit, "{args:?}");
        assert_eq!(lines.summary()["hr"] == "00000000", lines.exit == 0, "{args:?}");
        lines
    }

    /// Starts a service in `svc`, with the issuer registered.
    pub fn serve(&self) -> Served {
        self.serve_with(&[])
    }

    /// The same with more arguments.
    pub fn serve_with(&self, more: &[&str]) -> Served {
        self.start("127.0.0.1:0", more)
    }

    /// The same as before, where it listened before.
    pub fn serve_at(&self, address: &str) -> Served {
        self.start(address, &[])
    }

    /// Where it is to listen, with more arguments.
    pub fn start(&self, listen: &str, more: &[&str]) -> Served {
        let args = [
            "--json",
            "serve",
            "--dir",
            "svc",
            "--listen",
            listen,
            "--name",
            "Harbor Licenses",
        ];
        let mut command = self.command(&args);
        command
            .args(["--issuer", "pub/issuer.card"])
            .args(more)
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let listening = SCHEMA.line(&line);
        assert_eq!(listening["event"], "listening", "{line}");
        Served { child, listening }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Ran {
    /// It must have ended so and said this on stderr.
    #[track_caller]
    pub fn failed(&self, exit: i32, said: &[&str]) {
        assert_eq!(self.exit, exit, "{}{}", self.stdout, self.stderr);
        for said in said {
            assert!(self.stderr.contains(said), "{said:?} is not in {}", self.stderr);
        }
        assert!(self.stderr.starts_with("keyferry: error: "), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

impl Lines {
    /// The last line.
    pub fn summary(&self) -> &Value {
        self.all.last().expect("a last line")
    }

    /// The lines of one event.
    pub fn of(&self, event: &str) -> Vec<&Value> {
        self.all.iter().filter(|line| line["event"] == event).collect()
    }

    /// The names of the statuses, in their order.
    pub fn statuses(&self) -> Vec<&str> {
        self.of("status")
            .into_iter()
            .map(|line| text(line, "name"))
            .collect()
    }
}

#[cfg(unix)]
impl Served {
    /// Sends it this signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).ok();
        let id = id.and_then(rustix::process::Pid::from_raw).expect("an ID");
        rustix::process::kill_process(id, signal).expect("it runs");
    }

    /// The next line that it says.
    pub fn next_line(&mut self) -> Value {
        let mut line = String::new();
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        // It says one line and then nothing until it is asked again.
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        SCHEMA.line(&line)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The arguments of a restore from the stick on computer `b`, which has consented and accepts this issuer.
pub fn restoring(thumbprint: &str) -> [&str; 7] {
    [
        "--home",
        "b",
        "restore",
        "stick",
        "--individualize",
        "--trust",
        thumbprint,
    ]
}

/// A text field.
pub fn text<'v>(line: &'v Value, field: &str) -> &'v str {
    line[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {line}"))
}

/// Who may read a file; everywhere the right answer where the system does not tell.
#[cfg(unix)]
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().expect("it is there").permissions().mode() & 0o777
}
#[cfg(not(unix))]
pub fn mode(_: &Path) -> u32 {
    0o600
}
