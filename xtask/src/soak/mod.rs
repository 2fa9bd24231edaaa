//! `cargo xtask soak`: what runs for as long as it is given. One file for each mode; none of it is part of
//! `cargo xtask test`.

mod flip;
mod fuzz;
mod kill;
mod ledger;
mod sanitizers;
mod span;
mod survive;
mod syscalls;

use anyhow::{Result, bail};

/// A mode with its arguments.
#[derive(Debug, PartialEq)]
pub enum Mode {
    Flip(flip::Options),
    Fuzz(fuzz::Options),
    Kill(span::Span),
    Ledger(span::Span),
    Sanitizers,
    Survive,
    Syscalls,
}

pub fn parse(words: &[&str]) -> Result<Mode> {
    match words {
        ["flip", options @ ..] => Ok(Mode::Flip(flip::Options::parse(options)?)),
        ["fuzz", options @ ..] => Ok(Mode::Fuzz(fuzz::Options::parse(options)?)),
        ["kill", options @ ..] => Ok(Mode::Kill(kill::options(options)?)),
        ["ledger", options @ ..] => Ok(Mode::Ledger(ledger::options(options)?)),
        ["sanitizers"] => Ok(Mode::Sanitizers),
        ["survive"] => Ok(Mode::Survive),
        ["syscalls"] => Ok(Mode::Syscalls),
        [] => bail!("soak what? there are: flip, fuzz, kill, ledger, sanitizers, survive, syscalls"),
        [other, ..] => {
            bail!("no such mode: {other}; there are: flip, fuzz, kill, ledger, sanitizers, survive, syscalls")
        }
    }
}

/// `true` when nothing failed.
pub fn soak(mode: &Mode) -> Result<bool> {
    match mode {
        Mode::Flip(options) => flip::flip(options),
        Mode::Fuzz(options) => fuzz::fuzz(options),
        Mode::Kill(options) => kill::kill(options),
        Mode::Ledger(options) => ledger::ledger(options),
        Mode::Sanitizers => sanitizers::sanitizers(),
        Mode::Survive => survive::survive(),
        Mode::Syscalls => syscalls::syscalls(),
    }
}
