//! Ctrl-C and the system's wish to end: the first asks the work to stop where nothing is half-done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::failed::{Failed, Result};

/// What a shell expects of a program that was interrupted.
const INTERRUPTED: i32 = 130;
/// Programs that start others pass a signal on that the terminal sent to all: within this time it is the same one.
const ECHO: Duration = Duration::from_millis(250);

/// Was the person's wish to stop heard?
#[derive(Clone, Default)]
pub struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    /// True from the first signal on.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The same for who looks at it directly.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.0
    }
}

/// Calls `stop` at the first signal. A second one ends the process at once: whoever insists has a reason, and all
/// that is written to a disk is written so that it may.
pub fn on_interrupt(stop: impl Fn() + Send + 'static) -> Result<Interrupted> {
    let interrupted = Interrupted::default();
    let heard = interrupted.clone();
    let mut first: Option<Instant> = None;
    let handler = move || match first {
        None => {
            first = Some(Instant::now());
            heard.0.store(true, Ordering::SeqCst);
            stop();
        }
        Some(first) if first.elapsed() >= ECHO => std::process::exit(INTERRUPTED),
        Some(_) => {}
    };
    ctrlc::set_handler(handler).map_err(|e| Failed::other(format!("can't listen for Ctrl-C: {e}")))?;
    Ok(interrupted)
}
