//! The protected file of the demo: AES-128-CTR under a content key, as ISO Common Encryption protects media, and as
//! `openssl enc -d -aes-128-ctr` opens it.

use aes::cipher::{KeyIvInit, StreamCipher};
use keyferry_license::ContentKey;

/// What the protected file says.
pub const TEXT: &str = "It was a bright cold morning, and the ferry left on time.\n\
    Nobody on board had brought more luggage than one hand could carry.\n";

/// Protects or opens: counter mode is its own inverse. The counter begins at zero; a content key protects one piece.
pub fn crypt(key: &ContentKey, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    ctr::Ctr128BE::<aes::Aes128>::new(key.expose().into(), &[0; 16].into()).apply_keystream(&mut out);
    out
}

/// The key that `use --format hex` wrote.
pub fn key_from_hex(text: &str) -> Option<ContentKey> {
    let text = text.trim();
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut key = [0; 16];
    for (byte, at) in key.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(ContentKey::from_bytes(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_protected_and_is_aes_ctr() {
        let key = key_from_hex("2b7e151628aed2a6abf7158809cf4f3c\n").unwrap();
        let protected = crypt(&key, TEXT.as_bytes());
        assert_ne!(protected, TEXT.as_bytes());
        assert_eq!(crypt(&key, &protected), TEXT.as_bytes());
        // The keystream's first block is AES-128 of the zero block.
        let first: [u8; 16] = crypt(&key, &[0; 16]).try_into().unwrap();
        assert_eq!(first[..4], [0x7d, 0xf7, 0x6b, 0x0c]);
        assert!(key_from_hex("zz").is_none());
    }
}
