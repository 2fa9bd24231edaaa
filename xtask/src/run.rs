//! Running other programs: each command is printed as a person would type it, then run at the root of the repository.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask has a folder above it")
}

/// The folder in which cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A command line with the environment that it needs beside the inherited one.
pub struct Line {
    environment: Vec<(&'static str, String)>,
    words: Vec<String>,
    folder: PathBuf,
}

impl Line {
    /// `text` is split at spaces; no quoting.
    pub fn new(text: &str) -> Self {
        Self {
            environment: Vec::new(),
            words: text.split(' ').map(str::to_owned).collect(),
            folder: root().to_owned(),
        }
    }

    /// To be run there instead of at the root of the repository.
    pub fn in_folder(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Runs the command with its output passed on; `true` when it succeeded.
    pub fn run(&self) -> Result<bool> {
        println!("\n==> {self}");
        let start = Instant::now();
        let status = self
            .command()
            .status()
            .with_context(|| format!("can't run `{self}`"))?;
        println!(
            "    {} in {:.1} s",
            if status.success() { "done" } else { "FAILED" },
            start.elapsed().as_secs_f64()
        );
        Ok(status.success())
    }

    /// Standard output of the command, run without a word; `None` when it isn't there or fails.
    pub fn output(&self) -> Option<String> {
        let output = self.command().stderr(Stdio::null()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        // What `cargo run` says of this program: build scripts that look at it would run anew, and all that needs them.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_program(name)) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }
}

fn is_of_this_program(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.folder != root() {
            write!(f, "cd {} && ", self.folder.display())?;
        }
        for (name, value) in &self.environment {
            if value.contains(' ') {
                write!(f, "{name}='{value}' ")?;
            } else {
                write!(f, "{name}={value} ")?;
            }
        }
        f.write_str(&self.words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_prints_as_a_person_types_it() {
        let line = Line::new("cargo doc --no-deps")
            .env("RUSTDOCFLAGS", "-D warnings")
            .env("LANG", "C");
        assert_eq!(
            line.to_string(),
            "RUSTDOCFLAGS='-D warnings' LANG=C cargo doc --no-deps"
        );
        let elsewhere = Line::new("ls").in_folder("/tmp".as_ref());
        assert_eq!(elsewhere.to_string(), "cd /tmp && ls");
    }

    #[test]
    fn what_cargo_says_of_this_program_is_not_passed_on() {
        assert!(
            std::env::var_os("CARGO_PKG_NAME").is_some(),
            "cargo runs the tests"
        );
        let command = Line::new("cargo build").command();
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
            .collect();
        for name in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR", "CARGO_MANIFEST_DIR"] {
            assert!(removed.contains(&name.as_ref()), "{name}");
        }
    }

    #[test]
    fn failure_and_absence_are_no_output() {
        assert_eq!(Line::new("cargo no-such-command").output(), None);
        assert_eq!(Line::new("no-such-program").output(), None);
        assert!(Line::new("cargo --version").output().is_some());
    }
}
