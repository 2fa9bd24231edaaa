//! `keyferry restore`: licenses from a backup to this computer.

use std::path::Path;
use std::time::Instant;

use keyferry::{Failure, Only, RESTORE_PATH, RestoreOptions, RestoreReport};

use crate::args::RestoreArgs;
use crate::contact;
use crate::context::Context;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::only;
use crate::output::Line;
use crate::passphrase;
use crate::plan;
use crate::progress::Reporter;
use crate::signals;
use crate::waiting;
use crate::words;

/// Restores, or says what a restore would do.
pub fn run(context: &Context, args: &RestoreArgs) -> Result<()> {
    if let Some(answer) = &args.answer {
        return take_answers(context, args, answer);
    }
    let Some(path) = &args.path else {
        return Err(keyferry::Error::NoPath {
            property: RESTORE_PATH,
        }
        .into());
    };
    let options = RestoreOptions {
        path: Some(path.clone()),
        individualize: args.individualize,
        trust: args.trust.clone(),
        from: args.from.clone(),
        request_out: args.request_out.clone(),
        unlocker: passphrase::unlocker(context, &args.unlock)?,
        only: Only::new(&args.only.patterns)?,
        plan_out: args.plan.plan_out.clone(),
        plan: args.plan.file.clone(),
    };
    let restorer = contact::restorer(context, &args.contact)?;
    let reporter = Reporter::new(context, "restoring");
    let started = Instant::now();
    let result = if args.plan.is_dry(args.dry_run) {
        restorer.plan_restore(&options, reporter.clone())
    } else {
        let object = restorer.clone();
        let interrupted = signals::on_interrupt(move || object.cancel_restore())?;
        let running = restorer.restore(options, reporter.clone())?;
        if interrupted.is_set() {
            restorer.cancel_restore();
        }
        running.wait()
    };
    reporter.done();
    told(context, args, &reporter, result?, started)
}

/// Takes the answers to requests that travelled by file.
fn take_answers(context: &Context, args: &RestoreArgs, answer: &Path) -> Result<()> {
    let (restorer, reporter) = (context.restorer()?, Reporter::new(context, "restoring"));
    let started = Instant::now();
    let object = restorer.clone();
    let interrupted = signals::on_interrupt(move || object.cancel_restore())?;
    let running = restorer.restore_answer(answer, reporter.clone())?;
    if interrupted.is_set() {
        restorer.cancel_restore();
    }
    let result = running.wait();
    reporter.done();
    told(context, args, &reporter, result?, started)
}

fn told(
    context: &Context,
    args: &RestoreArgs,
    reporter: &Reporter,
    report: RestoreReport,
    started: Instant,
) -> Result<()> {
    summarize(context, &report, started);
    tell(context, &report, reporter, args, started);
    plan::tell(&context.output, &args.plan, report.failure);
    match report.failure {
        None => Ok(()),
        Some(failure) => Err(failed(context, args, &report, failure)),
    }
}

fn summarize(context: &Context, report: &RestoreReport, started: Instant) {
    let (output, counts) = (&context.output, &report.counts);
    output.summarize("path", report.path.display().to_string());
    output.summarize(
        "from",
        report.from.as_ref().map(|(computer, _)| computer.to_string()),
    );
    output.summarize("licenses", counts.total);
    output.summarize("restored", counts.restored);
    output.summarize("reissued", counts.reissued);
    output.summarize("already_here", counts.already_here);
    output.summarize("asks_service", counts.asks_service);
    output.summarize("failed", serde_json::json!(counts.failed));
    output.summarize_documents(&report.documents);
    output.summarize(
        "refusal_url",
        report
            .pages
            .first()
            .map(|page| keyferry_license::printable(&page.url)),
    );
    output.summarize("requests_out", report.requests_out);
    output.summarize("damage", report.damage.len());
    only::summarize(output, report.left_out, &report.unmet);
    output.summarize("seconds", started.elapsed().as_secs_f64());
}

fn tell(
    context: &Context,
    report: &RestoreReport,
    reporter: &Reporter,
    args: &RestoreArgs,
    started: Instant,
) {
    let dry_run = args.plan.is_dry(args.dry_run);
    let (output, counts) = (&context.output, &report.counts);
    if let Some((computer, name)) = &report.from {
        let made = words::time(report.created);
        output.text(format_args!(
            "the backup of {name} ({}), made on {made}",
            computer.short()
        ));
    }
    for damage in &report.damage {
        output.warning(keyferry_license::printable(damage));
    }
    for lost in &report.lost {
        super::verify::lost(output, &lost.id, &lost.title);
    }
    if report.repairable {
        let path = words::quoted(&report.path.display().to_string());
        let command = format!("{} repair {path}", context.program());
        output.hint(format_args!(
            "nothing is lost with what is damaged; to make the file whole: {command}"
        ));
    }
    waiting::news(output, &report.news, true);
    let would = if dry_run { "would be " } else { "" };
    let seconds = format!(" ({:.2} s)", started.elapsed().as_secs_f64());
    let seconds = if dry_run { "" } else { seconds.as_str() };
    let places = reporter
        .places()
        .map(|places| format!(", {places}"))
        .unwrap_or_default();
    let here = counts.restored + counts.reissued;
    let documents = &report.documents;
    let nothing_else = counts.asks_service + counts.already_here + documents.already_here == 0;
    if here + documents.restored > 0 || (nothing_else && report.failure.is_none()) {
        output.text(format_args!(
            "{} {would}restored{places}{seconds}",
            words::holding(here, documents.restored)
        ));
    }
    if counts.reissued > 0 {
        let reissued = words::number(counts.reissued);
        output.text(format_args!(
            "  {reissued} of them had been here before and took no new place"
        ));
    }
    if counts.already_here + documents.already_here > 0 {
        output.text(format_args!(
            "{} here already",
            words::holding(counts.already_here, documents.already_here)
        ));
    }
    for silent in &report.unasked {
        let (name, why) = (&silent.name, keyferry_license::printable(&silent.why));
        output.warning(format_args!("{name} could not be asked: {why}"));
    }
    if counts.asks_service > 0 {
        let licenses = words::count(counts.asks_service, "license");
        match &args.request_out {
            None => output.text(format_args!("{licenses} would be asked of the service")),
            Some(file) => request_written(context, report, &licenses, file),
        }
    }
    only::tell(output, report.left_out, &report.unmet);
    if counts.total + documents.total == 0 && report.failure.is_none() {
        output.text("the backup holds no licenses");
    }
    for (word, count) in &counts.failed {
        output.text(format_args!(
            "{} not restored: {}",
            words::count(*count, "license"),
            waiting::reason(word)
        ));
        reporter.name_licenses(word);
    }
    for (word, count) in &documents.failed {
        output.text(format_args!(
            "{} not restored: {}",
            words::count(*count, "license document"),
            waiting::reason(word)
        ));
    }
    reporter.name_documents();
    for page in &report.pages {
        let url = keyferry_license::printable(&page.url);
        output.text(format_args!("why, and what can be done: {url}"));
        let line = Line::new(Event::Page)
            .with("reason", page.failure.word())
            .with("hr", page.failure.hresult().to_string());
        output.event(&line.with("url", url));
    }
}

fn request_written(context: &Context, report: &RestoreReport, licenses: &str, file: &Path) {
    let requests = words::count(report.requests_out, "request");
    let path = words::quoted(&file.display().to_string());
    context.output.text(format_args!(
        "{requests} for {licenses} written to {}",
        file.display()
    ));
    context.output.hint(format_args!(
        "on a computer with a network: {program} authorize {path} -o ANSWERS; then here: {program} restore --answer ANSWERS",
        program = context.program()
    ));
}

fn failed(context: &Context, args: &RestoreArgs, report: &RestoreReport, failure: Failure) -> Failed {
    let (counts, documents) = (&report.counts, &report.documents);
    let (lost, total) = (counts.all_failed(), counts.total);
    if lost + documents.all_failed() == 0 && report.damage.is_empty() && !report.unmet.is_empty() {
        return only::unmet(failure, &report.unmet);
    }
    let message = match (failure, &report.why) {
        (Failure::NotAllStored, _) if lost == 0 && documents.all_failed() > 0 => format!(
            "{} of {} were not restored",
            documents.all_failed(),
            words::count(documents.total, "license document")
        ),
        (Failure::NotAllStored, _) if lost == 0 => {
            "what could be read is here, but the backup is damaged: it may have held more".into()
        }
        (Failure::NotAllStored, _) => format!("{lost} of {total} licenses were not restored"),
        (_, Some(why)) => keyferry_license::printable(why),
        (failure, None) => format!("nothing was restored: {}", waiting::reason(failure.word())),
    };
    let mut failed = Failed::new(failure, message);
    if failure == Failure::ServiceNotTrusted {
        failed = failed.hint("nothing was sent to it, and nothing was taken");
    } else if failure == Failure::ServiceBusy && report.why.is_some() {
        failed = failed
            .hint("try again later, or let it wait longer with --wait SECONDS; no place is used up twice");
    } else if failed.exit == Failure::ServiceUnavailable.exit_code() {
        failed = failed.hint("try again when the service can be reached; no place is used up twice");
    }
    if is_out_of_reach(failure) && args.path.is_some() {
        let again = typed(context, args, report).join(" ");
        let unlock = passphrase::typed_unlock(&args.unlock);
        failed = failed.hint(format!(
            "if this computer has no network: {again}{unlock} --request-out FILE writes what another computer can ask"
        ));
    }
    waiting::for_trust(&context.output, &mut failed, &report.issuers_to_trust);
    waiting::for_consent(&context.output, &mut failed, &report.consents_needed);
    if report.issuers_to_trust.is_empty() && report.consents_needed.is_empty() {
        return failed;
    }
    let command = typed(context, args, report);
    let unlock = passphrase::typed_unlock(&args.unlock);
    let contact = contact::typed(&args.contact);
    failed.hint(format!("if you agree: {}{unlock}{contact}", command.join(" ")))
}

fn is_out_of_reach(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::ServiceUnavailable | Failure::IndividualizationServiceUnavailable
    )
}

/// The command as it has to be typed again, with what the person has to agree to.
fn typed(context: &Context, args: &RestoreArgs, report: &RestoreReport) -> Vec<String> {
    let mut command = vec![context.program(), "restore".into()];
    command.extend(
        args.path
            .as_ref()
            .map(|path| words::quoted(&path.display().to_string())),
    );
    command.extend(
        args.from
            .as_ref()
            .map(|from| format!("--from {}", words::quoted(from))),
    );
    command.extend(
        args.only
            .patterns
            .iter()
            .map(|pattern| format!("--only {}", words::quoted(pattern))),
    );
    let named = args
        .trust
        .iter()
        .chain(report.issuers_to_trust.iter().map(|issuer| &issuer.thumbprint));
    command.extend(named.map(|thumbprint| format!("--trust {thumbprint}")));
    if args.individualize || !report.consents_needed.is_empty() {
        command.push("--individualize".into());
    }
    command
}
