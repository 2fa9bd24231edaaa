//! Text from outside: bounded where it is declared, and made safe to show.

use std::fmt;
use std::ops::Deref;

use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::error::{Error, Result};

/// UTF-8 text of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes text that fits; `field` names it in the error.
    pub fn new(field: &'static str, text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.len() > MAX {
            return Err(Error::TooLarge {
                what: field,
                limit: MAX,
                actual: text.len(),
            });
        }
        Ok(Self(text))
    }

    /// The text as a person may see it: see [`printable`].
    pub fn shown(&self) -> String {
        printable(&self.0)
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<C, const MAX: usize> Encode<C> for Text<MAX> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C, const MAX: usize> Decode<'b, C> for Text<MAX> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let text = d.str()?;
        crate::cbor::bounded("a text", MAX, text.len() as u64)?;
        Ok(Self(text.to_owned()))
    }
}

/// Text from outside as a terminal or a page may show it: control characters and those that reorder or hide text
/// are left out (docs/license.md section 8).
pub fn printable(text: &str) -> String {
    // Most titles are plain, and a backup asks this for each license.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    text.chars()
        .filter(|c| !(c.is_control() || is_deceptive(*c)))
        .collect()
}

/// Bidirectional controls, zero-width and tag characters, and letters that are drawn as nothing.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
