//! `keyferry authorize`: requests of a computer without a network, carried to their service.

use std::sync::Arc;

use keyferry::{Transport, authorize};

use crate::args::AuthorizeArgs;
use crate::contact;
use crate::context::Context;
use crate::failed::Result;
use crate::progress::Reporter;
use crate::words;

/// Sends the requests and writes the answers.
pub fn run(context: &Context, args: &AuthorizeArgs) -> Result<()> {
    let transport: Arc<dyn Transport> = Arc::new(contact::transport(&args.contact)?);
    let (patience, events) = (contact::patience(&args.contact), Reporter::new(context, "asking"));
    let carried = authorize(&transport, patience, &*events, &args.requests, &args.output);
    events.done();
    let carried = carried?;
    let output = &context.output;
    output.summarize("answers", carried.answered);
    output.summarize("services", carried.services.clone());
    output.summarize("path", args.output.display().to_string());
    let services = keyferry_license::printable(&carried.services.join(", "));
    output.text(format_args!(
        "{} of {services} written to {}",
        words::count(carried.answered, "answer"),
        args.output.display()
    ));
    output.hint(format_args!(
        "on the computer that asked: {} restore --answer {}",
        context.program(),
        words::quoted(&args.output.display().to_string())
    ));
    Ok(())
}
