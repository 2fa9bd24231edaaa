//! `keyferry show`: everything that a license, a document or a message says; never a secret.

mod holding;
mod message;

use std::io::Read;
use std::path::Path;

use keyferry_license::document::{DOCUMENT_LIMIT, DocumentId, DocumentKind, plain_name, recognize};
use keyferry_license::usage::UsageState;
use keyferry_license::{CardKind, KeyId, LicenseId, Right, printable};
use keyferry_store::{DocumentInfo, Store, StoredLicense};

use crate::args::ShowArgs;
use crate::cards;
use crate::context::{Context, now};
use crate::document::{self, Document};
use crate::document_id;
use crate::failed::{Failed, Result};
use crate::output::Output;
use crate::passphrase;
use crate::words;

/// Shows.
pub fn run(context: &Context, args: &ShowArgs) -> Result<()> {
    if args.what.exists() {
        return file(context, args);
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
    holding::grant_text(output, &grant, name.as_deref());
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
    let line = holding::grant_line(&grant)
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

fn file(context: &Context, args: &ShowArgs) -> Result<()> {
    let (output, path) = (&context.output, args.what.as_path());
    if let Some((name, kind, bytes)) = document_file(path) {
        document_elsewhere(output, &name, kind.name(), &bytes);
        return Ok(());
    }
    match document::open_or_look(path, || passphrase::unlocker(context, &args.unlock))? {
        Document::Card(card) => cards::show(output, &card, now()),
        Document::Backup(mut reader) => holding::backup(output, &mut reader)?,
        Document::Closed(report, encrypted) => {
            holding::closed_backup(output, &report, encrypted);
            output.hint("a passphrase or an identity opens it: --passphrase-file FILE, or -i FILE");
        }
        Document::Licenses(blocks) => holding::licenses(output, path, blocks)?,
        Document::Message(form) => message::show(context, path, form)?,
    }
    Ok(())
}
