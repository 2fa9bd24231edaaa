//! The backup journey: begin -> snapshot of the store -> the right Backup? -> escrow -> archive writer -> temporary
//! file, fsync, read back and compare, parity, rename, fsync of the folder -> end.

mod in_order;
mod sealing;

use std::path::Path;

use keyferry_archive::medium::{
    BackupName, Earlier, FolderMedium, Keep, Medium, ReadSeek, Stage, find_backups, publish,
};
use keyferry_archive::{
    BackupId, Encryption, FooterState, Header, LastReceipt, Parity, Reader, Summary, Unlock, Writer,
};
use keyferry_license::{CardKind, Secret32};
use keyferry_store::{Snapshot, Store, StoredLicense};

use self::in_order::in_order;
use self::sealing::{Sealed, Sealing, Seals};
use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::{Outcome, Status};
use crate::import::outcome;
use crate::operation::Operation;
use crate::report::{BackupOptions, BackupReport, Counts, overall};

/// Licenses that a thread opens and seals before it takes others; the cancel flag is looked at between them.
const BATCH: usize = 512;

/// Makes a backup of this computer's licenses in `folder`.
pub(crate) fn run(operation: &Operation<'_>, folder: &Path, options: &BackupOptions) -> Result<BackupReport> {
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    operation.tell(Status::Begin);
    let medium = FolderMedium::new(folder);
    let name = BackupName::current(&store.id());
    let before = earlier_backup(&medium, &name, options);
    let snapshot = store.snapshot()?;
    let seals = Seals::prepare(&store, operation.now())?;
    let backup = BackupId::generate()?;
    let header = header(operation, &store, backup, &seals)?;
    let returning = (backup.0, Secret32::generate()?);
    let mut counts = Counts::default();
    let (mut documents, mut kept) = (Counts::default(), false);
    let published = publish(
        &medium,
        &name.to_string(),
        earlier(&store, options),
        options.parity,
        |out| {
            let mut writer = Writer::encrypted(out, &header, &options.encryption)?;
            let sealing = Sealing::new(store.opener(), &seals, &returning.1);
            write_licenses(operation, &snapshot, &sealing, &mut writer, &mut counts)?;
            documents = crate::documents::back_up(operation, &snapshot, &mut writer)?;
            if let Some(before) = &before {
                loses_nothing(&medium, before, &counts, &documents)?;
            }
            // The file's own key opens it for the read-back: no passphrase is stretched twice.
            let unlock = writer.unlock();
            let (_, summary) = match options.parity {
                Parity::None => writer.finish(store.signing())?,
                _ => writer.finish_inner(store.signing())?,
            };
            Ok::<_, Error>((summary, unlock))
        },
        |written, (summary, unlock)| {
            check(written, summary, unlock)?;
            operation.check_canceled()?;
            // Durable before the backup gets its name: a whole backup always finds its return key.
            store.add_return_key(returning.0, &returning.1)?;
            kept = true;
            Ok(())
        },
    );
    match published {
        Ok(published) => Ok(BackupReport {
            path: medium.path(&name.to_string()),
            failure: failure(&counts, &documents),
            counts,
            documents,
            bytes: published.bytes,
            encrypted: !matches!(options.encryption, Encryption::None),
            replaced: before.as_ref() == Some(&name) && published.kept.is_none(),
            kept: published.kept.map(|kept| medium.path(&kept.to_string())),
            removed: published
                .removed
                .iter()
                .map(|removed| medium.path(&removed.to_string()))
                .collect(),
        }),
        Err(error) => {
            if kept {
                store.take_back_return_key(&returning.0)?;
            }
            Err(error)
        }
    }
}

/// What becomes of the backups of this computer that are there.
fn earlier(store: &Store, options: &BackupOptions) -> Earlier {
    let computer = store.id();
    Earlier {
        replace: options.overwrite,
        keep: options.keep.map(|backups| Keep { backups, computer }),
    }
}

/// The backup whose place the new one takes: the current one, or, where generations are counted, the newest of them.
fn earlier_backup(medium: &FolderMedium, name: &BackupName, options: &BackupOptions) -> Option<BackupName> {
    if medium.exists(&name.to_string()).unwrap_or(false) {
        return Some(name.clone());
    }
    options.keep?;
    let mut found = find_backups(medium).ok()?.into_iter();
    let is_one = |found: &BackupName| found.computer() == name.computer() && found.stage() == Stage::Current;
    found.find(|found| is_one(&found.name)).map(|found| found.name)
}

/// What a backup would hold: each license's outcome, nothing written.
pub(crate) fn plan(
    operation: &Operation<'_>,
    folder: &Path,
    options: &BackupOptions,
) -> Result<BackupReport> {
    let store = operation.open_store()?;
    let name = BackupName::current(&store.id()).to_string();
    let medium = FolderMedium::new(folder);
    match medium.is_folder() {
        Ok(true) => {}
        Ok(false) => return Err(no_medium(folder, "it is not a folder")),
        Err(_) => return Err(no_medium(folder, "there is no such folder")),
    }
    let mut counts = Counts::default();
    let snapshot = store.snapshot()?;
    snapshot.for_each(|license| {
        let grant = license.grant()?;
        let grant = grant.claim();
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
        counts.add(said.outcome);
        operation.events.outcome(&said);
        Ok::<_, Error>(())
    })?;
    let documents = crate::documents::plan(operation, &snapshot)?;
    let replaced = medium.exists(&name).unwrap_or(false);
    Ok(BackupReport {
        path: medium.path(&name),
        failure: failure(&counts, &documents),
        counts,
        documents,
        bytes: 0,
        encrypted: !matches!(options.encryption, Encryption::None),
        replaced: replaced && options.keep.is_none_or(|keep| keep.get() == 1),
        kept: None,
        removed: Vec::new(),
    })
}

/// What is damaged in the store is told and not in the backup.
fn failure(counts: &Counts, documents: &Counts) -> Option<Failure> {
    let damaged = counts.all_failed() + documents.all_failed() > 0;
    let failures: &[Failure] = if damaged { &[Failure::StoreCorrupt] } else { &[] };
    overall(counts.backed_up + documents.backed_up, failures)
}

/// An earlier backup is not replaced by one that holds nothing, or that lacks what is damaged here: it may be the last
/// place where that is whole.
fn loses_nothing(
    medium: &FolderMedium,
    name: &BackupName,
    counts: &Counts,
    documents: &Counts,
) -> Result<()> {
    let why = if failure(counts, documents).is_some() {
        "something in the license store is damaged, and the backup there may hold it whole"
    } else if counts.backed_up + documents.backed_up > 0 {
        return Ok(());
    } else {
        "there is nothing here to back up, and the backup there may hold licenses"
    };
    let before = medium
        .open(&name.to_string())
        .ok()
        .and_then(|file| Reader::open(file).ok());
    let empty = before.is_some_and(|reader| {
        *reader.footer()
            == FooterState::Signed {
                licenses: 0,
                documents: 0,
            }
    });
    if empty {
        return Ok(());
    }
    Err(Error::WouldLose {
        path: medium.path(&name.to_string()),
        why,
    })
}

fn no_medium(folder: &Path, why: &'static str) -> Error {
    keyferry_archive::Error::NoMedium {
        folder: folder.display().to_string(),
        why,
    }
    .into()
}

fn header(operation: &Operation<'_>, store: &Store, backup: BackupId, seals: &Seals) -> Result<Header> {
    let services = store.cards(CardKind::Service)?;
    let mut receipts = Vec::new();
    for card in &services {
        let service = card.thumbprint();
        if let Some(last) = store.last_receipt(&service)? {
            receipts.push(LastReceipt {
                service,
                request: last.request,
                time: last.time,
            });
        }
    }
    Ok(Header {
        backup,
        created: operation.now(),
        computer: store.card()?,
        issuers: store.cards(CardKind::Issuer)?,
        services,
        seals: seals.in_header(),
        receipts,
    })
}

fn write_licenses<W: std::io::Write>(
    operation: &Operation<'_>,
    snapshot: &Snapshot,
    sealing: &Sealing<'_>,
    writer: &mut Writer<W>,
    counts: &mut Counts,
) -> Result<()> {
    let total = snapshot.count();
    let mut write = |licenses: Vec<Result<Sealed>>| {
        operation.check_canceled()?;
        operation.progress(counts.total, total);
        let mut licenses = licenses.into_iter();
        licenses.try_for_each(|license| write_license(operation, license?, writer, counts))
    };
    in_order(
        |licenses: Vec<StoredLicense>| licenses.into_iter().map(|one| sealing.seal(one)).collect(),
        |sealers| {
            let mut batch = Vec::with_capacity(BATCH);
            snapshot.for_each(|license| {
                batch.push(license);
                if batch.len() == BATCH
                    && let Some(sealed) =
                        sealers.give(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?
                {
                    write(sealed)?;
                }
                Ok::<_, Error>(())
            })?;
            if let Some(sealed) = sealers.give(batch)? {
                write(sealed)?;
            }
            while let Some(sealed) = sealers.take()? {
                write(sealed)?;
            }
            Ok(())
        },
    )?;
    operation.progress(total, total);
    Ok(())
}

fn write_license<W: std::io::Write>(
    operation: &Operation<'_>,
    license: Sealed,
    writer: &mut Writer<W>,
    counts: &mut Counts,
) -> Result<()> {
    let said = match license {
        Sealed::Damaged(said) => *said,
        Sealed::Restricted(grant) => {
            let said = outcome(&grant, Outcome::Restricted, None);
            operation.tell(Status::RestrictedLicense {
                key_id: grant.key_id,
                license: grant.license,
                title: said.title.clone(),
            });
            said
        }
        Sealed::Ready {
            grant,
            escrow,
            returning,
        } => {
            writer.push_grant(&grant, &escrow, returning.as_ref())?;
            outcome(&grant, Outcome::BackedUp, None)
        }
    };
    counts.add(said.outcome);
    operation.events.outcome(&said);
    Ok(())
}

/// The file as it was read back is a whole backup of as many licenses and documents.
fn check(written: &mut dyn ReadSeek, summary: &Summary, unlock: &Unlock) -> Result<()> {
    let opened = Reader::open_with(written, |_| Ok::<_, Error>(unlock.clone()));
    let tally = opened?.check_whole()?;
    let (licenses, documents) = (summary.licenses, summary.documents);
    if (tally.licenses, tally.documents) == (licenses, documents) {
        return Ok(());
    }
    Err(Error::Internal(format!(
        "{licenses} licenses and {documents} documents were written, {} and {} read back",
        tally.licenses, tally.documents
    )))
}
