//! What a request, a receipt or a revocation list speaks of, a line each.

use keyferry_license::{Grant, Revocation, RevocationList, Thumbprint};
use keyferry_protocol::{ListNumber, Receipt, Request, kind};

use super::Viewed;
use crate::event::Event;
use crate::output::{Line, Output};

/// One of them, for people and for programs.
pub struct Entry(String, Line);

impl Entry {
    fn new(text: String, fields: impl FnOnce(Line) -> Line) -> Self {
        Self(format!("  {text}"), fields(Line::new(Event::Entry)))
    }

    fn list(list: &ListNumber) -> Self {
        let (issuer, number) = (list.issuer, list.number);
        Self::new(format!("list {number} of issuer {issuer}"), |line| {
            line.with("issuer", issuer.to_string()).with("number", number)
        })
    }
}

/// Says them.
pub fn tell(output: &Output, entries: Vec<Entry>) {
    for Entry(text, line) in entries {
        if output.is_closed() {
            break;
        }
        output.text(text);
        output.item(&line);
    }
}

/// What a request asks about; nothing of a kind that this version doesn't know.
pub fn of_request(request: &Request) -> Viewed<Vec<Entry>> {
    Ok(match &*request.kind {
        kind::RESTORE | kind::PLAN => {
            let body = request.restore_body()?;
            let items = body.items.iter().map(|item| of_grant(&item.grant));
            items.collect::<Viewed<_>>()?
        }
        kind::RELEASE => {
            let body = request.release_body()?;
            let items = body.items.iter();
            items
                .map(|item| {
                    Entry::new(format!("license {}", item.license), |line| {
                        line.with("license", item.license.to_string())
                            .with("issuer", item.issuer.to_string())
                    })
                })
                .collect()
        }
        kind::REVOCATIONS => request
            .revocations_body()?
            .since
            .iter()
            .map(Entry::list)
            .collect(),
        kind::ACKNOWLEDGE => request
            .acknowledge_body()?
            .lists
            .iter()
            .map(Entry::list)
            .collect(),
        _ => Vec::new(),
    })
}

/// What the sender says of a license; whether its issuer signed that is not asked here.
fn of_grant(bytes: &[u8]) -> Viewed<Entry> {
    let grant = Grant::parse(bytes)?;
    let grant = grant.claim();
    let text = format!("license {}  {}", grant.license, grant.title.shown());
    Ok(Entry::new(text, |line| {
        line.with("license", grant.license.to_string())
            .with("issuer", grant.issuer.to_string())
            .with("key_id", grant.key_id.to_string())
            .with("title", grant.title.shown())
    }))
}

/// The verdicts of a receipt, and the lists that it names.
pub fn of_receipt(receipt: &Receipt) -> Vec<Entry> {
    let verdicts = receipt.entries.iter().map(|entry| {
        let reason = entry.reason.map(|reason| reason.word());
        // An entry whose grant can't be read names nothing.
        let named = entry.issuer != Thumbprint([0; 32]);
        let license = named.then(|| entry.license.to_string());
        let place = match (entry.slot, entry.of) {
            (Some(slot), Some(of)) => format!(", place {slot} of {of}"),
            (Some(slot), None) => format!(", place {slot}"),
            _ => String::new(),
        };
        let why = reason.map(|why| format!(": {why}")).unwrap_or_default();
        let shown = license.as_deref().unwrap_or("that can't be read");
        let text = format!("license {shown}  {}{why}{place}", entry.verdict.word());
        Entry::new(text, |line| {
            line.with("license", license)
                .with("issuer", named.then(|| entry.issuer.to_string()))
                .with("verdict", entry.verdict.word())
                .with("reason", reason)
                .with("slot", entry.slot)
                .with("of", entry.of)
                .with("seq", entry.seq)
                .with("previous", entry.previous.map(|hash| hash.to_string()))
                .with("row", entry.row.map(|hash| hash.to_string()))
        })
    });
    let newest = receipt.newest.iter().flatten().map(Entry::list);
    verdicts.chain(newest).collect()
}

/// What a list takes back.
pub fn of_list(list: &RevocationList) -> Vec<Entry> {
    let entries = list.entries.iter().map(|entry| {
        let (word, value) = match entry {
            Revocation::License(license) => ("license", Some(license.to_string())),
            Revocation::KeyId(key_id) => ("key-id", Some(key_id.to_string())),
            Revocation::Subject(subject) => ("subject", Some(subject.shown())),
            Revocation::Everything => ("everything", None),
        };
        let text = format!("revokes {word} {}", value.as_deref().unwrap_or_default());
        Entry::new(text.trim_end().to_owned(), |line| {
            line.with("revokes", word).with("value", value)
        })
    });
    entries.collect()
}
