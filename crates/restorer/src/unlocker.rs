//! How an encrypted backup is opened: the one who has the passphrase is asked when it is known what is needed.

use std::fmt;
use std::sync::Arc;

use keyferry_archive::{Encrypted, Unlock};

type Ask = dyn Fn(&Encrypted) -> Unlock + Send + Sync;

/// Gives what opens an encrypted backup. Called only if one is encrypted, from the operation's thread, before memory
/// is taken for it; [`Unlock::None`] says that nothing is at hand. The default has nothing.
#[derive(Clone)]
pub struct Unlocker(Arc<Ask>);

impl Unlocker {
    /// Asks this.
    pub fn new(ask: impl Fn(&Encrypted) -> Unlock + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// Always gives the same.
    pub fn with(unlock: Unlock) -> Self {
        Self::new(move |_| unlock.clone())
    }

    /// What opens this one.
    pub fn ask(&self, encrypted: &Encrypted) -> Unlock {
        (self.0)(encrypted)
    }
}

impl Default for Unlocker {
    fn default() -> Self {
        Self::with(Unlock::None)
    }
}

impl fmt::Debug for Unlocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unlocker(..)")
    }
}
