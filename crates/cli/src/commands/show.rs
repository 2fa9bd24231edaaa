//! `keyferry show`: everything that a license, a license document, a card, a `.license` file or a backup says.

use std::io::Read;
use std::path::Path;

use keyferry_archive::{Assembler, FooterState, Item, Record};
use keyferry_license::document::{DOCUMENT_LIMIT, DocumentId, DocumentKind, plain_name, recognize};
use keyferry_license::usage::UsageState;
use keyferry_license::{CardKind, Grant, KeyId, LicenseFile, LicenseId, Right, Verified, printable};
use keyferry_store::{DocumentInfo, Store, StoredLicense};

use crate::args::ShowArgs;
use crate::cards;
use crate::context::{Context, now};
use crate::document::{self, Backup, Document};
use crate::document_id;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::{Line, Output};
use crate::words;

/// Shows.
pub fn run(context: &Context, args: &ShowArgs) -> Result<()> {
    if args.what.exists() {
        return file(&context.output, &args.what);
    }
    let text = args.what.to_str().unwrap_or_default();
    let (license, key_id) = (text.parse::<LicenseId>(), text.parse::<KeyId>());
    if license.is_err() && key_id.is_err() && !document_id::is_like_one(text) {
        let shown = keyferry_license::printable(&args.what.to_string_lossy());
        return Err(Failed::usage(format!(
            "{shown} is neither a file nor a license ID nor a key ID nor the digest of a license document"
        )));
    }
    let store = context.store()?;
    let mut found: Vec<StoredLicense> = Vec::new();
    if let Ok(license) = license {
        for issuer in store.cards(CardKind::Issuer)? {
            found.extend(store.license(&issuer.thumbprint(), &license)?);
        }
    }
    if let Ok(key_id) = key_id
        && found.is_empty()
    {
        found = store.licenses_for(&key_id)?;
    }
    if found.is_empty() && document_id::is_like_one(text) {
        let documents = store.documents()?;
        document_here(&context.output, document_id::find(&documents, text)?);
        return Ok(());
    }
    if found.is_empty() {
        return Err(
            Failed::other(format!("there is no license {text} on this computer"))
                .because("no-license")
                .hint("`keyferry list` shows what is here"),
        );
    }
    found
        .iter()
        .try_for_each(|stored| license_here(context, &store, stored))
}

fn license_here(context: &Context, store: &Store, stored: &StoredLicense) -> Result<()> {
    let (grant, key) = store.open_license(stored)?;
    drop(key);
    let mut left = Vec::new();
    for right in grant.rights.iter().filter(|right| right.limits.keeps_state()) {
        let state = store.state(&grant, &right.action)?;
        left.push((right.clone(), state.unwrap_or(UsageState::fresh(&right.limits))));
    }
    let name = store.issuer_card(&grant.issuer)?.map(|card| card.name.shown());
    let output = &context.output;
    grant_text(output, &grant, name.as_deref());
    let accepted = store.is_accepted(&grant.issuer)?;
    if !accepted {
        output.text("  not used    its issuer is not accepted on this computer");
    }
    for (right, state) in &left {
        output.text(format_args!(
            "  left        {}: {}",
            right.action.shown(),
            left_of(right, state)
        ));
    }
    let left = left.iter().map(|(right, state)| {
        serde_json::json!({"action": right.action.shown(), "left": right.limits.count.map(|_| state.left),
            "first_use": state.first_use})
    });
    let line = grant_line(&grant)
        .with("accepted", accepted)
        .with("state", left.collect::<Vec<_>>());
    output.event(&line);
    Ok(())
}

fn document_here(output: &Output, document: &DocumentInfo) {
    document_text(
        output,
        &document.name,
        &document.kind,
        document.size,
        &document.id,
    );
    output.text(format_args!("  came        {}", words::time(document.time)));
    output.event(&document_id::line(document));
}

fn document_text(output: &Output, name: &str, kind: &str, size: u64, id: &DocumentId) {
    output.text(format_args!("license document {}", printable(name)));
    output.text(format_args!("  kind        {}", document_id::title(kind)));
    output.text(format_args!("  size        {}", words::size(size)));
    output.text(format_args!("  digest      {id} (SHA-256)"));
    output.text("  understood  no: it is kept, backed up and restored byte for byte");
}

/// A document that is not, or not yet, on this computer.
fn document_elsewhere(output: &Output, name: &str, kind: &str, bytes: &[u8]) {
    let (id, size) = (DocumentId::of(bytes), bytes.len() as u64);
    document_text(output, name, kind, size, &id);
    output.item(&document_id::elsewhere(&id, name, kind, size));
}

/// Is this file a license document of another system? Any error is left to those who look next.
fn document_file(path: &Path) -> Option<(String, DocumentKind, Vec<u8>)> {
    let limit = DOCUMENT_LIMIT as u64;
    let mut bytes = Vec::new();
    let about = path.metadata().ok().filter(|about| about.len() <= limit)?;
    if !about.is_file() {
        return None;
    }
    let file = keyferry::open_regular(path).ok()?;
    file.take(limit + 1).read_to_end(&mut bytes).ok()?;
    let name = plain_name(path.file_name()?.as_encoded_bytes());
    let kind = recognize(&name, &bytes).ok()?;
    Some((name, kind, bytes))
}

fn left_of(right: &Right, state: &UsageState) -> String {
    let uses = right
        .limits
        .count
        .map(|count| format!("{} of {}", state.left, words::count(count.into(), "use")));
    let end = right.limits.after_first_use.map(|seconds| match state.first_use {
        None => format!("{} from the first use on", words::span(seconds)),
        Some(first) => format!("until {}", words::time(first.saturating_add(seconds))),
    });
    uses.into_iter().chain(end).collect::<Vec<_>>().join(", ")
}

fn grant_text(output: &Output, grant: &Grant, issuer: Option<&str>) {
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

fn grant_line(grant: &Grant) -> Line {
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

fn file(output: &Output, path: &Path) -> Result<()> {
    if let Some((name, kind, bytes)) = document_file(path) {
        document_elsewhere(output, &name, kind.name(), &bytes);
        return Ok(());
    }
    match document::open(path)? {
        Document::Card(card) => cards::show(output, &card, now()),
        Document::Backup(mut reader) => {
            backup(output, &reader);
            licenses_of_backup(output, &mut reader)?;
        }
        Document::Licenses(blocks) => {
            let mut shown = None;
            for block in blocks {
                licenses(output, path, &block?, &mut shown)?;
                if output.is_closed() {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Names of the cards that the licenses before came with, so that each is shown once.
type Shown = Option<(Vec<u8>, Vec<u8>)>;

fn licenses(output: &Output, path: &Path, block: &LicenseFile, shown: &mut Shown) -> Result<()> {
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

fn backup(output: &Output, backup: &Backup) {
    let header = backup.header();
    let (id, name) = (header.computer.thumbprint(), header.computer.name.shown());
    output.text(format_args!("backup {}", header.backup));
    output.text(format_args!("  of          {name}"));
    output.text(format_args!("              {}", words::grouped(&id)));
    output.text(format_args!("  made        {}", words::time(header.created)));
    output.text(format_args!("  size        {}", words::size(backup.size())));
    output.text("  encryption  none");
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
            .with("encrypted", false)
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
            document_elsewhere(output, &document.name, &document.kind, &document.bytes);
        }
        let license = match item {
            Item::Record(Record::License(license)) => license,
            Item::Record(Record::Part(_)) => continue,
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
