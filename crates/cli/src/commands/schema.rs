//! `keyferry schema`: what the lines of JSON mode look like, for programs that read them.

use crate::context::Context;
use crate::failed::Result;

/// The schema of every line; `docs/json.md` says how to read it.
pub const LINES: &str = include_str!("../../schema/lines.schema.json");

/// Prints it.
pub fn run(context: &Context) -> Result<()> {
    context.output.document("schema", LINES);
    Ok(())
}
