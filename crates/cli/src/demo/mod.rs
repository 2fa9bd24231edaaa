//! `keyferry demo`: the whole trip on one machine. Every step is the real program as a process of its own, with its own
//! home, real files and HTTP on loopback; each command is shown before its result, so that a person can repeat it.

mod child;
mod content;
mod ending;
mod peaks;
mod stage;
mod story;
mod wishes;

use keyferry::Failure;

use crate::args::DemoArgs;
use crate::context::Context;
use crate::failed::{Failed, Result};
use crate::signals;

use stage::Stage;

/// Tells the story and checks it.
pub fn run(context: &Context, args: &DemoArgs) -> Result<()> {
    if args.licenses == 0 {
        return Err(
            Failed::usage("a trip needs at least one license").hint("give --licenses a number from 1 on")
        );
    }
    // The service of the demo must not outlive it, whichever of the two hears of the wish to end.
    let interrupted = signals::on_interrupt(|| {})?;
    let stage = Stage::set(context, args.dir.as_deref(), interrupted.clone())?;
    let told = story::tell(&stage, args.licenses);
    stage.strike(context);
    if interrupted.is_set() {
        return Err(Failed::new(Failure::Canceled, "the demo was interrupted"));
    }
    let ending = told?;
    ending.summarize(context);
    match ending.fault() {
        None => Ok(()),
        Some(fault) => Err(Failed::other(format!(
            "the trip did not end as it should: {fault}"
        ))),
    }
}
