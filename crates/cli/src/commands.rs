//! One file a command; here each finds its own.

mod authorize;
mod backup;
mod completions;
mod computer;
mod drives;
mod export;
mod import;
mod issuer;
mod list;
mod man;
mod receipts;
mod release;
mod repair;
mod restore;
mod revoke;
pub mod schema;
mod serve;
mod service;
mod show;
mod trust;
mod use_key;
mod verify;

use crate::args::Command;
use crate::context::Context;
use crate::failed::Result;

/// Runs what was typed.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Backup(args) => backup::run(context, &args),
        Command::Restore(args) => restore::run(context, &args),
        Command::Verify(args) => verify::run(context, &args),
        Command::Repair(args) => repair::run(context, &args),
        Command::Drives => drives::run(context),
        Command::Authorize(args) => authorize::run(context, &args),
        Command::List(args) => list::run(context, &args),
        Command::Import(args) => import::run(context, &args),
        Command::Export(args) => export::run(context, &args),
        Command::Show(args) => show::run(context, &args),
        Command::Use(args) => use_key::run(context, &args),
        Command::Trust(command) => trust::run(context, &command),
        Command::Computer(command) => computer::run(context, &command),
        Command::Receipts(args) => receipts::run(context, &args),
        Command::Issuer(command) => issuer::run(context, command),
        Command::Serve(args) => serve::run(context, &args),
        Command::Service(command) => service::run(context, &command),
        Command::Demo(args) => crate::demo::run(context, &args),
        Command::Completions(args) => completions::run(context, &args),
        Command::Man(args) => man::run(context, &args),
        Command::Schema => schema::run(context),
    }
}
