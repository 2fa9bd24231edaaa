//! The parts of a backup file, found by docs/backup.md alone: what a damaged byte has to be told as.

use std::ops::Range;

/// One part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub name: &'static str,
    /// Its bytes.
    pub range: Range<usize>,
}

/// The parts of a backup that is whole, from its first byte to its last, without gaps (docs/backup.md sections 2, 4, 6, 7
/// and 8). Of an encrypted one those outside the encryption.
pub fn parts(file: &[u8]) -> Vec<Part> {
    let mut cut = Cut {
        parts: Vec::new(),
        at: 0,
    };
    let trailer = file.len() - 64;
    let layers = number(file, trailer + 24, 8);
    if file.starts_with(b"keyferry backup\n") {
        cut.payload(file, layers);
    } else {
        cut.age(file, layers);
    }
    cut.to("check", trailer);
    cut.to("trailer", file.len());
    cut.parts
}

/// The part that holds this byte.
pub fn part_at(parts: &[Part], at: usize) -> &Part {
    let found = parts.iter().find(|part| part.range.contains(&at));
    found.expect("parts have no gaps")
}

struct Cut {
    parts: Vec<Part>,
    at: usize,
}

impl Cut {
    fn to(&mut self, name: &'static str, end: usize) {
        assert!(end >= self.at, "{name} ends before it begins");
        if end > self.at {
            self.parts.push(Part {
                name,
                range: self.at..end,
            });
        }
        self.at = end;
    }

    fn payload(&mut self, file: &[u8], end: usize) {
        self.to("magic", 16);
        self.to("version", 20);
        self.to("header length", 24);
        self.to("header", 24 + number(file, 20, 4));
        self.to("header digest", self.at + 32);
        while file[self.at..].starts_with(b"KFframe\n") {
            let packed = number(file, self.at + 24, 4);
            let holds_names = number(file, self.at + 12, 4) + number(file, self.at + 16, 4) == 0;
            self.to("frame head", self.at + 68);
            self.to(
                if holds_names {
                    "frame names"
                } else {
                    "frame records"
                },
                self.at + packed,
            );
        }
        assert!(
            file[self.at..].starts_with(b"KFindex\n"),
            "an index follows the frames"
        );
        self.to("index", self.at + 12 + 56 * number(file, self.at + 8, 4) + 32);
        self.to("footer", end - 40);
        self.to("tail", end);
    }

    fn age(&mut self, file: &[u8], end: usize) {
        let mac = file.windows(5).position(|bytes| bytes == b"\n--- ");
        let mac = mac.expect("an age header has a last line") + 1;
        self.to("age header", mac);
        let line = file[mac..].iter().position(|byte| *byte == b'\n');
        self.to("age header", mac + line.expect("it ends") + 1);
        self.to("age nonce", self.at + 16);
        while self.at < end {
            self.to("age chunk", (self.at + 65_536 + 16).min(end));
        }
    }
}

/// An unsigned number, big-endian.
fn number(file: &[u8], at: usize, length: usize) -> usize {
    let bytes = &file[at..at + length];
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}
