//! A rehearsal: all that a restore does, up to the spending of a slot. The backup is read and repaired, what this computer
//! can open goes into a store that is thrown away, and the services say what they would do: once asked as this computer
//! after it lost its store, once as one that holds none (docs/plans.md section 4).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keyferry_license::Thumbprint;
use keyferry_store::{Presence, Store};
use tempfile::TempDir;

use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::{Events, LicenseOutcome, Outcome, Progress, Status};
use crate::import::outcome;
use crate::operation::Operation;
use crate::report::{Counts, RestoreOptions, RestoreReport};
use crate::restore::{
    self, Asking, Backup, Chunks, Ground, Row, Services, Silence, Survey, Told, Way, presences,
};
use crate::unlocker::Unlocker;

/// So begins the name of the folder in which a rehearsal keeps its store.
const SCRATCH: &str = "rehearsal-";

/// How a backup is rehearsed.
#[derive(Debug, Clone, Default)]
pub struct RehearsalOptions {
    /// The backup, or a folder with backups.
    pub path: PathBuf,
    /// Of a folder with several computers' backups: whose, by the start of its ID (hexadecimal) or by its name.
    pub from: Option<String>,
    /// Opens the backup if it is encrypted.
    pub unlocker: Unlocker,
    /// The person has agreed to individualize this computer, without which no service answers it.
    pub individualize: bool,
}

/// What a rehearsal found.
#[derive(Debug, Clone, Default)]
pub struct RehearsalReport {
    /// What would come to this computer if it had lost its store.
    pub as_this: RestoreReport,
    /// What would come to a computer that holds none of it, and has no return key.
    pub as_new: RestoreReport,
    /// None: all of it would come in both cases, and that is recorded. Some: why not.
    pub failure: Option<Failure>,
    /// More about the failure, for a person.
    pub why: Option<String>,
    /// When the backup was last proven restorable (Unix seconds), this time included; None: never, as far as is known.
    pub proven: Option<u64>,
}

impl RehearsalReport {
    /// What happened in both cases, by the failures.
    pub fn failed(&self) -> u64 {
        let all = |counts: &Counts| counts.all_failed();
        all(&self.as_this.counts) + all(&self.as_new.counts)
    }
}

pub(crate) fn run(operation: &Operation<'_>, options: &RehearsalOptions) -> Result<RehearsalReport> {
    let mut backup = restore::open(&options.path, options.from.as_deref(), &options.unlocker)?;
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    sweep(&operation.parts.home);
    let name = backup.header().backup.0;
    let mut report = RehearsalReport::default();
    for as_new in [false, true] {
        let told = Rehearsing(operation.events, as_new);
        let pass = Pass {
            operation: &operation.told_to(&told),
            store: &store,
            as_new,
            individualize: options.individualize,
        };
        let ended = pass.run(&mut backup)?;
        let first = report.failure.is_none();
        if first && ended.failure.is_some() {
            (report.failure, report.why) = (ended.failure, ended.why.clone());
        }
        match as_new {
            false => report.as_this = ended,
            true => report.as_new = ended,
        }
    }
    if report.failure.is_none() {
        store.record_proven(&name, operation.now())?;
    }
    report.proven = store.last_proven(&name)?;
    Ok(report)
}

/// What is told of a rehearsal is told as such.
struct Rehearsing<'a>(&'a dyn Events, bool);

impl Events for Rehearsing<'_> {
    fn status(&self, status: &Status) {
        self.0.status(status);
    }

    fn progress(&self, progress: &Progress) {
        self.0.progress(progress);
    }

    fn outcome(&self, outcome: &LicenseOutcome) {
        self.0.rehearsed(self.1, outcome);
    }
}

/// Removes what a rehearsal that was killed left; under the operation lock no other one runs.
fn sweep(home: &Path) {
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(SCRATCH.as_bytes())
    }) {
        // What can't be removed is in nobody's way.
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

/// A store in which nothing stays, in this computer's own folder, so that it lies nowhere where others read.
struct Scratch {
    store: Store,
    _folder: TempDir,
}

impl Scratch {
    fn new(operation: &Operation<'_>) -> Result<Self> {
        let failed = |error: std::io::Error| Error::Unwritable {
            path: operation.parts.home.clone(),
            why: error.to_string(),
        };
        let folder = tempfile::Builder::new()
            .prefix(SCRATCH)
            .tempdir_in(&operation.parts.home)
            .map_err(failed)?;
        let store = Store::open(folder.path(), &*operation.parts.guard)?;
        Ok(Self {
            store,
            _folder: folder,
        })
    }
}

/// One of the two cases.
struct Pass<'a> {
    operation: &'a Operation<'a>,
    store: &'a Store,
    as_new: bool,
    individualize: bool,
}

impl Pass<'_> {
    fn run(&self, backup: &mut Backup) -> Result<RestoreReport> {
        let options = RestoreOptions {
            individualize: self.individualize,
            ..RestoreOptions::default()
        };
        let mut ground = Ground::lay(self.store, backup.header(), &options)?;
        if self.as_new {
            ground.forget_return_key();
        }
        let scratch = Scratch::new(self.operation)?;
        let survey = Survey::take(self.operation, &scratch.store, &ground, backup, None)?;
        let mut told = Told::strict(backup.report());
        told.report.issuers_to_trust = survey.issuers_to_trust(&ground);
        let (ask, blocked) = restore::consent(self.store, &ground, &survey, &options)?;
        told.report.consents_needed = blocked;
        let strangers = self.individualize(&ground, &ask)?;
        let mut asking = Asking::connect(self.operation, self.store, &ground, &ask, self.as_new)?;
        asking.give_up(strangers);
        let total = survey.total();
        self.read(backup, &ground, &scratch.store, &mut asking, &mut told, total)?;
        Ok(told.finish(backup, true))
    }

    /// Has this computer's keys certified where they are not: only who is known there may ask for a plan. Says where that
    /// failed.
    fn individualize(&self, ground: &Ground, ask: &[Thumbprint]) -> Result<Vec<(Thumbprint, Silence)>> {
        let mut failed = Vec::new();
        for root in ask {
            if self.store.certificate(root)?.is_some() {
                continue;
            }
            let mut services = Services::bare(None)?;
            let known = ground.service(root)?;
            let base = known.urls.first().map(|url| url.to_string()).unwrap_or_default();
            let certified = restore::newest_card(self.operation, &base, root).and_then(|card| {
                self.store.put_card(&card)?;
                services.individualize(self.operation, self.store, &base, &card)
            });
            match certified {
                Ok(()) => services.keep_receipts(self.store)?,
                Err(error) => failed.push((*root, Asking::silence(error)?)),
            }
        }
        Ok(failed)
    }

    fn read(
        &self,
        backup: &mut Backup,
        ground: &Ground,
        scratch: &Store,
        asking: &mut Asking<'_>,
        told: &mut Told,
        total: u64,
    ) -> Result<()> {
        let operation = self.operation;
        let mut chunks = Chunks::new(backup.records()?, &ground.picker);
        while let Some(chunk) = chunks.next_chunk() {
            operation.check_canceled()?;
            operation.progress(told.report.counts.total, total);
            told.lost(chunk.lost, chunk.damage);
            told.lost_names(chunk.names);
            let kept = chunk.documents.keep(scratch, operation.now())?;
            told.documents(operation, kept.into_iter().chain(chunk.broken));
            let presences = presences(self.store, &chunk.rows)?;
            let mut returns = Vec::new();
            let mut asked: BTreeMap<Thumbprint, Vec<Row>> = BTreeMap::new();
            for (row, presence) in chunk.rows.into_iter().zip(presences) {
                // What is here would be gone; what was revoked stays so.
                let presence = match presence {
                    Presence::Revoked => Presence::Revoked,
                    _ => Presence::Absent,
                };
                let failed = match ground.way(&row, presence) {
                    Way::Return => {
                        returns.push(row);
                        continue;
                    }
                    Way::Service(service) => {
                        asked.entry(service).or_default().push(row);
                        continue;
                    }
                    Way::Closed(failure) => failure,
                    Way::Here => continue,
                };
                told.say(
                    operation,
                    outcome(row.grant.claim(), Outcome::Failed(failed), None),
                );
            }
            restore::take_back(operation, scratch, ground, returns, told)?;
            for (service, rows) in asked {
                restore::ask_plan(operation, ground, asking, &service, rows, told)?;
            }
        }
        operation.progress(total, total);
        Ok(())
    }
}
