//! Which document a file holds: a card, licenses, a backup or a message. Told by its content, never by its name.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use keyferry::{Unlock, Unlocker};
use keyferry_archive::{Encrypted, Reader, Report};
use keyferry_license::document::{DOCUMENT_LIMIT, NotTaken, plain_name, recognize};
use keyferry_license::{Card, LicenseFile, Verified, armor};
use keyferry_protocol::{ANSWER_LABEL, REQUEST_LABEL};

use crate::failed::{Failed, Result};
use crate::files;

/// A block of armor begins within this many bytes.
const HEAD: u64 = 64 * 1024;

/// A computer.key begins so.
const COMPUTER_KEY: &[u8] = b"KEYFERRY\0";
/// A signed document begins with this byte of CBOR.
pub const TAGGED: u8 = 0xd2;

/// An open backup file.
pub type Backup = Reader<BufReader<File>>;

/// What a file is.
pub enum Document {
    Card(Box<Verified<Card>>),
    Licenses(Blocks),
    Backup(Box<Backup>),
    /// A backup that nothing at hand opens, and what its outside says.
    Closed(Box<Report>, Encrypted),
    Message(Form),
}

/// How messages stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Requests in armor.
    Requests,
    /// Answers in armor.
    Answers,
    /// One signed document or message, as bytes.
    Bare,
}

/// Opens a document of any kind; an encrypted backup, if something at hand opens it.
pub fn open_or_look(path: &Path, unlocker: impl FnOnce() -> Result<Unlocker>) -> Result<Document> {
    let Kind::Other = kind(path).map_err(|e| Failed::file("read", path, &e))? else {
        return open(path);
    };
    let file = keyferry::open_regular(path).map_err(|e| Failed::file("read", path, &e))?;
    let mut source = BufReader::new(file);
    let Some(encrypted) = Encrypted::of(&mut source).map_err(|error| of_backup(path, error))? else {
        return open(path);
    };
    let given = unlocker()?.ask(&encrypted);
    if matches!(given, Unlock::None) {
        let nothing = |_: &_| Ok::<_, keyferry_archive::Error>(Unlock::None);
        let report = keyferry_archive::verify(source, nothing, &mut ());
        let report = report.map_err(|error| of_backup(path, error))?;
        return Ok(Document::Closed(Box::new(report), encrypted));
    }
    let reader = Reader::open_with(source, |_| Ok::<_, keyferry_archive::Error>(given));
    Ok(Document::Backup(Box::new(
        reader.map_err(|error| of_backup(path, error))?,
    )))
}

/// Opens a document of any kind; an encrypted backup is an error.
pub fn open(path: &Path) -> Result<Document> {
    match kind(path).map_err(|e| Failed::file("read", path, &e))? {
        Kind::Card => {
            let text = files::read_small(path)?;
            let card = armor::single(armor::CARD, &text).and_then(|bytes| Card::verify(&bytes));
            Ok(Document::Card(Box::new(
                card.map_err(|e| Failed::document(path, &e))?,
            )))
        }
        Kind::Licenses => Ok(Document::Licenses(Blocks::open(path)?)),
        Kind::Secret => {
            let message = format!("{} holds secret keys, of which nothing is shown", path.display());
            Err(Failed::other(message)
                .because("bad-document")
                .hint("the card that belongs to it may be shown to everybody"))
        }
        Kind::Message(form) => Ok(Document::Message(form)),
        Kind::Other => Ok(Document::Backup(Box::new(open_backup(path)?))),
    }
}

/// Does this file hold licenses?
pub fn holds_licenses(path: &Path) -> std::io::Result<bool> {
    Ok(matches!(kind(path)?, Kind::Licenses))
}

/// Opens a backup.
pub fn open_backup(path: &Path) -> Result<Backup> {
    let file = keyferry::open_regular(path).map_err(|e| Failed::file("read", path, &e))?;
    Reader::open(BufReader::new(file)).map_err(|error| of_backup(path, error))
}

fn of_backup(path: &Path, error: keyferry_archive::Error) -> Failed {
    if let keyferry_archive::Error::NotABackup { .. } = error {
        return not_known(path);
    }
    let failed = Failed::from(error);
    Failed {
        message: format!("{}: {}", path.display(), failed.message),
        ..failed
    }
}

/// A file that holds no document: what it is instead, as far as that can be told.
pub fn not_known(path: &Path) -> Failed {
    let mut bytes = Vec::new();
    let read = keyferry::open_regular(path)
        .and_then(|file| file.take(DOCUMENT_LIMIT as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        return Failed::file("read", path, &error);
    }
    let name = path.file_name().unwrap_or_default();
    let is = match recognize(&plain_name(name.as_encoded_bytes()), &bytes) {
        Err(NotTaken::Empty) => "is empty".into(),
        Err(NotTaken::StatusDocument) => "is a license status document, not a license".into(),
        Err(NotTaken::Pem { label }) => format!("is a PEM file ({label}), not a document of Keyferry"),
        Err(NotTaken::Keyferry { what }) => format!("is {what} of Keyferry, which can't be read here"),
        Ok(kind) => format!("is a {}, not a document of Keyferry", kind.title()),
        Err(NotTaken::Broken { kind, why }) => format!("is a {} that can't be read: {why}", kind.title()),
        _ => "is neither a document of Keyferry nor a license document that is known".into(),
    };
    Failed::other(format!("{} {is}", path.display())).because("bad-document")
}

/// Licenses of a file, a block at a time.
pub struct Blocks {
    path: std::path::PathBuf,
    blocks: armor::Blocks<BufReader<File>>,
}

impl Blocks {
    fn open(path: &Path) -> Result<Self> {
        let file = keyferry::open_regular(path).map_err(|e| Failed::file("read", path, &e))?;
        Ok(Self {
            path: path.to_owned(),
            blocks: armor::Blocks::new(armor::LICENSE, BufReader::new(file)),
        })
    }
}

impl Iterator for Blocks {
    type Item = Result<LicenseFile>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self
            .blocks
            .next()?
            .and_then(|bytes| LicenseFile::from_bytes(&bytes));
        Some(block.map_err(|e| Failed::document(&self.path, &e)))
    }
}

enum Kind {
    Card,
    Licenses,
    Message(Form),
    Secret,
    Other,
}

fn kind(path: &Path) -> std::io::Result<Kind> {
    if path.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    let mut head = zeroize::Zeroizing::new(Vec::with_capacity(HEAD as usize));
    keyferry::open_regular(path)?.take(HEAD).read_to_end(&mut head)?;
    let label = head
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"-----BEGIN "));
    let label = label.map(|label| label.trim_ascii_end());
    let is = |name: &str| label.is_some_and(|label| label.strip_suffix(b"-----") == Some(name.as_bytes()));
    Ok(if is(armor::CARD) {
        Kind::Card
    } else if is(armor::LICENSE) {
        Kind::Licenses
    } else if is(REQUEST_LABEL) {
        Kind::Message(Form::Requests)
    } else if is(ANSWER_LABEL) {
        Kind::Message(Form::Answers)
    } else if head.starts_with(COMPUTER_KEY) || is(armor::ISSUER_KEY) || is(keyferry_service::SERVICE_KEY) {
        Kind::Secret
    } else if matches!(head.first(), Some(&TAGGED | 0xa1..=0xa5)) {
        // A tag or a small map of CBOR, with which no text begins.
        Kind::Message(Form::Bare)
    } else {
        Kind::Other
    })
}
