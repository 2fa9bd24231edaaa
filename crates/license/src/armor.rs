//! PEM armor (RFC 7468, strict) for files that people copy and mail; blocks are read one at a time, so that a file of
//! any length needs the memory of one block.

use std::io::BufRead;

use pem_rfc7468::LineEnding;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Label of a block of licenses.
pub const LICENSE: &str = "KEYFERRY LICENSE";
/// Label of a card.
pub const CARD: &str = "KEYFERRY CARD";
/// Label of an issuer's secret.
pub const ISSUER_KEY: &str = "KEYFERRY ISSUER KEY";

/// Characters of each line of a block but the last.
const WIDTH: usize = 64;
/// Bytes of one line of a block, its line end included. Lines outside of blocks may have any length.
const LINE_LIMIT: usize = 256;
/// Bytes of an armored secret. Read into a buffer of this size that never moves, so that no copy of it stays behind.
const SECRET_LIMIT: usize = 4096;

/// Bytes of an armored block: base64, a line end after every 64 characters (or two, CR LF), both marker lines.
const fn armored(bytes: usize) -> usize {
    let base64 = bytes.div_ceil(3) * 4;
    base64 + base64.div_ceil(64) * 2 + 2 * LINE_LIMIT
}

fn block_limit(label: &str) -> usize {
    match label {
        ISSUER_KEY => SECRET_LIMIT,
        CARD => armored(crate::CARD_LIMIT),
        _ => armored(crate::LICENSE_BLOCK_LIMIT),
    }
}

/// Armors bytes.
pub fn write(label: &'static str, bytes: &[u8]) -> Result<String> {
    pem_rfc7468::encode_string(label, LineEnding::LF, bytes).map_err(|e| bad(label, 1, &e.to_string()))
}

/// The one block of a small text; text before and after it is allowed, as RFC 7468 allows it.
pub fn single(label: &'static str, text: &[u8]) -> Result<Vec<u8>> {
    let mut blocks = Blocks::new(label, text);
    let block = blocks
        .next()
        .unwrap_or_else(|| Err(bad(label, 1, "there is no such block")))?;
    match blocks.next() {
        None => Ok(block),
        Some(_) => Err(bad(label, blocks.line, "there is more than one block")),
    }
}

/// Reads one block after the other.
#[derive(Debug)]
pub struct Blocks<R> {
    label: &'static str,
    from: R,
    line: usize,
    failed: bool,
}

impl<R: BufRead> Blocks<R> {
    /// Blocks of this label; a block of another label is an error.
    pub fn new(label: &'static str, from: R) -> Self {
        Self {
            label,
            from,
            line: 0,
            failed: false,
        }
    }

    fn read_block(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Zeroizing::new(Vec::with_capacity(LINE_LIMIT));
        if !self.skip_to_block(&mut line)? {
            return Ok(None);
        }
        let start = self.line;
        let (begin, end) = markers(self.label);
        if *line != begin.as_bytes() {
            let marked = String::from_utf8_lossy(&line);
            let why = format!("the block is marked {:?}", crate::printable(&marked));
            return Err(bad(self.label, start, &why));
        }
        let limit = block_limit(self.label);
        let mut block = Zeroizing::new(Vec::with_capacity(SECRET_LIMIT));
        let mut must_end = false;
        loop {
            if block.len() + line.len() + 1 > limit {
                return Err(bad(self.label, start, "the block is too long"));
            }
            block.extend_from_slice(&line);
            block.push(b'\n');
            if *line == end.as_bytes() {
                let decoded = pem_rfc7468::decode_vec(&block);
                return decoded
                    .map(|(_, bytes)| Some(bytes))
                    .map_err(|e| bad(self.label, start, &e.to_string()));
            }
            match self.read_line(&mut line)? {
                Some(true) if *line == end.as_bytes() => {}
                // The decoder would also take CR alone for the end of a line, which to everybody else is one long line.
                Some(true) if must_end || line.is_empty() || line.len() > WIDTH => {
                    let why = "each line of a block has 64 characters, the last may have fewer";
                    return Err(bad(self.label, self.line, why));
                }
                Some(true) => must_end = line.len() < WIDTH,
                Some(false) => return Err(bad(self.label, self.line, "the line is too long")),
                None => return Err(bad(self.label, start, "the block has no end: the file was cut")),
            }
        }
    }

    /// Stops at the line that begins a block; what stands before it is for people and may be anything.
    fn skip_to_block(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        while let Some(whole) = self.read_line(line)? {
            if line.starts_with(b"-----BEGIN ") {
                return Ok(true);
            }
            if !whole {
                let skipped = self.from.skip_until(b'\n');
                skipped.map_err(|e| bad(self.label, self.line, &e.to_string()))?;
            }
        }
        Ok(false)
    }

    /// Reads a line without its end. `Some(false)`: it is longer than its bound, and its rest was not read.
    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<Option<bool>> {
        line.clear();
        let mut bounded = std::io::Read::take(&mut self.from, LINE_LIMIT as u64);
        let read = bounded
            .read_until(b'\n', line)
            .map_err(|e| bad(self.label, self.line + 1, &e.to_string()))?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let ended = line.pop_if(|byte| *byte == b'\n').is_some();
        line.pop_if(|byte| ended && *byte == b'\r');
        Ok(Some(ended || read < LINE_LIMIT))
    }
}

fn markers(label: &str) -> (String, String) {
    (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    )
}

impl<R: BufRead> Iterator for Blocks<R> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let block = self.read_block().transpose();
        self.failed = matches!(block, Some(Err(_)));
        block
    }
}

fn bad(label: &'static str, line: usize, why: &str) -> Error {
    Error::Armor {
        label,
        line,
        why: why.into(),
    }
}
