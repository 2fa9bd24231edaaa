//! Messages as a whole: vectors, bounds, round trips of random messages, and what a computer checks.

#![allow(clippy::unwrap_used)]

mod bodies;
mod bounds;
mod cast;
mod challenged;
#[path = "../../../license/tests/license/changes.rs"]
mod changes;
mod check;
mod made;
mod made_challenges;
mod made_recovery;
mod made_revocations;
mod properties;
mod recovery;
mod released;
mod revoked;
mod slice;
mod vector;
mod vectors;
