//! `keyferry service check`: what the ledger and the receipts of computers prove, and what they contradict.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use keyferry::Failure;
use keyferry_license::{CardKind, printable};
use keyferry_protocol::next_kept_receipt;
use keyferry_service::check::{Checked, Checker, Finding};
use keyferry_service::policy::Policy;
use keyferry_service::{CARD_FILE, Error};

use crate::args::CheckArgs;
use crate::context::Context;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::files;
use crate::ledger;
use crate::output::Line;
use crate::words;

/// How the files end that `keyferry receipts --to` writes.
const ENDING: &str = "cborseq";

/// Checks a ledger.
pub fn run(context: &Context, args: &CheckArgs) -> Result<()> {
    let card = files::read_card(&args.dir.join(CARD_FILE), CardKind::Service)?;
    let ledger = ledger::open_existing(&args.dir, &args.ledger)?;
    let policy = Policy::default();
    let mut checker = Checker::new(&*ledger, &card, &policy);
    let mut told = |finding| tell(context, &finding);
    for path in receipt_files(&args.receipts)? {
        let mut file = BufReader::new(File::open(&path).map_err(|e| Failed::file("read", &path, &e))?);
        while let Some(receipt) = next_kept_receipt(&mut file).map_err(|e| unreadable(&path, &e))? {
            checker.receipt(&receipt, &mut told)?;
        }
    }
    let checked = match checker.finish(&mut told) {
        Err(Error::LedgerDamaged(what)) => return Err(damaged(format!("the ledger is damaged: {what}"))),
        checked => checked?,
    };
    summarize(context, &checked);
    match checked.findings {
        0 => Ok(()),
        n => Err(damaged(format!(
            "{} of what must not be",
            words::count(n, "finding")
        ))),
    }
}

/// The files that were named, and of folders those that are files of receipts.
fn receipt_files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        let failed = |e: io::Error| Failed::file("read", path, &e);
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.extension().is_some_and(|ending| ending == ENDING) {
                inside.push(file);
            }
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> Failed {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Failed::other(format!("{}: {error}", path.display())).because("bad-document")
        }
        _ => Failed::file("read", path, error),
    }
}

fn damaged(message: String) -> Failed {
    Failed::new(Failure::BackupCorrupt, message).because("bad-ledger")
}

fn tell(context: &Context, finding: &Finding) {
    let said = printable(&finding.to_string());
    let (issuer, license) = match finding.license {
        Some((issuer, license)) => (Some(issuer.to_string()), Some(license.to_string())),
        None => (None, None),
    };
    context.output.text(&said);
    context.output.item(
        &Line::new(Event::Finding)
            .with("what", finding.fault.word())
            .with("issuer", issuer)
            .with("license", license)
            .with("seq", finding.seq)
            .with("computer", finding.computer.map(|computer| computer.to_string()))
            .with("said", said.as_str()),
    );
}

fn summarize(context: &Context, checked: &Checked) {
    let output = &context.output;
    output.summarize("rows", checked.rows);
    output.summarize("licenses", checked.licenses);
    output.summarize("receipts", checked.receipts);
    output.summarize("computers", checked.computers);
    output.summarize("promises", checked.promises);
    output.summarize("unproven", checked.unproven);
    output.summarize("findings", checked.findings);
    output.text(format_args!(
        "{} of {} read, {} of {} compared",
        words::count(checked.rows, "row"),
        words::count(checked.licenses, "license"),
        words::count(checked.receipts, "receipt"),
        words::count(checked.computers, "computer"),
    ));
    if checked.unproven > 0 {
        output.text(format_args!(
            "{} unproven: no receipt that was given is as new, or of that computer",
            words::count(checked.unproven, "row")
        ));
    }
    if checked.findings == 0 {
        output.text("nothing was found that must not be");
    }
}
