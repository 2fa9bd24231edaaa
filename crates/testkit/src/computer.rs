//! A computer of a test: a home folder, a machine, a clock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyferry::{
    BackupOptions, BackupReport, Failure, HResult, Parts, Patience, ReleaseOptions, ReleaseReport,
    RestoreOptions, RestoreReport, Restorer, Result, Selection, Transport,
};
use keyferry_license::{Card, ContentKey, PLAY, Thumbprint, Verified};
use keyferry_store::{FileGuard, MachineIdentity, Store};

use crate::clock::SetClock;
use crate::publisher::Issued;
use crate::recorder::Recorder;
use crate::world::NOW;

/// A computer.
pub struct Computer {
    home: PathBuf,
    /// None: the machine that the tests run on.
    machine: Option<String>,
    /// What its clock says.
    pub clock: Arc<SetClock>,
}

/// How an operation ended, and what it told until then.
pub struct Ended<R> {
    /// Its report, or the failure that ended it.
    pub result: Result<R>,
    /// What it told.
    pub events: Arc<Recorder>,
}

/// A report that knows how its operation ended.
pub trait Ending {
    /// None: all is done.
    fn failure(&self) -> Option<Failure>;
}

impl Ending for BackupReport {
    fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl Ending for ReleaseReport {
    fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl Ending for RestoreReport {
    fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl<R: Ending> Ended<R> {
    /// What kind of failure it ended with.
    pub fn failure(&self) -> Option<Failure> {
        match &self.result {
            Ok(report) => report.failure(),
            Err(error) => Some(error.failure()),
        }
    }

    /// The HRESULT of the failure, in capitals; "00000000" without one.
    pub fn hresult(&self) -> String {
        self.failure().map_or(HResult::OK, Failure::hresult).to_string()
    }

    /// The exit code of the command line.
    pub fn exit_code(&self) -> u8 {
        self.failure().map_or(0, Failure::exit_code)
    }

    /// The report of an operation that came to its end.
    pub fn report(&self) -> &R {
        match &self.result {
            Ok(report) => report,
            Err(error) => panic!("the operation failed: {error}"),
        }
    }
}

impl Computer {
    /// A computer of this name in this home folder; its machine has the same name.
    pub fn new(home: PathBuf, name: &str) -> Self {
        Self::named(home, Some(format!("machine of {name}")), name)
    }

    /// A computer of this name in this home folder, on the machine that the tests run on: other programs can use it.
    pub fn here(home: PathBuf, name: &str) -> Self {
        Self::named(home, None, name)
    }

    fn named(home: PathBuf, machine: Option<String>, name: &str) -> Self {
        let computer = Self {
            home,
            machine,
            clock: Arc::new(SetClock::at(NOW)),
        };
        let store = computer.store();
        if store.is_new_computer() {
            store.set_name(name).expect("a name");
        }
        computer
    }

    /// This home folder on another machine: a copy, or the disk put elsewhere.
    pub fn on_machine(&self, home: PathBuf, machine: &str) -> Self {
        Self {
            home,
            machine: Some(machine.into()),
            clock: Arc::new(SetClock::at(NOW)),
        }
    }

    /// Its home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What ties its keys to its machine.
    pub fn guard(&self) -> FileGuard {
        FileGuard::new(match &self.machine {
            Some(machine) => MachineIdentity::from_bytes(machine.as_bytes()),
            None => MachineIdentity::of_this_machine().expect("this machine has an identity"),
        })
    }

    /// Opens its store.
    pub fn store(&self) -> Store {
        Store::open(&self.home, &self.guard()).expect("its store opens")
    }

    /// What it shows of itself.
    pub fn card(&self) -> Verified<Card> {
        self.store().card().expect("its card")
    }

    /// The object for it, on this way to services.
    pub fn restorer(&self, transport: Arc<dyn Transport>) -> Restorer {
        Restorer::with(Parts {
            home: self.home.clone(),
            guard: Arc::new(self.guard()),
            clock: self.clock.clone(),
            transport,
            // Tests count calls.
            patience: Patience::none(),
        })
    }

    /// Takes licenses from a file; all must come.
    pub fn import(&self, file: &Path, trust: Thumbprint, transport: Arc<dyn Transport>) {
        let restorer = self.restorer(transport);
        let report = restorer.import(&[file.to_owned()], &[trust], Arc::new(Recorder::default()));
        let report = report.expect("imported");
        assert_eq!(
            (report.failure, report.counts.all_failed()),
            (None, 0),
            "{report:?}"
        );
    }

    /// Backs up into a folder.
    pub fn backup(
        &self,
        folder: &Path,
        overwrite: bool,
        transport: Arc<dyn Transport>,
    ) -> Ended<BackupReport> {
        let options = BackupOptions {
            folder: Some(folder.into()),
            overwrite,
            ..BackupOptions::default()
        };
        self.backup_as(options, transport)
    }

    /// Backs up as these options say.
    pub fn backup_as(&self, options: BackupOptions, transport: Arc<dyn Transport>) -> Ended<BackupReport> {
        let events = Arc::new(Recorder::default());
        let running = self.restorer(transport).backup(options, events.clone());
        let result = running.and_then(|running| running.wait());
        Ended { result, events }
    }

    /// Restores as these options say.
    pub fn restore(&self, options: RestoreOptions, transport: Arc<dyn Transport>) -> Ended<RestoreReport> {
        let events = Arc::new(Recorder::default());
        let running = self.restorer(transport).restore(options, events.clone());
        let result = running.and_then(|running| running.wait());
        Ended { result, events }
    }

    /// Gives these licenses back, or all, by a person who agrees to everything.
    pub fn release(
        &self,
        licenses: Option<&[Issued]>,
        transport: Arc<dyn Transport>,
    ) -> Ended<ReleaseReport> {
        let named = |licenses: &[Issued]| Selection::These {
            licenses: licenses.iter().map(|one| one.grant.license).collect(),
            key_ids: Vec::new(),
        };
        let options = ReleaseOptions {
            selection: licenses.map_or(Selection::All, named),
            individualize: true,
        };
        self.release_as(options, transport)
    }

    /// Gives licenses back as these options say.
    pub fn release_as(&self, options: ReleaseOptions, transport: Arc<dyn Transport>) -> Ended<ReleaseReport> {
        let events = Arc::new(Recorder::default());
        let running = self.restorer(transport).release(options, events.clone());
        let result = running.and_then(|running| running.wait());
        Ended { result, events }
    }

    /// Takes the answers of a file.
    pub fn take_answers(&self, answers: &Path, transport: Arc<dyn Transport>) -> Ended<RestoreReport> {
        let events = Arc::new(Recorder::default());
        let running = self.restorer(transport).restore_answer(answers, events.clone());
        let result = running.and_then(|running| running.wait());
        Ended { result, events }
    }

    /// Deletes its license store; the computer stays known.
    pub fn lose_store(&self) {
        for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
            let removed = std::fs::remove_file(self.home.join(name));
            assert!(removed.is_ok() || name != "store.sqlite", "the store was there");
        }
    }

    /// Opens content with the right Play, as an application would.
    pub fn play(&self, license: &Issued) -> Option<ContentKey> {
        let used = self.store().use_key(&license.grant.key_id, None, PLAY, NOW);
        used.ok().map(|used| used.key)
    }

    /// How many of these licenses open here, each with the key that its issuer gave it.
    pub fn opens(&self, licenses: &[Issued]) -> usize {
        let store = self.store();
        let opens = |license: &&Issued| {
            let used = store.use_key(&license.grant.key_id, None, PLAY, NOW).ok();
            used.is_some_and(|used| {
                assert_eq!(used.key.expose(), license.key.expose(), "a wrong key opened");
                true
            })
        };
        licenses.iter().filter(opens).count()
    }
}
