//! `cargo xtask windows`: the same sources for Windows, built with Debian's cross compilers and tried under Wine. What
//! differs on Windows, and the recipe in words, stands in `docs/windows.md`.

mod build;
mod library;
mod tries;
mod wine;
mod wine32;

use std::path::Path;

use anyhow::Result;

use crate::needs::{self, Need};

use build::{I686, Triple, X86_64};
use wine::{Program, Wine};

/// A thing that has to hold under Wine, by name.
type Try = (&'static str, fn(&tries::Place<'_>) -> Result<()>);

const TRIES: [Try; 3] = [
    ("the demo ends as on this system", tries::demo),
    ("a trip between this system and Windows", tries::trip),
    ("long names, and letters of any language", tries::names),
];

/// Of these, what is tried again with 32 bits.
const TRIES_32: [Try; 1] = [TRIES[0]];

/// The same for the shared library.
type LibraryTry = (
    &'static str,
    fn(&tries::Place<'_>, &library::Client) -> Result<()>,
);

const LIBRARY_TRIES: [LibraryTry; 3] = [
    ("the library answers as its contract says", library::contract),
    ("the library tells what the transcripts say", library::transcripts),
    (
        "long names, and letters of any language, by the library",
        library::names,
    ),
];

/// What builds a client beside the library, by its language.
type Build = fn(&'static Triple, &Path) -> Result<library::Client>;

const CLIENTS: [(&str, Build); 2] = [
    ("C++", library::Client::in_cpp),
    ("Rust", library::Client::in_rust),
];

/// The chore by itself: installs what it may, then does everything.
pub fn windows() -> Result<bool> {
    let mut left_out = provide()?;
    let failed = failures(&mut left_out)?;
    for line in &left_out {
        println!("left out: {line}");
    }
    Ok(left_out.is_empty() && failed.is_empty())
}

/// Installs what it may; returns a line for each thing that is still missing.
pub fn provide() -> Result<Vec<String>> {
    let mut left_out = needs::provide(needs::FOR_WINDOWS)?;
    left_out.extend(needs::provide(needs::FOR_WINDOWS_32)?);
    Ok(left_out)
}

/// Builds and tries everything that is possible here, also after something has failed; returns what failed, and adds to
/// `left_out` what turned out to be impossible beside what [`provide`] named.
pub fn failures(left_out: &mut Vec<String>) -> Result<Vec<String>> {
    let are_there = |needs: &[Need]| needs.iter().all(Need::is_there);
    if !are_there(needs::FOR_WINDOWS) {
        return Ok(Vec::new());
    }
    let mut libraries = None;
    if are_there(needs::FOR_WINDOWS_32) {
        libraries = wine32::libraries()?;
        if libraries.is_none() {
            left_out.push("the Windows stage for 32 bits: libwine:i386 can't be fetched".to_owned());
        }
    }
    let takes_32 = libraries.is_some();
    let wine = Wine::start(libraries)?;
    let mut failed = all_for(&X86_64, &wine, &TRIES)?;
    if takes_32 {
        failed.extend(all_for(&I686, &wine, &TRIES_32)?);
    }
    Ok(failed)
}

/// Builds for one kind of Windows, and tries the program and the library; returns what failed.
fn all_for(triple: &'static Triple, wine: &Wine, tries: &[Try]) -> Result<Vec<String>> {
    let failure = |name: &str| format!("cargo xtask windows: {name} ({})", triple.name);
    let Some(built) = build::program_and_library(triple)? else {
        return Ok(vec![failure("building the program and the library")]);
    };
    let Some(here) = build::package_here("keyferry-cli")? else {
        return Ok(vec![failure("building keyferry")]);
    };
    let program = Program {
        path: built.join("keyferry.exe"),
        triple,
    };
    let place = tries::Place::new(wine, program, here.join("keyferry"))?;
    let mut failed = Vec::new();
    let mut judge = |name: &str, tried: Result<()>| match tried {
        Ok(()) => println!("==> under Wine, {}: {name}: done", triple.name),
        Err(error) => {
            println!("==> under Wine, {}: {name}: FAILED: {error:#}", triple.name);
            failed.push(failure(name));
        }
    };
    for (name, attempt) in tries {
        judge(name, attempt(&place));
    }
    let beside = library::place(&built, triple)?;
    for (language, build) in CLIENTS {
        match build(triple, &beside) {
            Ok(client) => {
                for (name, attempt) in LIBRARY_TRIES {
                    judge(&format!("{name}, to {language}"), attempt(&place, &client));
                }
            }
            Err(error) => judge(&format!("building the client in {language}"), Err(error)),
        }
    }
    Ok(failed)
}
