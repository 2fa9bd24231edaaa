//! `cargo xtask soak ledger`: 64 computers restore and give back the same licenses while processes of the service are killed,
//! one has a wrong clock, and the database stops and fails over. What is checked stands in `crates/cli/tests/load`.

use anyhow::{Result, bail};

use super::span::Span;
use crate::needs;
use crate::run::Line;

/// Seconds, and from what everything random follows.
pub fn options(words: &[&str]) -> Result<Span> {
    Span::parse("soak ledger", "--seconds", 60, words)
}

/// `true` when the checker was content after each trial.
pub fn ledger(span: &Span) -> Result<bool> {
    let missing = needs::provide(needs::FOR_LEDGER)?;
    if !missing.is_empty() {
        bail!("{}", missing.join("; "));
    }
    // One trial after the other: each is to have the machine for itself.
    Line::new("cargo test -p keyferry-cli --test load -- --nocapture --test-threads 1")
        .env("KEYFERRY_LOAD_SECONDS", span.length.to_string())
        .env("KEYFERRY_LOAD_SEED", span.seed().to_string())
        .run()
}
