//! The object: one operation at a time, on a thread of its own, with one End.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use keyferry_license::Thumbprint;
use keyferry_store::{KeyGuard, Store};

use crate::clock::{Clock, SystemClock};
use crate::code::{Failure, HResult};
use crate::error::{Error, Result};
use crate::events::{Events, Status};
use crate::http::HttpTransport;
use crate::operation::Operation;
use crate::patience::Patience;
use crate::properties::{BACKUP_PATH, Properties, RESTORE_PATH, UnknownProperty};
use crate::rehearse::{RehearsalOptions, RehearsalReport};
use crate::report::{
    BackupOptions, BackupReport, DocumentsReport, ImportReport, ReleaseOptions, ReleaseReport,
    RestoreOptions, RestoreReport,
};
use crate::transport::Transport;
use crate::{backup, documents, import, rehearse, release, restore};

/// The backup restorer object. Clones are the same object.
#[derive(Clone)]
pub struct Restorer(Arc<Inner>);

/// What the object stands on; everything that reaches outside is handed to it.
pub struct Parts {
    /// This computer's folder.
    pub home: PathBuf,
    /// Ties its keys to the machine.
    pub guard: Arc<dyn KeyGuard>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Reaches services.
    pub transport: Arc<dyn Transport>,
    /// How often they are called when nobody answers, and how long a busy one is waited for.
    pub patience: Patience,
}

pub(crate) struct Inner {
    pub(crate) parts: Parts,
    properties: Mutex<Properties>,
    running: Mutex<Option<Current>>,
}

#[derive(Clone)]
struct Current {
    kind: Kind,
    cancel: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Backup,
    Restore,
    Release,
}

/// An operation that runs.
#[derive(Debug)]
pub struct Running<R>(JoinHandle<Result<R>>);

impl<R> Running<R> {
    /// Waits for its end. A failure that ended the operation is an error; licenses that were refused stand in the
    /// report.
    pub fn wait(self) -> Result<R> {
        self.0
            .join()
            .unwrap_or_else(|_| Err(Error::Internal("the operation's thread broke down".into())))
    }
}

/// What a report says about how its operation ended.
pub(crate) trait Ending {
    fn failure(&self) -> Option<Failure>;
}

impl Ending for BackupReport {
    fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl Ending for RestoreReport {
    fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl Ending for ReleaseReport {
    fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl Restorer {
    /// An object for the computer of this folder, with the machine's clock, speaking HTTP.
    pub fn new(home: impl Into<PathBuf>, guard: Arc<dyn KeyGuard>) -> Self {
        Self::with(Parts {
            home: home.into(),
            guard,
            clock: Arc::new(SystemClock),
            transport: Arc::new(HttpTransport::default()),
            patience: Patience::default(),
        })
    }

    /// An object that stands on these parts.
    pub fn with(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            properties: Mutex::default(),
            running: Mutex::default(),
        }))
    }

    /// Sets [`BACKUP_PATH`] or [`RESTORE_PATH`].
    pub fn set_property(&self, name: &str, value: impl Into<String>) -> Result<(), UnknownProperty> {
        lock(&self.0.properties).set(name, value)
    }

    /// The properties as they are now.
    pub fn properties(&self) -> Properties {
        lock(&self.0.properties).clone()
    }

    /// Forgets a property; says whether it was set.
    pub fn remove_property(&self, name: &str) -> bool {
        lock(&self.0.properties).remove(name)
    }

    /// Forgets all properties.
    pub fn remove_all_properties(&self) {
        lock(&self.0.properties).remove_all();
    }

    /// Starts a backup of this computer's licenses into the folder of the options or of [`BACKUP_PATH`].
    pub fn backup(&self, options: BackupOptions, events: Arc<dyn Events>) -> Result<Running<BackupReport>> {
        let folder = self.path(BACKUP_PATH, options.folder.as_deref())?;
        self.start(Kind::Backup, events, move |operation| {
            backup::run(operation, &folder, &options)
        })
    }

    /// Starts a restore from the file or folder of the options or of [`RESTORE_PATH`].
    pub fn restore(
        &self,
        options: RestoreOptions,
        events: Arc<dyn Events>,
    ) -> Result<Running<RestoreReport>> {
        let path = self.path(RESTORE_PATH, options.path.as_deref())?;
        self.start(Kind::Restore, events, move |operation| {
            restore::run(operation, &path, &options)
        })
    }

    /// Takes the answers to requests that travelled by file. Each is used once, and on this computer alone.
    pub fn restore_answer(&self, path: &Path, events: Arc<dyn Events>) -> Result<Running<RestoreReport>> {
        let path = path.to_owned();
        self.start(Kind::Restore, events, move |operation| {
            restore::take_answers(operation, &path)
        })
    }

    /// Gives licenses back: return keys are forgotten, the licenses leave this computer durably, and only then their
    /// services are told, who free the slots. What a service doesn't answer is told at the next contact with it.
    pub fn release(
        &self,
        options: ReleaseOptions,
        events: Arc<dyn Events>,
    ) -> Result<Running<ReleaseReport>> {
        self.start(Kind::Release, events, move |operation| {
            release::run(operation, &options)
        })
    }

    /// What a release would do. Nothing is written or sent; the outcome of each license goes to the events.
    pub fn plan_release(&self, options: &ReleaseOptions, events: Arc<dyn Events>) -> Result<ReleaseReport> {
        release::plan(&self.operation(&*events, &AtomicBool::new(false)), options)
    }

    /// What a backup would hold. Nothing is written; the outcome of each license goes to the events.
    pub fn plan_backup(&self, options: &BackupOptions, events: Arc<dyn Events>) -> Result<BackupReport> {
        let folder = self.path(BACKUP_PATH, options.folder.as_deref())?;
        backup::plan(
            &self.operation(&*events, &AtomicBool::new(false)),
            &folder,
            options,
        )
    }

    /// What a restore would do. Services that know this computer are asked for their plans, which spend nothing; what they
    /// did not say stands in the report. Nothing is written here.
    pub fn plan_restore(&self, options: &RestoreOptions, events: Arc<dyn Events>) -> Result<RestoreReport> {
        let path = self.path(RESTORE_PATH, options.path.as_deref())?;
        restore::plan(&self.operation(&*events, &AtomicBool::new(false)), &path, options)
    }

    /// All that a restore does up to the spending of a slot, as this computer after it lost its store and as one that holds
    /// none: for each license, the answer of the service that will be asked. What this computer's return key opens is put
    /// into a store that is thrown away. If everything would come, that is recorded as the time when the backup was last
    /// proven restorable. `canceled` is looked at between batches.
    pub fn rehearse(
        &self,
        options: &RehearsalOptions,
        events: &dyn Events,
        canceled: &AtomicBool,
    ) -> Result<RehearsalReport> {
        rehearse::run(&self.operation(events, canceled), options)
    }

    /// Takes licenses that were issued to this computer from `.license` files; `trust` accepts their issuers.
    pub fn import(
        &self,
        files: &[PathBuf],
        trust: &[Thumbprint],
        events: Arc<dyn Events>,
    ) -> Result<ImportReport> {
        import::run(&self.operation(&*events, &AtomicBool::new(false)), files, trust)
    }

    /// Takes license documents of other systems from files, byte for byte. What is none is left and told, unless
    /// `forced`: then a file that is not recognized is kept too.
    pub fn import_documents(
        &self,
        files: &[PathBuf],
        forced: bool,
        events: Arc<dyn Events>,
    ) -> Result<DocumentsReport> {
        documents::import(&self.operation(&*events, &AtomicBool::new(false)), files, forced)
    }

    /// Does an operation run? By its End none does.
    pub fn is_running(&self) -> bool {
        lock(&self.0.running).is_some()
    }

    /// Asks a running backup to stop; its End then carries C00D2768. Without one nothing happens.
    pub fn cancel_backup(&self) {
        self.cancel(Kind::Backup);
    }

    /// Asks a running restore to stop; its End then carries C00D2768. Without one nothing happens.
    pub fn cancel_restore(&self) {
        self.cancel(Kind::Restore);
    }

    /// Asks a running release to stop; its End then carries C00D2768. What left before stays away, and its services are
    /// told at the next contact. Without one nothing happens.
    pub fn cancel_release(&self) {
        self.cancel(Kind::Release);
    }

    fn cancel(&self, kind: Kind) {
        if let Some(current) = &*lock(&self.0.running)
            && current.kind == kind
        {
            current.cancel.store(true, Ordering::Release);
        }
    }

    fn path(&self, property: &'static str, given: Option<&Path>) -> Result<PathBuf> {
        let path = given
            .map(Path::to_owned)
            .or_else(|| self.properties().get(property).map(PathBuf::from));
        path.filter(|path| !path.as_os_str().is_empty())
            .ok_or(Error::NoPath { property })
    }

    pub(crate) fn open_store(&self) -> Result<Store> {
        Ok(Store::open(&self.0.parts.home, &*self.0.parts.guard)?)
    }

    /// This computer's time (Unix seconds).
    pub(crate) fn now(&self) -> u64 {
        self.0.parts.clock.now()
    }

    fn operation<'a>(&'a self, events: &'a dyn Events, cancel: &'a AtomicBool) -> Operation<'a> {
        Operation::new(&self.0.parts, events, cancel)
    }

    /// Runs `work` on a thread of its own. Whatever happens there, even a mistake of ours, exactly one End is sent,
    /// as the last of all; by then the object is free for the next operation.
    fn start<R, F>(&self, kind: Kind, events: Arc<dyn Events>, work: F) -> Result<Running<R>>
    where
        R: Ending + Send + 'static,
        F: FnOnce(&Operation<'_>) -> Result<R> + Send + 'static,
    {
        let current = Current {
            kind,
            cancel: Arc::default(),
        };
        let mut running = lock(&self.0.running);
        if running.is_some() {
            return Err(Error::Busy);
        }
        let (object, cancel) = (self.clone(), current.cancel.clone());
        let thread = std::thread::Builder::new()
            .name("keyferry".into())
            .spawn(move || {
                let worked = catch_unwind(AssertUnwindSafe(|| work(&object.operation(&*events, &cancel))));
                let result = worked.unwrap_or_else(|panic| Err(Error::Internal(message(&*panic))));
                let failure = match &result {
                    Ok(report) => report.failure(),
                    Err(error) => Some(error.failure()),
                };
                let hr = failure.map_or(HResult::OK, Failure::hresult);
                if failure.is_some_and(ends_with_error) {
                    tell_last(&*events, &Status::Error(hr));
                }
                *lock(&object.0.running) = None;
                tell_last(&*events, &Status::End(hr));
                result
            });
        let thread = thread.map_err(Error::NoThread)?;
        *running = Some(current);
        Ok(Running(thread))
    }
}

/// Refusals of licenses, missing consent or trust, partial success and cancel end with End alone; everything else is
/// an Error first.
fn ends_with_error(failure: Failure) -> bool {
    use Failure as F;
    !matches!(
        failure,
        F::Limit
            | F::Expired
            | F::Revoked
            | F::Released
            | F::Refused
            | F::NeedsIndividualization
            | F::IssuerNotAccepted
            | F::NotAllStored
            | F::Canceled
    )
}

/// A sink that panics at one status must not keep the next one from being told, nor the object from its next
/// operation.
fn tell_last(events: &dyn Events, status: &Status) {
    let _ = catch_unwind(AssertUnwindSafe(|| events.status(status)));
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it can't say what").to_owned()
}

/// A panic elsewhere leaves these values whole: each is replaced in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
