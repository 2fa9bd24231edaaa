//! This program as a child process: its JSON lines are read while it runs, its memory at its end.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::failed::{Failed, Result};

/// Statuses and such that are kept; the lines of single licenses are not.
const KEPT_EVENTS: usize = 1000;

/// A child that runs.
pub struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
    started: Instant,
}

/// A child that has ended.
pub struct Finished {
    /// Exit code; 255 if a signal ended it.
    pub exit: u8,
    /// Wall time.
    pub seconds: f64,
    events: Vec<Value>,
    summary: Value,
}

impl Running {
    /// Starts it with its output on a pipe.
    pub fn start(command: &mut Command) -> Result<Self> {
        let started = Instant::now();
        let failed = |e| Failed::other(format!("can't start this program again: {e}"));
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(failed)?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| Failed::other("a child without output"))?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout),
            started,
        })
    }

    /// Waits for an event of this name.
    pub fn wait_for(&mut self, event: &str) -> Result<Value> {
        loop {
            let line = self.next_line()?;
            let Some(line) = line else {
                return Err(Failed::other(format!("a child ended before it said {event:?}")));
            };
            match name(&line) {
                "error" => {
                    return Err(Failed::other(format!(
                        "a child failed: {}",
                        text(&line, "message")
                    )));
                }
                said if said == event => return Ok(line),
                _ => {}
            }
        }
    }

    /// Reads all that it says and waits for its end.
    pub fn finish(mut self) -> Result<Finished> {
        let (mut events, mut summary) = (Vec::new(), Value::Null);
        while let Some(line) = self.next_line()? {
            match name(&line) {
                "summary" => summary = line,
                "license" | "progress" => {}
                _ if events.len() < KEPT_EVENTS => events.push(line),
                _ => {}
            }
        }
        let status = self
            .child
            .wait()
            .map_err(|e| Failed::other(format!("can't wait for a child: {e}")))?;
        let exit = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(u8::MAX);
        Ok(Finished {
            exit,
            seconds: self.started.elapsed().as_secs_f64(),
            events,
            summary,
        })
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(mut self) -> Result<Finished> {
        if !terminate(&self.child) {
            let _ = self.child.kill();
        }
        self.finish()
    }

    /// Highest memory so far, in bytes, where the system tells.
    pub fn peak(&self) -> Option<u64> {
        crate::memory::peak_of(self.child.id())
    }

    fn next_line(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        let read = self
            .lines
            .read_line(&mut line)
            .map_err(|e| Failed::other(format!("can't read a child: {e}")))?;
        if read == 0 {
            return Ok(None);
        }
        let value = serde_json::from_str(&line);
        value
            .map(Some)
            .map_err(|e| Failed::other(format!("a child said what is no JSON ({e}): {}", line.trim_end())))
    }
}

#[cfg(unix)]
fn terminate(child: &Child) -> bool {
    let id = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    id.is_some_and(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM).is_ok())
}

#[cfg(not(unix))]
fn terminate(_: &Child) -> bool {
    false
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// A number of its summary.
    pub fn number(&self, field: &str) -> u64 {
        self.summary.get(field).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Its own highest memory, in bytes, where the system tells.
    pub fn peak(&self) -> Option<u64> {
        self.summary.get("peak_rss").and_then(Value::as_u64)
    }

    /// Statuses of this name.
    pub fn statuses<'s>(&'s self, status: &'s str) -> impl Iterator<Item = &'s Value> {
        self.events
            .iter()
            .filter(move |event| name(event) == "status" && text(event, "name") == status)
    }

    /// What it said went wrong.
    pub fn error(&self) -> &str {
        self.events
            .iter()
            .find(|event| name(event) == "error")
            .map_or("it did not say why", |e| text(e, "message"))
    }
}

fn name(line: &Value) -> &str {
    text(line, "event")
}

/// A text field of a line; empty if it isn't there.
pub fn text<'v>(line: &'v Value, field: &str) -> &'v str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}
