//! `keyferry export`: license documents back into files, under the names under which they came and byte for byte. It
//! never writes over a file.

use std::path::Path;
use std::time::Instant;

use keyferry::Failure;
use keyferry_license::document::DocumentId;
use keyferry_license::printable;
use keyferry_store::{DocumentInfo, Store};

use crate::args::ExportArgs;
use crate::context::Context;
use crate::document_id;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::files::{NewFile, Readers};
use crate::output::Line;
use crate::words;

/// Exports.
pub fn run(context: &Context, args: &ExportArgs) -> Result<()> {
    let started = Instant::now();
    if !args.to.is_dir() {
        let why = match args.to.exists() {
            true => "is not a folder",
            false => "is not there",
        };
        let message = format!("the folder {} {why}", words::path(&args.to));
        return Err(Failed::new(Failure::NoMedium, message).hint("it is not made: name one that is there"));
    }
    let store = context.store()?;
    let wanted = wanted(&store, args)?;
    let mut failures = Vec::new();
    for document in &wanted {
        if let Err(failed) = write(context, &store, document, &args.to) {
            failures.push(failed);
        }
    }
    let written = wanted.len() - failures.len();
    let output = &context.output;
    output.summarize("documents", wanted.len());
    output.summarize("exported", written);
    output.summarize("failed", failures.len());
    output.summarize("seconds", started.elapsed().as_secs_f64());
    if wanted.is_empty() {
        output.note("there are no license documents on this computer");
    }
    ending(context, failures, written)
}

/// One that fails ends like it; of several each is told, and the first says how it ends when none was written.
fn ending(context: &Context, mut failures: Vec<Failed>, written: usize) -> Result<()> {
    let count = failures.len();
    if count == 1 && written == 0 {
        return Err(failures.remove(0));
    }
    for failed in &failures {
        context.output.warning(&failed.message);
    }
    let Some(first) = failures.into_iter().next() else {
        return Ok(());
    };
    let (all, hints) = (count + written, first.hints.clone());
    let message = format!(
        "{count} of {} were not exported",
        words::count(all as u64, "license document")
    );
    let mut failed = if written == 0 {
        Failed { message, ..first }
    } else {
        Failed::new(Failure::NotAllStored, message)
    };
    failed.hints = hints;
    Err(failed)
}

fn wanted(store: &Store, args: &ExportArgs) -> Result<Vec<DocumentInfo>> {
    let here = store.documents()?;
    if args.all {
        return Ok(here);
    }
    let mut wanted: Vec<DocumentInfo> = Vec::with_capacity(args.ids.len());
    for id in &args.ids {
        let found = document_id::find(&here, id)?;
        if !wanted.contains(found) {
            wanted.push(found.clone());
        }
    }
    Ok(wanted)
}

fn write(context: &Context, store: &Store, document: &DocumentInfo, folder: &Path) -> Result<()> {
    let path = folder.join(&document.name);
    let shown = words::path(&path);
    let bytes = store.document(&document.id)?;
    let bytes = bytes.ok_or_else(|| document_id::unknown(&document.id.to_string()))?;
    // What is written is what came: the store has compared the digest, and so does this.
    if DocumentId::of(&bytes) != document.id {
        return Err(Failed::new(
            Failure::StoreCorrupt,
            format!("{} is damaged", document.id),
        ));
    }
    let write = || {
        let mut file = NewFile::create(&path, false, Readers::Everybody)?;
        file.write(&bytes)?;
        file.finish()
    };
    write().map_err(|failed| match failed.reason.as_str() {
        "file-exists" => Failed::new(Failure::BackupExists, format!("{shown} is there already"))
            .because("file-exists")
            .hint("nothing is written over a file: export to another folder"),
        _ => failed,
    })?;
    let size = words::size(document.size);
    context.output.text(format_args!("exported {shown} ({size})"));
    context.output.event(
        &Line::new(Event::Exported)
            .with("document", document.id.to_string())
            .with("name", printable(&document.name))
            .with("path", path.display().to_string())
            .with("bytes", document.size),
    );
    Ok(())
}
