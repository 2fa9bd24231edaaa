//! Must hold: a cancel ends with C00D2768 and leaves no file, or complete licenses; and an application whose sink of
//! events breaks down is told the end all the same.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use keyferry::{
    BackupOptions, BackupReport, Events, Failure, Outcome, RestoreReport, Restorer, Silent, Status,
    Transport, TransportError,
};
use keyferry_protocol::{Answer, ProblemCode, kind};
use keyferry_testkit::{
    Bent, Computer, Direct, Ended, Fault, Issued, Recorder, Seen, World, files_below, kind_of,
};

use crate::ledger;

/// A recorder that does something with the object at the outcome of this number.
fn at_outcome(
    number: usize,
    act: impl Fn(&Restorer) + Send + Sync + 'static,
) -> (Arc<OnceLock<Restorer>>, Recorder) {
    let object = Arc::new(OnceLock::<Restorer>::new());
    let (handle, count) = (object.clone(), AtomicUsize::new(0));
    let recorder = Recorder::with(move |told| {
        if matches!(told, Seen::Outcome(_)) && count.fetch_add(1, Ordering::SeqCst) + 1 == number {
            act(handle.wait());
        }
    });
    (object, recorder)
}

/// A backup that is canceled while it writes.
pub fn canceled_backup(
    world: &World,
    computer: &Computer,
    folder: &Path,
    overwrite: bool,
) -> Ended<BackupReport> {
    let (object, recorder) = at_outcome(1, Restorer::cancel_backup);
    let restorer = object.get_or_init(|| computer.restorer(world.direct()));
    let options = BackupOptions {
        folder: Some(folder.into()),
        overwrite,
        ..BackupOptions::default()
    };
    let events = Arc::new(recorder);
    let result = restorer
        .backup(options, events.clone())
        .and_then(|running| running.wait());
    Ended { result, events }
}

/// A restore that is canceled when so many licenses were told.
pub fn canceled_restore(
    world: &World,
    computer: &Computer,
    from: &Path,
    after: usize,
) -> Ended<RestoreReport> {
    let transport = world.direct();
    if after > 1 {
        return canceled(
            computer.restorer(transport),
            world,
            from,
            at_outcome(after, Restorer::cancel_restore),
        );
    }
    let object = Arc::new(OnceLock::<Restorer>::new());
    let handle = object.clone();
    let recorder = Recorder::with(move |told| {
        if matches!(told, Seen::Status(Status::Begin)) {
            handle.wait().cancel_restore();
        }
    });
    canceled(computer.restorer(transport), world, from, (object, recorder))
}

fn canceled(
    restorer: Restorer,
    world: &World,
    from: &Path,
    (object, recorder): (Arc<OnceLock<Restorer>>, Recorder),
) -> Ended<RestoreReport> {
    let restorer = object.get_or_init(|| restorer);
    let events = Arc::new(recorder);
    let result = restorer
        .restore(world.agreed(from), events.clone())
        .and_then(|running| running.wait());
    Ended { result, events }
}

fn must_be_canceled<R: keyferry_testkit::Ending>(ended: &Ended<R>) {
    assert_eq!((ended.hresult().as_str(), ended.exit_code()), ("C00D2768", 130));
    let statuses = ended.events.statuses();
    assert_eq!(statuses.last(), Some(&Status::End(Failure::Canceled.hresult())));
    assert!(
        !statuses.iter().any(|status| matches!(status, Status::Error(_))),
        "a cancel is no error"
    );
}

/// Is the return key of this backup still known?
fn restores_without_a_service(world: &World, computer: &Computer, from: &Path, issued: &[Issued]) -> bool {
    computer.lose_store();
    let ended = computer.restore(world.refused(from), world.bent(Fault::Down));
    ended.failure().is_none() && computer.opens(issued) == issued.len()
}

#[test]
fn a_canceled_backup_leaves_no_file() {
    let world = World::new();
    let (old, issued, first) = world.backed_up(3);
    let stick = world.folder("empty stick");
    must_be_canceled(&canceled_backup(&world, &old, &stick, false));
    assert!(files_below(&stick).is_empty());
    assert!(restores_without_a_service(&world, &old, &first, &issued));
}

#[test]
fn a_canceled_backup_leaves_the_old_one_whole() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(3);
    let before = std::fs::read(files_below(&stick).remove(0)).unwrap();
    for _ in 0..20 {
        must_be_canceled(&canceled_backup(&world, &old, &stick, true));
    }
    let files = files_below(&stick);
    assert_eq!((files.len(), std::fs::read(&files[0]).unwrap()), (1, before));
    assert!(
        restores_without_a_service(&world, &old, &stick, &issued),
        "its return key is still there"
    );
}

#[test]
fn a_backup_that_fails_at_its_last_step_takes_its_return_key_back() {
    let world = World::new();
    let (old, issued, first) = world.backed_up(2);
    let stick = world.folder("other stick");
    // A file of the same name appears while it writes.
    let name = files_below(&first).remove(0).file_name().unwrap().to_owned();
    let intruder = stick.join(name);
    let appears = intruder.clone();
    let (object, recorder) = at_outcome(1, move |_| {
        std::fs::write(&appears, b"was faster").expect("written")
    });
    let restorer = object.get_or_init(|| old.restorer(world.direct()));
    let options = || BackupOptions {
        folder: Some(stick.clone()),
        overwrite: false,
        ..BackupOptions::default()
    };
    let before = return_keys(&old);
    let failed = restorer.backup(options(), Arc::new(recorder)).unwrap().wait();
    assert_eq!(failed.expect_err("it is there").failure(), Failure::BackupExists);
    assert_eq!(std::fs::read(&intruder).unwrap(), b"was faster");
    assert_eq!(files_below(&stick).len(), 1);
    assert_eq!(return_keys(&old), before);
    assert!(restores_without_a_service(&world, &old, &first, &issued));
    std::fs::remove_file(&intruder).unwrap();
    let done = restorer.backup(options(), Arc::new(Silent)).unwrap().wait();
    assert!(
        done.is_ok() && return_keys(&old) > before,
        "one that succeeds keeps its key"
    );
}

/// Length of computer.key, which grows with each return key.
fn return_keys(computer: &Computer) -> u64 {
    std::fs::metadata(computer.home().join("computer.key"))
        .expect("it is there")
        .len()
}

#[test]
fn a_cancel_of_the_other_kind_or_of_nothing_does_nothing() {
    let world = World::new();
    let (old, _, stick) = world.backed_up(1);
    let restorer = old.restorer(world.direct());
    restorer.cancel_backup();
    restorer.cancel_restore();
    let (object, recorder) = at_outcome(1, Restorer::cancel_restore);
    let restorer = object.get_or_init(|| restorer);
    let options = BackupOptions {
        folder: Some(stick),
        overwrite: true,
        ..BackupOptions::default()
    };
    let done = restorer.backup(options, Arc::new(recorder)).unwrap().wait();
    assert_eq!(done.expect("not canceled").counts.backed_up, 1);
}

#[test]
fn a_canceled_restore_leaves_complete_licenses_and_the_next_one_completes() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2500);
    let new = world.computer("new laptop");
    let ended = canceled_restore(&world, &new, &stick, 1500);
    must_be_canceled(&ended);
    assert_eq!(
        ended.events.count(|outcome| outcome.is_here()),
        2000,
        "two batches were complete"
    );
    assert_eq!((new.store().count().unwrap(), new.opens(&issued)), (2000, 2000));
    assert!(new.store().outbox_pending().unwrap().is_empty());
    let next = world.restore(&new, &stick);
    assert_eq!((next.failure(), new.opens(&issued)), (None, 2500));
    let counts = &next.report().counts;
    // The third request was on its way: the service may have judged it, or not.
    let came = counts.restored + counts.reissued;
    assert_eq!((counts.already_here, came), (2000, 500));
    assert_eq!(ledger::rows(&world).len(), 2500, "each slot was taken once");
}

#[test]
fn a_restore_that_is_canceled_before_the_first_batch_brings_nothing() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = world.computer("new laptop");
    must_be_canceled(&canceled_restore(&world, &new, &stick, 1));
    assert_eq!(new.opens(&issued), 0);
    assert_eq!(world.restore(&new, &stick).failure(), None);
    assert_eq!(new.opens(&issued), 2);
}

#[test]
fn a_cancel_does_not_wait_for_an_answer_and_the_next_restore_gets_it() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(2);
    let new = world.computer("new laptop");
    let direct = world.direct();
    let slow = Arc::new(Bent::new(direct.clone(), Fault::Slow(Duration::from_secs(60))));
    let restorer = new.restorer(slow);
    let events = Arc::new(Recorder::default());
    let begun = Instant::now();
    let running = restorer
        .restore(world.agreed(&stick), events.clone())
        .expect("started");
    while direct.traffic().of_kind(kind::RESTORE).is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let judged = begun.elapsed();
    restorer.cancel_restore();
    let result = running.wait();
    assert!(
        begun.elapsed() < judged + Duration::from_secs(40),
        "it didn't wait"
    );
    must_be_canceled(&Ended { result, events });
    assert_eq!((new.opens(&issued), ledger::rows(&world).len()), (0, 2));
    let next = world.restore(&new, &stick);
    assert_eq!((next.failure(), new.opens(&issued)), (None, 2));
    assert_eq!(ledger::rows(&world).len(), 2, "the slots were taken once");
}

/// Panics at whatever it is told, after it counted it.
#[derive(Default)]
struct Broken {
    ends: AtomicUsize,
    all: AtomicUsize,
}

impl Events for Broken {
    fn status(&self, status: &Status) {
        self.all.fetch_add(1, Ordering::SeqCst);
        if matches!(status, Status::End(_)) {
            self.ends.fetch_add(1, Ordering::SeqCst);
        }
        panic!("the window is gone");
    }
}

#[test]
fn a_sink_that_panics_ends_its_own_operation_and_nothing_else() {
    let world = World::new();
    let (old, issued, stick) = world.backed_up(2);
    let before = std::fs::read(files_below(&stick).remove(0)).unwrap();
    let restorer = old.restorer(world.direct());
    let options = || BackupOptions {
        folder: Some(stick.clone()),
        overwrite: true,
        ..BackupOptions::default()
    };
    for _ in 0..2 {
        let broken = Arc::new(Broken::default());
        let error = restorer
            .backup(options(), broken.clone())
            .expect("free")
            .wait()
            .expect_err("it broke");
        assert_eq!(error.failure(), Failure::Other);
        assert!(error.to_string().contains("the window is gone"), "{error}");
        let (all, ends) = (
            broken.all.load(Ordering::SeqCst),
            broken.ends.load(Ordering::SeqCst),
        );
        assert_eq!((all, ends), (3, 1), "Begin, Error and one End");
    }
    assert_eq!(
        std::fs::read(files_below(&stick).remove(0)).unwrap(),
        before,
        "the backup is whole"
    );
    let new = world.computer("new laptop");
    let transport: Arc<dyn Transport> = world.direct();
    let object = new.restorer(transport);
    let broken = object.restore(world.agreed(&stick), Arc::new(Broken::default()));
    broken.expect("started").wait().expect_err("it broke");
    let events = Arc::new(Recorder::default());
    let report = object
        .restore(world.agreed(&stick), events.clone())
        .expect("free")
        .wait()
        .expect("restored");
    assert_eq!((report.failure, new.opens(&issued)), (None, 2));
    assert_eq!(
        events.count(|outcome| matches!(outcome, Outcome::Restored { .. })),
        2
    );
    assert!(
        restorer
            .backup(options(), Arc::new(Silent))
            .expect("free")
            .wait()
            .is_ok()
    );
}

#[test]
fn a_sink_that_panics_amid_licenses_leaves_no_half_backup() {
    let world = World::new();
    let (old, ..) = world.backed_up(3);
    let stick = world.folder("empty stick");
    let (object, recorder) = at_outcome(2, |_| panic!("the disk of the log is full"));
    let restorer = object.get_or_init(|| old.restorer(world.direct()));
    let options = BackupOptions {
        folder: Some(stick.clone()),
        overwrite: false,
        ..BackupOptions::default()
    };
    let events = Arc::new(recorder);
    restorer
        .backup(options, events.clone())
        .unwrap()
        .wait()
        .expect_err("it broke");
    assert_eq!(
        events.statuses().last(),
        Some(&Status::End(Failure::Other.hresult()))
    );
    assert!(files_below(&stick).is_empty());
    assert_eq!(world.back_up(&old, &stick).counts.backed_up, 3);
}

/// A way on which the computer dies when its first request to restore was judged: its home, as it is then, is copied.
struct Dies {
    direct: Arc<Direct>,
    home: PathBuf,
    copy: PathBuf,
}

impl Transport for Dies {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        self.direct.card(base)
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answer = self.direct.send(base, request)?;
        if kind_of(request) == kind::RESTORE && !self.copy.exists() {
            std::fs::create_dir(&self.copy).expect("a new folder");
            for file in files_below(&self.home) {
                let name = file.file_name().expect("a file has a name");
                std::fs::copy(&file, self.copy.join(name)).expect("copied");
            }
        }
        Ok(answer)
    }
}

#[test]
fn a_restore_that_died_is_taken_up_with_the_same_request() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let new = world.computer("new laptop");
    let direct = world.direct();
    let dies = Dies {
        direct: direct.clone(),
        home: new.home().to_owned(),
        copy: world.path("home as it was"),
    };
    let copy = dies.copy.clone();
    assert_eq!(new.restore(world.agreed(&stick), Arc::new(dies)).failure(), None);
    let (request, _) = direct.traffic().of_kind(kind::RESTORE).remove(0);
    let rows = ledger::rows(&world);

    let died = new.on_machine(copy, "machine of new laptop");
    assert_eq!(
        (died.opens(&issued), died.store().pending(None).unwrap().len()),
        (0, 1)
    );
    let busy = Answer::problem(ProblemCode::Busy, "later", Some(1)).encode();
    let turned_away = died.restore(world.refused(&stick), world.bent(Fault::Answers(busy)));
    assert_eq!(turned_away.failure(), Some(Failure::ServiceBusy));
    assert_eq!(died.store().pending(None).unwrap().len(), 1, "it waits on");
    let direct = world.direct();
    let ended = died.restore(world.refused(&stick), direct.clone());
    assert_eq!((ended.failure(), died.opens(&issued)), (None, 3));
    let restores = direct.traffic().of_kind(kind::RESTORE);
    let sent: Vec<&Vec<u8>> = restores.iter().map(|(request, _)| request).collect();
    assert_eq!(
        sent,
        [&request],
        "the same bytes, and nothing else had to be asked"
    );
    assert_eq!(ended.events.besides().len(), 3, "what came is told as news");
    assert_eq!(ended.report().counts.already_here, 3);
    assert!(died.store().pending(None).unwrap().is_empty());
    assert_eq!(died.store().receipts().unwrap().len(), 1);
    assert_eq!(ledger::rows(&world), rows, "nothing was spent twice");
}
