//! `cargo xtask soak fuzz`: every target under `fuzz/`, one after the other, for a given time each. What it finds stays
//! under `fuzz/artifacts`, and the inputs that reached new code under `fuzz/corpus`. libFuzzer needs a C++ compiler.

use anyhow::{Context as _, Result, bail};

use crate::needs::{self, CARGO_FUZZ};
use crate::run::{Line, root};

#[derive(Debug, PartialEq)]
pub struct Options {
    /// How long each target runs.
    seconds: u32,
}

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        match words {
            [] => Ok(Self { seconds: 60 }),
            ["--seconds", number] => {
                let seconds = number.parse().ok().filter(|seconds| *seconds > 0);
                Ok(Self {
                    seconds: seconds.with_context(|| format!("--seconds takes a number, not {number}"))?,
                })
            }
            other => bail!("soak fuzz doesn't know: {}", other.join(" ")),
        }
    }
}

/// `true` when no target failed.
pub fn fuzz(options: &Options) -> Result<bool> {
    if !root().join("fuzz/Cargo.toml").is_file() {
        bail!("there is no fuzz/ in this repository, so there is nothing to run");
    }
    if let [missing, ..] = needs::provide(&[CARGO_FUZZ])?.as_slice() {
        bail!("{missing}");
    }
    let nightly = Line::new("cargo +nightly --version").output().is_some();
    let targets = cargo("fuzz list", nightly)
        .output()
        .context("`cargo fuzz list` failed")?;
    // The corpus is not kept in the repository: its seeds are the vectors.
    let crates = "--package keyferry-license --package keyferry-protocol --package keyferry-archive";
    let seeds = Line::new(&format!("cargo test {crates} corpus"));
    if !seeds.env("KEYFERRY_WRITE_CORPUS", "1").run()? {
        bail!("the seeds can't be written");
    }
    let mut failed = Vec::new();
    for target in targets.lines() {
        let seconds = options.seconds;
        if !cargo(
            &format!("fuzz run {target} -- -max_total_time={seconds}"),
            nightly,
        )
        .run()?
        {
            failed.push(target);
        }
    }
    println!(
        "\n{} targets, {} s each",
        targets.lines().count(),
        options.seconds
    );
    for target in &failed {
        println!("failed: {target} (an input that it found is under fuzz/artifacts/{target})");
    }
    if failed.is_empty() {
        println!("none failed");
    }
    Ok(failed.is_empty())
}

/// A sanitizer is a nightly feature: without a nightly toolchain the stable one is told to allow it.
fn cargo(command: &str, nightly: bool) -> Line {
    if nightly {
        Line::new(&format!("cargo +nightly {command}"))
    } else {
        Line::new(&format!("cargo {command}")).env("RUSTC_BOOTSTRAP", "1")
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, cargo};

    #[test]
    fn the_time_is_a_positive_number() {
        assert_eq!(Options::parse(&[]).expect("default"), Options { seconds: 60 });
        assert_eq!(
            Options::parse(&["--seconds", "5"]).expect("given"),
            Options { seconds: 5 }
        );
        for bad in [
            &["--seconds", "0"][..],
            &["--seconds", "x"],
            &["--seconds"],
            &["--forever"],
        ] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn without_nightly_the_stable_toolchain_is_told() {
        assert_eq!(cargo("fuzz list", true).to_string(), "cargo +nightly fuzz list");
        assert_eq!(
            cargo("fuzz list", false).to_string(),
            "RUSTC_BOOTSTRAP=1 cargo fuzz list"
        );
    }
}
