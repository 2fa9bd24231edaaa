//! `cargo xtask soak kill`: `kill -9` of import, backup, restore, release and serve at random moments, for a given time;
//! after each the same command has to finish the work. What is checked stands in `crates/cli/tests/kill`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use crate::run::Line;

#[derive(Debug, PartialEq)]
pub struct Options {
    minutes: u32,
    /// From which the moments follow; nothing for another one each time.
    seed: Option<u32>,
}

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            minutes: 5,
            seed: None,
        };
        for pair in words.chunks(2) {
            let number = match pair {
                [_, number] => number.parse().ok(),
                _ => None,
            };
            let number = || number.with_context(|| format!("{} takes a number", pair[0]));
            match pair[0] {
                "--minutes" => options.minutes = number()?,
                "--seed" => options.seed = Some(number()?),
                other => bail!("soak kill doesn't know: {other}"),
            }
        }
        if options.minutes == 0 {
            bail!("--minutes takes a number from 1");
        }
        Ok(options)
    }
}

/// `true` when everything came right after every kill.
pub fn kill(options: &Options) -> Result<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = options
        .seed
        .unwrap_or_else(|| now.map_or(1, |now| now.subsec_nanos()));
    Line::new("cargo test -p keyferry-cli --test kill instants -- --nocapture")
        .env("KEYFERRY_KILL_MINUTES", options.minutes.to_string())
        .env("KEYFERRY_KILL_SEED", seed.to_string())
        .run()
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn minutes_and_seed_are_numbers() {
        let given = |minutes, seed| Options { minutes, seed };
        assert_eq!(Options::parse(&[]).expect("default"), given(5, None));
        assert_eq!(
            Options::parse(&["--seed", "7", "--minutes", "60"]).expect("given"),
            given(60, Some(7))
        );
        for bad in [
            &["--minutes", "0"][..],
            &["--minutes", "x"],
            &["--minutes"],
            &["--seed"],
            &["--forever", "1"],
        ] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
