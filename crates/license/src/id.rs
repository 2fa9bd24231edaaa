//! Identifiers: fixed-length byte strings that can't be mistaken for each other.

use std::fmt;
use std::str::FromStr;

use base64::prelude::*;
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::error::{Error, Result};

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// From a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Result<Self> {
                let array = bytes.try_into().map_err(|_| Error::OutOfRange {
                    field: stringify!($name),
                    why: format!("{} bytes instead of {}", bytes.len(), $len),
                })?;
                Ok(Self(array))
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let at = d.position();
                let array = d.bytes()?.try_into().map_err(|_| {
                    minicbor::decode::Error::message(concat!(stringify!($name), " of the wrong length")).at(at)
                })?;
                Ok(Self(array))
            }
        }
    };
}

bytes_id!(
    /// Key ID: 16 public bytes that name a content key, as in ISO Common Encryption. Shown as base64.
    KeyId,
    16
);
bytes_id!(
    /// License ID: a UUIDv7 (RFC 9562), so that IDs of one issuer order by time.
    LicenseId,
    16
);
bytes_id!(
    /// SHA-256 of a document's Sig_structure: the document's name for seals.
    Digest,
    32
);
bytes_id!(
    /// COSE Key Thumbprint (RFC 9679) with SHA-256: names an issuer, a service or a computer.
    Thumbprint,
    32
);

/// The ID of a computer: the thumbprint of its signing key.
pub type ComputerId = Thumbprint;

impl KeyId {
    /// Standard base64 with padding, as the SDK shows it.
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// The same 16 bytes written as a UUID.
    pub fn to_uuid(&self) -> String {
        uuid::Uuid::from_bytes(self.0).to_string()
    }
}

impl LicenseId {
    /// A new ID for this moment.
    pub fn new_at(unix_seconds: u64, random: [u8; 10]) -> Self {
        let millis = unix_seconds.saturating_mul(1000);
        Self(
            *uuid::Builder::from_unix_timestamp_millis(millis, &random)
                .into_uuid()
                .as_bytes(),
        )
    }

    /// Milliseconds since 1970 that the UUIDv7 carries.
    pub fn unix_millis(&self) -> u64 {
        self.0[..6].iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    /// Version 7 and the RFC variant (docs/license.md section 4).
    pub(crate) fn check(&self) -> Result<()> {
        if self.0[6] >> 4 == 7 && self.0[8] >> 6 == 2 {
            return Ok(());
        }
        Err(Error::OutOfRange {
            field: "license ID",
            why: "not a UUID of version 7".into(),
        })
    }
}

impl Thumbprint {
    /// The first eight hexadecimal digits: for file names and short mentions, never for decisions.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Display for LicenseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", uuid::Uuid::from_bytes(self.0))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

macro_rules! debug_as_display {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}
debug_as_display!(KeyId LicenseId Digest Thumbprint);

impl FromStr for KeyId {
    type Err = Error;
    /// Base64 (standard or URL-safe, padded or not), a UUID, or 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        if let Ok(id) = uuid::Uuid::try_parse(text) {
            return Ok(Self(*id.as_bytes()));
        }
        let plain: String = text
            .trim_end_matches('=')
            .chars()
            .map(|c| match c {
                '-' => '+',
                '_' => '/',
                c => c,
            })
            .collect();
        BASE64_STANDARD_NO_PAD
            .decode(plain)
            .ok()
            .and_then(|b| b.try_into().ok())
            .map(Self)
            .ok_or_else(|| Error::OutOfRange {
                field: "key ID",
                why: format!("{text:?} is neither base64 of 16 bytes nor a UUID"),
            })
    }
}

impl FromStr for LicenseId {
    type Err = Error;
    /// A UUID in any of its usual notations.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::OutOfRange {
            field: "license ID",
            why: format!("{text:?} is not a UUID"),
        };
        Ok(Self(*uuid::Uuid::try_parse(text).map_err(|_| bad())?.as_bytes()))
    }
}

impl FromStr for Thumbprint {
    type Err = Error;
    /// 64 hexadecimal digits; blanks, colons and dashes between them don't count.
    fn from_str(text: &str) -> Result<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | ':' | '-')).collect();
        let bad = || Error::OutOfRange {
            field: "thumbprint",
            why: format!("{text:?} is not 64 hexadecimal digits"),
        };
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        })
}
