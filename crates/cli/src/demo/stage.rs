//! Where the demo plays: a folder with everything in it, the program itself, and what is said to the person.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyferry::Failure;

use super::child::{Finished, Running};
use super::peaks::Peaks;
use crate::context::Context;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::Line;
use crate::signals::Interrupted;

/// The folder, the program and the voice.
pub struct Stage<'a> {
    context: &'a Context,
    program: PathBuf,
    folder: PathBuf,
    /// Removes the folder when the demo ends; absent when the person named one.
    temporary: Option<tempfile::TempDir>,
    peaks: Peaks,
    interrupted: Interrupted,
}

impl<'a> Stage<'a> {
    /// Makes the folder, or takes the named one if nothing is in it.
    pub fn set(context: &'a Context, named: Option<&Path>, interrupted: Interrupted) -> Result<Self> {
        let program =
            std::env::current_exe().map_err(|e| Failed::other(format!("can't find this program: {e}")))?;
        let (folder, temporary) = match named {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(|e| Failed::file("make", folder, &e))?;
                let mut entries = std::fs::read_dir(folder).map_err(|e| Failed::file("read", folder, &e))?;
                if entries.next().is_some() {
                    let message = format!("{} is not empty", folder.display());
                    return Err(Failed::usage(message).hint("name a folder that is empty or not there yet"));
                }
                (
                    std::path::absolute(folder).map_err(|e| Failed::file("find", folder, &e))?,
                    None,
                )
            }
            None => {
                let made = tempfile::Builder::new().prefix("keyferry-demo-").tempdir();
                let made = made.map_err(|e| Failed::file("make a folder in", &std::env::temp_dir(), &e))?;
                (made.path().to_owned(), Some(made))
            }
        };
        Ok(Self {
            context,
            program,
            folder,
            temporary,
            peaks: Peaks::default(),
            interrupted,
        })
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Says a line of the story.
    pub fn say(&self, text: impl std::fmt::Display) {
        self.context.output.text(text);
    }

    /// A new chapter.
    pub fn chapter(&self, title: &str) {
        self.context.output.text(format_args!("\n{title}"));
        self.context
            .output
            .event(&Line::new(Event::Chapter).with("title", title));
    }

    /// Where it plays, and how to repeat it.
    pub fn introduce(&self) {
        self.say(format_args!(
            "Each command below is this program, {},",
            self.program.display()
        ));
        self.say(format_args!("run in {}.", self.folder.display()));
    }

    /// Runs the program and waits; the command is shown first. Any exit code is returned, not judged.
    pub fn run(&self, args: &[&str]) -> Result<Finished> {
        self.run_with(args, None)
    }

    /// The same with a file as its standard input.
    pub fn run_with(&self, args: &[&str], input: Option<&str>) -> Result<Finished> {
        self.show(args, input)?;
        let stdin = match input {
            Some(name) => {
                let path = self.path(name);
                std::fs::File::open(&path)
                    .map_err(|e| Failed::file("open", &path, &e))?
                    .into()
            }
            None => Stdio::null(),
        };
        let finished = Running::start(self.command(args).stdin(stdin))?.finish()?;
        self.peaks.note(subcommand(args), finished.peak());
        self.context.output.event(
            &Line::new(Event::Step)
                .with("command", args.join(" "))
                .with("exit", finished.exit)
                .with("seconds", finished.seconds),
        );
        Ok(finished)
    }

    /// Runs the program; anything but success ends the demo.
    pub fn succeed(&self, args: &[&str]) -> Result<Finished> {
        let finished = self.run(args)?;
        if finished.exit == 0 {
            return Ok(finished);
        }
        Err(Failed::other(format!(
            "keyferry {} ended with {}: {}",
            args.join(" "),
            finished.exit,
            finished.error()
        )))
    }

    /// Starts the program and leaves it running.
    pub fn start(&self, args: &[&str]) -> Result<Running> {
        self.show(args, None)?;
        Running::start(self.command(args).stdin(Stdio::null()))
    }

    /// Highest memory of each kind of process so far.
    pub fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    /// The end: a folder that nobody named goes.
    pub fn strike(self, context: &Context) {
        match self.temporary {
            Some(folder) => drop(folder),
            None => context
                .output
                .note(format_args!("everything is kept in {}", self.folder.display())),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--json")
            .args(args)
            .current_dir(&self.folder)
            .env_remove("KEYFERRY_HOME");
        command
    }

    /// Shows a command that is about to run, unless nobody wants to see more.
    fn show(&self, args: &[&str], input: Option<&str>) -> Result<()> {
        if self.interrupted.is_set() {
            return Err(Failed::new(Failure::Canceled, "the demo was interrupted"));
        }
        let words: Vec<String> = args.iter().map(|arg| crate::words::quoted(arg)).collect();
        let input = input.map(|name| format!(" < {name}")).unwrap_or_default();
        self.say(format_args!("  $ keyferry {}{input}", words.join(" ")));
        Ok(())
    }
}

/// The subcommand among arguments that may begin with `--home DIR`.
fn subcommand<'s>(args: &[&'s str]) -> &'s str {
    match args {
        ["--home", _, rest @ ..] => rest.first().copied().unwrap_or_default(),
        _ => args.first().copied().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subcommand_stands_after_the_home() {
        assert_eq!(subcommand(&["--home", "x", "restore", "stick"]), "restore");
        assert_eq!(subcommand(&["serve"]), "serve");
    }
}
