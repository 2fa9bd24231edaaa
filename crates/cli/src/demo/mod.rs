//! `keyferry demo`: the whole trip on one machine. Every step is the real program as a process of its own, with its own
//! home, real files and HTTP on loopback; each command is shown before its result, so that a person can repeat it.

mod child;
mod content;
mod ending;
mod peaks;
mod stage;
mod story;
mod wishes;

use crate::args::DemoArgs;
use crate::context::Context;
use crate::failed::{Failed, Result};

use stage::Stage;

/// Tells the story and checks it.
pub fn run(context: &Context, args: &DemoArgs) -> Result<()> {
    if args.licenses == 0 {
        return Err(
            Failed::usage("a trip needs at least one license").hint("give --licenses a number from 1 on")
        );
    }
    let stage = Stage::set(context, args.dir.as_deref())?;
    let told = story::tell(&stage, args.licenses);
    stage.strike(context);
    let ending = told?;
    ending.summarize(context);
    match ending.fault() {
        None => Ok(()),
        Some(fault) => Err(Failed::other(format!(
            "the trip did not end as it should: {fault}"
        ))),
    }
}
