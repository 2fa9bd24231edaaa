//! Looks for secrets in bytes: raw, in hexadecimal and in base64, wherever in a longer text they may begin.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// Bytes by which a place is recognized before all of it is compared.
const HEAD: usize = 8;

/// Knows what must not be found.
#[derive(Debug, Default)]
pub struct Scanner {
    needles: HashMap<[u8; HEAD], Vec<Needle>>,
    secrets: usize,
}

#[derive(Debug)]
struct Needle {
    bytes: Vec<u8>,
    name: String,
}

impl Scanner {
    /// Adds a secret of 12 bytes or more in all its spellings.
    pub fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= 12, "{name} is too short to be recognized");
        self.secrets += 1;
        let hex = |upper: bool| -> String {
            let digits = secret
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>();
            if upper { digits.to_uppercase() } else { digits }
        };
        self.needle(format!("{name}, raw"), secret.to_vec());
        self.needle(format!("{name}, hexadecimal"), hex(false).into_bytes());
        self.needle(format!("{name}, hexadecimal in capitals"), hex(true).into_bytes());
        for (alphabet, word) in [(&STANDARD, "base64"), (&URL_SAFE, "base64url")] {
            let engine = GeneralPurpose::new(alphabet, NO_PAD);
            for before in 0..3 {
                let spelled = inner_base64(&engine, before, secret);
                self.needle(format!("{name}, {word} after {before}"), spelled);
            }
        }
    }

    /// Adds a text, as it is.
    pub fn add_text(&mut self, name: &str, text: &str) {
        self.secrets += 1;
        self.needle(name.to_owned(), text.as_bytes().to_vec());
    }

    /// How many secrets it knows.
    pub fn secrets(&self) -> usize {
        self.secrets
    }

    /// What stands in these bytes, by name; each once.
    pub fn find(&self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, head) in bytes.windows(HEAD).enumerate() {
            let Ok(head) = <&[u8; HEAD]>::try_from(head) else {
                continue;
            };
            for needle in self.needles.get(head).into_iter().flatten() {
                if bytes[at..].starts_with(&needle.bytes) && !found.contains(&needle.name) {
                    found.push(needle.name.clone());
                }
            }
        }
        found
    }

    /// What stands in the files below this folder.
    pub fn find_below(&self, folder: &Path) -> Vec<String> {
        let files = files_below(folder);
        assert!(!files.is_empty(), "{} is empty", folder.display());
        let mut found = Vec::new();
        for file in files {
            let bytes = std::fs::read(&file).expect("a readable file");
            let here = self.find(&bytes);
            found.extend(here.into_iter().map(|name| format!("{}: {name}", file.display())));
        }
        found
    }

    fn needle(&mut self, name: String, bytes: Vec<u8>) {
        let head: [u8; HEAD] = std::array::from_fn(|at| bytes[at]);
        self.needles.entry(head).or_default().push(Needle { bytes, name });
    }
}

/// The characters that depend on the secret alone when it follows so many other bytes (modulo 3).
fn inner_base64(engine: &GeneralPurpose, before: usize, secret: &[u8]) -> Vec<u8> {
    let padded = [&vec![0; before][..], secret].concat();
    let text = engine.encode(&padded).into_bytes();
    let first = (before * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    text[first..last].to_vec()
}

/// All files below a folder, in order.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A secret whose base64 differs between the two alphabets.
    const SECRET: [u8; 16] = [
        0xfb, 0xef, 0xff, 1, 2, 0xfe, 0xff, 3, 0xbf, 5, 6, 0xfb, 0xff, 9, 10, 0xfc,
    ];

    fn scanner() -> Scanner {
        let mut scanner = Scanner::default();
        scanner.add("key", &SECRET);
        scanner
    }

    #[test]
    fn a_secret_is_found_however_it_is_spelled() {
        let hex: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut planted = vec![
            [b"before".as_slice(), &SECRET, b"after"].concat(),
            format!("x{hex}y").into_bytes(),
            hex.to_uppercase().into_bytes(),
        ];
        for alphabet in [&STANDARD, &URL_SAFE] {
            let engine = GeneralPurpose::new(alphabet, NO_PAD);
            for before in 0..7 {
                let text = [&vec![0xa5; before][..], &SECRET, &[0x5a; 4]].concat();
                planted.push(engine.encode(text).into_bytes());
            }
        }
        for bytes in planted {
            assert_eq!(
                scanner().find(&bytes).len(),
                1,
                "{}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }

    #[test]
    fn most_of_a_secret_is_not_the_secret() {
        let mut other = SECRET;
        other[15] ^= 1;
        assert!(scanner().find(&other).is_empty());
        assert!(scanner().find(&SECRET[..15]).is_empty());
        assert!(scanner().find(b"").is_empty());
    }
}
