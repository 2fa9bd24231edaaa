//! The trip as a whole: licenses backed up on one computer open on another, with real stores, backup files and a real
//! ledger. Each module holds one promise.

mod answers;
mod careless;
mod challenged;
mod consent;
mod damage;
mod documents;
mod forged;
mod hosted;
mod ledger;
mod machine;
mod medium;
mod planning;
mod recovering;
mod rehearsing;
mod release;
mod restricted;
mod revocation;
mod rights;
mod secrets;
mod selecting;
mod slots;
mod stopping;
mod transcripts;
mod waiting;
