//! `cargo xtask soak flip`: every byte of a backup of 100 licenses altered, and random bytes of a large one, plain and
//! encrypted, through the library and through the program. The work is done by an example of the testkit.

use anyhow::{Context as _, Result, bail};

use crate::run::{Line, target};

#[derive(Debug, PartialEq)]
pub struct Options {
    /// One byte in so many of the small backup.
    every: u32,
    /// Licenses in the large one.
    licenses: u32,
    /// Random bytes of it.
    bytes: u32,
    /// How long copies of it are restored as a whole; a selection of each is restored however long that takes.
    minutes: u32,
}

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self {
            every: 1,
            licenses: 100_000,
            bytes: 1_000,
            minutes: 5,
        };
        for pair in words.chunks(2) {
            let field = match pair[0] {
                "--every" => &mut options.every,
                "--licenses" => &mut options.licenses,
                "--bytes" => &mut options.bytes,
                "--minutes" => &mut options.minutes,
                other => bail!("soak flip doesn't know: {other}"),
            };
            let number = pair.get(1).and_then(|number| number.parse().ok());
            *field = number
                .filter(|number| *number > 0)
                .with_context(|| format!("{} takes a positive number", pair[0]))?;
        }
        Ok(options)
    }
}

/// `true` when every altered byte was seen and nothing wrong came.
pub fn flip(options: &Options) -> Result<bool> {
    if !Line::new("cargo build --release --package keyferry-cli").run()? {
        bail!("the program can't be built");
    }
    let Options {
        every,
        licenses,
        bytes,
        minutes,
    } = options;
    let program = target().join("release").join("keyferry");
    let run = "cargo run --release --quiet --package keyferry-testkit --example flip --";
    Line::new(&format!(
        "{run} {} {every} {licenses} {bytes} {minutes}",
        program.display()
    ))
    .run()
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn figures_are_positive_numbers() {
        let all = Options {
            every: 1,
            licenses: 100_000,
            bytes: 1_000,
            minutes: 5,
        };
        assert_eq!(Options::parse(&[]).expect("default"), all);
        let some = Options { every: 16, ..all };
        assert_eq!(Options::parse(&["--every", "16"]).expect("given"), some);
        for bad in [
            &["--every"][..],
            &["--every", "0"],
            &["--bytes", "x"],
            &["--minutes", "0"],
            &["--all", "1"],
        ] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
