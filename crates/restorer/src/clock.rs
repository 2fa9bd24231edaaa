//! Time as an argument: what the clock says decides about dates in grants, never about the service's answers; and who
//! waits for a busy service waits by it.

use std::time::Duration;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Unix seconds, UTC.
    fn now(&self) -> u64;

    /// Lets this time pass. A clock that is set by hand need not.
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
}
