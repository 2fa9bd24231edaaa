//! The command line of Keyferry. Typed arguments become a context, a command runs, and here alone it is decided how the
//! process ends.

mod args;
mod cards;
mod commands;
mod contact;
mod context;
mod demo;
mod disk;
mod document;
mod document_id;
mod event;
mod failed;
mod files;
mod issue;
mod key_text;
mod ledger;
mod memory;
mod only;
mod open_files;
mod output;
mod passphrase;
mod plan;
mod progress;
mod rights;
mod signals;
mod waiting;
mod walk;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;

use crate::args::{Cli, Command, LogFormat};
use crate::context::Context;
use crate::failed::Failed;
use crate::output::Output;

fn main() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let cli = match args::command().try_get_matches_from(&typed) {
        Ok(matches) => Cli::from_arg_matches(&matches).map(|cli| (cli, args::words(&matches))),
        Err(error) => Err(error),
    };
    let (output, result) = match cli {
        Ok((cli, words)) => {
            let log = match &cli.command {
                Command::Serve(args) => args.log_format,
                _ => LogFormat::Text,
            };
            let context = Context::new(&cli.global, log, words);
            let result = commands::run(&context, cli.command);
            (context.output, result)
        }
        Err(error) if !error.use_stderr() => {
            // --help and --version; a closed stdout ends it as quietly as everything else.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let json = typed
                .iter()
                .take_while(|arg| *arg != "--")
                .any(|arg| arg == "--json");
            (
                Output::before_arguments(json).into(),
                Err(Failed::of_arguments(&error)),
            )
        }
    };
    ExitCode::from(output.finish(result))
}
