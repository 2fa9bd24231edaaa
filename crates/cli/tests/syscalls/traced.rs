//! The program under strace: which system calls it makes, and what becomes of it when one of them is its last, or fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::place::Place;

/// By which files are changed. Reading is not among them.
pub const CHANGING: [&str; 12] = [
    "fdatasync",
    "fsync",
    "ftruncate",
    "link",
    "linkat",
    "openat",
    "pwrite64",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
    "write",
];

/// One call: the `number`th of this name that a thread makes, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub number: usize,
}

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL instead of it.
    Kill,
    /// It fails with this error; with `true` so do all later ones of its name.
    Fail(&'static str, bool),
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing if it was killed.
    pub exit: Option<i32>,
    pub stderr: String,
    /// The lines of the trace on which it happened.
    pub struck: Vec<String>,
}

/// Can programs be traced here? Where not, the work is noted as left out.
pub fn is_possible(what: &str) -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let possible = tried.is_ok_and(|tried| tried.status.success());
    if !possible {
        keyferry_testkit::left_out(&format!("{what}: strace is not permitted"));
    }
    possible
}

/// The calls that the command makes, in the order of their names: those of these names on these files, or all of them if
/// `names` is empty.
pub fn calls(place: &Place, names: &[&str], files: &[PathBuf], args: &[&str]) -> Vec<Call> {
    let set = if names.is_empty() {
        "all".to_owned()
    } else {
        names.join(",")
    };
    let ran = strace(place, &set, files, &[], args);
    assert_eq!(ran.status.code(), Some(0), "{args:?}");
    let trace = fs::read_to_string(place.path("trace")).expect("a trace");
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let name = rest.trim_start().split('(').next().unwrap_or_default();
        if !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            *counts
                .entry(name.to_owned())
                .or_default()
                .entry(thread)
                .or_default() += 1;
        }
    }
    let numbered = |(name, threads): (String, BTreeMap<&str, usize>)| {
        let most = threads.into_values().max().unwrap_or_default();
        (1..=most).map(move |number| Call {
            name: name.clone(),
            number,
        })
    };
    counts.into_iter().flat_map(numbered).collect()
}

/// Runs the command, and does this at that call of it on one of these files; on any file if there are none.
pub fn strike(place: &Place, call: &Call, deed: Deed, files: &[PathBuf], args: &[&str]) -> Ended {
    let Call { name, number } = call;
    let inject = match deed {
        Deed::Kill => format!("inject={name}:signal=SIGKILL:when={number}"),
        Deed::Fail(error, ever_after) => {
            let more = if ever_after { "+" } else { "" };
            format!("inject={name}:error={error}:when={number}{more}")
        }
    };
    let ran = strace(place, name, files, &["-e", &inject], args);
    let trace = fs::read_to_string(place.path("trace")).expect("a trace");
    let struck = |line: &&str| line.contains("(INJECTED)") || line.contains("killed by SIGKILL");
    Ended {
        exit: ran.status.code().filter(|exit| *exit != 128 + 9),
        stderr: String::from_utf8_lossy(&ran.stderr).into_owned(),
        struck: trace.lines().filter(struck).map(str::to_owned).collect(),
    }
}

fn strace(place: &Place, set: &str, files: &[PathBuf], more: &[&str], args: &[&str]) -> std::process::Output {
    let program = place.command(args);
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-o"]).arg(place.path("trace"));
    command.args(["-e", &format!("trace={set}")]).args(more);
    for file in files {
        command.arg("-P").arg(file);
    }
    command.arg(program.get_program()).args(program.get_args());
    command
        .current_dir(place.path(""))
        .env("HOME", place.path("person"))
        .env_remove("KEYFERRY_HOME")
        .env_remove("XDG_DATA_HOME")
        .stdin(std::process::Stdio::null());
    command.output().expect("strace runs")
}
