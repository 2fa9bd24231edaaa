//! Deterministic CBOR (RFC 8949 section 4.2): one pass that checks the rules before anything is decoded, and the
//! round trip that proves that nothing was overlooked.

use std::convert::Infallible;

use minicbor::{Decode, Decoder, Encode};

use crate::error::{Error, Result};

/// Arrays, maps and tags that may stand inside each other (docs/license.md section 1).
pub(crate) const MAX_DEPTH: usize = 8;

/// Encodes a value. Encoding into memory can't fail.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut encoder = minicbor::Encoder::new(&mut out);
    // Writing to a Vec is infallible and no Encode of this workspace returns an error of its own.
    let _ = encoder.encode(value);
    out
}

/// Decodes a whole document: bounded, deterministic, no unknown field, nothing after it, and encoding the value
/// again MUST give the same bytes.
pub fn decode_exact<'b, T>(what: &'static str, bytes: &'b [u8], limit: usize) -> Result<T>
where
    T: Decode<'b, ()> + Encode<()>,
{
    if bytes.len() > limit {
        return Err(Error::TooLarge {
            what,
            limit,
            actual: bytes.len(),
        });
    }
    check_deterministic(what, bytes)?;
    let value: T = minicbor::decode(bytes).map_err(|error| Error::of_decoding(what, &error))?;
    // Compared while it is encoded: no second copy, which for a secret would have to be wiped.
    let mut rest = Expected(Some(bytes));
    let _ = minicbor::encode(&value, &mut rest);
    if rest.0 != Some(&[]) {
        return Err(Error::UnknownField { what });
    }
    Ok(value)
}

/// A writer that only looks whether what is written is what was read.
struct Expected<'b>(Option<&'b [u8]>);

impl minicbor::encode::Write for Expected<'_> {
    type Error = Infallible;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Infallible> {
        self.0 = self.0.and_then(|rest| rest.strip_prefix(written));
        Ok(())
    }
}

/// An array of at most `limit` items; a longer one is refused before the first is decoded.
pub(crate) fn list<'b, C, T: Decode<'b, C>>(
    what: &'static str,
    limit: usize,
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<T>, minicbor::decode::Error> {
    let claimed = d.array()?.unwrap_or(0);
    let count = bounded(what, limit, claimed)?;
    (0..count).map(|_| T::decode(d, ctx)).collect()
}

/// A byte string of at most `limit` bytes; a longer one is not copied.
pub(crate) fn bytes(
    what: &'static str,
    limit: usize,
    d: &mut Decoder<'_>,
) -> Result<Vec<u8>, minicbor::decode::Error> {
    let bytes = d.bytes()?;
    bounded(what, limit, bytes.len() as u64)?;
    Ok(bytes.to_vec())
}

/// A number of bytes or items that keeps to its bound.
pub(crate) fn bounded(
    what: &'static str,
    limit: usize,
    claimed: u64,
) -> Result<usize, minicbor::decode::Error> {
    let actual = usize::try_from(claimed).unwrap_or(usize::MAX);
    if actual > limit {
        let error = Error::TooLarge { what, limit, actual };
        return Err(minicbor::decode::Error::custom(error));
    }
    Ok(actual)
}

/// Walks one CBOR item and refuses whatever is not its deterministic encoding. Allocates nothing that grows with
/// what the bytes claim.
pub fn check_deterministic(what: &'static str, bytes: &[u8]) -> Result<()> {
    let mut walk = Walk { what, bytes, at: 0 };
    walk.item(0)?;
    if walk.at != bytes.len() {
        return Err(walk.malformed("bytes after the end"));
    }
    Ok(())
}

struct Walk<'b> {
    what: &'static str,
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Walk<'b> {
    /// One item that stands inside `depth` others.
    fn item(&mut self, depth: usize) -> Result<()> {
        let start = self.at;
        let (major, value) = self.head()?;
        if matches!(major, 4..=6) && depth == MAX_DEPTH {
            return Err(Error::TooDeep {
                what: self.what,
                limit: MAX_DEPTH,
            });
        }
        match major {
            0 | 1 => {}
            2 => {
                self.take(value)?;
            }
            3 => {
                let text = self.take(value)?;
                if std::str::from_utf8(text).is_err() {
                    self.at = start;
                    return Err(self.malformed("text that is not UTF-8"));
                }
            }
            4 => (0..value).try_for_each(|_| self.item(depth + 1))?,
            5 => self.map(value, depth)?,
            6 => self.item(depth + 1)?,
            _ => self.simple(start)?,
        }
        Ok(())
    }

    fn map(&mut self, entries: u64, depth: usize) -> Result<()> {
        let mut last: Option<&'b [u8]> = None;
        for _ in 0..entries {
            let start = self.at;
            self.item(depth + 1)?;
            let key = &self.bytes[start..self.at];
            if let Some(before) = last {
                if key == before {
                    return Err(Error::DuplicateKey {
                        what: self.what,
                        at: start,
                    });
                }
                if key < before {
                    return Err(self.not_deterministic(start, "map keys out of order"));
                }
            }
            last = Some(key);
            self.item(depth + 1)?;
        }
        Ok(())
    }

    /// Major type 7: only false, true and null are used; floating point never is.
    fn simple(&mut self, start: usize) -> Result<()> {
        if matches!(self.bytes.get(start), Some(0xf4..=0xf6)) {
            return Ok(());
        }
        self.at = start;
        Err(self.malformed("a simple or floating-point value, which no document has"))
    }

    fn head(&mut self) -> Result<(u8, u64)> {
        let start = self.at;
        let first = *self
            .take(1)?
            .first()
            .ok_or_else(|| self.malformed("ends too early"))?;
        let (major, info) = (first >> 5, first & 0x1f);
        let value = match info {
            0..=23 => return Ok((major, u64::from(info))),
            24..=27 => self
                .take(1 << (info - 24))?
                .iter()
                .fold(0, |n, b| n << 8 | u64::from(*b)),
            31 => return Err(self.not_deterministic(start, "indefinite length")),
            _ => {
                self.at = start;
                return Err(self.malformed("a reserved head"));
            }
        };
        let shortest = match info {
            24 => value >= 24,
            25 => value > 0xff,
            26 => value > 0xffff,
            _ => value > 0xffff_ffff,
        };
        if major != 7 && !shortest {
            return Err(self.not_deterministic(start, "a length or number that is not in its shortest form"));
        }
        Ok((major, value))
    }

    fn take(&mut self, len: u64) -> Result<&'b [u8]> {
        let left = self.bytes.len() - self.at;
        let len = usize::try_from(len).ok().filter(|len| *len <= left);
        let Some(len) = len else {
            return Err(self.malformed("ends too early"));
        };
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn malformed(&self, why: &str) -> Error {
        Error::Malformed {
            what: self.what,
            at: self.at,
            why: why.into(),
        }
    }

    fn not_deterministic(&self, at: usize, why: &'static str) -> Error {
        Error::NotDeterministic {
            what: self.what,
            at,
            why,
        }
    }
}
