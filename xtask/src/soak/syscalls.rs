//! `cargo xtask soak syscalls`: `kill -9` at every system call of a backup, a repair, an import and a restore; each of
//! their writes, syncs and renames failing with every error; and power cuts while the store is written. `cargo xtask test` takes
//! a part of it. What is checked stands in `crates/cli/tests/syscalls`.

use anyhow::{Result, bail};

use crate::needs::{self, STRACE};
use crate::run::Line;

/// `true` when everything came right after every one of them.
pub fn syscalls() -> Result<bool> {
    if let [missing, ..] = needs::provide(&[STRACE])?.as_slice() {
        bail!("{missing}");
    }
    Line::new("cargo test -p keyferry-cli --test syscalls -- --nocapture")
        .env("KEYFERRY_SYSCALLS_ALL", "1")
        .run()
}
