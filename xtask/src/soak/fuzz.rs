//! `cargo xtask soak fuzz`: every target under `fuzz/`, or those that are named, one after the other, for a given time each. What it finds stays
//! under `fuzz/artifacts`, and the inputs that reached new code under `fuzz/corpus`. libFuzzer needs a C++ compiler.

use anyhow::{Context as _, Result, bail};

use crate::needs::{self, CARGO_FUZZ};
use crate::run::{Line, root};

#[derive(Debug, PartialEq)]
pub struct Options {
    /// How long each target runs.
    seconds: u32,
    /// Which; all when none is named.
    targets: Vec<String>,
}

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let (seconds, targets) = match words {
            ["--seconds", number, targets @ ..] => {
                let seconds = number.parse().ok().filter(|seconds| *seconds > 0);
                let seconds = seconds.with_context(|| format!("--seconds takes a number, not {number}"))?;
                (seconds, targets)
            }
            ["--seconds"] => bail!("--seconds takes a number"),
            targets => (60, targets),
        };
        if let Some(flag) = targets.iter().find(|word| word.starts_with('-')) {
            bail!("soak fuzz doesn't know: {flag}");
        }
        let targets = targets.iter().map(|target| (*target).to_owned()).collect();
        Ok(Self { seconds, targets })
    }

    /// Those that are to run, of all that there are.
    fn of(&self, all: &str) -> Result<Vec<String>> {
        let all: Vec<&str> = all.lines().collect();
        if let Some(unknown) = self.targets.iter().find(|target| !all.contains(&target.as_str())) {
            bail!("there is no target {unknown}; there are: {}", all.join(", "));
        }
        let all = all.into_iter().map(str::to_owned);
        Ok(if self.targets.is_empty() {
            all.collect()
        } else {
            self.targets.clone()
        })
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
    let all = cargo("fuzz list", nightly)
        .output()
        .context("`cargo fuzz list` failed")?;
    let targets = options.of(&all)?;
    // The corpus is not kept in the repository: its seeds are the vectors.
    let crates = "--package keyferry-license --package keyferry-protocol --package keyferry-archive";
    let seeds = Line::new(&format!("cargo test {crates} corpus"));
    if !seeds.env("KEYFERRY_WRITE_CORPUS", "1").run()? {
        bail!("the seeds can't be written");
    }
    let mut failed = Vec::new();
    for target in &targets {
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
    println!("\n{} targets, {} s each", targets.len(), options.seconds);
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
        let given = |words: &[&str]| {
            let options = Options::parse(words).expect("given");
            (options.seconds, options.targets.join(" "))
        };
        assert_eq!(given(&[]), (60, String::new()));
        assert_eq!(given(&["--seconds", "5"]), (5, String::new()));
        assert_eq!(
            given(&["--seconds", "5", "card", "grant"]),
            (5, "card grant".to_owned())
        );
        assert_eq!(given(&["card"]), (60, "card".to_owned()));
        for bad in [
            &["--seconds", "0"][..],
            &["--seconds", "x"],
            &["--seconds"],
            &["--forever"],
            &["card", "--seconds", "5"],
        ] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn targets_that_are_named_are_there() {
        let all = "card\ngrant\nreceipt";
        let run = |words: &[&str]| Options::parse(words).expect("given").of(all);
        assert_eq!(run(&[]).expect("all"), ["card", "grant", "receipt"]);
        assert_eq!(run(&["receipt"]).expect("one"), ["receipt"]);
        let error = run(&["recipe"]).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "there is no target recipe; there are: card, grant, receipt"
        );
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
