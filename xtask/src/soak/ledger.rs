//! `cargo xtask soak ledger`: 64 computers restore and give back the same licenses while processes of the service are killed,
//! one has a wrong clock, and the database stops and fails over. What is checked stands in `crates/cli/tests/load`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::needs;
use crate::run::Line;

#[derive(Debug, PartialEq)]
pub struct Options {
    seconds: u32,
    /// From which everything random follows; nothing for another one each time.
    seed: Option<u32>,
}

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            seconds: 60,
            seed: None,
        };
        for pair in words.chunks(2) {
            let number = match pair {
                [_, number] => number.parse().ok(),
                _ => None,
            };
            let number = || number.with_context(|| format!("{} takes a number", pair[0]));
            match pair[0] {
                "--seconds" => options.seconds = number()?,
                "--seed" => options.seed = Some(number()?),
                other => bail!("soak ledger doesn't know: {other}"),
            }
        }
        if options.seconds == 0 {
            bail!("--seconds takes a number from 1");
        }
        Ok(options)
    }
}

/// `true` when the checker was content after each trial.
pub fn ledger(options: &Options) -> Result<bool> {
    let missing = needs::provide(needs::FOR_LEDGER)?;
    if !missing.is_empty() {
        bail!("{}", missing.join("; "));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = options
        .seed
        .unwrap_or_else(|| now.map_or(1, |now| now.subsec_nanos()));
    // One trial after the other: each is to have the machine for itself.
    Line::new("cargo test -p keyferry-cli --test load -- --nocapture --test-threads 1")
        .env("KEYFERRY_LOAD_SECONDS", options.seconds.to_string())
        .env("KEYFERRY_LOAD_SEED", seed.to_string())
        .run()
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn seconds_and_seed_are_numbers() {
        let given = |seconds, seed| Options { seconds, seed };
        assert_eq!(Options::parse(&[]).expect("default"), given(60, None));
        assert_eq!(
            Options::parse(&["--seed", "7", "--seconds", "600"]).expect("given"),
            given(600, Some(7))
        );
        for bad in [
            &["--seconds", "0"][..],
            &["--seconds", "x"],
            &["--seconds"],
            &["--forever", "1"],
        ] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
