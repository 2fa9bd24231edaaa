//! Must hold: a service that is busy is asked again when it says so, for a bounded time; everything is as if it had been there
//! at once, and a cancel ends the wait.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use keyferry::{
    Clock, Failure, Parts, Patience, Restorer, Transport, TransportError, authorize, post_revocations,
};
use keyferry_license::{Revocation, Text};
use keyferry_protocol::{Answer, Posted, ProblemCode};
use keyferry_testkit::{Computer, Direct, Ended, NOW, Recorder, Seen, World};

use crate::ledger;

/// A way to a service that is busy so many times for each thing that is asked of it.
struct Tired {
    direct: Arc<Direct>,
    times: usize,
    retry_after: Option<u32>,
    asked: Mutex<HashMap<Vec<u8>, usize>>,
}

impl Tired {
    fn new(world: &World, times: usize, retry_after: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            direct: world.direct(),
            times,
            retry_after,
            asked: Mutex::default(),
        })
    }

    /// Is it busy for this?
    fn is_busy(&self, what: &[u8]) -> bool {
        let mut asked = self.asked.lock().expect("nobody broke down");
        let asked = asked.entry(what.to_vec()).or_default();
        *asked += 1;
        *asked <= self.times
    }
}

impl Transport for Tired {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        match self.is_busy(b"card") {
            // A proxy in front of it says so.
            true => Err(TransportError::Busy {
                url: base.into(),
                retry_after: self.retry_after,
            }),
            false => self.direct.card(base),
        }
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        match self.is_busy(request) {
            true => Ok(Answer::problem(ProblemCode::Busy, "too much to do", self.retry_after).encode()),
            false => self.direct.send(base, request),
        }
    }

    fn post_list(&self, base: &str, list: &[u8]) -> Result<Vec<u8>, TransportError> {
        match self.is_busy(list) {
            true => Ok(Posted::busy("too much to do", self.retry_after.unwrap_or(0)).encode()),
            false => self.direct.post_list(base, list),
        }
    }
}

/// The object of a computer that waits so many seconds.
fn patient(computer: &Computer, way: Arc<dyn Transport>, clock: Arc<dyn Clock>, seconds: u64) -> Restorer {
    Restorer::with(Parts {
        home: computer.home().to_owned(),
        guard: Arc::new(computer.guard()),
        clock,
        transport: way,
        patience: Patience {
            busy: Duration::from_secs(seconds),
            ..Patience::none()
        },
    })
}

fn restore(
    world: &World,
    computer: &Computer,
    from: &std::path::Path,
    way: Arc<Tired>,
    seconds: u64,
) -> Ended<keyferry::RestoreReport> {
    let object = patient(computer, way, computer.clock.clone(), seconds);
    let events = Arc::new(Recorder::default());
    let running = object.restore(world.agreed(from), events.clone());
    let result = running.and_then(|running| running.wait());
    Ended { result, events }
}

#[test]
fn it_is_asked_again_when_it_says_so_and_nothing_else_changes() {
    let world = World::new();
    let (_, issued, stick) = world.backed_up(3);
    let unhindered = world.restore(&world.computer("another"), &stick);
    let rows = ledger::rows(&world).len();
    let computer = world.computer("new laptop");
    let way = Tired::new(&world, 2, Some(7));
    let ended = restore(&world, &computer, &stick, way.clone(), 20);
    assert_eq!((ended.failure(), computer.opens(&issued)), (None, 3));
    assert_eq!(ended.events.transcript(), unhindered.events.transcript());
    assert_eq!(ledger::rows(&world).len(), rows + 3, "no slot was spent twice");
    let asked = way.asked.lock().expect("nobody broke down");
    assert!(asked.len() >= 3, "card, certificate, licenses");
    assert!(asked.values().all(|times| *times == 3), "twice in vain");
    let waits = ended.events.waits();
    // What is over is not told any more, and by this clock everything is at once.
    assert!(
        waits.iter().all(|wait| (7..=9).contains(&wait.seconds)),
        "{waits:?}"
    );
    let all = Duration::from_secs(7 * 2 * asked.len() as u64);
    let slept = computer.clock.slept();
    assert!(all <= slept && slept <= all * 5 / 4, "{slept:?}");
}

#[test]
fn patience_has_an_end_and_a_longer_wait_than_that_is_not_begun() {
    let world = World::new();
    let (_, _, stick) = world.backed_up(2);
    let computer = world.computer("new laptop");
    for (seconds, named, waits) in [
        (120, Some(50), 2),
        (120, Some(121), 0),
        (0, None, 0),
        (1, None, 1),
    ] {
        let way = Tired::new(&world, usize::MAX, named);
        let before = computer.clock.slept();
        let ended = restore(&world, &computer, &stick, way.clone(), seconds);
        assert_eq!(ended.failure(), Some(Failure::ServiceBusy));
        assert_eq!((ended.exit_code(), ended.hresult().as_str()), (6, "C00D2841"));
        let asked = way.asked.lock().expect("nobody broke down");
        assert_eq!(asked.values().copied().collect::<Vec<_>>(), [1 + waits]);
        let slept = computer.clock.slept() - before;
        assert!(slept <= Duration::from_secs(seconds), "{slept:?}");
        assert_eq!(slept.is_zero(), waits == 0, "{seconds} {named:?}");
    }
    assert!(ledger::rows(&world).is_empty());
    assert_eq!(
        restore(&world, &computer, &stick, Tired::new(&world, 0, None), 0).failure(),
        None
    );
}

/// A clock by which nobody who sleeps wakes, before the other end of this is gone.
struct Stopped(Mutex<Receiver<()>>);

impl Clock for Stopped {
    fn now(&self) -> u64 {
        NOW
    }

    fn sleep(&self, _: Duration) {
        let held = self.0.lock().expect("nobody broke down");
        assert!(held.recv_timeout(Duration::from_secs(120)).is_err());
    }
}

#[test]
fn a_cancel_ends_the_wait() {
    let world = World::new();
    let (_, _, stick) = world.backed_up(1);
    let computer = world.computer("new laptop");
    let (held, hold) = channel();
    let clock = Arc::new(Stopped(Mutex::new(hold)));
    let object = patient(&computer, Tired::new(&world, 1, Some(60)), clock, 100);
    let itself: Arc<OnceLock<Restorer>> = Arc::default();
    let canceled = itself.clone();
    assert!(itself.set(object.clone()).is_ok());
    let events = Arc::new(Recorder::with(move |seen| {
        if let (Seen::Waiting(_), Some(object)) = (seen, canceled.get()) {
            object.cancel_restore();
        }
    }));
    let running = object.restore(world.agreed(&stick), events.clone());
    let result = running.and_then(|running| running.wait());
    let ended = Ended { result, events };
    assert_eq!(
        (ended.failure(), ended.events.waits().len()),
        (Some(Failure::Canceled), 1)
    );
    drop(held);
}

#[test]
fn releases_lists_and_requests_by_file_wait_too() {
    let world = World::new();
    let (_, _, stick) = world.backed_up(2);
    let computer = world.computer("new laptop");
    let by_file = keyferry::RestoreOptions {
        request_out: Some(world.path("requests")),
        ..world.agreed(&stick)
    };
    assert_eq!(computer.restore(by_file, world.direct()).failure(), None);
    let patience = Patience {
        busy: Duration::from_secs(2),
        ..Patience::none()
    };
    // These two wait by the machine's clock: a second, and a little more.
    let way: Arc<dyn Transport> = Tired::new(&world, 1, None);
    let events = Recorder::default();
    let [requests, answers] = ["requests", "answers"].map(|name| world.path(name));
    let carried = authorize(&way, patience, &events, &requests, &answers).expect("carried");
    assert_eq!(events.waits().len() as u64, carried.answered);
    assert_eq!(computer.take_answers(&answers, world.direct()).failure(), None);
    let nobody = Text::new("subject", "nobody").expect("a text");
    let list = world.publisher.revoke(1, vec![Revocation::Subject(nobody)]);
    let events = Recorder::default();
    post_revocations(&way, patience, &events, &list, world.service.card()).expect("taken");
    assert_eq!(events.waits().len(), 1);
    let object = patient(
        &computer,
        Tired::new(&world, 1, Some(3)),
        computer.clock.clone(),
        5,
    );
    let options = keyferry::ReleaseOptions {
        selection: keyferry::Selection::All,
        individualize: true,
    };
    let events = Arc::new(Recorder::default());
    let running = object.release(options, events.clone());
    let report = running.and_then(|running| running.wait()).expect("released");
    assert_eq!((report.failure, report.counts.released), (None, 2));
    assert!(computer.clock.slept() >= Duration::from_secs(3));
}
