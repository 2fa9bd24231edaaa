//! A sealer that seals any key for any grant, as no honest program does: written from docs/license.md and not from the
//! library, so that the two also check each other.

use aes_gcm::aead::{Aead as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce};
use hpke::aead::{AeadCtxS, ExportOnlyAead};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem, OpModeS, Serializable as _};
use keyferry_license::{ContentKey, Digest, Encapsulation, KemPublicKey, SealedKey};

/// Label of what is sealed for a service.
pub const ESCROW: &[u8] = b"keyferry v1 escrow";
/// Label of what is sealed for a computer.
pub const DELIVERY: &[u8] = b"keyferry v1 delivery";

/// Seals under one encapsulation.
pub struct Careless {
    label: &'static [u8],
    context: AeadCtxS<ExportOnlyAead, HkdfSha256, XWing>,
}

impl Careless {
    /// For this reader.
    pub fn new(label: &'static [u8], reader: &KemPublicKey) -> (Encapsulation, Self) {
        let reader = <XWing as Kem>::PublicKey::from_bytes(reader.as_bytes()).expect("a public key");
        let made = hpke::setup_sender::<ExportOnlyAead, HkdfSha256, XWing>(&OpModeS::Base, &reader, label);
        let (enc, context) = made.expect("an encapsulation");
        let enc = Encapsulation::from_bytes(&enc.to_bytes()).expect("of its length");
        (enc, Self { label, context })
    }

    /// Seals a key for the grant of this digest, whatever the grant committed to.
    pub fn seal(&self, grant: &Digest, key: &ContentKey) -> SealedKey {
        let mut kek = [0; 32];
        let info = [self.label, grant.as_bytes()].concat();
        self.context.export(&info, &mut kek).expect("a key");
        let cipher = Aes256Gcm::new_from_slice(&kek).expect("a key");
        let sealed = cipher.encrypt(&Nonce::default(), key.expose().as_slice());
        SealedKey(sealed.expect("sealed").try_into().expect("32 bytes"))
    }
}
