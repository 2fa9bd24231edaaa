//! `keyferry completions`: a script for a shell.

use crate::args::{self, CompletionsArgs};
use crate::context::Context;
use crate::failed::Result;

/// Prints the script.
pub fn run(context: &Context, args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "keyferry", &mut script);
    context
        .output
        .document("completions", &String::from_utf8_lossy(&script));
    Ok(())
}
