//! `keyferry receipts`: what services have signed for this computer, listed or proven; no network is needed.

use keyferry::{Failure, KeptReceipt};

use std::path::Path;

use keyferry_protocol::kept_receipt;

use crate::args::ReceiptsArgs;
use crate::context::Context;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::files::{NewFile, Readers};
use crate::output::Line;
use crate::words;

/// Lists, verifies, or writes into a file.
pub fn run(context: &Context, args: &ReceiptsArgs) -> Result<()> {
    if let Some(folder) = &args.to {
        return export(context, folder);
    }
    let (output, verify) = (&context.output, args.command.is_some());
    let (mut receipts, mut rows, mut bad) = (0_u64, 0, 0_u64);
    let store = context.store()?;
    keyferry::receipts(&store, |receipt| {
        receipts += 1;
        rows += receipt.rows;
        bad += u64::from(!receipt.findings.is_empty());
        if !verify || !receipt.findings.is_empty() || output.is_json() {
            tell(context, &receipt, verify);
        }
        Ok(())
    })?;
    output.summarize("receipts", receipts);
    if !verify {
        if receipts == 0 {
            output.note("no service has signed anything for this computer");
        }
        return Ok(());
    }
    output.summarize("rows", rows);
    output.summarize("bad", bad);
    if bad > 0 {
        let message = format!("{bad} of {} prove nothing", words::count(receipts, "receipt"));
        return Err(Failed::new(Failure::BackupCorrupt, message).because("bad-receipt"));
    }
    output.text(format_args!(
        "{} verified; {} of the services' ledgers made again",
        words::count(receipts, "receipt"),
        words::count(rows, "row")
    ));
    Ok(())
}

/// As they were signed: whoever has the service's card can verify them.
fn export(context: &Context, folder: &Path) -> Result<()> {
    let store = context.store()?;
    let id = store.id().to_string();
    let path = folder.join(format!("receipts-{}.cborseq", &id[..8]));
    let mut file = NewFile::create(&path, true, Readers::Owner)?;
    let mut receipts = 0_u64;
    store.for_each_receipt(None, |kept| {
        receipts += 1;
        file.write(&kept_receipt(&kept.bytes))
    })?;
    file.finish()?;
    context.output.summarize("receipts", receipts);
    context.output.summarize("path", path.display().to_string());
    context.output.text(format_args!(
        "{} written to {}",
        words::count(receipts, "receipt"),
        path.display()
    ));
    Ok(())
}

fn tell(context: &Context, receipt: &KeptReceipt, verify: bool) {
    let counts: Vec<String> = receipt
        .counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    let name = match receipt.name.as_str() {
        "" => receipt.service.short(),
        name => name.to_owned(),
    };
    let output = &context.output;
    output.text(format_args!(
        "{}  {name}  {}  {}",
        words::time(receipt.time),
        receipt.kind,
        counts.join(", ")
    ));
    if verify {
        for finding in &receipt.findings {
            output.text(format_args!("  {}", keyferry_license::printable(finding)));
        }
    }
    let line = Line::new(Event::Receipt)
        .with("request", receipt.request.to_string())
        .with("service", receipt.service.to_string())
        .with("name", receipt.name.as_str())
        .with("kind", receipt.kind.as_str())
        .with("time", receipt.time)
        .with("licenses", receipt.licenses())
        .with("counts", serde_json::json!(receipt.counts));
    let line = match verify {
        true => line.with("findings", receipt.findings.clone()),
        false => line,
    };
    output.item(&line);
}
