//! One shell for a whole tour: it keeps its folder, its variables and what it started.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;

const END: &str = "end of the output of command";

/// The program as the tour calls it: what it prints as lines of JSON is kept for a look afterwards.
const WRAPPER: &str = r#"#!/bin/bash
for arg; do
    if [ "$arg" = --json ]; then
        "$PROGRAM" "$@" | tee -a "$LINES_FILE"
        exit "${PIPESTATUS[0]}"
    fi
done
exec "$PROGRAM" "$@"
"#;

/// A running shell.
pub struct Shell {
    tools: TempDir,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Shell {
    /// A shell in this folder, with the program in its path and a home of its own.
    pub fn start(folder: &Path) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_keyferry"));
        let tools = tempfile::tempdir().expect("a temporary folder");
        let wrapper = tools.path().join("keyferry");
        std::fs::write(&wrapper, WRAPPER).expect("written");
        std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).expect("executable");
        let mut path = tools.path().as_os_str().to_owned();
        if let Some(others) = std::env::var_os("PATH") {
            path.push(":");
            path.push(others);
        }
        let mut child = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", path)
            .env("PROGRAM", program)
            .env("LINES_FILE", tools.path().join("lines"))
            .env("HOME", folder)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "200")
            .env_remove("KEYFERRY_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("bash starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // What the program says on either stream is what a person sees. The background jobs end with the shell.
        writeln!(stdin, "exec 2>&1; trap 'kill $(jobs -p) 2>/dev/null' EXIT").expect("bash listens");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self {
            tools,
            child,
            stdin,
            stdout,
        }
    }

    /// All lines of JSON that the program printed so far.
    pub fn lines(&self) -> String {
        std::fs::read_to_string(self.tools.path().join("lines")).unwrap_or_default()
    }

    /// Types a command; gives what was printed, and the exit code.
    pub fn type_in(&mut self, command: &str) -> (Vec<String>, i32) {
        // Commands of the tour read nothing: the shell's own input is not theirs.
        writeln!(
            self.stdin,
            "{{ {command}\n}} < /dev/null\nprintf '\\n%s %s\\n' '{END}' $?"
        )
        .expect("bash listens");
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line).expect("bash speaks");
            assert!(read > 0, "bash ended: {command}\n{}", lines.join("\n"));
            let line = line.trim_end_matches('\n').to_owned();
            if let Some(code) = line.strip_prefix(END) {
                // The newline before the mark ends a line that has none, and is an empty one otherwise.
                if lines.last().is_some_and(|line: &String| line.is_empty()) {
                    lines.pop();
                }
                return (lines, code.trim().parse().expect("an exit code"));
            }
            lines.push(line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = writeln!(self.stdin, "exit");
        let _ = self.child.wait();
    }
}
