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

/// Calls a service. The same bytes may be sent again: they are the same request.
pub(crate) fn call(
    transport: &Arc<dyn Transport>,
    patience: Patience,
    cancel: &AtomicBool,
    call: impl Fn(&dyn Transport) -> Result<Vec<u8>, TransportError> + Clone + Send + 'static,
) -> Result<Vec<u8>> {
    let mut waits = patience.waits();
    loop {
        match once(transport.clone(), cancel, call.clone())? {
            Err(TransportError::Unreachable { .. }) if wait(waits.next(), cancel)? => {}
            answer => return Ok(answer?),
        }
    }
}

/// One call on a thread of its own, so that a cancel need not wait for the network: the answer of an abandoned call is
/// dropped, and its request is in the outbox.
fn once(
    transport: Arc<dyn Transport>,
    cancel: &AtomicBool,
    call: impl FnOnce(&dyn Transport) -> Result<Vec<u8>, TransportError> + Send + 'static,
) -> Result<Result<Vec<u8>, TransportError>> {
    let (answer, answered) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("keyferry-call".into());
    let spawned = thread.spawn(move || {
        // Nobody listens any more after a cancel.
        let _ = answer.send(call(&*transport));
    });
    spawned.map_err(Error::NoThread)?;
    loop {
        match answered.recv_timeout(LOOK) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => check(cancel)?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Internal("a call to a service broke down".into()));
            }
        }
    }
}

/// Waits; says whether there is another call to make.
fn wait(wait: Option<Duration>, cancel: &AtomicBool) -> Result<bool> {
    let Some(mut left) = wait else { return Ok(false) };
    while !left.is_zero() {
        check(cancel)?;
        let step = left.min(LOOK);
        std::thread::sleep(step);
        left -= step;
    }
    Ok(true)
}

fn check(cancel: &AtomicBool) -> Result<()> {
    if cancel.load(Ordering::Acquire) {
        Err(Error::Canceled)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct Shaky(AtomicUsize);

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
            std::thread::sleep(Duration::from_secs(5));
            Err(TransportError::Unreachable {
                url: "x".into(),
                why: "slow".into(),
            })
        }
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
        let shaky = || Arc::new(Shaky(AtomicUsize::new(2))) as Arc<dyn Transport>;
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
        let slow: Arc<dyn Transport> = Arc::new(Shaky(AtomicUsize::new(0)));
        let begun = std::time::Instant::now();
        assert!(matches!(
            call(&slow, quick(9), &canceled, |t| t.send("x", b"")),
            Err(Error::Canceled)
        ));
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "it gave up before the call ended"
        );
    }
}
