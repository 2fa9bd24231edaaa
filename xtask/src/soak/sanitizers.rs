//! `cargo xtask soak sanitizers`: the client of the ABI in C++ under the sanitizers for addresses, undefined behavior and
//! threads, and under valgrind, in all its scenarios. What is run stands in `crates/com/tests/abi/sanitized.rs`.

use anyhow::Result;

use crate::run::Line;

/// `true` when none of them found anything.
pub fn sanitizers() -> Result<bool> {
    Line::new("cargo test -p keyferry-com --test abi sanitized -- --nocapture")
        .env("KEYFERRY_SANITIZED_SCENARIOS", "all")
        .run()
}
