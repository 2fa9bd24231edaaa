//! The trip as a whole: licenses backed up on one computer open on another, with real stores, backup files and a real
//! ledger. Each module holds one promise.

mod answers;
mod consent;
mod ledger;
mod medium;
mod slots;
mod stopping;
mod transcripts;
