//! `cargo xtask soak kill`: `kill -9` of import, backup, restore, release and serve at random moments, for a given time;
//! after each the same command has to finish the work. What is checked stands in `crates/cli/tests/kill`.

use anyhow::Result;

use super::span::Span;
use crate::run::Line;

/// Minutes, and from what the moments follow.
pub fn options(words: &[&str]) -> Result<Span> {
    Span::parse("soak kill", "--minutes", 5, words)
}

/// `true` when everything came right after every kill.
pub fn kill(span: &Span) -> Result<bool> {
    Line::new("cargo test -p keyferry-cli --test kill instants -- --nocapture")
        .env("KEYFERRY_KILL_MINUTES", span.length.to_string())
        .env("KEYFERRY_KILL_SEED", span.seed().to_string())
        .run()
}
