//! `service.key` as bytes: the form of the first version, and the one with a list of keys (docs/operations.md).

use keyferry_license::{KemSecret, KeyUse, Secret32, SigningSecret, armor, decode_exact, encode};
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, Zeroizing};

use super::{KeySecret, MOST_KEYS, SERVICE_KEY, ServiceKey, ServiceKeys};
use crate::error::{Error, Result};

/// Bytes inside the armor.
const LIMIT: usize = 8192;

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[cbor(n(1), with = "minicbor::bytes")]
    root: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    signing: Option<[u8; 32]>,
    #[cbor(n(3), with = "minicbor::bytes")]
    escrow: Option<[u8; 32]>,
    #[n(4)]
    created: Option<u64>,
    #[n(5)]
    keys: Option<Vec<StoredKey>>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct StoredKey {
    #[n(1)]
    usage: KeyUse,
    #[cbor(n(2), with = "minicbor::bytes")]
    seed: [u8; 32],
    #[n(3)]
    not_before: u64,
    #[n(4)]
    not_after: Option<u64>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.root.zeroize();
        self.signing.zeroize();
        self.escrow.zeroize();
    }
}

impl Drop for StoredKey {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl ServiceKeys {
    /// In the form of the first version as long as it says everything.
    pub(crate) fn to_armor(&self) -> Result<Zeroizing<String>> {
        let mut stored = Stored {
            root: *self.root.seed().expose(),
            signing: None,
            escrow: None,
            created: None,
            keys: None,
        };
        match self.keys.as_slice() {
            [
                ServiceKey {
                    secret: KeySecret::Sign(signing),
                    not_before,
                    not_after: None,
                },
                ServiceKey {
                    secret: KeySecret::Seal(escrow),
                    not_before: same,
                    not_after: None,
                },
            ] if not_before == same => {
                stored.signing = Some(*signing.seed().expose());
                stored.escrow = Some(*escrow.seed().expose());
                stored.created = Some(*not_before);
            }
            keys => stored.keys = Some(keys.iter().map(StoredKey::of).collect()),
        }
        let bytes = Zeroizing::new(encode(&stored));
        Ok(Zeroizing::new(armor::write(SERVICE_KEY, &bytes)?))
    }

    pub(crate) fn from_armor(text: &[u8]) -> Result<Self> {
        let block = Zeroizing::new(armor::single(SERVICE_KEY, text)?);
        let stored: Stored = decode_exact("service key", &block, LIMIT)?;
        let first = |secret, not_before| ServiceKey {
            secret,
            not_before,
            not_after: None,
        };
        let keys = match (stored.signing, stored.escrow, stored.created, &stored.keys) {
            (Some(signing), Some(escrow), Some(created), None) => vec![
                first(KeySecret::of(KeyUse::Sign, signing), created),
                first(KeySecret::of(KeyUse::Seal, escrow), created),
            ],
            (None, None, None, Some(keys)) => keys.iter().map(StoredKey::key).collect(),
            _ => return Err(unusable("it has no keys, or two lists of them")),
        };
        let has = |usage| keys.iter().any(|key| key.secret.usage() == usage);
        if !has(KeyUse::Sign) || !has(KeyUse::Seal) || keys.len() > MOST_KEYS {
            return Err(unusable("it has no key to sign or none to seal, or too many"));
        }
        Ok(Self {
            root: SigningSecret::from_seed(Secret32::from_bytes(stored.root)),
            keys,
            new: false,
        })
    }
}

fn unusable(why: &str) -> Error {
    Error::Config {
        field: "service key",
        why: why.into(),
    }
}

impl KeySecret {
    fn of(usage: KeyUse, seed: [u8; 32]) -> Self {
        let seed = Secret32::from_bytes(seed);
        match usage {
            KeyUse::Sign => Self::Sign(SigningSecret::from_seed(seed)),
            KeyUse::Seal => Self::Seal(KemSecret::from_seed(seed)),
        }
    }
}

impl StoredKey {
    fn of(key: &ServiceKey) -> Self {
        let seed = match &key.secret {
            KeySecret::Sign(secret) => secret.seed(),
            KeySecret::Seal(secret) => secret.seed(),
        };
        Self {
            usage: key.secret.usage(),
            seed: *seed.expose(),
            not_before: key.not_before,
            not_after: key.not_after,
        }
    }

    fn key(&self) -> ServiceKey {
        ServiceKey {
            secret: KeySecret::of(self.usage, self.seed),
            not_before: self.not_before,
            not_after: self.not_after,
        }
    }
}
