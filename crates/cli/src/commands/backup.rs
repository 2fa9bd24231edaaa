//! `keyferry backup`: this computer's licenses into a file.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use keyferry::{BACKUP_PATH, BackupOptions, BackupReport, Encryption, Failure, Only, standing};

use crate::args::BackupArgs;
use crate::commands::drives;
use crate::context::Context;
use crate::failed::{Failed, Result};
use crate::only;
use crate::passphrase;
use crate::plan;
use crate::progress::Reporter;
use crate::signals;
use crate::words;

/// Makes the backup, or says what it would hold.
pub fn run(context: &Context, args: &BackupArgs) -> Result<()> {
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None if context.can_ask() => drives::asked(context)?,
        None => return Err(no_folder()),
    };
    let folder = folder.as_path();
    let dry = args.plan.is_dry(args.dry_run);
    let encryption = match (dry, passphrase::encryption(context, &args.encrypt)?) {
        (_, Some(encryption)) => encryption,
        (true, None) => Encryption::None,
        (false, None) => {
            let folder = words::quoted(&folder.display().to_string());
            let overwrite = if args.overwrite { " --overwrite" } else { "" };
            let keep = args
                .keep
                .map(|keep| format!(" --keep {keep}"))
                .unwrap_or_default();
            let more = format!("{}{overwrite}{keep}", only::typed(&args.only));
            return Err(passphrase::missing(&context.program(), &folder, &more));
        }
    };
    let options = BackupOptions {
        folder: Some(folder.to_owned()),
        overwrite: args.overwrite,
        keep: args.keep,
        encryption,
        parity: args.parity,
        only: Only::new(&args.only.patterns)?,
        plan_out: args.plan.plan_out.clone(),
        plan: args.plan.file.clone(),
    };
    let (restorer, reporter) = (context.restorer()?, Reporter::new(context, "backing up"));
    let was_there = folder.is_dir();
    let started = Instant::now();
    let result = if dry {
        restorer.plan_backup(&options, reporter.clone())
    } else {
        let object = restorer.clone();
        let interrupted = signals::on_interrupt(move || object.cancel_backup())?;
        let running = restorer.backup(options, reporter.clone())?;
        if interrupted.is_set() {
            restorer.cancel_backup();
        }
        running.wait()
    };
    reporter.done();
    let report = result.map_err(|error| {
        let failed = explained(context, args, folder, error);
        match was_there && failed.exit == Failure::NoMedium.exit_code() {
            true => with_what_is_there(context, folder, failed),
            false => failed,
        }
    })?;
    summarize(context, &report, started);
    tell(context, &report, &reporter, dry, started);
    plan::tell(&context.output, &args.plan, report.failure);
    match report.failure {
        None => Ok(()),
        Some(failure) if report.counts.all_failed() + report.documents.all_failed() == 0 => {
            Err(only::unmet(failure, &report.unmet))
        }
        Some(failure) => Err(damaged(&report, failure)),
    }
}

fn no_folder() -> Failed {
    let property = BACKUP_PATH;
    Failed::from(keyferry::Error::NoPath { property })
        .hint("`keyferry drives` lists the removable volumes that are there")
}

fn damaged(report: &BackupReport, failure: Failure) -> Failed {
    let lost = words::holding(report.counts.all_failed(), report.documents.all_failed());
    let message = format!("damaged in the store, and not in the backup: {lost}");
    Failed::new(failure, message)
        .hint("restore from an earlier backup, or import again; then back up once more")
}

/// A medium that fails leaves a person wondering what is on it.
fn with_what_is_there(context: &Context, folder: &Path, failed: Failed) -> Failed {
    let id = context.existing_store().map(|store| store.id());
    let standing = id.and_then(|id| standing(folder, &id));
    let words = standing.map(|standing| {
        let backup = standing.has_backup.then_some("backup");
        let unfinished = standing.has_unfinished.then_some("unfinished");
        backup.into_iter().chain(unfinished).collect::<Vec<_>>()
    });
    context.output.summarize("on_medium", words);
    let Some(standing) = standing else {
        return failed.hint("what is on it can't be seen now; a backup that was on it was not changed");
    };
    let backup = match standing.has_backup {
        true => "the backup of this computer that was there before",
        false => "no backup of this computer",
    };
    let unfinished = match standing.has_unfinished {
        true => ", and an unfinished file that the next backup removes",
        false => "",
    };
    let folder = words::path(folder);
    failed.hint(format!("in {folder} now: {backup}{unfinished}"))
}

fn explained(context: &Context, args: &BackupArgs, folder: &Path, error: keyferry::Error) -> Failed {
    // A selection does not just take the place of what is there: what to do then is another matter.
    let exists = args.only.patterns.is_empty()
        && matches!(error, keyferry::Error::Archive(_))
        && error.failure() == Failure::BackupExists;
    let mut failed = Failed::from(error);
    if exists {
        let folder = words::quoted(&folder.display().to_string());
        let how = passphrase::typed(&args.encrypt);
        let command = format!("{} backup {folder}{how} --overwrite", context.program());
        let keeping = format!("{} backup {folder}{how} --keep 2", context.program());
        failed.hints = vec![
            format!("to replace it: {command}"),
            format!("to keep it as an earlier generation: {keeping}"),
        ];
    }
    failed
}

fn summarize(context: &Context, report: &BackupReport, started: Instant) {
    let output = &context.output;
    output.summarize("path", report.path.display().to_string());
    output.summarize("licenses", report.counts.total);
    output.summarize("backed_up", report.counts.backed_up);
    output.summarize("restricted", report.counts.restricted);
    output.summarize_documents(&report.documents);
    output.summarize("bytes", report.bytes);
    output.summarize("replaced", report.replaced);
    output.summarize(
        "kept",
        report.kept.as_deref().map(|kept| kept.display().to_string()),
    );
    let removed: Vec<_> = report
        .removed
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    output.summarize("removed", removed);
    output.summarize("encrypted", report.encrypted);
    only::summarize(output, report.left_out, &report.unmet);
    output.summarize("seconds", started.elapsed().as_secs_f64());
}

fn tell(context: &Context, report: &BackupReport, reporter: &Arc<Reporter>, dry_run: bool, started: Instant) {
    let (output, counts) = (&context.output, &report.counts);
    let licenses = words::holding(counts.backed_up, report.documents.backed_up);
    let path = report.path.display();
    if dry_run {
        output.text(format_args!("would back up {licenses} to {path}"));
    } else {
        let replaced = if report.replaced {
            ", in place of the earlier one"
        } else {
            ""
        };
        let size = words::size(report.bytes);
        let seconds = started.elapsed().as_secs_f64();
        output.text(format_args!(
            "backed up {licenses} to {path}{replaced} ({size}, {seconds:.2} s)"
        ));
    }
    if let Some(kept) = &report.kept {
        output.text(format_args!("the earlier one is kept as {}", words::path(kept)));
    }
    for removed in &report.removed {
        output.text(format_args!("an older one is removed: {}", words::path(removed)));
    }
    only::tell(output, report.left_out, &report.unmet);
    if counts.total + report.documents.total == 0 {
        output.text("there are no licenses on this computer, so the backup holds none");
    }
    if counts.restricted > 0 {
        let (licenses, stay) = (
            words::count(counts.restricted, "license"),
            if counts.restricted == 1 { "stays" } else { "stay" },
        );
        output.text(format_args!(
            "{licenses} {stay} here, because their rights do not let them leave this computer:"
        ));
        reporter.name_licenses("restricted");
    }
    if report.failure.is_some() {
        reporter.name_licenses(Failure::StoreCorrupt.word());
    }
    reporter.name_documents();
    if !dry_run && !report.encrypted {
        output.hint("the backup is not encrypted: keep it where nobody else gets at it");
    }
}
