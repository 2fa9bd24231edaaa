//! Which document a file holds: a card, licenses, or a backup. Told by its content, never by its name.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use keyferry_archive::Reader;
use keyferry_license::{Card, LicenseFile, Verified, armor};

use crate::failed::{Failed, Result};
use crate::files;

/// A block of armor begins within this many bytes.
const HEAD: u64 = 64 * 1024;

/// An open backup file.
pub type Backup = Reader<BufReader<File>>;

/// What a file is.
pub enum Document {
    Card(Box<Verified<Card>>),
    Licenses(Blocks),
    Backup(Box<Backup>),
}

/// Opens a document of any kind.
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
                .hint("the card beside it may be shown to everybody"))
        }
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
    Reader::open(BufReader::new(file)).map_err(|error| match error {
        keyferry_archive::Error::NotABackup { .. } => {
            let message = format!(
                "{} is neither a card, nor a .license file, nor a backup",
                path.display()
            );
            Failed::other(message).because("bad-document")
        }
        error => {
            let failed = Failed::from(error);
            Failed {
                message: format!("{}: {}", path.display(), failed.message),
                ..failed
            }
        }
    })
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
    } else if is(armor::ISSUER_KEY) || is(keyferry_service::SERVICE_KEY) {
        Kind::Secret
    } else {
        Kind::Other
    })
}
