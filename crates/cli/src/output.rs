//! The one place that writes: results to stdout, everything else to stderr. In JSON mode everything is a line on
//! stdout. Whoever stops reading stdout ends the output quietly, not the work.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keyferry::{Counts, HResult};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::args::Global;
use crate::event::Event;
use crate::failed::Failed;

/// A line of JSON whose fields keep their order; the first is `event`.
#[derive(Debug, Clone)]
pub struct Line(Vec<(&'static str, Value)>);

impl Line {
    /// A line about this event.
    pub fn new(event: Event) -> Self {
        Self(vec![("event", event.name().into())])
    }

    /// The same about another event.
    pub fn rename(&mut self, event: Event) {
        self.0[0].1 = event.name().into();
    }

    /// With one more field.
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Whoever starts a program without a stdout gets `/dev/null` from Rust's runtime, open to read and to write. A shell's
/// `> /dev/null` is open to write only: who types that means it.
#[cfg(unix)]
fn leads_nowhere() -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fstat, stat};

    let stdout = io::stdout();
    let both_ways = fcntl_getfl(&stdout).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR);
    let device = fstat(&stdout).map(|stdout| stdout.st_rdev);
    both_ways && device.is_ok() && device == stat("/dev/null").map(|null| null.st_rdev)
}

#[cfg(not(unix))]
fn leads_nowhere() -> bool {
    false
}

/// Stdout and stderr as the flags want them.
pub struct Output {
    /// What the summary says was run.
    command: Option<String>,
    json: bool,
    quiet: bool,
    color: bool,
    stdout_is_terminal: bool,
    shared: Mutex<Shared>,
}

struct Shared {
    stdout: BufWriter<Stdout>,
    /// Why nothing more is written.
    broken: Option<io::Error>,
    summary: Vec<(&'static str, Value)>,
}

impl Output {
    /// For these flags and this command, whose words are joined by blanks; `None` if nobody can tell which it is.
    pub fn new(global: &Global, command: Option<String>) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let stdout = io::stdout();
        Self {
            command,
            json: global.json,
            quiet: global.quiet,
            color: !no_color && io::stderr().is_terminal(),
            stdout_is_terminal: stdout.is_terminal(),
            shared: Mutex::new(Shared {
                stdout: BufWriter::with_capacity(64 * 1024, stdout),
                broken: None,
                summary: Vec::new(),
            }),
        }
    }

    /// For what is said before the flags are known.
    pub fn before_arguments(json: bool) -> Self {
        let global = Global {
            home: None,
            json,
            quiet: false,
            verbose: 0,
            no_progress: true,
            yes: false,
        };
        Self::new(&global, None)
    }

    /// Are results lines of JSON?
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Does a person see stdout?
    pub fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Can nobody read stdout, from the start on?
    pub fn stdout_leads_nowhere(&self) -> bool {
        leads_nowhere()
    }

    /// May progress and notes be written?
    pub fn is_chatty(&self) -> bool {
        !self.json && !self.quiet
    }

    /// Has whoever read stdout gone? Then a long list may stop.
    pub fn is_closed(&self) -> bool {
        self.lock().broken.is_some()
    }

    /// A line of a result, for people; nothing in JSON mode.
    pub fn text(&self, line: impl std::fmt::Display) {
        if !self.json {
            self.write(|out| writeln!(out, "{}", shown(line)));
        }
    }

    /// An event of JSON mode that somebody may be waiting for; nothing otherwise.
    pub fn event(&self, line: &Line) {
        self.item(line);
        if self.json {
            self.flush();
        }
    }

    /// One of many events of JSON mode; nothing otherwise.
    pub fn item(&self, line: &Line) {
        if self.json {
            self.write(|out| write_json(out, line));
        }
    }

    /// A whole document: as it is, or as the text of an event in JSON mode.
    pub fn document(&self, label: &str, text: &str) {
        if self.json {
            self.item(&Line::new(Event::Document).with("label", label).with("text", text));
        } else {
            self.write(|out| out.write_all(text.as_bytes()));
        }
    }

    /// Bytes that no buffer may keep: they go to stdout at once.
    pub fn secret(&self, bytes: &[u8]) {
        self.flush();
        self.write(|out| {
            let stdout = out.get_mut();
            stdout.write_all(bytes)?;
            stdout.flush()
        });
    }

    /// A secret that a person must see once: on stderr, whatever the flags.
    pub fn secret_note(&self, text: &str) {
        self.flush();
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// A remark on stderr, unless it shall be quiet.
    pub fn note(&self, text: impl std::fmt::Display) {
        if self.is_chatty() {
            self.flush();
            let _ = writeln!(io::stderr(), "{}", shown(text));
        }
    }

    /// What the person may do next, on stderr.
    pub fn hint(&self, text: impl std::fmt::Display) {
        self.note(format_args!("keyferry: hint: {text}"));
    }

    /// Something is not as it should be, and the command goes on.
    pub fn warning(&self, text: impl std::fmt::Display) {
        if self.json {
            self.event(&Line::new(Event::Warning).with("message", text.to_string()));
        } else {
            self.flush();
            let _ = writeln!(io::stderr(), "keyferry: warning: {}", shown(text));
        }
    }

    /// A field of the summary, the last line of JSON mode.
    pub fn summarize(&self, name: &'static str, value: impl Into<Value>) {
        self.lock().summary.push((name, value.into()));
    }

    /// What became of license documents, in the summary.
    pub fn summarize_documents(&self, counts: &Counts) {
        self.summarize("documents", counts.total);
        for (name, count) in [
            ("documents_backed_up", counts.backed_up),
            ("documents_restored", counts.restored),
            ("documents_already_here", counts.already_here),
            ("documents_failed", counts.all_failed()),
        ] {
            self.summarize(name, count);
        }
    }

    /// Says how it failed without ending.
    pub fn failed(&self, failed: &Failed) {
        if self.json {
            let hint = (!failed.hints.is_empty()).then(|| failed.hints.join("\n"));
            self.event(
                &Line::new(Event::Error)
                    .with("message", failed.message.as_str())
                    .with("hint", hint)
                    .with("reason", failed.reason.as_str())
                    .with("hr", failed.hr.to_string())
                    .with("exit", failed.exit),
            );
            return;
        }
        self.flush();
        let (red, plain) = if self.color {
            ("\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "")
        };
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "keyferry: {red}error:{plain} {}", shown(&failed.message));
        for hint in &failed.hints {
            let _ = writeln!(stderr, "keyferry: hint: {}", shown(hint));
        }
    }

    /// The last word: the error if there is one, the summary, and the exit code.
    pub fn finish(&self, result: Result<(), Failed>) -> u8 {
        let failed = result.err();
        if let Some(failed) = &failed {
            self.failed(failed);
        }
        let (exit, hr) = failed
            .as_ref()
            .map_or((0, HResult::OK), |failed| (failed.exit, failed.hr));
        let mut fields = std::mem::take(&mut self.lock().summary);
        if !fields.iter().any(|(name, _)| *name == "peak_rss") {
            fields.extend(crate::memory::own_peak().map(|bytes| ("peak_rss", bytes.into())));
        }
        let last = Line::new(Event::Summary)
            .with("command", self.command.as_deref())
            .with("exit", exit)
            .with("hr", hr.to_string());
        let last = fields
            .into_iter()
            .fold(last, |line, (name, value)| line.with(name, value));
        self.event(&last);
        self.flush();
        match self.lock().broken.take() {
            Some(error) if exit == 0 && error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = writeln!(
                    io::stderr(),
                    "keyferry: error: can't write to stdout: {}",
                    crate::failed::plain(&error)
                );
                1
            }
            _ => exit,
        }
    }

    /// Sends what was written on its way.
    pub fn flush(&self) {
        self.write(|out| out.flush());
    }

    fn write(&self, write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>) {
        let mut shared = self.lock();
        if shared.broken.is_none() {
            shared.broken = write(&mut shared.stdout).err();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // What was written before a panic elsewhere is still true.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Text that may carry names from outside, such as a path: nothing in it steers the terminal.
fn shown(text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    let lines: Vec<String> = text.split('\n').map(keyferry_license::printable).collect();
    lines.join("\n")
}

fn write_json(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order() {
        let line = Line::new(Event::License)
            .with("title", "x")
            .with("done", 3)
            .with("hint", Value::Null);
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, r#"{"event":"license","title":"x","done":3,"hint":null}"#);
    }
}
