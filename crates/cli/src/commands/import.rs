//! `keyferry import`: licenses from .license files, and license documents of other systems, which are kept byte for
//! byte. Folders are walked; what holds neither is named as what it is and left.

use std::path::PathBuf;
use std::time::Instant;

use keyferry::{DocumentsReport, Failure, ImportReport, Skipped, SkippedFile};
use keyferry_license::document::NotTaken;
use keyferry_license::printable;

use crate::args::ImportArgs;
use crate::context::Context;
use crate::document;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::Line;
use crate::progress::Reporter;
use crate::waiting;
use crate::walk::{Left, walk};
use crate::words;

/// Imports.
pub fn run(context: &Context, args: &ImportArgs) -> Result<()> {
    let walked = walk(&args.paths);
    let mut skipped = walked.skipped;
    let (mut licenses, mut documents) = (Vec::new(), Vec::new());
    for path in walked.files {
        match document::holds_licenses(&path) {
            Ok(true) => licenses.push(path),
            Ok(false) => documents.push(path),
            Err(error) => skipped.push(Left::unreadable(&path, &error)),
        }
    }
    let (restorer, reporter) = (context.restorer()?, Reporter::new(context, "importing"));
    let started = Instant::now();
    let mut done = Done::default();
    if !licenses.is_empty() {
        done.licenses = restorer.import(&licenses, &args.trust, reporter.clone())?;
    }
    if !documents.is_empty() {
        let forced = args.kind.is_some();
        done.documents = restorer.import_documents(&documents, forced, reporter.clone())?;
    }
    reporter.done();
    let bad = done.licenses.bad_files.iter().map(bad_file);
    skipped.extend(bad.chain(done.documents.skipped.iter().map(left)));
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    name(context, &skipped);
    summarize(context, &done, skipped.len(), started);
    tell(context, &done, &reporter, started);
    ending(context, args, &done, skipped.len())
}

/// What came of both.
#[derive(Default)]
struct Done {
    licenses: ImportReport,
    documents: DocumentsReport,
}

impl Done {
    fn came(&self) -> bool {
        self.licenses.counts.here() + self.documents.counts.here() > 0
    }

    fn none(&self) -> bool {
        self.licenses.counts.total + self.documents.counts.total == 0
    }
}

fn bad_file((path, why): &(PathBuf, String)) -> Left {
    Left {
        path: path.clone(),
        reason: "bad-document",
        why: printable(why),
    }
}

fn left(file: &SkippedFile) -> Left {
    match &file.why {
        Skipped::NotTaken(not_taken) => Left {
            path: file.path.clone(),
            reason: not_taken.name(),
            why: printable(&not_taken.to_string()),
        },
        Skipped::Unreadable(error) => Left::unreadable(&file.path, error),
        _ => Left {
            path: file.path.clone(),
            reason: "other",
            why: "it can't be taken".into(),
        },
    }
}

fn name(context: &Context, skipped: &[Left]) {
    for left in skipped {
        let path = words::path(&left.path);
        context.output.text(format_args!("skipped {path}: {}", left.why));
        let line = Line::new(Event::Skipped)
            .with("path", left.path.display().to_string())
            .with("reason", left.reason)
            .with("why", left.why.as_str());
        context.output.event(&line);
    }
}

fn summarize(context: &Context, done: &Done, skipped: usize, started: Instant) {
    let (output, counts) = (&context.output, &done.licenses.counts);
    output.summarize("licenses", counts.total);
    output.summarize("restored", counts.restored);
    output.summarize("already_here", counts.already_here);
    output.summarize("failed", serde_json::json!(counts.failed));
    output.summarize_documents(&done.documents.counts);
    output.summarize("skipped", skipped);
    output.summarize("seconds", started.elapsed().as_secs_f64());
}

fn tell(context: &Context, done: &Done, reporter: &Reporter, started: Instant) {
    let (output, counts) = (&context.output, &done.licenses.counts);
    let documents = &done.documents.counts;
    let seconds = started.elapsed().as_secs_f64();
    if counts.restored + documents.restored > 0 {
        let came = words::holding(counts.restored, documents.restored);
        output.text(format_args!("imported {came} ({seconds:.2} s)"));
    }
    if counts.already_here + documents.already_here > 0 {
        let here = words::holding(counts.already_here, documents.already_here);
        output.text(format_args!("{here} here already"));
    }
    reporter.name_documents();
    for (word, count) in &counts.failed {
        output.text(format_args!(
            "{} not imported: {}",
            words::count(*count, "license"),
            waiting::reason(word)
        ));
        reporter.name_licenses(word);
    }
}

fn ending(context: &Context, args: &ImportArgs, done: &Done, skipped: usize) -> Result<()> {
    let report = &done.licenses;
    let counts = &report.counts;
    let failure = match report.failure {
        None if skipped == 0 => {
            if done.none() {
                context.output.note("there is nothing to import there");
            }
            return Ok(());
        }
        _ if done.came() => Failure::NotAllStored,
        Some(failure) => failure,
        None => Failure::Other,
    };
    let message = match failure {
        Failure::NotAllStored if counts.all_failed() > 0 => {
            format!(
                "{} of {} licenses were not imported",
                counts.all_failed(),
                counts.total
            )
        }
        Failure::NotAllStored => format!("{} skipped", words::count(skipped as u64, "file")),
        _ if done.none() => "there was no license to import".into(),
        failure => format!("nothing was imported: {}", waiting::reason(failure.word())),
    };
    let mut failed = Failed::new(failure, message);
    if done.documents.skipped.iter().any(may_be_one) {
        failed = failed.hint("--as document takes a file that is not recognized, byte for byte");
    }
    waiting::for_trust(&context.output, &mut failed, &report.issuers_to_trust);
    if report.issuers_to_trust.is_empty() {
        return Err(failed);
    }
    let mut command = vec![context.program(), "import".into()];
    command.extend(
        args.paths
            .iter()
            .map(|path| words::quoted(&path.display().to_string())),
    );
    if args.kind.is_some() {
        command.push("--as document".into());
    }
    let named = args
        .trust
        .iter()
        .chain(report.issuers_to_trust.iter().map(|issuer| &issuer.thumbprint));
    command.extend(named.map(|thumbprint| format!("--trust {thumbprint}")));
    Err(failed.hint(format!("if you agree: {}", command.join(" "))))
}

/// Is it likely that a person wants to keep it all the same?
fn may_be_one(file: &SkippedFile) -> bool {
    matches!(
        file.why,
        Skipped::NotTaken(NotTaken::Unknown | NotTaken::Broken { .. })
    )
}
