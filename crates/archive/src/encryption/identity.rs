//! Recipients and identities: age's X25519 key pairs, and the files that hold them, as age's `-R` and `-i` have them.

use std::fmt;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A backup is encrypted to at most this many recipients.
pub const MAX_RECIPIENTS: usize = 128;

const FILE_LIMIT: usize = 1024 * 1024;

/// A public key that a backup is encrypted to: `age1…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(pub(super) age::x25519::Recipient);

/// The secret key of a [`Recipient`]: `AGE-SECRET-KEY-1…`.
#[derive(Clone)]
pub struct Identity(pub(super) age::x25519::Identity);

impl Recipient {
    /// The recipients of a file: one a line; empty lines and lines that begin with `#` say nothing.
    pub fn parse_file(text: &str) -> Result<Vec<Self>> {
        let bad = |line, why| Error::BadRecipient {
            line: Some(line),
            why,
        };
        if text.len() > FILE_LIMIT {
            return Err(bad(1, TOO_LONG));
        }
        let recipients = lines(text).map(|(line, text)| parse_recipient(text).map_err(|why| bad(line, why)));
        let recipients: Vec<_> = recipients.collect::<Result<_>>()?;
        if recipients.is_empty() {
            let why = "there is no recipient in the file";
            return Err(Error::BadRecipient { line: None, why });
        }
        Ok(recipients)
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_recipient(text).map_err(|why| Error::BadRecipient { line: None, why })
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

impl Identity {
    /// A fresh key pair.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// The public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The key as text, to be written into a file that only its owner reads.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// The identities of a file: one a line; empty lines and lines that begin with `#` say nothing.
    pub fn parse_file(text: &str) -> Result<Vec<Self>> {
        let bad = |line, why| Error::BadIdentity {
            line: Some(line),
            why,
        };
        if text.len() > FILE_LIMIT {
            return Err(bad(1, TOO_LONG));
        }
        let identities = lines(text).map(|(line, text)| parse_identity(text).map_err(|why| bad(line, why)));
        let identities: Vec<_> = identities.collect::<Result<_>>()?;
        if identities.is_empty() {
            let why = "there is no identity in the file";
            return Err(Error::BadIdentity { line: None, why });
        }
        Ok(identities)
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_identity(text).map_err(|why| Error::BadIdentity { line: None, why })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity(of {})", self.recipient())
    }
}

const TOO_LONG: &str = "the file is longer than 1 MiB";
const SSH: &str = "it is an SSH key; only age's own keys are taken";

/// What says something, each with its number, from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim_end()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn parse_recipient(text: &str) -> Result<Recipient, &'static str> {
    text.parse().map(Recipient).map_err(|_| match text {
        _ if text.starts_with("AGE-SECRET-KEY-") => "it is an identity, which is secret, and no recipient",
        _ if text.starts_with("AGE-PLUGIN-") => "it is an identity of a plugin, and no recipient",
        _ if text.starts_with("ssh-") => SSH,
        _ if is_of_plugin(text) => "it needs a plugin of age; only age's own keys are taken",
        _ => "it is not a recipient: one begins with age1",
    })
}

fn parse_identity(text: &str) -> Result<Identity, &'static str> {
    text.parse().map(Identity).map_err(|_| match text {
        _ if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE ENCRYPTED") => {
            "the identities are encrypted themselves: decrypt them first, with age"
        }
        _ if text.starts_with("-----BEGIN ") => SSH,
        _ if text.starts_with("AGE-PLUGIN-") => "it needs a plugin of age; only age's own keys are taken",
        _ if text.starts_with("age1") => "it is a recipient, which opens nothing, and no identity",
        _ => "it is not an identity: one begins with AGE-SECRET-KEY-1",
    })
}

/// `age1<name>1…`: an X25519 key has no second `1`.
fn is_of_plugin(text: &str) -> bool {
    text.strip_prefix("age1").is_some_and(|rest| rest.contains('1'))
}
