//! Content keys as text, in buffers that are wiped and never grow.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use keyferry_license::{ContentKey, KeyId};
use zeroize::Zeroizing;

use crate::args::KeyFormat;
use crate::event::Event;

/// A line about one key is at most this many bytes long.
const LINE: usize = 512;

/// Adds lower-case hexadecimal digits.
pub fn push_hex(text: &mut String, key: &[u8; 16]) {
    for byte in key {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
}

/// The key in a format, without a line end.
pub fn key(format: KeyFormat, key_id: &KeyId, key: &ContentKey) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(LINE));
    match format {
        KeyFormat::Hex => push_hex(&mut text, key.expose()),
        KeyFormat::Base64url => BASE64_URL_SAFE_NO_PAD.encode_string(key.expose(), &mut text),
        KeyFormat::Jwk => {
            text.push_str(r#"{"kty":"oct","kid":""#);
            BASE64_URL_SAFE_NO_PAD.encode_string(key_id.as_bytes(), &mut text);
            text.push_str(r#"","k":""#);
            BASE64_URL_SAFE_NO_PAD.encode_string(key.expose(), &mut text);
            text.push_str(r#""}"#);
        }
    }
    text
}

/// The line of JSON mode. All its values are of alphabets that need no escape, except a JWK, which is an object.
pub fn json_line(
    format: KeyFormat,
    key_id: &KeyId,
    license: &str,
    left: Option<u32>,
    key: &str,
) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(2 * LINE));
    let (word, quote) = match format {
        KeyFormat::Hex => ("hex", "\""),
        KeyFormat::Base64url => ("base64url", "\""),
        KeyFormat::Jwk => ("jwk", ""),
    };
    let left = left.map_or("null".to_owned(), |left| left.to_string());
    for part in [
        r#"{"event":""#,
        Event::Key.name(),
        r#"","key_id":""#,
        &key_id.to_base64(),
        r#"","license":""#,
        license,
        r#"","left":"#,
        &left,
        r#","format":""#,
        word,
        r#"","key":"#,
        quote,
        key,
        quote,
        "}\n",
    ] {
        line.push_str(part);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_formats_of_one_key() {
        let (id, secret) = (KeyId([0xfb; 16]), ContentKey::from_bytes([0xff; 16]));
        assert_eq!(*key(KeyFormat::Hex, &id, &secret), "ff".repeat(16));
        assert_eq!(*key(KeyFormat::Base64url, &id, &secret), "_____________________w");
        let jwk: serde_json::Value = serde_json::from_str(&key(KeyFormat::Jwk, &id, &secret)).unwrap();
        assert_eq!(jwk["kid"], "-_v7-_v7-_v7-_v7-_v7-w");
        assert_eq!(jwk["k"], "_____________________w");
    }

    #[test]
    fn a_line_of_json_parses_in_each_format() {
        let (id, secret) = (KeyId([1; 16]), ContentKey::from_bytes([2; 16]));
        for format in [KeyFormat::Hex, KeyFormat::Base64url, KeyFormat::Jwk] {
            let text = key(format, &id, &secret);
            let line = json_line(format, &id, "0", Some(3), &text);
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!((&value["event"], &value["left"]), (&"key".into(), &3.into()));
            assert!(line.len() < LINE && text.len() < LINE);
        }
    }
}
