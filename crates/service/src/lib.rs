//! The license management service: it decides how many computers may hold a license, and remembers.
//!
//! [`Service`] answers the messages of `docs/protocol.md`: bytes and the time go in, bytes come out. Beneath it stand
//! the [`policy`], a pure function, and the [`ledger`], its memory; [`serve`] puts HTTP and pages in front. A content
//! key passes through while its license is being judged and is kept nowhere.

mod allowance;
mod alone;
mod backup;
mod carried;
pub mod check;
mod error;
mod escrows;
mod files;
mod http;
mod identity;
mod issuers;
mod keys;
pub mod ledger;
mod limits;
mod metrics;
mod pace;
mod pages;
pub mod policy;
mod recovery;
mod release;
mod restore;
mod revoke;
mod service;
mod timed;

pub use alone::FolderLock;
pub use backup::{BackedUp, Restored, restore_backup, write_backup};
pub use carried::NotCarried;
pub use error::{Error, Result};
pub use http::{Front, Shutdown, Tls, serve, serve_front, serve_tls};
pub use keys::{CARD_FILE, KEY_FILE, SERVICE_KEY, ServiceKeys, read_card, rotate};
pub use limits::{Limits, OTHER_FILES};
pub use service::{LEDGER_FILE, Service, ServiceConfig};
