//! The service with a real ledger in a temporary folder: without a network, and by HTTP on loopback.

#![allow(clippy::unwrap_used)]

mod backup;
mod check;
mod hostile;
mod http;
mod issuers;
mod ledger;
mod limits;
mod metrics;
mod pages;
mod policy;
mod race;
mod release;
mod restore;
mod revoke;
mod rotate;
mod secrets;
mod server;
mod tls;
mod upload;
mod world;
