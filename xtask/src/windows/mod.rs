//! `cargo xtask windows`: the same sources for Windows, built with Debian's cross compilers and tried under Wine. What
//! differs on Windows, and the recipe in words, stands in `docs/windows.md`.

mod build;
mod library;
mod tries;
mod wine;

use anyhow::Result;

use crate::needs::{self, Need};

use build::X86_64;
use wine::Wine;

/// A thing that has to hold under Wine, by name.
type Try = (&'static str, fn(&tries::Place) -> Result<()>);

const TRIES: [Try; 3] = [
    ("the demo ends as on this system", tries::demo),
    ("a trip between this system and Windows", tries::trip),
    ("long names, and letters of any language", tries::names),
];

/// The same for the shared library.
type LibraryTry = (&'static str, fn(&tries::Place, &library::Client) -> Result<()>);

const LIBRARY_TRIES: [LibraryTry; 2] = [
    ("the library answers as its contract says", library::contract),
    ("the library tells what the transcripts say", library::transcripts),
];

/// The chore by itself: installs what it may, then does everything.
pub fn windows() -> Result<bool> {
    let left_out = needs::provide(needs::FOR_WINDOWS)?;
    for line in &left_out {
        println!("left out: {line}");
    }
    Ok(left_out.is_empty() && failures()?.is_empty())
}

/// Can all of it be done?
pub fn is_possible() -> bool {
    needs::FOR_WINDOWS.iter().all(Need::is_there)
}

/// Builds and tries everything, also after something has failed; returns what failed.
pub fn failures() -> Result<Vec<String>> {
    let Some(windows) = build::package("keyferry-cli", &X86_64)? else {
        return Ok(vec!["cargo xtask windows: building keyferry.exe".to_owned()]);
    };
    let Some(here) = build::package_here("keyferry-cli")? else {
        return Ok(vec!["cargo xtask windows: building keyferry".to_owned()]);
    };
    let wine = Wine::start()?;
    let place = tries::Place::new(wine, windows.join("keyferry.exe"), here.join("keyferry"))?;
    let mut failed = Vec::new();
    for (name, attempt) in TRIES {
        judge(name, attempt(&place), &mut failed);
    }
    match library::Client::build(&X86_64) {
        Ok(client) => {
            for (name, attempt) in LIBRARY_TRIES {
                judge(name, attempt(&place, &client), &mut failed);
            }
        }
        Err(error) => judge("the library and its client", Err(error), &mut failed),
    }
    Ok(failed)
}

fn judge(name: &str, tried: Result<()>, failed: &mut Vec<String>) {
    match tried {
        Ok(()) => println!("==> under Wine: {name}: done"),
        Err(error) => {
            println!("==> under Wine: {name}: FAILED: {error:#}");
            failed.push(format!("cargo xtask windows: {name}"));
        }
    }
}
