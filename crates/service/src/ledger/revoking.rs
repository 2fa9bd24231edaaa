//! How databases know what a revocation list names: a kind and a value.

use keyferry_license::Revocation;

use super::subject;

pub(super) const LICENSE: u8 = 1;
pub(super) const KEY_ID: u8 = 2;
pub(super) const SUBJECT: u8 = 3;
/// The last of them: whoever looks for the highest kind of an issuer sees it first.
pub(super) const EVERYTHING: u8 = 4;

/// How much of an issuer's licenses is revoked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Nothing,
    Some,
    Everything,
}

impl Extent {
    /// Of whether the issuer's highest kind is [`EVERYTHING`], if there is any.
    pub(super) fn of(everything: Option<bool>) -> Self {
        match everything {
            None => Extent::Nothing,
            Some(false) => Extent::Some,
            Some(true) => Extent::Everything,
        }
    }
}

pub(super) fn key(entry: &Revocation) -> (u8, Vec<u8>) {
    match entry {
        Revocation::License(license) => (LICENSE, license.as_bytes().to_vec()),
        Revocation::KeyId(key_id) => (KEY_ID, key_id.as_bytes().to_vec()),
        Revocation::Subject(name) => (SUBJECT, subject(name).as_bytes().to_vec()),
        Revocation::Everything => (EVERYTHING, Vec::new()),
    }
}
