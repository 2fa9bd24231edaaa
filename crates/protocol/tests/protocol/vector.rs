//! One test vector: a file of `key: value` lines, `---`, and the message in base64. docs/protocol.md says which keys
//! there are.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use base64::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    pub name: String,
    pub head: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/protocol")
}

impl Vector {
    pub fn new(name: &str, kind: &str, expect: &str, comment: &str, body: Vec<u8>) -> Self {
        let head = [("comment", comment), ("kind", kind), ("expect", expect)];
        Self {
            name: name.into(),
            head: head.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec(),
            body,
        }
    }

    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.head.push((key.into(), value.into()));
        self
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.head.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub fn need(&self, key: &str) -> &str {
        self.get(key)
            .unwrap_or_else(|| panic!("{}: no line {key:?}", self.name))
    }

    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.head {
            writeln!(out, "{key}: {value}").unwrap();
        }
        out.push_str("---\n");
        for line in BASE64_STANDARD.encode(&self.body).as_bytes().chunks(76) {
            out.push_str(std::str::from_utf8(line).unwrap());
            out.push('\n');
        }
        out
    }

    pub fn parse(name: &str, text: &str) -> Self {
        let (head, body) = text.split_once("---\n").expect(name);
        let head = head
            .lines()
            .map(|line| line.split_once(": ").expect(name))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let joined: String = body.split_whitespace().collect();
        Self {
            name: name.into(),
            head,
            body: BASE64_STANDARD.decode(joined).expect(name),
        }
    }

    /// All vectors of the folder, by name.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                Self::parse(&name, &std::fs::read_to_string(&path).unwrap())
            })
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N, "{text}");
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}
