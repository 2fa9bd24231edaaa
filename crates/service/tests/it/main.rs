//! The service with a real ledger in a temporary folder, without a network.

mod restore;
mod world;
