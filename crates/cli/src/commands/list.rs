//! `keyferry list`: the licenses and license documents here, or the backups in a folder.

use std::path::Path;

use keyferry::{Failure, Kind, Shelved, State, Unlocker, backup_at, backups_in};
use keyferry_license::Grant;
use keyferry_store::Store;

use crate::args::ListArgs;
use crate::context::Context;
use crate::document;
use crate::document_id;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::{Line, Output};
use crate::passphrase;
use crate::words;

/// Lists.
pub fn run(context: &Context, args: &ListArgs) -> Result<()> {
    let Some(path) = &args.path else {
        return licenses(context);
    };
    let unlocker = passphrase::unlocker_if_given(context, &args.unlock)?;
    if !path.is_file() {
        return backups(context, path, &unlocker);
    }
    let shelved = backup_at(path, &unlocker);
    if shelved.state == State::Unreadable {
        // What it is instead.
        let why = document::open_backup(path).err();
        let message = format!("{} can't be read", path.display());
        return Err(why.unwrap_or_else(|| Failed::new(Failure::BackupCorrupt, message)));
    }
    backup_line(&context.output, context.existing_store().as_ref(), &shelved);
    Ok(())
}

/// Why a walk through the licenses ends early.
enum Stop {
    /// Nobody reads on.
    Closed,
    Failed(Failed),
}

impl From<keyferry_store::Error> for Stop {
    fn from(error: keyferry_store::Error) -> Self {
        Stop::Failed(error.into())
    }
}

fn licenses(context: &Context) -> Result<()> {
    let (output, store) = (&context.output, context.store()?);
    let snapshot = store.snapshot()?;
    let count = snapshot.count();
    output.summarize("licenses", count);
    let walked = snapshot.for_each(|stored| {
        if output.is_closed() {
            return Err(Stop::Closed);
        }
        let grant = stored.grant()?;
        license_line(output, grant.claim());
        Ok(())
    });
    match walked {
        Err(Stop::Failed(failed)) => return Err(failed),
        Ok(()) | Err(Stop::Closed) => {}
    }
    let documents = store.documents()?;
    output.summarize("documents", documents.len());
    for document in documents.iter().take_while(|_| !output.is_closed()) {
        output.text(document_id::text(document));
        output.item(&document_id::line(document));
    }
    if count == 0 && documents.is_empty() {
        output.note("there are no licenses on this computer");
    }
    Ok(())
}

fn license_line(output: &Output, grant: &Grant) {
    output.text(format_args!(
        "{}  {}  {:<8}  {}  {}",
        grant.license,
        grant.key_id,
        grant.kind.shown(),
        grant.title.shown(),
        words::rights(&grant.rights),
    ));
    output.item(
        &Line::new(Event::License)
            .with("license", grant.license.to_string())
            .with("issuer", grant.issuer.to_string())
            .with("key_id", grant.key_id.to_string())
            .with("kind", grant.kind.shown())
            .with("title", grant.title.shown())
            .with(
                "rights",
                grant.rights.iter().map(words::right).collect::<Vec<_>>(),
            ),
    );
}

fn backups(context: &Context, folder: &Path, unlocker: &Unlocker) -> Result<()> {
    let found = backups_in(folder, unlocker)?;
    context.output.summarize("backups", found.len());
    let store = context.existing_store();
    for shelved in found.iter().take_while(|_| !context.output.is_closed()) {
        backup_line(&context.output, store.as_ref(), shelved);
    }
    if found.is_empty() {
        let folder = words::path(folder);
        context
            .output
            .note(format_args!("there is no backup in {folder}"));
    }
    Ok(())
}

fn backup_line(output: &Output, store: Option<&Store>, shelved: &Shelved) {
    let inside = shelved.inside.as_ref();
    // What is not remembered is not proven, as far as this computer knows.
    let proven = inside.and_then(|inside| store?.last_proven(&inside.backup.0).ok()?);
    output.text(said(shelved, proven));
    let computer = inside.map(|inside| inside.computer.to_string());
    let holds = inside.and_then(|inside| inside.holds);
    output.item(
        &Line::new(Event::Backup)
            .with("path", shelved.path.display().to_string())
            .with("kind", kind_word(shelved.kind))
            .with("id", shelved.id.as_deref())
            .with("computer", computer)
            .with("name", inside.map(|inside| inside.name.as_str()))
            .with("created", inside.map(|inside| inside.created))
            .with("modified", shelved.modified)
            .with("licenses", holds.map(|(licenses, _)| licenses))
            .with("documents", holds.map(|(_, documents)| documents))
            .with("bytes", shelved.bytes)
            .with("encrypted", shelved.encrypted)
            .with("state", state_word(shelved.state))
            .with("why", shelved.why.as_deref())
            .with("last_proven", proven),
    );
}

/// File, whose, of when, what, how long, in which state, when it was last proven.
fn said(shelved: &Shelved, proven: Option<u64>) -> String {
    let file = shelved.path.file_name().unwrap_or(shelved.path.as_os_str());
    let mut parts = vec![words::path(Path::new(file))];
    match (&shelved.inside, &shelved.id) {
        (Some(inside), _) => {
            parts.push(format!("{} ({})", inside.name, inside.computer.short()));
            parts.push(words::time(inside.created));
            parts.push(inside.holds.map_or_else(
                || "an unknown number of licenses".into(),
                |(licenses, documents)| words::holding(licenses, documents),
            ));
        }
        (None, id) => {
            parts.extend(id.as_ref().map(|id| format!("computer {id}")));
            if shelved.modified > 0 {
                parts.push(format!("written {}", words::time(shelved.modified)));
            }
        }
    }
    if shelved.encrypted {
        parts.push("encrypted".into());
    }
    if shelved.bytes > 0 {
        parts.push(words::size(shelved.bytes));
    }
    if shelved.kind == Kind::LeftOver {
        parts.push("left by a backup that was interrupted".into());
    }
    parts.push(match (shelved.state, &shelved.why) {
        (State::Whole, _) => "whole".into(),
        (State::Repairable, _) => "damaged, and nothing is lost: repair it".into(),
        (State::Damaged, Some(why)) => format!("damaged: {why}"),
        (State::Damaged, None) => "damaged".into(),
        (State::Unchecked, _) => "not checked, for want of what opens it".into(),
        (State::Unreadable, why) => {
            format!("can't be read: {}", why.as_deref().unwrap_or("nobody knows why"))
        }
    });
    parts.extend(proven.map(|time| format!("last proven restorable {}", words::time(time))));
    parts.join("  ")
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Current => "current",
        Kind::Earlier => "earlier",
        Kind::LeftOver => "left-over",
        Kind::Other => "other",
    }
}

fn state_word(state: State) -> &'static str {
    match state {
        State::Whole => "whole",
        State::Repairable => "repairable",
        State::Damaged => "damaged",
        State::Unchecked => "unchecked",
        State::Unreadable => "unreadable",
    }
}
