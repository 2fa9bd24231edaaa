//! License documents of other systems, told apart by what they hold (docs/license.md section 11). They are kept byte
//! for byte and not understood here: nothing is verified, decrypted or looked up.

mod json;

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use self::json::Members;
use crate::armor;
use crate::error::{Error, Result};
use crate::id::hex;

/// A license document is at most this many bytes long.
pub const DOCUMENT_LIMIT: usize = 4 * 1024 * 1024;
/// Its name is at most this many bytes long.
pub const DOCUMENT_NAME_LIMIT: usize = 255;
/// The name of its kind is at most this many bytes long.
pub const DOCUMENT_KIND_LIMIT: usize = 64;

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// SHA-256 of a license document: its ID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub [u8; 32]);

impl DocumentId {
    /// The ID of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentId({self})")
    }
}

impl FromStr for DocumentId {
    type Err = Error;
    /// 64 hexadecimal digits, upper or lower case.
    fn from_str(text: &str) -> Result<Self> {
        let digits = crate::Thumbprint::from_str(text).map_err(|_| Error::OutOfRange {
            field: "document ID",
            why: format!("{text:?} is not 64 hexadecimal digits"),
        });
        Ok(Self(digits?.0))
    }
}

/// What a license document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DocumentKind {
    /// Readium LCP license (ISO/IEC 23078-2).
    Lcp,
    /// Keygen license file.
    KeygenLicense,
    /// Keygen machine file.
    KeygenMachine,
    /// Any other: a person said that it is one.
    Document,
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Lcp,
        Self::KeygenLicense,
        Self::KeygenMachine,
        Self::Document,
    ];

    /// Its name in lists, in JSON and in a backup.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lcp => "lcp",
            Self::KeygenLicense => "keygen-license",
            Self::KeygenMachine => "keygen-machine",
            Self::Document => "document",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Lcp => "Readium LCP license",
            Self::KeygenLicense => "Keygen license file",
            Self::KeygenMachine => "Keygen machine file",
            Self::Document => "license document",
        }
    }

    /// The kind of this name, if this version knows it. A backup of a newer version may name others.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a file is that is not taken as a license document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotTaken {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// Longer than a license document may be.
    #[error("{actual} bytes long, a license document has at most {DOCUMENT_LIMIT}")]
    TooLarge {
        /// Its length.
        actual: usize,
    },
    /// It says how an LCP license stands, and is none.
    #[error("license status document, not a license")]
    StatusDocument,
    /// A certificate, a key or another block in PEM armor.
    #[error("PEM file ({label}), not a license")]
    Pem {
        /// The label of its first block, made safe to show.
        label: String,
    },
    /// One of Keyferry's own files.
    #[error("{what} of Keyferry, not a license document of another system")]
    Keyferry {
        /// Which.
        what: &'static str,
    },
    /// An encrypted file (age).
    #[error("encrypted file, perhaps a backup, not a license document")]
    Encrypted,
    /// It begins like a license document, or is named like one, and is not whole.
    #[error("{} that can't be read: {why}", kind.title())]
    Broken {
        /// What it should be.
        kind: DocumentKind,
        /// What is wrong.
        why: String,
    },
    /// Anything else.
    #[error("no license document that is known")]
    Unknown,
}

impl NotTaken {
    /// Its name in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge { .. } => "too-large",
            Self::StatusDocument => "status-document",
            Self::Pem { .. } => "pem",
            Self::Keyferry { .. } => "keyferry",
            Self::Encrypted => "encrypted",
            Self::Broken { .. } => "broken",
            Self::Unknown => "unknown",
        }
    }

    /// May a person have it taken all the same, as [`DocumentKind::Document`]?
    pub const fn may_be_forced(&self) -> bool {
        !matches!(self, Self::Empty | Self::TooLarge { .. } | Self::Keyferry { .. })
    }
}

/// Says what these bytes are. What they hold decides; the file's name only lets a broken one be named.
pub fn recognize(name: &str, bytes: &[u8]) -> Result<DocumentKind, NotTaken> {
    if bytes.is_empty() {
        return Err(NotTaken::Empty);
    }
    if bytes.len() > DOCUMENT_LIMIT {
        return Err(NotTaken::TooLarge { actual: bytes.len() });
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii();
    if text.first() == Some(&b'{') {
        return by_members(name, text);
    }
    if let Some(what) = own_file(bytes) {
        return Err(NotTaken::Keyferry { what });
    }
    if bytes.starts_with(b"age-encryption.org/v1\n") {
        return Err(NotTaken::Encrypted);
    }
    match first_label(text) {
        Some(label) => armored(label, text),
        None => Err(by_extension(name, "it is no JSON object")),
    }
}

/// The same where a person said that it is a license document: what is known keeps its kind, anything else becomes
/// [`DocumentKind::Document`], unless [`NotTaken::may_be_forced`] says no.
pub fn recognize_forced(name: &str, bytes: &[u8]) -> Result<DocumentKind, NotTaken> {
    recognize(name, bytes).or_else(|not_taken| match not_taken.may_be_forced() {
        true => Ok(DocumentKind::Document),
        false => Err(not_taken),
    })
}

fn by_members(name: &str, text: &[u8]) -> Result<DocumentKind, NotTaken> {
    let members = Members::read(text).map_err(|why| by_extension(name, &why))?;
    if members.are_a_license() {
        return Ok(DocumentKind::Lcp);
    }
    if members.are_a_status() {
        return Err(NotTaken::StatusDocument);
    }
    Err(by_extension(name, "id, provider or encryption is missing"))
}

fn armored(label: &[u8], text: &[u8]) -> Result<DocumentKind, NotTaken> {
    let own = |what| Err(NotTaken::Keyferry { what });
    let shown = crate::printable(&String::from_utf8_lossy(label));
    match shown.as_str() {
        "LICENSE FILE" => keygen(DocumentKind::KeygenLicense, &shown, text),
        "MACHINE FILE" => keygen(DocumentKind::KeygenMachine, &shown, text),
        armor::LICENSE => own("a license file"),
        armor::CARD => own("a card"),
        armor::ISSUER_KEY => own("an issuer's key"),
        other if other.starts_with("KEYFERRY ") => own("a file"),
        _ => Err(NotTaken::Pem { label: shown }),
    }
}

/// One block of base64 between its two lines, and nothing around it.
fn keygen(kind: DocumentKind, label: &str, text: &[u8]) -> Result<DocumentKind, NotTaken> {
    let broken = |why: &str| NotTaken::Broken {
        kind,
        why: why.into(),
    };
    let begin = [BEGIN, label.as_bytes(), DASHES].concat();
    let end = [b"-----END ", label.as_bytes(), DASHES].concat();
    let inside = text
        .strip_prefix(begin.as_slice())
        .ok_or_else(|| broken("its first line is not a BEGIN line"))?
        .strip_suffix(end.as_slice())
        .ok_or_else(|| broken("its last line is not the END line: it was cut, or something follows"))?;
    if inside.trim_ascii().is_empty() {
        return Err(broken("there is nothing between its two lines"));
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n \t".contains(byte);
    match inside.iter().position(|byte| !is_base64(byte)) {
        None => Ok(kind),
        Some(at) => Err(broken(&format!(
            "byte {} of the block is not base64",
            at + begin.len()
        ))),
    }
}

/// The label of the first block, where a line begins one.
fn first_label<'t>(text: &'t [u8]) -> Option<&'t [u8]> {
    let label = |line: &'t [u8]| -> Option<&'t [u8]> {
        line.trim_ascii_end().strip_prefix(BEGIN)?.strip_suffix(DASHES)
    };
    let mut lines = text.split(|byte| *byte == b'\n');
    let label = lines.find_map(label)?;
    Some(&label[..label.len().min(64)])
}

/// A file that Keyferry itself writes, other than in armor.
fn own_file(bytes: &[u8]) -> Option<&'static str> {
    const SQLITE: &[u8] = b"SQLite format 3\0";
    let head = &bytes[..bytes.len().min(256)];
    if bytes.starts_with(b"keyferry backup\n") {
        return Some("a backup");
    }
    if bytes.starts_with(b"KEYFERRY\0") {
        return Some("computer.key");
    }
    // Applications name their databases at this place: `KFst` is the license store's name.
    if bytes.starts_with(SQLITE) && bytes.get(68..72) == Some(b"KFst") {
        return Some("a license store");
    }
    // Messages are CBOR that begins with a tag, an array or a map, and name their type near the beginning.
    let typ = b"application/vnd.keyferry.";
    let is_message = head.first() >= Some(&0x80) && head.windows(typ.len()).any(|bytes| bytes == typ);
    is_message.then_some("a message")
}

/// What is named like an LCP license should be one.
fn by_extension(name: &str, why: &str) -> NotTaken {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    if extension.is_some_and(|extension| extension.eq_ignore_ascii_case("lcpl")) {
        let (kind, why) = (DocumentKind::Lcp, why.to_owned());
        return NotTaken::Broken { kind, why };
    }
    NotTaken::Unknown
}

/// Is this a name under which a license document can be kept? A plain file name of at most 255 bytes: not empty, not
/// `.` or `..`, without `/`, `\` and NUL.
pub fn check_name(name: &str) -> Result<()> {
    const FIELD: &str = "name of a license document";
    if name.len() > DOCUMENT_NAME_LIMIT {
        return Err(Error::TooLarge {
            what: FIELD,
            limit: DOCUMENT_NAME_LIMIT,
            actual: name.len(),
        });
    }
    let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']);
    plain.then_some(()).ok_or_else(|| Error::OutOfRange {
        field: FIELD,
        why: format!("{:?} is not a plain file name", crate::printable(name)),
    })
}

/// The name under which a file of this name is kept. It is the same, unless [`check_name`] refuses it or it is not
/// UTF-8: then what does not fit stands as `%` and two hexadecimal digits for each byte, and what is too long is cut
/// before its extension. Whoever keeps a file under another name than its own says so.
pub fn plain_name(raw: &[u8]) -> String {
    let mut name = String::new();
    for chunk in raw.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '/' | '\\' | '\0' => escape(&mut name, c as u8),
                c => name.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut name, *byte));
    }
    match name.as_str() {
        "" => "document".into(),
        "." => "%2E".into(),
        ".." => "%2E%2E".into(),
        _ => shortened(name),
    }
}

fn escape(name: &mut String, byte: u8) {
    name.push_str(&format!("%{byte:02X}"));
}

/// Cuts the stem, not the extension, if that is one.
fn shortened(name: String) -> String {
    if name.len() <= DOCUMENT_NAME_LIMIT {
        return name;
    }
    let dot = name.rfind('.').filter(|dot| name.len() - dot <= 16);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let room = stem.floor_char_boundary(DOCUMENT_NAME_LIMIT - extension.len());
    [&stem[..room], extension].concat()
}
