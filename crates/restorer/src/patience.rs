//! Calls to a service: repeated with growing, jittered waits when the network fails, and never out of sight of a cancel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::error::{Error, Result};
use crate::transport::{Transport, TransportError};

/// How often a call looks whether somebody canceled.
const LOOK: Duration = Duration::from_millis(50);

/// How often a call that found nobody is repeated, and after what wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Repetitions after the first call.
    pub repeats: usize,
    /// The first wait; each further one is twice as long, at most thirty times the first, and all are jittered.
    pub first_wait: Duration,
}

impl Default for Patience {
    /// Three more calls within about two seconds.
    fn default() -> Self {
        Self {
            repeats: 3,
            first_wait: Duration::from_millis(250),
        }
    }
}

impl Patience {
    /// One call, no repetition.
    pub fn none() -> Self {
        Self {
            repeats: 0,
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
}

/// Calls a service and waits for its answer. The same bytes may be sent again: they are the same request.
pub(crate) fn call(
    transport: &Arc<dyn Transport>,
    patience: Patience,
    cancel: &AtomicBool,
    call: impl Fn(&dyn Transport) -> Result<Vec<u8>, TransportError> + Send + 'static,
) -> Result<Vec<u8>> {
    Call::begin(transport, patience, call)?.wait(cancel)
}

/// A call on a thread of its own, so that several can be on their way and a cancel need not wait for the network. One
/// that is dropped is not repeated any more, and its answer is not taken.
pub(crate) struct Call {
    answered: mpsc::Receiver<Result<Vec<u8>, TransportError>>,
    dropped: Arc<AtomicBool>,
}

impl Call {
    pub(crate) fn begin(
        transport: &Arc<dyn Transport>,
        patience: Patience,
        call: impl Fn(&dyn Transport) -> Result<Vec<u8>, TransportError> + Send + 'static,
    ) -> Result<Self> {
        let (answer, answered) = mpsc::sync_channel(1);
        let dropped = Arc::new(AtomicBool::new(false));
        let (transport, given_up) = (transport.clone(), dropped.clone());
        let thread = std::thread::Builder::new().name("keyferry-call".into());
        let spawned = thread.spawn(move || {
            let mut waits = patience.waits();
            loop {
                match call(&*transport) {
                    Err(TransportError::Unreachable { .. }) if wait(waits.next(), &given_up) => {}
                    // Nobody listens any more after a cancel.
                    last => break drop(answer.send(last)),
                }
            }
        });
        spawned.map_err(Error::NoThread)?;
        Ok(Self { answered, dropped })
    }

    /// Waits for the answer, or for a cancel.
    pub(crate) fn wait(&self, cancel: &AtomicBool) -> Result<Vec<u8>> {
        loop {
            match self.answered.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer?),
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
fn wait(wait: Option<Duration>, given_up: &AtomicBool) -> bool {
    let Some(mut left) = wait else { return false };
    while !left.is_zero() && !given_up.load(Ordering::Acquire) {
        let step = left.min(LOOK);
        std::thread::sleep(step);
        left -= step;
    }
    !given_up.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        }
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
    fn a_cancel_does_not_wait_for_the_network() {
        let canceled = AtomicBool::new(true);
        let (slow, _answers_when_dropped) = shaky(0);
        assert!(matches!(
            call(&slow, quick(9), &canceled, |t| t.send("x", b"")),
            Err(Error::Canceled)
        ));
    }
}
