//! `keyferry computer release`: licenses leave this computer, then their slots are given back.

use keyferry::{Failure, ReleaseOptions, ReleaseReport, Selection};
use keyferry_license::{KeyId, LicenseId};

use crate::args::ReleaseArgs;
use crate::contact;
use crate::context::Context;
use crate::failed::{Failed, Result};
use crate::progress::Reporter;
use crate::{signals, waiting, words};

/// Releases, or says what would be given back.
pub fn run(context: &Context, args: &ReleaseArgs) -> Result<()> {
    let options = ReleaseOptions {
        selection: selection(args)?,
        individualize: args.individualize,
    };
    let restorer = contact::restorer(context, &args.contact)?;
    let planned = Reporter::new(context, "planning");
    if args.dry_run {
        let report = restorer.plan_release(&options, planned)?;
        return tell(context, args, &report);
    }
    // Nothing is told of a plan that only asks.
    let plan = restorer.plan_release(&options, std::sync::Arc::new(keyferry::Silent))?;
    let (leave, wait) = (plan.counts.released, plan.counts.slot_waits);
    if leave == 0 && wait == 0 && plan.counts.all_failed() == 0 {
        let named = args.all || !args.ids.is_empty();
        if !named {
            return Err(
                Failed::usage("nothing waits for a service, and no license is named")
                    .hint("name licenses by their IDs or key IDs, or give all back with --all"),
            );
        }
    }
    if leave > 0 {
        confirm(context, leave)?;
    }
    let reporter = Reporter::new(context, "giving back");
    let object = restorer.clone();
    let interrupted = signals::on_interrupt(move || object.cancel_release())?;
    let running = restorer.release(options, reporter.clone())?;
    if interrupted.is_set() {
        restorer.cancel_release();
    }
    let result = running.wait();
    reporter.done();
    tell(context, args, &result?)
}

fn selection(args: &ReleaseArgs) -> Result<Selection> {
    if args.all {
        return Ok(Selection::All);
    }
    let (mut licenses, mut key_ids) = (Vec::new(), Vec::new());
    // A UUID may be either; a license ID is one of version 7.
    for id in &args.ids {
        match (id.parse::<LicenseId>(), id.parse::<KeyId>()) {
            (Ok(license), _) => licenses.push(license),
            (_, Ok(key_id)) => key_ids.push(key_id),
            _ => {
                let id = keyferry_license::printable(id);
                return Err(Failed::usage(format!(
                    "{id:?} is neither a license ID nor a key ID"
                )));
            }
        }
    }
    Ok(Selection::These { licenses, key_ids })
}

fn confirm(context: &Context, licenses: u64) -> Result<()> {
    if context.yes {
        return Ok(());
    }
    let licenses = words::count(licenses, "license");
    if !context.can_ask() {
        return Err(Failed::usage(format!(
            "giving {licenses} back has to be confirmed: --yes is missing"
        )));
    }
    let question =
        format!("give {licenses} back? they leave this computer, and a backup brings them only with a slot");
    match context.ask(&question)? {
        true => Ok(()),
        false => Err(Failed::new(Failure::Canceled, "nothing was given back")),
    }
}

fn tell(context: &Context, args: &ReleaseArgs, report: &ReleaseReport) -> Result<()> {
    let (output, counts) = (&context.output, &report.counts);
    output.summarize("left", report.left);
    output.summarize("given_back", counts.released);
    output.summarize("slot_waits", counts.slot_waits);
    output.summarize("failed", serde_json::json!(counts.failed));
    waiting::news(output, &report.news, false);
    if args.dry_run {
        output.text(format_args!(
            "{} would be given back",
            words::count(counts.released, "license")
        ));
    } else if counts.released > 0 {
        output.text(format_args!(
            "{} given back: they are gone from this computer, and their slots are free",
            words::count(counts.released, "license")
        ));
    }
    if counts.slot_waits > 0 {
        output.text(format_args!(
            "{} gone from this computer; their slots will be given back at the next contact with the service",
            words::count(counts.slot_waits, "license")
        ));
    }
    for (word, count) in &counts.failed {
        output.text(format_args!(
            "{} not given back: {}",
            words::count(*count, "license"),
            waiting::reason(word)
        ));
    }
    let Some(failure) = report.failure else {
        return Ok(());
    };
    let message = match (&report.why, failure) {
        (Some(why), _) => keyferry_license::printable(why),
        (None, Failure::NeedsIndividualization) => {
            "nothing was given back: the service does not know this computer yet".into()
        }
        (None, _) => format!("{} not given back", words::count(counts.all_failed(), "license")),
    };
    let mut failed = Failed::new(failure, message);
    if counts.slot_waits > 0 && !args.dry_run {
        failed = failed.hint(format!(
            "the slots are given back at the next contact; to try now: {} computer release{}",
            context.program(),
            contact::typed(&args.contact)
        ));
    }
    waiting::for_consent(output, &mut failed, &report.consents_needed);
    if !report.consents_needed.is_empty() {
        let ids: Vec<String> = args.ids.iter().map(|id| words::quoted(id)).collect();
        let what = if args.all { "--all".into() } else { ids.join(" ") };
        let program = context.program();
        failed = failed.hint(format!(
            "if you agree: {program} computer release {what} --individualize{}",
            contact::typed(&args.contact)
        ));
    }
    Err(failed)
}
