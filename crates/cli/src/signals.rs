//! Ctrl-C and the system's wish to end: the first asks the work to stop where nothing is half-done. A service is told
//! by SIGHUP to take its files up again, and goes on.

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
    ctrlc::set_handler(handler(&interrupted, stop)).map_err(deaf)?;
    Ok(interrupted)
}

/// The same, but SIGHUP calls `reload`, as often as it comes.
#[cfg(unix)]
pub fn on_interrupt_or_hangup(
    stop: impl Fn() + Send + 'static,
    reload: impl Fn() + Send + 'static,
) -> Result<Interrupted> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let interrupted = Interrupted::default();
    let mut end = handler(&interrupted, stop);
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(deaf)?;
    let listen = move || {
        for signal in signals.forever() {
            match signal {
                SIGHUP => reload(),
                _ => end(),
            }
        }
    };
    let listener = std::thread::Builder::new().name("signals".into()).spawn(listen);
    listener.map(|_| interrupted).map_err(deaf)
}

/// The same: there is no SIGHUP here.
#[cfg(not(unix))]
pub fn on_interrupt_or_hangup(
    stop: impl Fn() + Send + 'static,
    _reload: impl Fn() + Send + 'static,
) -> Result<Interrupted> {
    on_interrupt(stop)
}

fn deaf(error: impl std::fmt::Display) -> Failed {
    Failed::other(format!("can't listen for Ctrl-C: {error}"))
}

fn handler(interrupted: &Interrupted, stop: impl Fn() + Send + 'static) -> impl FnMut() + Send + 'static {
    let heard = interrupted.clone();
    let mut first: Option<Instant> = None;
    move || match first {
        None => {
            first = Some(Instant::now());
            heard.0.store(true, Ordering::SeqCst);
            stop();
        }
        Some(first) if first.elapsed() >= ECHO => std::process::exit(INTERRUPTED),
        Some(_) => {}
    }
}
