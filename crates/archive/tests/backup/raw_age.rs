//! A second writer of the encryption, after age's specification: the same bytes at every run, with work factors and
//! damage that the crate's own writer refuses to make.

use age_core::primitives::{aead_encrypt, hkdf};
use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use chacha20poly1305::aead::{Aead, KeyInit};
use hmac::{KeyInit as _, Mac};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::made::PASSPHRASE;
use crate::raw::trailer;

/// Far below what is written: a vector has to be opened often.
pub const WORK_FACTOR: u8 = 10;

const FILE_KEY: [u8; 16] = [0x21; 16];
const NONCE: [u8; 16] = [0x33; 16];

/// Layers 1 and 2 of a backup without encryption, with the protection around an age file of it.
pub fn around(backup: &[u8], stanzas: &[String]) -> Vec<u8> {
    protect(&encrypt(&backup[..backup.len() - 64], stanzas))
}

/// Layer 3 around an age file.
pub fn protect(inner: &[u8]) -> Vec<u8> {
    let digest = blake3::derive_key("keyferry v1 backup check", inner);
    let check = blake3::derive_key("keyferry v1 backup check of the check", &digest);
    [inner, &digest, &check[..16], &trailer(inner.len() as u64, 2, 48)].concat()
}

/// An age file.
pub fn encrypt(content: &[u8], stanzas: &[String]) -> Vec<u8> {
    let mut out = format!("age-encryption.org/v1\n{}---", stanzas.concat()).into_bytes();
    let key = hkdf(b"", b"header", &FILE_KEY);
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(&out);
    let mac = mac.finalize().into_bytes();
    out.extend(format!(" {}\n", BASE64_STANDARD_NO_PAD.encode(mac)).into_bytes());
    out.extend(NONCE);
    out.extend(chunks(content, true));
    out
}

/// The chunks; the last is marked as one or not.
pub fn chunks(content: &[u8], ends: bool) -> Vec<u8> {
    let key = hkdf(&NONCE, b"payload", &FILE_KEY);
    let cipher = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
    let count = content.len().div_ceil(64 * 1024);
    let mut out = Vec::new();
    for (number, chunk) in content.chunks(64 * 1024).enumerate() {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&(number as u64).to_be_bytes());
        nonce[11] = (ends && number + 1 == count).into();
        out.extend(cipher.encrypt(&nonce.into(), chunk).unwrap());
    }
    out
}

pub fn passphrase(work_factor: u8) -> String {
    passphrase_of(PASSPHRASE, work_factor)
}

/// A work factor above that of the vectors is stated and not worked through.
pub fn passphrase_of(words: &str, work_factor: u8) -> String {
    let salt = [0x44; 16];
    let params = scrypt::Params::new(work_factor.min(WORK_FACTOR), 8, 1, 32).unwrap();
    let mut key = [0; 32];
    let salted = [&b"age-encryption.org/v1/scrypt"[..], &salt].concat();
    scrypt::scrypt(words.as_bytes(), &salted, &params, &mut key).unwrap();
    let salt = BASE64_STANDARD_NO_PAD.encode(salt);
    stanza(
        &format!("scrypt {salt} {work_factor}"),
        &aead_encrypt(&key, &FILE_KEY),
    )
}

/// A recipient, by the bytes of its secret key.
pub fn recipient(secret: [u8; 32]) -> String {
    let ephemeral = StaticSecret::from([0x55; 32]);
    let share = PublicKey::from(&ephemeral);
    let public = PublicKey::from(&StaticSecret::from(secret));
    let shared = ephemeral.diffie_hellman(&public);
    let salt = [share.to_bytes(), public.to_bytes()].concat();
    let key = hkdf(&salt, b"age-encryption.org/v1/X25519", shared.as_bytes());
    let share = BASE64_STANDARD_NO_PAD.encode(share.as_bytes());
    stanza(&format!("X25519 {share}"), &aead_encrypt(&key, &FILE_KEY))
}

fn stanza(arguments: &str, body: &[u8]) -> String {
    // 32 bytes take one line.
    format!("-> {arguments}\n{}\n", BASE64_STANDARD_NO_PAD.encode(body))
}
