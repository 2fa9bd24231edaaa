//! What the soaks that run for a given time take: how long, and a seed.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

/// How long, in the unit of the soak's own flag, and from which number everything random follows.
#[derive(Debug, PartialEq)]
pub struct Span {
    pub length: u32,
    /// Nothing for another one each time.
    seed: Option<u32>,
}

impl Span {
    /// Of the words after the soak's name; `flag` says how long.
    pub fn parse(soak: &str, flag: &str, default: u32, words: &[&str]) -> Result<Self> {
        let mut span = Self {
            length: default,
            seed: None,
        };
        for pair in words.chunks(2) {
            let number = match pair {
                [_, number] => number.parse().ok(),
                _ => None,
            };
            let number = || number.with_context(|| format!("{} takes a number", pair[0]));
            match pair[0] {
                "--seed" => span.seed = Some(number()?),
                word if word == flag => span.length = number()?,
                other => bail!("{soak} doesn't know: {other}"),
            }
        }
        if span.length == 0 {
            bail!("{flag} takes a number from 1");
        }
        Ok(span)
    }

    /// The seed that was given, or one of now.
    pub fn seed(&self) -> u32 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.seed
            .unwrap_or_else(|| now.map_or(1, |now| now.subsec_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn length_and_seed_are_numbers() {
        let parse = |words: &[&str]| Span::parse("soak kill", "--minutes", 5, words);
        let given = |length, seed| Span { length, seed };
        assert_eq!(parse(&[]).expect("default"), given(5, None));
        let both = ["--seed", "7", "--minutes", "60"];
        assert_eq!(parse(&both).expect("given"), given(60, Some(7)));
        assert_eq!(parse(&both).expect("given").seed(), 7);
        for bad in [
            &["--minutes", "0"][..],
            &["--minutes", "x"],
            &["--minutes"],
            &["--seed"],
            &["--seconds", "1"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
