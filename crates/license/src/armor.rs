//! PEM armor (RFC 7468, strict) for files that people copy and mail; blocks are read one at a time, so that a file of
//! any length needs the memory of one block.

use std::io::BufRead;

use pem_rfc7468::LineEnding;

use crate::error::{Error, Result};

/// Label of a block of licenses.
pub const LICENSE: &str = "KEYFERRY LICENSE";
/// Label of a card.
pub const CARD: &str = "KEYFERRY CARD";
/// Label of an issuer's secret.
pub const ISSUER_KEY: &str = "KEYFERRY ISSUER KEY";

/// Characters of one armored block: 16 MiB in base64, with line ends and both marker lines.
const BLOCK_LIMIT: usize = 23 * 1024 * 1024;
const LINE_LIMIT: u64 = 256;

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
        let end = format!("-----END {}-----", self.label);
        let mut block = String::new();
        let mut start = 0;
        while let Some(line) = self.read_line()? {
            if block.is_empty() {
                if !line.starts_with("-----BEGIN ") {
                    continue;
                }
                start = self.line;
                if line != format!("-----BEGIN {}-----", self.label) {
                    return Err(bad(
                        self.label,
                        start,
                        &format!("the block is marked {:?}", crate::printable(&line)),
                    ));
                }
            }
            block.push_str(&line);
            block.push('\n');
            if line == end {
                let decoded = pem_rfc7468::decode_vec(block.as_bytes());
                return decoded
                    .map(|(_, bytes)| Some(bytes))
                    .map_err(|e| bad(self.label, start, &e.to_string()));
            }
            if block.len() > BLOCK_LIMIT {
                return Err(bad(self.label, start, "the block is too long"));
            }
        }
        if block.is_empty() {
            Ok(None)
        } else {
            Err(bad(self.label, start, "the block has no end: the file was cut"))
        }
    }

    fn read_line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        self.line += 1;
        let mut bounded = std::io::Read::take(&mut self.from, LINE_LIMIT);
        let read = bounded.read_until(b'\n', &mut line);
        let read = read.map_err(|e| bad(self.label, self.line, &e.to_string()))?;
        if read as u64 == LINE_LIMIT && line.last() != Some(&b'\n') {
            return Err(bad(self.label, self.line, "the line is too long"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| bad(self.label, self.line, "not text"))?;
        Ok((read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
    }
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
