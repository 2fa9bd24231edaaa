//! The backup journey: begin -> snapshot of the store -> the right Backup? -> escrow -> archive writer -> temporary
//! file, fsync, read back and compare, parity, rename, fsync of the folder -> end.

mod looking;
mod sealing;

use std::path::Path;

use keyferry_archive::medium::{
    BackupName, Earlier, FolderMedium, Keep, Medium, ReadSeek, Stage, find_backups, publish,
};
use keyferry_archive::{BackupId, Encryption, Header, LastReceipt, Parity, Reader, Summary, Unlock, Writer};
use keyferry_license::{CardKind, Secret32};
use keyferry_store::{Snapshot, Store, StoredLicense};

use self::looking::{basis, look};
use self::sealing::{Sealed, Sealing, Seals};
use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::{Outcome, Silent, Status};
use crate::import::outcome;
use crate::in_order::in_order;
use crate::only::Picker;
use crate::operation::Operation;
use crate::plan::Plan;
use crate::replacing::Replacing;
use crate::report::{BackupOptions, BackupReport, Counts, overall};

pub(crate) use self::looking::plan;

/// Licenses that a thread opens and seals before it takes others; the cancel flag is looked at between them.
const BATCH: usize = 512;

/// Threads that seal; more would wait for the one that reads and writes.
const SEALERS: usize = 8;

/// Makes a backup of this computer's licenses in `folder`.
pub(crate) fn run(operation: &Operation<'_>, folder: &Path, options: &BackupOptions) -> Result<BackupReport> {
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    operation.tell(Status::Begin);
    let medium = FolderMedium::new(folder);
    let name = BackupName::current(&store.id());
    let before = earlier_backup(&medium, &name, options);
    let snapshot = store.snapshot()?;
    let picker = Picker::new(&options.only, &store.cards(CardKind::Issuer)?);
    if let Some(plan) = &options.plan {
        let rows = look(&operation.told_to(&Silent), &snapshot, &picker)?.rows;
        let basis = basis(&store, &medium, before.as_ref(), options)?;
        Plan::read(plan)?.holds(&basis, &rows.finish())?;
    }
    let seals = Seals::prepare(&store, operation.now())?;
    let backup = BackupId::generate()?;
    let header = header(operation, &store, backup, &seals)?;
    let returning = (backup.0, Secret32::generate()?);
    let mut counts = Counts::default();
    let (mut documents, mut kept, mut left_out) = (Counts::default(), false, 0);
    let replacing = Replacing {
        store: &store,
        medium: &medium,
        options,
    };
    let published = publish(
        &medium,
        &name.to_string(),
        earlier(&store, options),
        options.parity,
        |out| {
            // Now that what a stopped run left is gone.
            crate::room::require(folder, &header, options.parity, (&store, &snapshot), &picker)?;
            let mut writer = Writer::encrypted(out, &header, &options.encryption)?;
            let sealing = Sealing::new(store.opener(), &seals, &returning.1);
            left_out = write_licenses(operation, &snapshot, &picker, &sealing, &mut writer, &mut counts)?;
            let (written, passed) = crate::documents::back_up(operation, &snapshot, &picker, &mut writer)?;
            (documents, left_out) = (written, left_out + passed);
            something_fits(&picker, &counts, &documents)?;
            if let Some(before) = &before {
                replacing.loses_nothing(before, &counts, &documents)?;
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
            failure: failure(&counts, &documents, &picker),
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
            left_out,
            unmet: picker.unmet(),
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

/// The backup whose place the new one takes: the current one, or, where generations are counted or the new one holds a
/// selection, the newest of them: a restore would take the new one instead.
fn earlier_backup(medium: &FolderMedium, name: &BackupName, options: &BackupOptions) -> Option<BackupName> {
    if medium.exists(&name.to_string()).unwrap_or(false) {
        return Some(name.clone());
    }
    if options.only.is_all() {
        options.keep?;
    }
    let mut found = find_backups(medium).ok()?.into_iter();
    let is_one = |found: &BackupName| found.computer() == name.computer() && found.stage() == Stage::Current;
    found.find(|found| is_one(&found.name)).map(|found| found.name)
}

/// Patterns that meet nothing at all are a mistake of who gave them.
fn something_fits(picker: &Picker, counts: &Counts, documents: &Counts) -> Result<()> {
    if picker.is_all() || counts.total + documents.total > 0 {
        return Ok(());
    }
    Err(Error::NothingFits {
        patterns: picker.unmet(),
        there: "on this computer",
    })
}

/// What is damaged in the store, and patterns that met nothing, are told and not in the backup.
fn failure(counts: &Counts, documents: &Counts, picker: &Picker) -> Option<Failure> {
    let damaged = counts.all_failed() + documents.all_failed() > 0;
    let damaged = damaged.then_some(Failure::StoreCorrupt);
    let unmet = (!picker.unmet().is_empty()).then_some(Failure::NoMatch);
    let failures: Vec<Failure> = damaged.into_iter().chain(unmet).collect();
    overall(counts.backed_up + documents.backed_up, &failures)
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

/// Writes the licenses that are wanted; says how many are not.
fn write_licenses<W: std::io::Write>(
    operation: &Operation<'_>,
    snapshot: &Snapshot,
    picker: &Picker,
    sealing: &Sealing<'_>,
    writer: &mut Writer<W>,
    counts: &mut Counts,
) -> Result<u64> {
    let (total, mut left_out) = (snapshot.count(), 0u64);
    let mut write = |licenses: Vec<Result<Sealed>>| {
        operation.check_canceled()?;
        operation.progress(counts.total, total);
        let mut licenses = licenses.into_iter();
        licenses.try_for_each(|license| write_license(operation, license?, writer, counts))
    };
    in_order(
        SEALERS,
        |licenses: Vec<StoredLicense>| licenses.into_iter().map(|one| sealing.seal(one)).collect(),
        |sealers| {
            let mut batch = Vec::with_capacity(BATCH);
            snapshot.for_each(|license| {
                if !picker.is_all() && !picker.picks(license.grant()?.claim()) {
                    left_out += 1;
                    return match left_out.is_multiple_of(BATCH as u64) {
                        true => operation.check_canceled(),
                        false => Ok(()),
                    };
                }
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
    Ok(left_out)
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
