//! The bodies of the fuzz targets, which the tests of each crate run over their vectors too.

#[path = "../../crates/license/tests/license/bodies.rs"]
pub mod license;

#[path = "../../crates/protocol/tests/protocol/bodies.rs"]
pub mod protocol;
