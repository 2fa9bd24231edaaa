//! `keyferry repair`: a damaged backup written anew, whole.

use keyferry::{Failure, Protection, RepairOptions, Unlocker, find_backup, repair};

use crate::args::RepairArgs;
use crate::context::Context;
use crate::failed::{Failed, Result};
use crate::signals;
use crate::words;

/// Repairs.
pub fn run(context: &Context, args: &RepairArgs) -> Result<()> {
    let interrupted = signals::on_interrupt(|| {})?;
    let path = find_backup(&args.path, args.from.as_deref(), &Unlocker::default())?;
    let options = RepairOptions {
        path,
        output: args.output.clone(),
        plain: args.plain,
    };
    let report =
        repair(&options, &|| interrupted.is_set()).map_err(|error| explained(context, &options, error))?;
    let output = &context.output;
    output.summarize("path", report.path.display().to_string());
    output.summarize("damaged", report.was_damaged);
    output.summarize("parity", report.parity.to_string());
    output.summarize("bytes", report.bytes);
    summarize(context, &report.protection);
    let (path, size) = (words::path(&report.path), words::size(report.bytes));
    match (report.was_damaged, args.output.is_some()) {
        (true, _) => {
            output.text(said(&report.protection));
            output.text(format_args!("repaired: {path} is whole now ({size})"));
        }
        (false, true) => output.text(format_args!("nothing was damaged; copied to {path} ({size})")),
        (false, false) => output.text(format_args!("{path} is whole: there was nothing to repair")),
    }
    Ok(())
}

/// What can't be repaired may still be worth restoring from, by the program's own words.
fn explained(context: &Context, options: &RepairOptions, error: keyferry::Error) -> Failed {
    let is_lost = matches!(
        error,
        keyferry::Error::Archive(keyferry_archive::Error::NotRepairable { .. })
    );
    let mut failed = Failed::from(error);
    if is_lost {
        let path = words::quoted(&options.path.display().to_string());
        failed.hints = vec![format!(
            "what of it is whole: {} verify {path}; restore takes that part",
            context.program()
        )];
    }
    failed
}

/// The same fields wherever a protection is told.
pub fn summarize(context: &Context, protection: &Protection) {
    let output = &context.output;
    output.summarize("cells", protection.cells);
    output.summarize("cells_damaged", protection.damaged + protection.damaged_parity);
    output.summarize("parity_used", protection.used);
}

/// What is damaged, in a sentence.
pub fn said(protection: &Protection) -> String {
    let damaged = protection.damaged + protection.damaged_parity;
    let (cells, pages) = (
        words::count(protection.cells, "cell"),
        words::count(protection.damaged_pages, "page of check values"),
    );
    let mut said = format!("{} of {cells} are damaged", words::number(damaged));
    if protection.damaged_pages > 0 {
        said = format!("{said}, and {pages}");
    }
    let percent = (protection.used * 100.0).ceil();
    if protection.is_foreign {
        format!("{said}: the parity is of another backup, or of no use")
    } else if percent > 100.0 {
        format!("{said}: more than the parity repairs")
    } else {
        format!("{said}; {percent} % of what can be repaired")
    }
}

/// How it ends, if a backup is damaged and nothing of it is lost.
pub fn repairable(context: &Context, path: &std::path::Path) -> Failed {
    let command = format!(
        "{} repair {}",
        context.program(),
        words::quoted(&path.display().to_string())
    );
    let failed = Failed::new(
        Failure::BackupCorrupt,
        "the backup is damaged; nothing is lost, it can be repaired",
    );
    Failed { exit: 3, ..failed }
        .because("repairable")
        .hint(format!("to make it whole: {command}"))
}
