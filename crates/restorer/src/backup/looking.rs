//! A look at the store before a backup: what it would hold, told as a plan or compared with one.

use std::path::Path;

use keyferry_archive::Encryption;
use keyferry_archive::medium::{BackupName, FolderMedium, Medium};
use keyferry_license::CardKind;
use keyferry_store::{Snapshot, Store};

use super::{earlier_backup, failure, something_fits};
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::import::outcome;
use crate::only::Picker;
use crate::operation::Operation;
use crate::plan::{Basis, Planning, Rows, file_sha256};
use crate::replacing::Replacing;
use crate::report::{BackupOptions, BackupReport, Counts};

/// What a backup would hold: each license's outcome, nothing written.
pub(crate) fn plan(
    operation: &Operation<'_>,
    folder: &Path,
    options: &BackupOptions,
) -> Result<BackupReport> {
    let store = operation.open_store()?;
    let name = BackupName::current(&store.id());
    let medium = FolderMedium::new(folder);
    match medium.is_folder() {
        Ok(true) => {}
        Ok(false) => return Err(no_medium(folder, "it is not a folder")),
        Err(_) => return Err(no_medium(folder, "there is no such folder")),
    }
    let snapshot = store.snapshot()?;
    let picker = Picker::new(&options.only, &store.cards(CardKind::Issuer)?);
    let before = earlier_backup(&medium, &name, options);
    let planning = match &options.plan_out {
        Some(path) => {
            let basis = basis(&store, &medium, before.as_ref(), options)?;
            Some(Planning::begin(path, operation.events, &basis)?)
        }
        None => None,
    };
    let events = match &planning {
        Some(planning) => planning,
        None => operation.events,
    };
    let Looked {
        counts,
        documents,
        left_out,
        rows,
    } = look(&operation.told_to(events), &snapshot, &picker)?;
    something_fits(&picker, &counts, &documents)?;
    let replaced = medium.exists(&name.to_string()).unwrap_or(false);
    let replacing = Replacing {
        store: &store,
        medium: &medium,
        options,
    };
    if let Some(before) = before
        && (options.overwrite || options.keep.is_some())
    {
        replacing.loses_nothing(&before, &counts, &documents)?;
    }
    if let Some(planning) = planning {
        planning.finish(rows.finish())?;
    }
    Ok(BackupReport {
        path: medium.path(&name.to_string()),
        failure: failure(&counts, &documents, &picker),
        counts,
        documents,
        bytes: 0,
        encrypted: !matches!(options.encryption, Encryption::None),
        replaced: replaced && options.keep.is_none_or(|keep| keep.get() == 1),
        kept: None,
        removed: Vec::new(),
        left_out,
        unmet: picker.unmet(),
    })
}

/// What a look at the store found.
pub(super) struct Looked {
    counts: Counts,
    documents: Counts,
    left_out: u64,
    pub(super) rows: Rows,
}

/// Tells what a backup would hold.
pub(super) fn look(operation: &Operation<'_>, snapshot: &Snapshot, picker: &Picker) -> Result<Looked> {
    let (mut counts, mut left_out, mut rows) = (Counts::default(), 0, Rows::default());
    snapshot.for_each(|license| {
        let grant = license.grant()?;
        let grant = grant.claim();
        if !picker.picks(grant) {
            left_out += 1;
            return Ok(());
        }
        let may = grant.rights.may_be_backed_up();
        let said = outcome(
            grant,
            if may {
                Outcome::BackedUp
            } else {
                Outcome::Restricted
            },
            None,
        );
        rows.add(&[&grant.issuer.0, &grant.license.0], said.outcome.word());
        counts.add(said.outcome);
        operation.events.outcome(&said);
        Ok::<_, Error>(())
    })?;
    let (documents, passed) = crate::documents::plan(operation, snapshot, picker, &mut rows)?;
    Ok(Looked {
        counts,
        documents,
        left_out: left_out + passed,
        rows,
    })
}

/// What the plan of this backup rests on.
pub(super) fn basis(
    store: &Store,
    medium: &FolderMedium,
    before: Option<&BackupName>,
    options: &BackupOptions,
) -> Result<Basis> {
    let only = options.only.patterns().map(|pattern| format!("--only {pattern}"));
    let words = [
        options.overwrite.then(|| "--overwrite".to_owned()),
        options.keep.map(|keep| format!("--keep {keep}")),
        Some(format!("--parity {}", options.parity)),
    ];
    let before = before.map(|name| medium.path(&name.to_string()));
    Ok(Basis {
        file_sha256: before.and_then(|path| file_sha256(&path)),
        ..Basis::new("backup", store, words.into_iter().flatten().chain(only).collect())?
    })
}

fn no_medium(folder: &Path, why: &'static str) -> Error {
    keyferry_archive::Error::NoMedium {
        folder: folder.display().to_string(),
        why,
    }
    .into()
}
