//! Tests of the backup file: round trips, damage, hostile bytes, vectors, and the way onto a medium.

#![allow(missing_docs, clippy::unwrap_used)]

mod bodies;
#[path = "../../../license/tests/license/changes.rs"]
mod changes;
mod crash;
mod damage;
mod encrypted;
mod fake;
mod folder;
mod generations;
mod hostile;
// The examples use it too, each a part of it.
#[allow(dead_code)]
mod made;
mod parity;
mod raw;
mod raw_age;
mod roundtrip;
mod seen;
mod slice;
mod vectors;
mod verified;
