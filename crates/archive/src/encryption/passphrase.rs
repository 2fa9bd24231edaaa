//! Passphrases: what a person says, or what was made for one.

use std::fmt;

use age::secrecy::SecretString;
use keyferry_license::random;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Digits and lower-case letters without `i`, `l`, `o` and `u`, which are misread or make words.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUPS: usize = 6;
const IN_GROUP: usize = 4;

/// A passphrase; wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes what a person typed, byte for byte. It must not be empty.
    pub fn new(text: String) -> Result<Self> {
        let text = Zeroizing::new(text);
        if text.is_empty() {
            return Err(Error::Invalid {
                what: "passphrase",
                why: "it is empty",
            });
        }
        Ok(Self(text))
    }

    /// A fresh one from the system's randomness: six groups of four characters, 120 bits, as in
    /// `7k2m-x0qd-9fva-h3tn-wc8s-05pz`.
    pub fn generate() -> Result<Self> {
        let bytes = random::<{ GROUPS * IN_GROUP }>().map_err(|error| Error::System(error.to_string()))?;
        let bytes = Zeroizing::new(bytes);
        let mut text = Zeroizing::new(String::with_capacity(GROUPS * (IN_GROUP + 1)));
        for (at, byte) in bytes.iter().enumerate() {
            if at > 0 && at % IN_GROUP == 0 {
                text.push('-');
            }
            // 256 is a multiple of 32, so every character is as likely as every other.
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        Ok(Self(text))
    }

    /// The passphrase, to be shown to the person whose it is.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn to_age(&self) -> SecretString {
        SecretString::from(self.0.as_str())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}
