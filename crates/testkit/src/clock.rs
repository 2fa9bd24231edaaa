//! A clock that stands where a test puts it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyferry::Clock;

/// Stands still until it is set. Who sleeps by it wakes at once.
#[derive(Debug)]
pub struct SetClock {
    now: AtomicU64,
    slept: Mutex<Duration>,
}

impl SetClock {
    /// A clock at this time (Unix seconds).
    pub fn at(now: u64) -> Self {
        Self {
            now: AtomicU64::new(now),
            slept: Mutex::default(),
        }
    }

    /// Sets it.
    pub fn set(&self, now: u64) {
        self.now.store(now, Ordering::SeqCst);
    }

    /// How long was slept by it, all in all.
    pub fn slept(&self) -> Duration {
        *self.slept.lock().expect("nobody broke down")
    }
}

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    fn sleep(&self, time: Duration) {
        *self.slept.lock().expect("nobody broke down") += time;
    }
}
