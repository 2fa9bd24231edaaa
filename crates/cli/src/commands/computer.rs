//! `keyferry computer`: this computer's card and name; giving licenses back has a file of its own.

use crate::args::ComputerCommand;
use crate::cards;
use crate::context::Context;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::Line;

/// Runs one of its commands.
pub fn run(context: &Context, command: &ComputerCommand) -> Result<()> {
    if let ComputerCommand::Release(args) = command {
        return super::release::run(context, args);
    }
    let store = context.store()?;
    match command {
        ComputerCommand::Release(_) => Ok(()),
        ComputerCommand::Card { output, overwrite } => {
            cards::write(&context.output, &store.card()?, output.as_deref(), *overwrite)
        }
        ComputerCommand::Name { new } => {
            if let Some(new) = new {
                if keyferry_license::printable(new).trim().is_empty() {
                    return Err(Failed::usage("a computer's name can't be empty"));
                }
                store.set_name(new)?;
            }
            let name = keyferry_license::printable(&store.name()?);
            context.output.text(&name);
            context.output.event(
                &Line::new(Event::Computer)
                    .with("name", name)
                    .with("id", store.id().to_string()),
            );
            Ok(())
        }
    }
}
