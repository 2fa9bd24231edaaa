//! What `.license` files and backups hold, and what a grant says.

use std::path::Path;

use keyferry_archive::{Assembler, Encrypted, FooterState, Item, Record, Report};
use keyferry_license::{Grant, LicenseFile, Verified, printable};

use crate::cards;
use crate::context::now;
use crate::document::{Backup, Blocks};
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::{Line, Output};
use crate::words;

/// Everything that a grant says, for people.
pub fn grant_text(output: &Output, grant: &Grant, issuer: Option<&str>) {
    output.text(format_args!("license {}: {}", grant.license, grant.title.shown()));
    output.text(format_args!("  kind        {}", grant.kind.shown()));
    output.text(format_args!("  key ID      {}", words::key_id(&grant.key_id)));
    output.text(format_args!(
        "  issuer      {}",
        issuer.unwrap_or("whose card is not here")
    ));
    output.text(format_args!("              {}", words::grouped(&grant.issuer)));
    output.text(format_args!("  service     {}", words::grouped(&grant.service)));
    output.text(format_args!("  issued to   {}", words::grouped(&grant.origin)));
    output.text(format_args!("  computers   {} at a time", grant.computers()));
    for right in grant.rights.iter() {
        output.text(format_args!("  right       {}", words::right(right)));
    }
    if !grant.rights.may_be_backed_up() {
        output.text("  stays       it may not leave this computer");
    }
    if let Some(subject) = &grant.subject {
        output.text(format_args!("  subject     {}", subject.shown()));
    }
    if let Some(parent) = &grant.parent {
        output.text(format_args!("  depends on  {parent}"));
    }
    if grant.priority != 0 {
        output.text(format_args!("  priority    {}", grant.priority));
    }
}

/// The same for programs.
pub fn grant_line(grant: &Grant) -> Line {
    Line::new(Event::License)
        .with("license", grant.license.to_string())
        .with("issuer", grant.issuer.to_string())
        .with("service", grant.service.to_string())
        .with("origin", grant.origin.to_string())
        .with("key_id", grant.key_id.to_string())
        .with("kind", grant.kind.shown())
        .with("title", grant.title.shown())
        .with(
            "rights",
            grant.rights.iter().map(words::right).collect::<Vec<_>>(),
        )
        .with("computers", grant.computers())
        .with("may_be_backed_up", grant.rights.may_be_backed_up())
        .with("priority", grant.priority)
        .with("subject", grant.subject.as_ref().map(|subject| subject.shown()))
        .with("parent", grant.parent.map(|parent| parent.to_string()))
}

/// Names of the cards that the licenses before came with, so that each is shown once.
type Shown = Option<(Vec<u8>, Vec<u8>)>;

/// The licenses of a file, block by block.
pub fn licenses(output: &Output, path: &Path, blocks: Blocks) -> Result<()> {
    let mut shown = None;
    for block in blocks {
        licenses_of_block(output, path, &block?, &mut shown)?;
        if output.is_closed() {
            break;
        }
    }
    Ok(())
}

fn licenses_of_block(output: &Output, path: &Path, block: &LicenseFile, shown: &mut Shown) -> Result<()> {
    let failed = |e: keyferry_license::Error| Failed::document(path, &e);
    let (issuer, service) = block.cards().map_err(failed)?;
    let cards = (block.issuer.clone(), block.service.clone());
    if shown.as_ref() != Some(&cards) {
        output.text(format_args!(
            "licenses for the computer {}",
            words::grouped(&block.computer)
        ));
        cards::show(output, &issuer, now());
        cards::show(output, &service, now());
        *shown = Some(cards);
    }
    for grant in block.grants(&issuer, &service) {
        let grant: Verified<Grant> = grant.map_err(failed)?;
        grant_text(output, &grant, Some(&issuer.name.shown()));
        output.item(&grant_line(&grant));
    }
    Ok(())
}

/// A backup that nothing at hand opens: what its outside says.
pub fn closed_backup(output: &Output, report: &Report, encrypted: Encrypted) {
    let inner = report.inner_len;
    output.text(match inner {
        Some(_) => "backup that is encrypted",
        None => "encrypted file, perhaps a backup",
    });
    output.text(format_args!("  size        {}", words::size(report.size)));
    let (needs, work_factor, recipients) = match encrypted {
        Encrypted::Passphrase { work_factor } => ("passphrase", Some(work_factor), None),
        Encrypted::Recipients { count } => ("identity", None, Some(count)),
        _ => ("other", None, None),
    };
    output.text(format_args!("  encryption  {}", encryption(Some(encrypted))));
    inner_text(output, inner);
    for damage in &report.damage {
        output.text(format_args!("  damaged     {damage}"));
    }
    let damage = report.damage.iter().map(ToString::to_string);
    output.event(
        &Line::new(Event::Backup)
            .with("bytes", report.size)
            .with("inner_bytes", inner)
            .with("encrypted", true)
            .with("needs", needs)
            .with("work_factor", work_factor)
            .with("recipients", recipients)
            .with("damage", damage.collect::<Vec<_>>()),
    );
}

/// N, for whoever opens the backup without this program.
fn inner_text(output: &Output, inner: Option<u64>) {
    if let Some(bytes) = inner {
        output.text(format_args!(
            "  protection  begins after the first {} bytes, which `age -d` reads where it is encrypted",
            words::number(bytes)
        ));
    }
}

fn encryption(encrypted: Option<Encrypted>) -> String {
    match encrypted {
        None => "none".into(),
        Some(Encrypted::Passphrase { work_factor }) => format!("a passphrase, scrypt with 2^{work_factor}"),
        Some(Encrypted::Recipients { count }) => words::count(count as u64, "recipient"),
        Some(_) => "of a kind that this version does not name".into(),
    }
}

/// A backup, with the cards in it, the documents and the licenses.
pub fn backup(output: &Output, backup: &mut Backup) -> Result<()> {
    about_backup(output, backup);
    licenses_of_backup(output, backup)
}

fn about_backup(output: &Output, backup: &Backup) {
    let header = backup.header();
    let (id, name) = (header.computer.thumbprint(), header.computer.name.shown());
    output.text(format_args!("backup {}", header.backup));
    output.text(format_args!("  of          {name}"));
    output.text(format_args!("              {}", words::grouped(&id)));
    output.text(format_args!("  made        {}", words::time(header.created)));
    output.text(format_args!("  size        {}", words::size(backup.size())));
    output.text(format_args!(
        "  encryption  {}",
        encryption(backup.encryption().copied())
    ));
    inner_text(output, backup.inner_len());
    let (licenses, documents, signed) = match backup.footer() {
        FooterState::Signed { licenses, documents } => {
            output.text(format_args!(
                "  holds       {}, {}, signed",
                words::count(*licenses, "license"),
                words::count(*documents, "license document")
            ));
            (Some(*licenses), Some(*documents), "signed")
        }
        FooterState::Missing => {
            output.text("  signature   missing, so what it holds is known only when it is read");
            (None, None, "missing")
        }
        FooterState::Broken(why) => {
            output.text(format_args!(
                "  signature   proves nothing: {}",
                keyferry_license::printable(why)
            ));
            (None, None, "broken")
        }
    };
    for damage in backup.findings() {
        output.text(format_args!("  damaged     {damage}"));
    }
    output.event(
        &Line::new(Event::Backup)
            .with("backup", header.backup.to_string())
            .with("computer", id.to_string())
            .with("name", name)
            .with("created", header.created)
            .with("bytes", backup.size())
            .with("inner_bytes", backup.inner_len())
            .with("encrypted", backup.encryption().is_some())
            .with("licenses", licenses)
            .with("documents", documents)
            .with("signature", signed)
            .with(
                "damage",
                backup
                    .findings()
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
            ),
    );
    for card in header.issuers.iter().chain(&header.services) {
        cards::show(output, card, now());
    }
}

/// Each document, and each grant that one of the issuers in the header signed; what is damaged is said where it stands.
fn licenses_of_backup(output: &Output, backup: &mut Backup) -> Result<()> {
    let issuers = backup.header().issuers.clone();
    let (mut records, mut assembler) = (backup.records()?, Assembler::new());
    while let Some(item) = records.next_item() {
        if output.is_closed() {
            break;
        }
        let assembled = assembler.push(&item);
        if let Some(broken) = &assembled.broken {
            output.warning(format_args!(
                "license document {}: {}",
                printable(&broken.name),
                broken.why
            ));
        }
        if let Some(document) = &assembled.whole {
            super::document_elsewhere(output, &document.name, &document.kind, &document.bytes);
        }
        let license = match item {
            Item::Record(Record::License(license)) => license,
            Item::Record(Record::Part(_) | Record::Name(_)) => continue,
            Item::Lost(name) => {
                crate::commands::verify::lost(output, &name.shown_id(), &printable(name.title));
                continue;
            }
            Item::Damage(damage) => {
                output.warning(damage);
                continue;
            }
        };
        let grant = Grant::parse(license.grant).and_then(|grant| {
            let issuer = issuers
                .iter()
                .find(|card| card.thumbprint() == grant.claim().issuer);
            let name = issuer.map(|card| card.name.shown());
            issuer
                .map_or(Ok(None), |card| grant.verify_with(card).map(Some))
                .map(|grant| (grant, name))
        });
        match grant {
            Ok((Some(grant), name)) => {
                grant_text(output, &grant, name.as_deref());
                output.item(&grant_line(&grant));
            }
            Ok((None, _)) => output.warning("a license whose issuer's card is missing"),
            Err(error) => output.warning(error),
        }
    }
    Ok(())
}
