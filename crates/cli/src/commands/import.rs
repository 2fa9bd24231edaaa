//! `keyferry import`: licenses from .license files. Folders are walked; what holds no licenses is named and left.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use keyferry::{Failure, ImportReport};

use crate::args::ImportArgs;
use crate::context::Context;
use crate::document;
use crate::failed::{Failed, Result, plain};
use crate::output::Line;
use crate::progress::Reporter;
use crate::waiting;
use crate::words;

/// Imports.
pub fn run(context: &Context, args: &ImportArgs) -> Result<()> {
    let mut found = Found::default();
    args.paths.iter().for_each(|path| found.look_at(path));
    let (restorer, reporter) = (context.restorer()?, Reporter::new(context, "importing"));
    let started = Instant::now();
    let files: Vec<PathBuf> = found.licenses.into_iter().collect();
    let report = restorer.import(&files, &args.trust, reporter.clone());
    reporter.done();
    let report = report?;
    let bad = report
        .bad_files
        .iter()
        .map(|(path, why)| (path.clone(), keyferry_license::printable(why)));
    let skipped: Vec<(PathBuf, String)> = found.skipped.into_iter().chain(bad).collect();
    for (path, why) in &skipped {
        context
            .output
            .text(format_args!("skipped {}: {why}", path.display()));
        let line = Line::new("skipped")
            .with("path", path.display().to_string())
            .with("why", why.as_str());
        context.output.event(&line);
    }
    summarize(context, &report, skipped.len(), started);
    tell(context, &report, &reporter, started);
    ending(context, args, &report, skipped.len())
}

fn summarize(context: &Context, report: &ImportReport, skipped: usize, started: Instant) {
    let (output, counts) = (&context.output, &report.counts);
    output.summarize("licenses", counts.total);
    output.summarize("restored", counts.restored);
    output.summarize("already_here", counts.already_here);
    output.summarize("failed", serde_json::json!(counts.failed));
    output.summarize("skipped", skipped);
    output.summarize("seconds", started.elapsed().as_secs_f64());
}

fn tell(context: &Context, report: &ImportReport, reporter: &Reporter, started: Instant) {
    let (output, counts) = (&context.output, &report.counts);
    let seconds = started.elapsed().as_secs_f64();
    if counts.restored > 0 {
        output.text(format_args!(
            "imported {} ({seconds:.2} s)",
            words::count(counts.restored, "license")
        ));
    }
    if counts.already_here > 0 {
        output.text(format_args!(
            "{} here already",
            words::count(counts.already_here, "license")
        ));
    }
    for (word, count) in &counts.failed {
        output.text(format_args!(
            "{} not imported: {}",
            words::count(*count, "license"),
            waiting::reason(word)
        ));
        reporter.name_licenses(word);
    }
}

fn ending(context: &Context, args: &ImportArgs, report: &ImportReport, skipped: usize) -> Result<()> {
    let counts = &report.counts;
    let failure = match report.failure {
        Some(failure) => failure,
        None if skipped == 0 => return Ok(()),
        None if counts.here() > 0 => Failure::NotAllStored,
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
        _ if counts.total == 0 => "there was no license to import".into(),
        failure => format!("nothing was imported: {}", waiting::reason(failure.word())),
    };
    let mut failed = Failed::new(failure, message);
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
    let named = args
        .trust
        .iter()
        .chain(report.issuers_to_trust.iter().map(|issuer| &issuer.thumbprint));
    command.extend(named.map(|thumbprint| format!("--trust {thumbprint}")));
    Err(failed.hint(format!("if you agree: {}", command.join(" "))))
}

/// Files by what they hold.
#[derive(Default)]
struct Found {
    licenses: BTreeSet<PathBuf>,
    skipped: Vec<(PathBuf, String)>,
}

impl Found {
    fn look_at(&mut self, path: &Path) {
        match path.metadata() {
            Ok(about) if about.is_dir() => self.look_into(path),
            Ok(_) => match document::holds_licenses(path) {
                Ok(true) => {
                    self.licenses.insert(path.to_owned());
                }
                Ok(false) => self.skipped.push((path.to_owned(), "no .license file".into())),
                Err(failed) => self.skipped.push((path.to_owned(), failed.message)),
            },
            Err(error) => self.skipped.push((path.to_owned(), plain(&error))),
        }
    }

    /// Links to folders are not followed: one may lead back here.
    fn look_into(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.skipped.push((folder.to_owned(), plain(&error))),
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) && path.is_dir() {
                self.skipped.push((path, "a link to a folder".into()));
            } else {
                self.look_at(&path);
            }
        }
    }
}
