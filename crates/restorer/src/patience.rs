//! Calls to a service: repeated with growing, jittered waits when the network fails, and after the time that it names
//! when it is busy; never out of sight of a cancel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use keyferry_protocol::{Answer, ListProblemCode, Posted, ProblemCode};

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::events::{Events, Waiting};
use crate::transport::{Transport, TransportError};

/// How often a call looks whether somebody canceled.
const LOOK: Duration = Duration::from_millis(50);

/// An answer that says no more than that it can't be given now is shorter than this.
const SHORT: usize = 4096;
/// The wait where a busy service names none, or none that is one.
const UNNAMED: Duration = Duration::from_secs(1);
/// A named wait becomes longer by up to this part of it, so that those who were sent away together don't come back
/// together.
const SPREAD: u32 = 4;

/// How often a call that found nobody is repeated, and after what wait; and how long one waits for a busy service.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Repetitions after the first call.
    pub repeats: usize,
    /// The first wait; each further one is twice as long, at most thirty times the first, and all are jittered.
    pub first_wait: Duration,
    /// How long a request waits, all in all, for a service that asks to come back later. It is asked again after the time
    /// that it names, and a little more; one that names a time longer than is left here ends the wait at once.
    pub busy: Duration,
}

impl Default for Patience {
    /// Three more calls within about two seconds; two minutes for a busy service.
    fn default() -> Self {
        Self {
            repeats: 3,
            first_wait: Duration::from_millis(250),
            busy: Duration::from_secs(120),
        }
    }
}

impl Patience {
    /// One call, no repetition.
    pub fn none() -> Self {
        Self {
            repeats: 0,
            busy: Duration::ZERO,
            ..Self::default()
        }
    }

    fn waits(self) -> impl Iterator<Item = Duration> {
        let longest = self.first_wait.saturating_mul(30);
        let waits = ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(longest);
        waits.with_jitter().with_max_times(self.repeats).build()
    }

    /// Spends a wait of a busy service; `None` if there is not so much left.
    fn spend(&mut self, retry_after: Option<u32>) -> Option<Duration> {
        let named = Duration::from_secs(retry_after.unwrap_or_default().into()).max(UNNAMED);
        let left = self.busy.checked_sub(named)?;
        let dice = u32::from_be_bytes(keyferry_license::random().ok()?);
        let more = (named / SPREAD)
            .mul_f64(f64::from(dice) / f64::from(u32::MAX))
            .min(left);
        self.busy = left - more;
        Some(named + more)
    }
}

/// Says of an answer whether it asks to come back later: after how many seconds, and why.
pub(crate) type BusyAnswer = fn(&[u8]) -> Option<(Option<u32>, String)>;

/// Of answers to requests.
pub(crate) fn busy_answer(bytes: &[u8]) -> Option<(Option<u32>, String)> {
    let answer = (bytes.len() <= SHORT).then(|| Answer::decode(bytes).ok())??;
    let problem = answer
        .problem
        .filter(|problem| problem.code == ProblemCode::Busy)?;
    Some((problem.retry_after, problem.message.shown()))
}

/// Of answers to revocation lists.
pub(crate) fn busy_posted(bytes: &[u8]) -> Option<(Option<u32>, String)> {
    let posted = (bytes.len() <= SHORT).then(|| Posted::decode(bytes).ok())??;
    let problem = posted
        .problem
        .filter(|problem| problem.code == ListProblemCode::Busy)?;
    Some((problem.retry_after, problem.message.shown()))
}

/// Calls a service and waits for its answer, which nobody cancels.
pub(crate) fn call(
    transport: &Arc<dyn Transport>,
    patience: Patience,
    events: &dyn Events,
    busy: BusyAnswer,
    call: impl Fn(&dyn Transport) -> Result<Vec<u8>, TransportError> + Send + 'static,
) -> Result<Vec<u8>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let never = AtomicBool::new(false);
    Call::begin(transport, &clock, patience, busy, call)?.wait(events, &never)
}

/// A call on a thread of its own, so that several can be on their way and a cancel need not wait for the network. One
/// that is dropped is not repeated any more, and its answer is not taken.
pub(crate) struct Call {
    said: mpsc::Receiver<Said>,
    dropped: Arc<AtomicBool>,
}

/// What the thread of a call says.
enum Said {
    Waits(Waiting),
    Done(Result<Vec<u8>, TransportError>),
}

impl Call {
    pub(crate) fn begin(
        transport: &Arc<dyn Transport>,
        clock: &Arc<dyn Clock>,
        mut patience: Patience,
        busy: BusyAnswer,
        call: impl Fn(&dyn Transport) -> Result<Vec<u8>, TransportError> + Send + 'static,
    ) -> Result<Self> {
        // Nobody listens any more after a cancel.
        let (say, said) = mpsc::channel();
        let dropped = Arc::new(AtomicBool::new(false));
        let (transport, clock, given_up) = (transport.clone(), clock.clone(), dropped.clone());
        let thread = std::thread::Builder::new().name("keyferry-call".into());
        let spawned = thread.spawn(move || {
            let mut waits = patience.waits();
            loop {
                let answer = call(&*transport);
                let later = match &answer {
                    Ok(bytes) => busy(bytes),
                    Err(TransportError::Busy { retry_after, .. }) => Some((*retry_after, String::new())),
                    Err(_) => None,
                };
                let next = match (&answer, later) {
                    (_, Some((retry_after, why))) => patience.spend(retry_after).inspect(|wait| {
                        let seconds = wait.as_secs_f64().ceil() as u64;
                        drop(say.send(Said::Waits(Waiting { seconds, why })));
                    }),
                    (Err(TransportError::Unreachable { .. }), None) => waits.next(),
                    _ => None,
                };
                if !wait(next, &*clock, &given_up) {
                    break drop(say.send(Said::Done(answer)));
                }
            }
        });
        spawned.map_err(Error::NoThread)?;
        Ok(Self { said, dropped })
    }

    /// Waits for the answer, or for a cancel; tells when the service makes it wait.
    pub(crate) fn wait(&self, events: &dyn Events, cancel: &AtomicBool) -> Result<Vec<u8>> {
        let mut newer = None;
        loop {
            match newer.take().map_or_else(|| self.said.recv_timeout(LOOK), Ok) {
                Ok(Said::Done(answer)) => return Ok(answer?),
                Ok(Said::Waits(waiting)) => match self.said.try_recv() {
                    // That wait is over.
                    Ok(said) => newer = Some(said),
                    Err(_) => events.waiting(&waiting),
                },
                Err(RecvTimeoutError::Timeout) if cancel.load(Ordering::Acquire) => {
                    return Err(Error::Canceled);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Internal("a call to a service broke down".into()));
                }
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Release);
    }
}

/// Waits; says whether there is another call to make.
fn wait(wait: Option<Duration>, clock: &dyn Clock, given_up: &AtomicBool) -> bool {
    let Some(mut left) = wait else { return false };
    while !left.is_zero() && !given_up.load(Ordering::Acquire) {
        let step = left.min(LOOK);
        clock.sleep(step);
        left -= step;
    }
    !given_up.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Silent;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Answers a card after so many failures, and a message never, before the other end of this is gone.
    struct Shaky(AtomicUsize, Mutex<Receiver<()>>);

    impl Transport for Shaky {
        fn card(&self, _: &str) -> Result<Vec<u8>, TransportError> {
            match self.0.fetch_sub(1, Ordering::SeqCst) {
                0 => Ok(b"card".to_vec()),
                _ => Err(TransportError::Unreachable {
                    url: "x".into(),
                    why: "cut".into(),
                }),
            }
        }

        fn send(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, TransportError> {
            let gone = self.1.lock().unwrap().recv_timeout(Duration::from_secs(120));
            assert_eq!(gone, Err(RecvTimeoutError::Disconnected));
            Err(TransportError::Unreachable {
                url: "x".into(),
                why: "slow".into(),
            })
        }
    }

    fn shaky(failures: usize) -> (Arc<dyn Transport>, Sender<()>) {
        let (hold, held) = channel();
        (
            Arc::new(Shaky(AtomicUsize::new(failures), Mutex::new(held))),
            hold,
        )
    }

    fn quick(repeats: usize) -> Patience {
        Patience {
            repeats,
            first_wait: Duration::from_millis(1),
            ..Patience::none()
        }
    }

    fn call(
        transport: &Arc<dyn Transport>,
        patience: Patience,
        cancel: &AtomicBool,
        call: impl Fn(&dyn Transport) -> Result<Vec<u8>, TransportError> + Send + 'static,
    ) -> Result<Vec<u8>> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Call::begin(transport, &clock, patience, |_| None, call)?.wait(&Silent, cancel)
    }

    #[test]
    fn what_fails_twice_comes_the_third_time_and_not_before() {
        let never = AtomicBool::new(false);
        let shaky = || shaky(2).0;
        assert_eq!(
            call(&shaky(), quick(2), &never, |t| t.card("x")).unwrap(),
            b"card"
        );
        assert!(matches!(
            call(&shaky(), quick(1), &never, |t| t.card("x")),
            Err(Error::Transport(_))
        ));
    }

    #[test]
    fn a_busy_service_is_asked_no_sooner_than_it_says_and_the_waits_have_an_end() {
        let patience = || Patience {
            busy: Duration::from_secs(20),
            ..Patience::default()
        };
        let mut waits = Vec::new();
        for _ in 0..100 {
            let mut patience = patience();
            let mut all = Duration::ZERO;
            while let Some(wait) = patience.spend(Some(4)) {
                assert!((4.0..=5.0).contains(&wait.as_secs_f64()), "{wait:?}");
                waits.push(wait);
                all += wait;
            }
            assert!((16.0..=20.0).contains(&all.as_secs_f64()), "{all:?}");
        }
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 300, "they are spread");
        assert_eq!(patience().spend(Some(21)), None, "it would be too long");
        assert_eq!(patience().spend(Some(20)), Some(Duration::from_secs(20)));
        assert!(patience().spend(None) >= Some(UNNAMED));
        assert_eq!(Patience::none().spend(Some(0)), None);
    }

    #[test]
    fn a_cancel_does_not_wait_for_the_network() {
        let canceled = AtomicBool::new(true);
        let (slow, _answers_when_dropped) = shaky(0);
        assert!(matches!(
            call(&slow, quick(9), &canceled, |t| t.send("x", b"")),
            Err(Error::Canceled)
        ));
    }
}
