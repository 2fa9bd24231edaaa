//! Which licenses and license documents a backup or a restore is about: patterns over what names them
//! (docs/plans.md section 1). What each pattern met is counted, so that one that met nothing can be told.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::str::FromStr;

use glob::Pattern as Glob;
use keyferry_archive::Document;
use keyferry_license::document::DocumentId;
use keyferry_license::{Card, Grant, KeyId, LicenseId, Thumbprint, Verified, printable};

use crate::error::{Error, Result};

/// Digits with which a digest or a thumbprint may be begun; fewer name nothing.
const SHORTEST: usize = 8;

/// Patterns of which a license or a license document has to fit any; the default has none, and selects everything.
///
/// A pattern is `KIND:GLOB`, or a glob of any kind. The kinds are `id` (license ID, or SHA-256 of a document), `key` (key
/// ID), `title`, `issuer` (name or thumbprint) and `document` (file name). `*` stands for any characters, `?` for one,
/// `[a-z]` and `[!a-z]` for one of these or of all others; small and capital letters are the same, except in base64.
///
/// ```
/// let only = keyferry::Only::new(["title:North*", "issuer:Northwind Audio"])?;
/// assert!(!only.is_all());
/// assert!(keyferry::Only::new(["title:"]).is_err());
/// # Ok::<(), keyferry::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Only(Vec<Pattern>);

impl Only {
    /// Reads patterns. [`Error::BadPattern`] for one that is empty, or whose brackets are not closed.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self> {
        let read = |pattern: P| Pattern::new(pattern.as_ref());
        patterns.into_iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Is everything selected, because there is no pattern?
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns as they were given.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| &*pattern.text)
    }
}

/// What a pattern is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Id,
    Key,
    Title,
    Issuer,
    Document,
}

const KINDS: [(&str, Kind); 5] = [
    ("id:", Kind::Id),
    ("key:", Kind::Key),
    ("title:", Kind::Title),
    ("issuer:", Kind::Issuer),
    ("document:", Kind::Document),
];

#[derive(Debug, Clone)]
struct Pattern {
    /// As it was given.
    text: String,
    kind: Kind,
    /// Without its kind.
    rest: String,
    /// In small letters, as what it is compared with.
    folded: String,
    glob: Glob,
    /// The same in its own letters, for base64.
    exact: Glob,
    license: Option<LicenseId>,
    key: Option<KeyId>,
    issuer: Option<Thumbprint>,
}

impl Pattern {
    fn new(text: &str) -> Result<Self> {
        let bad = |why: String| Error::BadPattern {
            pattern: printable(text),
            why,
        };
        let named = KINDS
            .iter()
            .find_map(|(name, kind)| Some((*kind, text.strip_prefix(name)?)));
        let (kind, rest) = named.unwrap_or((Kind::Any, text));
        if rest.trim().is_empty() {
            return Err(bad("it names nothing".into()));
        }
        let folded = rest.to_lowercase();
        let glob = |text: &str| {
            Glob::new(&runs_as_one(text)).map_err(|error| {
                bad(format!(
                    "{} at character {}: a bracket that is no set is written [[]",
                    error.msg,
                    error.pos + 1
                ))
            })
        };
        Ok(Self {
            kind,
            glob: glob(&folded)?,
            exact: glob(rest)?,
            license: parsed(rest),
            key: parsed(rest),
            issuer: parsed(rest),
            text: text.to_owned(),
            rest: rest.to_owned(),
            folded,
        })
    }

    fn is(&self, kind: Kind) -> bool {
        self.kind == kind || self.kind == Kind::Any
    }

    fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        text == self.folded || self.glob.matches(&text)
    }

    /// Hexadecimal digits, of which the first ones are enough.
    fn fits_digits(&self, digits: &str) -> bool {
        let begun = self.rest.len() >= SHORTEST && digits.starts_with(&self.folded);
        begun || self.globs() && self.glob.matches(digits)
    }

    /// Does the glob count for IDs? Without a kind it would fit some of them by chance.
    fn globs(&self) -> bool {
        self.kind != Kind::Any
    }

    fn fits_license(&self, grant: &Grant, issuer: Option<&str>) -> bool {
        let id = || {
            self.license == Some(grant.license)
                || self.globs() && self.glob.matches(&grant.license.to_string())
        };
        let key = || {
            self.key == Some(grant.key_id)
                || self.globs()
                    && (self.glob.matches(&grant.key_id.to_uuid())
                        || self.exact.matches(&grant.key_id.to_base64()))
        };
        let issued = || {
            self.issuer == Some(grant.issuer)
                || issuer.is_some_and(|name| self.fits(name))
                || self.fits_digits(&grant.issuer.to_string())
        };
        self.is(Kind::Title) && self.fits(&grant.title)
            || self.is(Kind::Id) && id()
            || self.is(Kind::Key) && key()
            || self.is(Kind::Issuer) && issued()
    }

    fn fits_document(&self, id: &DocumentId, name: &str) -> bool {
        self.is(Kind::Document) && self.fits(name) || self.is(Kind::Id) && self.fits_digits(&id.to_string())
    }
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// Stars in a row mean one: nothing here is a path.
fn runs_as_one(text: &str) -> String {
    let mut one = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '*' || !one.ends_with('*') {
            one.push(c);
        }
    }
    one
}

/// Patterns at work on one store or one backup, whose issuers have these names.
pub(crate) struct Picker {
    patterns: Vec<(Pattern, Cell<bool>)>,
    names: BTreeMap<Thumbprint, String>,
}

impl Picker {
    pub(crate) fn new(only: &Only, issuers: &[Verified<Card>]) -> Self {
        let name = |card: &Verified<Card>| (card.thumbprint(), card.name.to_string());
        Self {
            patterns: only
                .0
                .iter()
                .map(|pattern| (pattern.clone(), Cell::default()))
                .collect(),
            names: issuers.iter().map(name).collect(),
        }
    }

    pub(crate) fn is_all(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Is this license wanted?
    pub(crate) fn picks(&self, grant: &Grant) -> bool {
        let issuer = self.names.get(&grant.issuer).map(String::as_str);
        self.any(|pattern| pattern.fits_license(grant, issuer))
    }

    /// Is this document wanted?
    pub(crate) fn picks_document(&self, id: &DocumentId, name: &str) -> bool {
        self.any(|pattern| pattern.fits_document(id, name))
    }

    /// The same of one whose bytes are at hand, which are not worked through where nobody asks.
    pub(crate) fn picks_whole(&self, document: &Document) -> bool {
        self.is_all() || self.picks_document(&DocumentId::of(&document.bytes), &document.name)
    }

    /// Every pattern is asked, so that each knows whether it met anything.
    fn any(&self, fits: impl Fn(&Pattern) -> bool) -> bool {
        let mut any = self.is_all();
        for (pattern, met) in &self.patterns {
            if fits(pattern) {
                met.set(true);
                any = true;
            }
        }
        any
    }

    /// Patterns that met nothing so far, safe to show.
    pub(crate) fn unmet(&self) -> Vec<String> {
        let unmet = self.patterns.iter().filter(|(_, met)| !met.get());
        unmet.map(|(pattern, _)| printable(&pattern.text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn letters_stars_and_sets() {
        for (glob, text, fits) in [
            ("title:north*", "Northwind – Über Alles", true),
            ("*ÜBER*", "Northwind – über alles", true),
            ("a**z", "abcz", true),
            ("????", "käse", true),
            ("[a-c]1", "B1", true),
            ("[!a-c]1", "B1", false),
            ("Song [Remix]", "song [remix]", true),
            ("a/*", "a/b/c", true),
            ("north", "Northwind", false),
        ] {
            assert_eq!(pattern(glob).fits(text), fits, "{glob} {text}");
        }
    }

    #[test]
    fn a_kind_is_what_stands_before_the_colon_and_nothing_else_is() {
        assert_eq!(pattern("title:id:x").kind, Kind::Title);
        assert_eq!(pattern("title:id:x").rest, "id:x");
        let other = pattern("Suite: Part 1");
        assert_eq!((other.kind, &*other.rest), (Kind::Any, "Suite: Part 1"));
    }

    #[test]
    fn what_can_t_be_read_is_named() {
        for bad in ["", " ", "title:", "key: ", "a[b", "[]"] {
            let error = Only::new([bad]).unwrap_err();
            assert_eq!(error.failure().exit_code(), 2, "{bad}");
        }
        let error = Only::new(["ok", "a[b"]).unwrap_err().to_string();
        assert!(error.contains("a[b") && error.contains("character 2"), "{error}");
    }

    #[test]
    fn digests_by_their_first_eight_digits_or_a_glob() {
        let id = DocumentId([0xab; 32]);
        for (text, fits) in [
            ("abababab", true),
            ("id:ABABABABAB", true),
            ("abababa", false),
            ("id:ab*", true),
            ("ab*", false),
            ("title:abababab", false),
            ("document:note.*", true),
            ("NOTE.txt", true),
            ("title:note.txt", false),
        ] {
            assert_eq!(pattern(text).fits_document(&id, "note.txt"), fits, "{text}");
        }
    }
}
