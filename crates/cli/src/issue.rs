//! Issuing licenses one after the other, in bounded memory: from wishes to armored blocks. No file is named here.

use std::collections::BTreeMap;

use keyferry_license::{
    Card, ContentKey, Grant, IssuerKey, KeyId, LICENSES_IN_A_BLOCK, LicenseFile, LicenseId, Right, Rights,
    Text, Verified, random,
};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::failed::{Failed, Result};
use crate::rights::{self, LimitsJson};

/// The kind of a license of which nothing else is said.
pub const DEFAULT_KIND: &str = "app";

/// A license that somebody wants to issue.
#[derive(Debug)]
pub struct Wish {
    pub title: String,
    pub kind: String,
    pub key_id: Option<KeyId>,
    pub key: Option<ContentKey>,
    pub rights: Vec<Right>,
    pub computers: Option<u8>,
    pub subject: Option<String>,
    pub priority: u16,
    pub parent: Option<LicenseId>,
}

/// The same as a line of JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WishJson {
    title: String,
    kind: Option<String>,
    key_id: Option<String>,
    key: Option<String>,
    rights: Option<BTreeMap<String, LimitsJson>>,
    computers: Option<u8>,
    subject: Option<String>,
    priority: Option<u16>,
    parent: Option<String>,
}

impl Drop for WishJson {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl Wish {
    /// From a line of JSON.
    pub fn from_json(line: &[u8]) -> Result<Self, String> {
        let mut json: WishJson = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        let key_id = json.key_id.as_deref().map(str::parse::<KeyId>).transpose();
        let parent = json.parent.as_deref().map(str::parse::<LicenseId>).transpose();
        Ok(Self {
            key_id: key_id.map_err(|e| e.to_string())?,
            parent: parent.map_err(|e| e.to_string())?,
            key: json
                .key
                .as_deref()
                .map(|key| key_from_text(key.as_bytes()))
                .transpose()?,
            rights: json
                .rights
                .take()
                .map(rights::from_json)
                .transpose()?
                .unwrap_or_else(play_alone),
            title: std::mem::take(&mut json.title),
            kind: json.kind.take().unwrap_or_else(|| DEFAULT_KIND.into()),
            computers: json.computers,
            subject: json.subject.take(),
            priority: json.priority.unwrap_or(0),
        })
    }
}

/// The rights of a license of which nothing else is said.
pub fn play_alone() -> Vec<Right> {
    rights::parse_spec(keyferry_license::PLAY).into_iter().collect()
}

/// A content key as 16 bytes, or as 32 hexadecimal digits with white space around them.
pub fn key_from_text(text: &[u8]) -> Result<ContentKey, String> {
    let mut key = Zeroizing::new([0; 16]);
    let digits = text.trim_ascii();
    if text.len() == 16 {
        key.copy_from_slice(text);
    } else if digits.len() == 32 {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let both = digit(pair[0]).zip(digit(pair[1]));
            let (high, low) = both.ok_or("a content key that is not hexadecimal")?;
            *byte = high << 4 | low;
        }
    } else {
        return Err("a content key is 16 bytes, or 32 hexadecimal digits".into());
    }
    Ok(ContentKey::from_bytes(*key))
}

/// License IDs that only ever grow: UUIDv7 with a clock of a 4,096th of a millisecond (RFC 9562, section 6.2, method 3).
#[derive(Debug, Default)]
pub struct Ids {
    last: u64,
}

impl Ids {
    /// The next ID.
    pub fn next_id(&mut self) -> Result<LicenseId> {
        let nanoseconds = u128::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
        let ticks = u64::try_from((nanoseconds << 12) / 1_000_000).unwrap_or(0);
        self.last = ticks.max(self.last + 1);
        let (millis, fraction) = ((self.last >> 12).to_be_bytes(), (self.last & 0xfff) as u16);
        let mut id: [u8; 16] = random()?;
        id[..6].copy_from_slice(&millis[2..]);
        id[6..8].copy_from_slice(&(0x7000 | fraction).to_be_bytes());
        id[8] = 0x80 | (id[8] & 0x3f);
        Ok(LicenseId(id))
    }
}

/// Who issues, to whom, under which service.
pub struct Press {
    pub key: IssuerKey,
    pub issuer: Verified<Card>,
    pub service: Verified<Card>,
    pub computer: Verified<Card>,
    pub now: u64,
    ids: Ids,
    batch: Vec<(Verified<Grant>, ContentKey)>,
}

impl Press {
    /// Nothing issued yet.
    pub fn new(
        key: IssuerKey,
        issuer: Verified<Card>,
        service: Verified<Card>,
        computer: Verified<Card>,
        now: u64,
    ) -> Self {
        let (ids, batch) = (Ids::default(), Vec::new());
        Self {
            key,
            issuer,
            service,
            computer,
            now,
            ids,
            batch,
        }
    }

    /// Signs a grant for a wish; with its key it waits for its block.
    pub fn issue(&mut self, wish: Wish) -> Result<&(Verified<Grant>, ContentKey)> {
        let license = self.ids.next_id()?;
        let key = match wish.key {
            Some(key) => key,
            None => ContentKey::generate()?,
        };
        let grant = Grant {
            license,
            issuer: self.issuer.thumbprint(),
            service: self.service.thumbprint(),
            origin: self.computer.thumbprint(),
            key_id: match wish.key_id {
                Some(key_id) => key_id,
                None => KeyId(random()?),
            },
            kind: Text::new("kind", wish.kind)?,
            rights: Rights::new(wish.rights)?,
            computers: limit_of_computers(wish.computers)?,
            commitment: key.commitment(&license),
            title: Text::new("title", wish.title)?,
            priority: wish.priority,
            subject: wish
                .subject
                .map(|subject| Text::new("subject", subject))
                .transpose()?,
            parent: wish.parent,
        };
        self.batch.push((grant.sign(self.key.signing())?, key));
        self.batch
            .last()
            .ok_or_else(|| Failed::other("the license was lost"))
    }

    /// Does the next license need a new block?
    pub fn is_full(&self) -> bool {
        self.batch.len() >= LICENSES_IN_A_BLOCK
    }

    /// The waiting licenses as an armored block; none when nothing waits.
    pub fn block(&mut self) -> Result<Option<String>> {
        if self.batch.is_empty() {
            return Ok(None);
        }
        let file = LicenseFile::seal(&self.issuer, &self.service, &self.computer, self.now, &self.batch)?;
        self.batch.clear();
        Ok(Some(file.to_armor()?))
    }
}

/// A grant that says 4 says nothing.
fn limit_of_computers(wished: Option<u8>) -> Result<Option<u8>> {
    match wished {
        None | Some(keyferry_license::DEFAULT_COMPUTERS) => Ok(None),
        Some(n @ 1..keyferry_license::DEFAULT_COMPUTERS) => Ok(Some(n)),
        Some(n) => Err(Failed::usage(format!("{n} computers: a grant gives 1 to 4"))
            .hint("only the operator of a service may allow more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_within_a_tick() {
        let mut ids = Ids::default();
        let made: Vec<LicenseId> = (0..5_000).map(|_| ids.next_id().unwrap()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap();
        assert!(made[0].unix_millis().abs_diff(now) < 60_000);
        assert!(made.iter().all(|id| id.0[6] >> 4 == 7 && id.0[8] >> 6 == 2));
    }

    #[test]
    fn keys_in_both_notations() {
        let hex = key_from_text(b" 000102030405060708090a0b0c0d0e0F\n").unwrap();
        let raw = key_from_text(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]).unwrap();
        assert_eq!(hex.expose(), raw.expose());
        assert!(key_from_text(b"short").is_err());
        assert!(key_from_text(&[b'x'; 32]).is_err());
    }

    #[test]
    fn a_line_of_json_is_a_wish() {
        let wish = Wish::from_json(br#"{"title":"A","key":"000102030405060708090a0b0c0d0e0f"}"#).unwrap();
        assert_eq!(
            (wish.kind.as_str(), wish.rights.len(), wish.key.is_some()),
            ("app", 1, true)
        );
        assert!(Wish::from_json(br#"{"title":"A","count":3}"#).is_err());
        assert!(Wish::from_json(b"{}").is_err());
    }
}
