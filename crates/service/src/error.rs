//! What can go wrong in a service, apart from what is wrong with a request: that is answered, not raised.

use std::io;
use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the service can't start, or can't answer now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the service's folder, or a socket.
    #[error("can't {action} {}: {source}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another service runs in the folder; there the ledger and the card are its own.
    #[error("a service runs in {} already{by}", dir.display())]
    Running {
        /// The folder.
        dir: PathBuf,
        /// Which one, as far as it says: its process and its address.
        by: String,
    },
    /// A folder has a card, and the keys that it names are gone. New ones would make another service.
    #[error("there is a card in {}, and no service.key with its keys", dir.display())]
    KeysGone {
        /// The folder.
        dir: PathBuf,
    },
    /// A card or a key that is not acceptable.
    #[error(transparent)]
    Document(#[from] keyferry_license::Error),
    /// The operator asked for something that can't be.
    #[error("{field}: {why}")]
    Config {
        /// Which setting.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// The ledger failed; nothing was acknowledged that isn't in it.
    #[error("the ledger can't {action}: {why}")]
    Ledger {
        /// What was being done.
        action: &'static str,
        /// What the database said.
        why: String,
    },
    /// The ledger holds something that this program did not write.
    #[error("the ledger is damaged: {0}")]
    LedgerDamaged(&'static str),
    /// The ledger was written by a newer version.
    #[error("the ledger has version {found}, this program knows {known}; use a newer Keyferry")]
    LedgerTooNew {
        /// What stands in the ledger.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// A certificate or its key that can't be served with.
    #[error("{}: {why}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The server's runtime or socket.
    #[error("can't {action}: {source}")]
    Network {
        /// What was being done.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Error::File { action, path, source }
    }
}
