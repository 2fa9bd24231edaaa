//! What the publisher is asked to issue: a list in JSON Lines for `issuer issue --from`, and the keys that came of it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::child::text;
use crate::failed::{Failed, Result};

/// One license in so many may not leave its computer.
pub const STAYS_ONE_IN: u32 = 80;

const KINDS: [(&str, &str); 4] = [
    ("app", "Charts for small boats"),
    ("music", "Songs from the quay"),
    ("book", "The ferry left on time"),
    ("plug-in", "Fog"),
];

/// Does this license, counted from 0, stay where it is?
pub fn stays(number: u32) -> bool {
    number % STAYS_ONE_IN == STAYS_ONE_IN - 1
}

/// Writes the list.
pub fn write(path: &Path, licenses: u32) -> Result<()> {
    let failed = |e: std::io::Error| Failed::file("write", path, &e);
    let mut file = BufWriter::new(File::create_new(path).map_err(failed)?);
    for number in 0..licenses {
        let (kind, title) = KINDS[number as usize % KINDS.len()];
        let rights = if stays(number) {
            json!({"Play": {}})
        } else {
            json!({"Play": {}, "Backup": {}})
        };
        let wish = json!({"title": format!("{title}, no. {}", number + 1), "kind": kind, "rights": rights});
        writeln!(file, "{wish}").map_err(failed)?;
    }
    file.flush().map_err(failed)
}

/// Key ID and key of each license in the order in which they were issued, both as text.
pub fn issued_keys(path: &Path) -> Result<Vec<(String, String)>> {
    let failed = |e: std::io::Error| Failed::file("read", path, &e);
    let mut keys = Vec::new();
    for line in BufReader::new(File::open(path).map_err(failed)?).lines() {
        let line: Value = serde_json::from_str(&line.map_err(failed)?)
            .map_err(|e| Failed::other(format!("{} holds what is no JSON: {e}", path.display())))?;
        keys.push((text(&line, "key_id").to_owned(), text(&line, "key").to_owned()));
    }
    Ok(keys)
}
