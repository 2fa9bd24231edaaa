//! `kill -9` of either side: the computer or the service is ended without a word, and the next run finishes the work with
//! no help; nothing is lost and nothing is spent twice.
//!
//! `borders` ends each side at every message between the two. `instants` ends commands at random moments; how long it
//! does is set by variables of `cargo xtask soak kill`.

mod borders;
mod instants;
#[allow(dead_code, reason = "written for the other target, which uses all of it")]
#[path = "../cli/place.rs"]
mod place;
mod process;
mod stage;
mod wire;
