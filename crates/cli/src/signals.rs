//! Ctrl-C and the system's wish to end: the first asks the work to stop where nothing is half-done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failed::{Failed, Result};

/// What a shell expects of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Was the person's wish to stop heard?
#[derive(Clone, Default)]
pub struct Interrupted(Arc<AtomicBool>);

impl Interrupted {
    /// True from the first signal on.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Calls `stop` at the first signal. A second one ends the process at once: whoever insists has a reason, and all
/// that is written to a disk is written so that it may.
pub fn on_interrupt(stop: impl Fn() + Send + 'static) -> Result<Interrupted> {
    let interrupted = Interrupted::default();
    let heard = interrupted.clone();
    let handler = move || {
        if heard.0.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        stop();
    };
    ctrlc::set_handler(handler).map_err(|e| Failed::other(format!("can't listen for Ctrl-C: {e}")))?;
    Ok(interrupted)
}
