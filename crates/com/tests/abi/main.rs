//! The ABI as programs see it: a client in C++ is compiled with the header, linked with the shared library, and run.

mod agent;
mod client;
mod contract;
mod examples;
mod header;
mod installed;
mod sanitized;
mod transcripts;
