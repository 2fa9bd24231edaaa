//! `cargo xtask test`: everything that can be checked, the same for a person and for CI. It ends with the list of what was
//! left out; where `CI=true`, leaving anything out is failing.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::needs::{self, CARGO_DENY, CLIPPY, Need, RUSTFMT};
use crate::run::{Line, target};
use crate::windows;

/// Names the file to which tests append what they left out, one line each (`keyferry_testkit::left_out`).
const LEFT_OUT: &str = "KEYFERRY_LEFT_OUT";

/// The client for Windows, which isn't part of the workspace.
const APART: &str = "crates/com/tests/windows-client/Cargo.toml";

/// `true` when everything passed and nothing had to be there that wasn't.
pub fn test() -> Result<bool> {
    let mut left_out = needs::provide(needs::FOR_TEST)?;
    left_out.extend(windows::provide()?);
    let notes = target().join(format!("left-out-{}", std::process::id()));
    fs::create_dir_all(target()).with_context(|| format!("can't make {}", target().display()))?;
    let mut failed = run_all(&notes)?;
    failed.extend(windows::failures(&mut left_out)?);
    left_out.extend(take_notes(&notes)?);
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    Ok(report(&failed, &left_out, strict))
}

/// The steps in order, cheapest first; each with the tool without which it is left out.
fn steps(notes: &Path) -> Vec<(Option<Need>, Line)> {
    vec![
        (Some(RUSTFMT), Line::new("cargo fmt --all --check")),
        (
            Some(RUSTFMT),
            Line::new(&format!("cargo fmt --manifest-path {APART} --check")),
        ),
        (
            Some(CARGO_DENY),
            Line::new("cargo deny check licenses bans sources"),
        ),
        (
            Some(CARGO_DENY),
            Line::new(&format!(
                "cargo deny --manifest-path {APART} check licenses bans sources"
            )),
        ),
        (
            Some(CLIPPY),
            Line::new("cargo clippy --workspace --all-targets -- -D warnings"),
        ),
        (
            None,
            Line::new("cargo doc --workspace --lib --no-deps").env("RUSTDOCFLAGS", "-D warnings"),
        ),
        (
            None,
            Line::new("cargo test --workspace --no-fail-fast").env(LEFT_OUT, notes.display().to_string()),
        ),
    ]
}

/// Runs every step, also after one has failed; returns those that failed.
fn run_all(notes: &Path) -> Result<Vec<String>> {
    let mut failed = Vec::new();
    for (need, line) in steps(notes) {
        let possible = need.is_none_or(|need| need.is_there());
        if possible && !line.run()? {
            failed.push(line.to_string());
        }
    }
    Ok(failed)
}

/// What the tests left out, each line once; the file is removed.
fn take_notes(notes: &Path) -> Result<Vec<String>> {
    let text = match fs::read_to_string(notes) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("can't read {}", notes.display()))?,
    };
    fs::remove_file(notes).with_context(|| format!("can't remove {}", notes.display()))?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    Ok(lines)
}

/// Prints how it went; `strict` makes what was left out a failure.
fn report(failed: &[String], left_out: &[String], strict: bool) -> bool {
    println!();
    for step in failed {
        println!("failed: {step}");
    }
    if left_out.is_empty() {
        println!("nothing was left out");
    } else {
        println!("left out, for want of something:");
    }
    for line in left_out {
        println!("  {line}");
    }
    let complete = left_out.is_empty() || !strict;
    if !complete {
        println!("CI=true: leaving out is failing");
    }
    let passed = failed.is_empty() && complete;
    println!(
        "{}",
        if passed {
            "everything passed"
        } else {
            "not everything passed"
        }
    );
    passed
}

#[cfg(test)]
mod tests {
    use super::{report, take_notes};

    #[test]
    fn leaving_out_fails_in_ci_only() {
        let left_out = ["a copied home: unshare -m is not permitted".to_owned()];
        assert!(report(&[], &left_out, false));
        assert!(!report(&[], &left_out, true));
        assert!(report(&[], &[], true));
        assert!(!report(&["cargo test".to_owned()], &[], false));
    }

    #[test]
    fn notes_are_read_once_and_removed() {
        let notes = crate::run::target().join(format!("left-out-test-{}", std::process::id()));
        std::fs::write(&notes, "b: no strace\na: no unshare\nb: no strace\n").expect("written");
        assert_eq!(
            take_notes(&notes).expect("read"),
            ["a: no unshare", "b: no strace"]
        );
        assert!(!notes.exists());
        assert!(take_notes(&notes).expect("nothing there").is_empty());
    }
}
