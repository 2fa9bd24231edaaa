//! The bodies of the fuzz targets, which the tests of each crate run over their vectors too.

#[path = "../../crates/archive/tests/backup/bodies.rs"]
pub mod archive;
#[path = "../../crates/license/tests/license/bodies.rs"]
pub mod license;
#[path = "../../crates/protocol/tests/protocol/bodies.rs"]
pub mod protocol;

// What the bodies of the archive make backups with, and read them by: a part of it.
#[allow(dead_code)]
#[path = "../../crates/archive/tests/backup/made.rs"]
mod made;
#[allow(dead_code)]
#[path = "../../crates/archive/tests/backup/raw.rs"]
mod raw;
#[allow(dead_code)]
#[path = "../../crates/archive/tests/backup/seen.rs"]
mod seen;
