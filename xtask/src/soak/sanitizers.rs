//! `cargo xtask soak sanitizers`: the client of the ABI in C++ under the sanitizers for addresses, undefined behavior and
//! threads, and under valgrind, in all its scenarios; then the same with the library itself instrumented for addresses and
//! for threads, its standard library included. What is run stands in `crates/com/tests/abi/sanitized.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::needs::{self, NIGHTLY};
use crate::run::{Line, target};

/// What Rust calls a sanitizer, and its runtime.
const SANITIZERS: [(&str, &str); 2] = [
    ("address", "librustc-nightly_rt.asan.a"),
    ("thread", "librustc-nightly_rt.tsan.a"),
];

/// Where Rust has these sanitizers, and this repository its other tools.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The standard library is instrumented along, so that its sources are needed.
const SOURCES: &str = "rustup component add rust-src --toolchain nightly";

/// `true` when none of them found anything, and nothing was left out.
pub fn sanitizers() -> Result<bool> {
    let mut missing = needs::provide(&[NIGHTLY])?;
    // Where they are there, this only says so.
    if missing.is_empty() && !Line::new(SOURCES).run()? {
        missing.push(format!("an instrumented standard library: `{SOURCES}` failed"));
    }
    let mut line = Line::new("cargo test -p keyferry-com --test abi sanitized -- --nocapture")
        .env("KEYFERRY_SANITIZED_SCENARIOS", "all");
    if missing.is_empty() {
        let folder = target().join("sanitized");
        for (sanitizer, runtime) in SANITIZERS {
            instrument(&folder.join(sanitizer), sanitizer, runtime)?;
        }
        line = line.env("KEYFERRY_SANITIZED_LIBRARY", folder.display().to_string());
    }
    let clean = line.run()?;
    for missing in &missing {
        println!("left out: {missing}");
    }
    Ok(clean && missing.is_empty())
}

/// Builds the library with a sanitizer, its C included, and puts it into the folder with that sanitizer's runtime.
fn instrument(folder: &Path, sanitizer: &str, runtime: &str) -> Result<()> {
    let built = folder.join("built");
    let line = format!(
        "cargo +nightly build --package keyferry-com --lib -Zbuild-std --target {TARGET} --target-dir {}",
        built.display()
    );
    // With a target of its own, what runs while building is not instrumented.
    let line = Line::new(&line)
        .env("RUSTFLAGS", format!("-Zsanitizer={sanitizer}"))
        .env(
            "CFLAGS_x86_64_unknown_linux_gnu",
            format!("-fsanitize={sanitizer}"),
        );
    if !line.run()? {
        bail!("the library doesn't build with -Zsanitizer={sanitizer}");
    }
    let library = built.join(TARGET).join("debug/libkeyferry_com.so");
    // The loader asks for it by the name that it has when it is installed.
    for name in ["libkeyferry_com.so", "libkeyferry.so.0"] {
        copy(&library, &folder.join(name))?;
    }
    copy(&runtimes()?.join(runtime), &folder.join("runtime.a"))
}

/// Where the nightly toolchain keeps the runtimes.
fn runtimes() -> Result<PathBuf> {
    let line = "rustc +nightly --print target-libdir";
    let folder = Line::new(line).output();
    let folder = folder.with_context(|| format!("`{line}` failed"))?;
    Ok(PathBuf::from(folder.trim()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("can't copy {} to {}", from.display(), to.display()))
}
