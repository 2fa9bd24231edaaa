//! Grants, cards, seals and licenses: the values and rules of Keyferry.
//!
//! Nothing here touches a file, the network, the clock or a database. Bytes come in, values go out, and a value
//! that had to be checked carries the proof in its type: only [`Verified`] documents can be used.
//! `docs/license.md` is the normative text; the code cites its sections.

pub mod armor;
mod card;
mod cbor;
mod content_key;
mod cose;
pub mod document;
mod error;
mod grant;
mod id;
mod issuer;
mod keys;
mod license;
mod revocation;
mod right;
mod seal;
mod text;
pub mod usage;
mod verified;

pub use card::{CARD_LIMIT, Card, CardKey, CardKind, KeyUse};
pub use cbor::{check_deterministic, decode_exact, encode};
pub use content_key::{Commitment, ContentKey};
pub use cose::{Sign1, Typ, sign_document};
pub use error::{Error, Result};
pub use grant::{DEFAULT_COMPUTERS, GRANT_LIMIT, Grant};
pub use id::{ComputerId, Digest, KeyId, LicenseId, Thumbprint};
pub use issuer::IssuerKey;
pub use keys::{KemPublicKey, KemSecret, PublicKey, Secret32, SigningSecret, VerifyingKey, random};
pub use license::{LICENSE_BLOCK_LIMIT, LICENSES_IN_A_BLOCK, LicenseFile, LicenseItem};
pub use revocation::{MAX_REVOCATIONS, REVOCATION_LIST_LIMIT, Revocation, RevocationList};
pub use right::{BACKUP, Limits, PLAY, Right, Rights};
pub use seal::{Encapsulation, SealedKey, Sealer, Suite};
pub use text::{Text, printable};
pub use verified::{Unverified, Verified};
