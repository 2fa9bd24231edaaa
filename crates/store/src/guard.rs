//! The key guard: what ties computer.key to its machine. The file guard is the one that every machine has.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::machine::MachineIdentity;

/// Seals the key of `computer.key` for this machine. It is asked when the file is made and when it is opened, never
/// for each change.
pub trait KeyGuard: Send + Sync {
    /// Seals at most 64 bytes; the result is at most 16 KiB long.
    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>>;

    /// Opens what this machine sealed; [`Error::OtherMachine`] when another one did.
    fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>>;

    /// What messages call it, in lower case.
    fn name(&self) -> &'static str;
}

/// Seals under a key derived from the machine's identity. Who can read that identity and the file can open it.
pub struct FileGuard {
    machine: MachineIdentity,
}

const SALT: usize = 32;
const LABEL: &[u8] = b"keyferry v1 file guard";

impl FileGuard {
    /// The guard of this machine.
    pub fn new(machine: MachineIdentity) -> Self {
        Self { machine }
    }

    /// One key for each salt, so that the nonce may be zero.
    fn cipher(&self, salt: &[u8]) -> Result<Aes256Gcm> {
        let mut key = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha256>::new(Some(salt), self.machine.expose());
        let expanded = hkdf.expand(LABEL, key.as_mut_slice()).is_ok();
        let cipher = Aes256Gcm::new_from_slice(key.as_slice())
            .ok()
            .filter(|_| expanded);
        cipher.ok_or_else(|| self.failed("no key could be derived"))
    }

    fn failed(&self, why: &str) -> Error {
        Error::Guard {
            guard: self.name(),
            why: why.into(),
        }
    }
}

impl KeyGuard for FileGuard {
    fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let salt: [u8; SALT] = keyferry_license::random()?;
        let sealed = self.cipher(&salt)?.encrypt(&Nonce::default(), plain);
        let sealed = sealed.map_err(|_| self.failed("it does not seal"))?;
        Ok([salt.as_slice(), &sealed].concat())
    }

    fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let other = || Error::OtherMachine { guard: self.name() };
        let (salt, sealed) = sealed.split_at_checked(SALT).ok_or_else(other)?;
        let plain = self.cipher(salt)?.decrypt(&Nonce::default(), sealed);
        plain.map(Zeroizing::new).map_err(|_| other())
    }

    fn name(&self) -> &'static str {
        "file"
    }
}
