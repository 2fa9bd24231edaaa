//! A program that runs beside the tests and ends with them, however they end: a shell holds it, and ends it when the pipe to
//! the shell closes.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = r#"
log=$1
shift
"$@" >>"$log" 2>&1 &
p=$!
echo "$p"
read -r word
kill -TERM "$p" 2>/dev/null
wait "$p"
"#;

/// Ends it when it is dropped.
pub(crate) struct Keeper {
    shell: Child,
    process: u32,
}

impl Keeper {
    /// Runs a command; what it writes is added to `log`. `shell`: `/bin/sh` with the user and folder of the command.
    pub(crate) fn start(mut shell: Command, words: &[String], log: &Path) -> Self {
        let mut shell = shell
            .args(["-c", SCRIPT, "keeper"])
            .arg(log)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let process = first_number(&mut shell);
        Self { shell, process }
    }

    /// The command's process.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Ends it.
    pub(crate) fn stop(self) {}
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The number in the first line that a program writes.
pub(crate) fn first_number(child: &mut Child) -> u32 {
    let mut line = String::new();
    let out = child.stdout.take().expect("its output is a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    line.trim().parse().expect("a number")
}

/// A port of 127.0.0.1 at which nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
