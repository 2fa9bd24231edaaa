//! `keyferry verify --rehearse` and `--max-age`: what a restore would meet today, and whether the backup is too old to be
//! relied on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use keyferry::{Failure, RehearsalOptions, RehearsalReport, RestoreReport, Unlocker};

use crate::args::VerifyArgs;
use crate::contact;
use crate::context::{self, Context};
use crate::failed::{Failed, Result};
use crate::passphrase;
use crate::progress::Reporter;
use crate::waiting;
use crate::words;

/// What a backup says of itself.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its ID.
    pub backup: [u8; 16],
    /// When it was made (Unix seconds).
    pub created: u64,
}

/// Rehearses the restore of this file; an error if anything would not come.
pub fn run(
    context: &Context,
    args: &VerifyArgs,
    path: &Path,
    unlocker: Unlocker,
    canceled: &Arc<AtomicBool>,
) -> Result<()> {
    let restorer = contact::restorer(context, &args.contact)?;
    let reporter = Reporter::new(context, "rehearsing");
    let options = RehearsalOptions {
        path: path.to_owned(),
        from: None,
        unlocker,
        individualize: args.individualize,
    };
    let rehearsed = restorer.rehearse(&options, &*reporter, canceled);
    reporter.done();
    let report = rehearsed?;
    tell(context, &report, &reporter);
    match report.failure {
        None => Ok(()),
        Some(failure) => Err(failed(context, args, path, &report, failure)),
    }
}

/// Says when the backup was proven last, and fails if it was made longer ago than `max_age` seconds.
pub fn age(context: &Context, about: Option<About>, max_age: Option<u64>) -> Result<()> {
    let output = &context.output;
    let Some(about) = about else {
        return match max_age {
            None => Ok(()),
            Some(_) => Err(Failed::new(
                Failure::WrongPassphrase,
                "how old the backup is stands inside, and it was not opened",
            )),
        };
    };
    let proven = context
        .existing_store()
        .and_then(|store| store.last_proven(&about.backup).ok()?);
    let age = context::now().saturating_sub(about.created);
    output.summarize("created", about.created);
    output.summarize("age", age);
    output.summarize("last_proven", proven);
    output.text(format_args!("made on {}", words::time(about.created)));
    if let Some(proven) = proven {
        output.text(format_args!("last proven restorable on {}", words::time(proven)));
    }
    match max_age {
        Some(max_age) if age > max_age => Err(Failed::new(
            Failure::TooOld,
            format!(
                "the backup is too old: it was made on {}, longer than {} ago",
                words::time(about.created),
                words::span(max_age)
            ),
        )
        .hint("back up once more")),
        _ => Ok(()),
    }
}

fn tell(context: &Context, report: &RehearsalReport, reporter: &Reporter) {
    let output = &context.output;
    let cases = [
        (
            &report.as_this,
            false,
            "to this computer, if it lost its licenses",
        ),
        (&report.as_new, true, "to a computer that holds none of it"),
    ];
    for (case, as_new, whom) in cases {
        let comes = words::holding(case.counts.here(), case.documents.here());
        output.text(format_args!("{comes} would come {whom}"));
        for (word, count) in &case.counts.failed {
            let licenses = words::count(*count, "license");
            output.text(format_args!("  {licenses} would not: {}", waiting::reason(word)));
            reporter.name_rehearsed(as_new, word);
        }
    }
    output.summarize("rehearsed", report.as_new.counts.total);
    output.summarize("would_return", report.as_this.counts.here());
    output.summarize("would_come", report.as_new.counts.here());
}

fn failed(
    context: &Context,
    args: &VerifyArgs,
    path: &Path,
    report: &RehearsalReport,
    failure: Failure,
) -> Failed {
    let why = match &report.why {
        Some(why) => keyferry_license::printable(why),
        None => waiting::reason(failure.word()).to_owned(),
    };
    let mut failed = Failed::new(failure, format!("the rehearsal failed: {why}"));
    if failed.exit == Failure::ServiceUnavailable.exit_code() {
        failed = failed.hint("nothing was taken; try again when the service can be reached");
    }
    if failure == Failure::Limit {
        failed = failed.hint(
            "a computer that does not need its licenses any more gives its places back: keyferry computer release --all",
        );
    }
    let case: &RestoreReport = &report.as_new;
    waiting::for_trust(&context.output, &mut failed, &case.issuers_to_trust);
    waiting::for_consent(&context.output, &mut failed, &case.consents_needed);
    if !case.issuers_to_trust.is_empty() {
        failed = failed.hint(format!(
            "if you agree: {} trust add with the issuer's card, then rehearse again",
            context.program()
        ));
    } else if !case.consents_needed.is_empty() {
        let path = words::quoted(&path.display().to_string());
        let unlock = passphrase::typed_unlock(&args.unlock);
        let contact = contact::typed(&args.contact);
        failed = failed.hint(format!(
            "if you agree: {} verify {path} --rehearse --individualize{unlock}{contact}",
            context.program()
        ));
    }
    failed
}
