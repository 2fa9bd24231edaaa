//! `keyferry service recovery` and `recovered`: what came back of a ledger that was restored, and the end of it.

use keyferry::Failure;
use keyferry_protocol::Recovery;
use keyferry_service::ledger::{Ledger, Recovered};

use crate::args::{RecoveredArgs, RecoveryArgs};
use crate::context::{Context, now};
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::ledger;
use crate::output::{Line, Output};
use crate::words;

/// Says how far it has come, or starts one.
pub fn run(context: &Context, args: &RecoveryArgs) -> Result<()> {
    let ledger = ledger::open_existing(&args.dir, &args.ledger)?;
    if let Some(since) = args.since {
        ledger.start_recovery(since, now())?;
    }
    let output = &context.output;
    match ledger.recovery()? {
        Some(recovery) => tell(output, &recovery, Some(&ledger.recovered(recovery.started)?)),
        None => output.text("this ledger was never in recovery"),
    }
    Ok(())
}

/// Ends it, when the operator has seen what came and said so.
pub fn end(context: &Context, args: &RecoveredArgs) -> Result<()> {
    let (ledger, output) = (ledger::open_existing(&args.dir, &args.ledger)?, &context.output);
    let Some(recovery) = ledger.recovery()?.filter(Recovery::lasts) else {
        return Err(Failed::usage("this ledger is not in recovery"));
    };
    tell(output, &recovery, Some(&ledger.recovered(recovery.started)?));
    if !context.yes {
        if !context.can_ask() {
            return Err(
                Failed::usage("the end of a recovery has to be confirmed: --yes is missing").hint(
                    "a computer that shows its receipts later than that may find its slot given to another",
                ),
            );
        }
        if !context.ask("give slots again, whatever has not been shown until now?")? {
            return Err(Failed::new(Failure::Canceled, "the recovery goes on"));
        }
    }
    let ended = end_now(&*ledger, &recovery)?;
    output.text("the recovery has ended: slots are given again");
    output.summarize("ended", ended);
    Ok(())
}

fn end_now(ledger: &dyn Ledger, recovery: &Recovery) -> Result<u64> {
    let ended = ledger.end_recovery(now())?.and_then(|ended| ended.ended);
    ended.ok_or_else(|| {
        Failed::other(format!(
            "another recovery began than that of {}",
            words::time(recovery.started)
        ))
    })
}

/// What a recovery is, and what it brought.
pub fn tell(output: &Output, recovery: &Recovery, came: Option<&Recovered>) {
    let head = match recovery.ended {
        None => "in recovery: no new slot is given".to_owned(),
        Some(ended) => format!("the recovery ended on {}", words::time(ended)),
    };
    output.text(format_args!("  {head}"));
    output.text(format_args!(
        "  since       {}: later rows may be missing",
        words::time(recovery.since)
    ));
    let mut line = Line::new(Event::Recovery)
        .with("lasts", recovery.lasts())
        .with("started", recovery.started)
        .with("since", recovery.since)
        .with("ended", recovery.ended);
    if let Some(came) = came {
        let rows = words::count(came.rows, "row");
        output.text(format_args!("  came back   {rows} made again from receipts"));
        output.text(format_args!(
            "  computers   {} of {} have shown what they had",
            words::number(came.shown),
            words::number(came.computers)
        ));
        output.text(format_args!(
            "  gaps        {}: no new slot of these until the missing row is shown",
            words::count(came.gaps, "license")
        ));
        output.text(format_args!(
            "  conflicts   {}",
            words::count(came.conflicts, "row")
        ));
        if came.conflicts > 0 {
            output.warning("some rows contradict others, so a slot was given twice: see the table conflicts of the ledger");
        }
        line = line
            .with("rows", came.rows)
            .with("shown", came.shown)
            .with("computers", came.computers)
            .with("gaps", came.gaps)
            .with("conflicts", came.conflicts);
    }
    output.item(&line);
    if recovery.lasts() {
        output.hint("when the computers have made contact: keyferry service recovered --dir …");
    }
}
