//! `keyferry list`: the licenses and license documents here, or the backups in a folder.

use std::path::Path;

use keyferry::Failure;
use keyferry_archive::FooterState;
use keyferry_archive::medium::{FolderMedium, Stage, find_backups};
use keyferry_license::Grant;

use crate::args::ListArgs;
use crate::context::Context;
use crate::document::{self, Backup};
use crate::document_id;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::{Line, Output};
use crate::words;

/// Lists.
pub fn run(context: &Context, args: &ListArgs) -> Result<()> {
    match &args.path {
        None => licenses(context),
        Some(path) if path.is_file() => {
            let backup = document::open_backup(path)?;
            backup_line(&context.output, path, Stage::Current, &backup);
            Ok(())
        }
        Some(path) => backups(context, path),
    }
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

fn backups(context: &Context, folder: &Path) -> Result<()> {
    let output = &context.output;
    let medium = FolderMedium::new(folder);
    let found = find_backups(&medium)?;
    output.summarize("backups", found.len());
    for found in &found {
        let path = medium.path(&found.name.to_string());
        match document::open_backup(&path) {
            Ok(backup) => backup_line(output, &path, found.stage, &backup),
            Err(failed) => {
                // Without its passphrase nothing more can be said of an encrypted one.
                let encrypted = failed.exit == Failure::WrongPassphrase.exit_code();
                let state = if encrypted { "encrypted" } else { "unreadable" };
                output.text(format_args!("{}  {state}: {}", found.name, failed.message));
                let line = Line::new(Event::Backup)
                    .with("path", path.display().to_string())
                    .with("state", state);
                output.item(&line.with("why", failed.message));
            }
        }
    }
    if found.is_empty() {
        output.note(format_args!("there is no backup in {}", folder.display()));
    }
    Ok(())
}

fn backup_line(output: &Output, path: &Path, stage: Stage, backup: &Backup) {
    let header = backup.header();
    let (id, name) = (header.computer.thumbprint(), header.computer.name.shown());
    let (licenses, documents) = match backup.footer() {
        FooterState::Signed { licenses, documents } => (Some(*licenses), Some(*documents)),
        _ => (None, None),
    };
    let state = match (stage, licenses, backup.findings()) {
        (_, None, _) | (_, _, [_, ..]) => "damaged",
        (Stage::Current, ..) => "complete",
        _ => "left-over",
    };
    let shown = licenses.map_or_else(
        || "an unknown number of licenses".into(),
        |n| words::holding(n, documents.unwrap_or(0)),
    );
    let file = path.file_name().map_or_else(
        || path.as_os_str().to_string_lossy(),
        |name| name.to_string_lossy(),
    );
    output.text(format_args!(
        "{file}  {name} ({})  {}  {shown}  {}  {}",
        id.short(),
        words::time(header.created),
        words::size(backup.size()),
        match state {
            "left-over" => "left by a backup that was interrupted",
            state => state,
        },
    ));
    output.item(
        &Line::new(Event::Backup)
            .with("path", path.display().to_string())
            .with("computer", id.to_string())
            .with("name", name)
            .with("created", header.created)
            .with("licenses", licenses)
            .with("documents", documents)
            .with("bytes", backup.size())
            .with("state", state),
    );
}
