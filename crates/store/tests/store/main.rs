//! The store as its users see it: one folder, one or more open stores, and what happens to the files in between.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod checkpoint;
mod computer;
mod damage;
mod documents;
mod insert;
mod migration;
mod outbox;
mod proven;
mod release;
mod revocation;
mod several;
mod usage;
mod world;
