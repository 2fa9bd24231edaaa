//! Plan documents: what an operation would do, written before it is done, so that it is done only if nothing has changed
//! (docs/plans.md section 3.1).

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use keyferry_license::printable;
use keyferry_store::Store;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::events::{DocumentOutcome, Events, LicenseOutcome, Outcome, Progress, Status};
use crate::regular::open_regular;

/// A line of a plan is at most this many bytes long.
const LINE_LIMIT: u64 = 256 * 1024;
/// The format that this version writes and reads.
const VERSION: u32 = 1;

/// What a plan rests on: its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basis {
    /// `backup` or `restore`.
    pub(crate) plan: String,
    pub(crate) version: u32,
    pub(crate) computer: String,
    /// ID of the license store, and its counter.
    pub(crate) store: String,
    pub(crate) counter: u64,
    /// ID of the backup that is restored.
    pub(crate) backup: Option<String>,
    /// SHA-256 of the file that is restored or replaced.
    pub(crate) file_sha256: Option<String>,
    pub(crate) options: Vec<String>,
}

impl Basis {
    /// Of this store, as it is now.
    pub(crate) fn new(plan: &str, store: &Store, options: Vec<String>) -> Result<Self> {
        let (id, counter) = store.checkpoint()?;
        Ok(Self {
            plan: plan.into(),
            version: VERSION,
            computer: store.id().to_string(),
            store: hex(&id),
            counter,
            backup: None,
            file_sha256: None,
            options,
        })
    }
}

/// The last line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: u64,
    /// What was compared of each license, as one SHA-256.
    rows: String,
    /// SHA-256 of all lines before this one.
    sha256: String,
}

#[derive(Serialize)]
struct LicenseLine<'a> {
    license: String,
    issuer: String,
    title: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Serialize)]
struct DocumentLine<'a> {
    document: String,
    name: String,
    outcome: &'a str,
}

/// A plan that was read.
pub(crate) struct Plan {
    basis: Basis,
    rows: String,
}

impl Plan {
    /// Reads a plan; an error if it is none, of a later version, or altered.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bad = |why: &str| Error::BadPlan {
            path: path.to_owned(),
            why: why.into(),
        };
        let unreadable = |error: std::io::Error| Error::Unreadable {
            path: path.to_owned(),
            why: error.to_string(),
        };
        let mut lines = BufReader::new(open_regular(path).map_err(unreadable)?);
        let mut sum = Sha256::new();
        let mut next = || {
            let mut line = Vec::new();
            let read = lines.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line);
            read.map_err(unreadable).map(|_| line)
        };
        let mut line = next()?;
        let basis: Basis = serde_json::from_slice(&line).map_err(|_| bad("it is no plan of Keyferry"))?;
        if basis.version != VERSION {
            return Err(bad("it was made by a later program"));
        }
        loop {
            let after = next()?;
            if after.is_empty() {
                break;
            }
            sum.update(&line);
            line = after;
        }
        let end: End = serde_json::from_slice(&line).map_err(|_| bad("its end is missing"))?;
        if end.sha256 != hex(&sum.finalize()) {
            return Err(bad("it was altered"));
        }
        Ok(Self {
            basis,
            rows: end.rows,
        })
    }

    /// Is everything as it was planned? The first thing that is not is named.
    pub(crate) fn holds(&self, now: &Basis, rows: &str) -> Result<()> {
        let then = &self.basis;
        let differs = |what: String| Err(Error::OtherPlan { what });
        if then.plan != now.plan {
            return differs(format!("it is the plan of a {}", printable(&then.plan)));
        }
        if then.computer != now.computer {
            return differs("it is the plan of another computer".into());
        }
        if then.options != now.options {
            let said = match then.options.as_slice() {
                [] => "no options".into(),
                options => printable(&options.join(" ")),
            };
            return differs(format!("it was made with {said}"));
        }
        if (&then.backup, &then.file_sha256) != (&now.backup, &now.file_sha256) {
            return Err(Error::BackupChanged);
        }
        if (&then.store, then.counter, self.rows.as_str()) != (&now.store, now.counter, rows) {
            return Err(Error::StoreChanged);
        }
        Ok(())
    }
}

/// What is compared of each license and document, in their order.
#[derive(Default)]
pub(crate) struct Rows(Sha256);

impl Rows {
    /// One of them: what names it, and a word for what would become of it before anybody is asked.
    pub(crate) fn add(&mut self, name: &[&[u8]], word: &str) {
        for part in name {
            self.0.update((part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
        self.0.update(word.as_bytes());
        self.0.update([0]);
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// A plan on its way into a new file: what is told is written too. It gets its name when all is in it.
pub(crate) struct Planning<'a> {
    events: &'a dyn Events,
    path: PathBuf,
    out: Mutex<Out>,
}

struct Out {
    file: BufWriter<NamedTempFile>,
    sum: Sha256,
    lines: u64,
    /// What went wrong first.
    failed: Option<String>,
}

impl<'a> Planning<'a> {
    /// Begins the file with what the plan rests on. One that is there is not replaced.
    pub(crate) fn begin(path: &Path, events: &'a dyn Events, basis: &Basis) -> Result<Self> {
        let failed = |why: String| Error::Unwritable {
            path: path.to_owned(),
            why,
        };
        if path.exists() {
            return Err(failed("it is there already".into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".keyferry-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|e| failed(e.to_string()))?;
        let planning = Self {
            events,
            path: path.to_owned(),
            out: Mutex::new(Out {
                file: BufWriter::new(file),
                sum: Sha256::new(),
                lines: 0,
                failed: None,
            }),
        };
        planning.line(basis);
        Ok(planning)
    }

    fn line(&self, line: &impl Serialize) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.failed.is_none() {
            out.failed = out.line(line).err().map(|error| error.to_string());
        }
    }

    /// All is in it.
    pub(crate) fn finish(self, rows: String) -> Result<()> {
        let mut out = self.out.into_inner().unwrap_or_else(PoisonError::into_inner);
        let path = self.path;
        let end = End {
            end: out.lines.saturating_sub(1),
            rows,
            sha256: hex(&out.sum.clone().finalize()),
        };
        let written = match out.failed.take() {
            Some(why) => Err(why),
            None => out.line(&end).map_err(|error| error.to_string()),
        };
        let kept = written.and_then(|()| {
            let file = out.file.into_inner().map_err(|e| e.error().to_string())?;
            file.as_file().sync_all().map_err(|e| e.to_string())?;
            let kept = file.persist_noclobber(&path);
            kept.map(drop).map_err(|e| e.error.to_string())
        });
        kept.map_err(|why| Error::Unwritable { path, why })
    }
}

impl Out {
    fn line(&mut self, line: &impl Serialize) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.sum.update(&bytes);
        self.lines += 1;
        self.file.write_all(&bytes)
    }
}

impl Events for Planning<'_> {
    fn status(&self, status: &Status) {
        self.events.status(status);
    }

    fn progress(&self, progress: &Progress) {
        self.events.progress(progress);
    }

    fn outcome(&self, outcome: &LicenseOutcome) {
        let slot = match outcome.outcome {
            Outcome::Restored { slot } => slot,
            Outcome::Reissued { slot } => Some(slot),
            _ => None,
        };
        self.line(&LicenseLine {
            license: outcome.license.to_string(),
            issuer: outcome.issuer.to_string(),
            title: &outcome.title,
            outcome: outcome.outcome.word(),
            slot: slot.map(|(slot, _)| slot),
            of: slot.map(|(_, of)| of),
            why: outcome.why.as_deref().map(printable),
        });
        self.events.outcome(outcome);
    }

    fn beside(&self, outcome: &LicenseOutcome) {
        self.events.beside(outcome);
    }

    fn document(&self, document: &DocumentOutcome) {
        self.line(&DocumentLine {
            document: document.id.to_string(),
            name: printable(&document.name),
            outcome: document.outcome.word(),
        });
        self.events.document(document);
    }
}

/// SHA-256 of a file; None if it can't be read.
pub(crate) fn file_sha256(path: &Path) -> Option<String> {
    let mut file = open_regular(path).ok()?;
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match read(&mut file, &mut buffer)? {
            0 => return Some(hex(&sum.finalize())),
            count => sum.update(&buffer[..count]),
        }
    }
}

fn read(file: &mut File, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            read => return read.ok(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
