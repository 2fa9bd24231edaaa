//! Messages as a whole: vectors, bounds, round trips of random messages, and what a computer checks.

#![allow(clippy::unwrap_used)]

mod bounds;
mod cast;
mod check;
mod made;
mod made_revocations;
mod properties;
mod released;
mod revoked;
mod vector;
mod vectors;
