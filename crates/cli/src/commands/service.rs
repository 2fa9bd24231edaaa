//! `keyferry service`: what an operator does with a service's folder and ledger; each command is a file of its own.

mod backup;
mod check;
mod recovery;
mod restore;
mod rotate;

use crate::args::ServiceCommand;
use crate::context::Context;
use crate::failed::Result;

/// Runs one of them.
pub fn run(context: &Context, command: &ServiceCommand) -> Result<()> {
    match command {
        ServiceCommand::Check(args) => check::run(context, args),
        ServiceCommand::Rotate(args) => rotate::run(context, args),
        ServiceCommand::Backup(args) => backup::run(context, args),
        ServiceCommand::Restore(args) => restore::run(context, args),
        ServiceCommand::Recovery(args) => recovery::run(context, args),
        ServiceCommand::Recovered(args) => recovery::end(context, args),
    }
}

pub use recovery::tell as tell_recovery;
