//! Waiting for what other processes do.

use std::time::{Duration, Instant};

/// Asks until the answer is yes, and gives `true`; gives `false` when it wasn't for this long.
pub fn until(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if begun.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
