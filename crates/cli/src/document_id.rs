//! License documents by their ID or its first digits, and how one is shown.

use keyferry_license::document::{DocumentId, DocumentKind};
use keyferry_license::printable;
use keyferry_store::DocumentInfo;

use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::Line;
use crate::words;

/// Fewer digits name no document.
const SHORTEST: usize = 8;
/// Digits in lists.
const SHOWN: usize = 12;

/// Could this be the ID of a document, or its beginning?
pub fn is_like_one(text: &str) -> bool {
    (SHORTEST..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The one document whose ID begins so.
pub fn find<'d>(here: &'d [DocumentInfo], text: &str) -> Result<&'d DocumentInfo> {
    if !is_like_one(text) {
        return Err(Failed::usage(format!(
            "{} is not the ID of a license document: {SHORTEST} to 64 hexadecimal digits",
            printable(text)
        ))
        .hint("`keyferry list` shows them"));
    }
    let start = text.to_ascii_lowercase();
    let mut found = here
        .iter()
        .filter(|document| document.id.to_string().starts_with(&start));
    match (found.next(), found.next()) {
        (Some(document), None) => Ok(document),
        (Some(_), Some(_)) => Err(Failed::usage(format!(
            "{start} is the beginning of several license documents' IDs: give more digits"
        ))),
        (None, _) => Err(unknown(&start)),
    }
}

/// It is not here.
pub fn unknown(id: &str) -> Failed {
    Failed::other(format!("there is no license document {id} on this computer"))
        .because("no-document")
        .hint("`keyferry list` shows what is here")
}

/// The first digits, for lists.
pub fn short(id: &DocumentId) -> String {
    let mut digits = id.to_string();
    digits.truncate(SHOWN);
    digits
}

/// What people call its kind; one that a newer version knows is called by its name.
pub fn title(kind: &str) -> String {
    match DocumentKind::of_name(kind) {
        Some(kind) => kind.title().into(),
        None => format!("license document of the kind {}", printable(kind)),
    }
}

/// A document here, as a line of JSON.
pub fn line(document: &DocumentInfo) -> Line {
    elsewhere(&document.id, &document.name, &document.kind, document.size).with("time", document.time)
}

/// The same of one in a file or in a backup.
pub fn elsewhere(id: &DocumentId, name: &str, kind: &str, size: u64) -> Line {
    Line::new(Event::LicenseDocument)
        .with("document", id.to_string())
        .with("name", printable(name))
        .with("kind", printable(kind))
        .with("bytes", size)
}

/// A document here, as a line of a list.
pub fn text(document: &DocumentInfo) -> String {
    format!(
        "{}  {:<14}  {:>9}  {}",
        short(&document.id),
        printable(&document.kind),
        words::size(document.size),
        printable(&document.name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(bytes: &[u8]) -> DocumentInfo {
        DocumentInfo {
            id: DocumentId::of(bytes),
            name: "a.lic".into(),
            kind: "lcp".into(),
            size: 1,
            time: 0,
        }
    }

    #[test]
    fn the_first_digits_are_enough_and_too_few_are_not() {
        let here = [info(b"a"), info(b"b"), info(b"a")];
        let b = here[1].id.to_string();
        assert_eq!(find(&here, &b[..8]).unwrap(), &here[1]);
        assert_eq!(find(&here, &b.to_ascii_uppercase()).unwrap(), &here[1]);
        for (text, exit) in [
            (&b[..7], 2),
            ("no digits", 2),
            ("00000000", 1),
            (&format!("{b}0"), 2),
        ] {
            assert_eq!(find(&here, text).unwrap_err().exit, exit, "{text}");
        }
        assert_eq!(find(&here, &here[0].id.to_string()).unwrap_err().exit, 2);
    }
}
