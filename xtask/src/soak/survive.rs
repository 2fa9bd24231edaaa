//! `cargo xtask soak survive`: backups of 1 to a million licenses, plain and encrypted, damaged in many places and read. The
//! work is done by an example of the archive.

use anyhow::Result;

use crate::run::{Line, target};

const LICENSES: [u32; 4] = [1, 100, 10_000, 1_000_000];

/// `true` when every license came that should.
pub fn survive() -> Result<bool> {
    let folder = target().join("survive");
    std::fs::create_dir_all(&folder)?;
    let mut good = true;
    for licenses in LICENSES {
        for encrypted in ["", " encrypted"] {
            let run = "cargo run --release --quiet --package keyferry-archive --example survive --";
            good &= Line::new(&format!("{run} {} {licenses}{encrypted}", folder.display())).run()?;
        }
    }
    Ok(good)
}
