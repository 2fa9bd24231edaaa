//! `keyferry service`: what an operator does with a service's folder and ledger; each command is a file of its own.

mod check;

use crate::args::ServiceCommand;
use crate::context::Context;
use crate::failed::Result;

/// Runs one of them.
pub fn run(context: &Context, command: &ServiceCommand) -> Result<()> {
    match command {
        ServiceCommand::Check(args) => check::run(context, args),
    }
}
