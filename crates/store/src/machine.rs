//! The machine's identity: what stays the same as long as it is the same installation of the same machine. Nothing
//! but the machine decides it: no variable, no setting.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files;

/// 32 bytes that only this machine has, from wherever the system keeps them.
pub struct MachineIdentity {
    secret: Zeroizing<[u8; 32]>,
    made: Option<PathBuf>,
}

const LABEL: &[u8] = b"keyferry v1 machine identity";

impl MachineIdentity {
    /// The system's own identity: `/etc/machine-id`, IOPlatformUUID, MachineGuid. Where there is none, a random one
    /// that is made once, in the state folder of the user or the system; [`Self::made`] tells.
    pub fn of_this_machine() -> Result<Self> {
        if let Some(id) = system::identity() {
            return Ok(Self::from_bytes(id.as_bytes()));
        }
        let Some(folder) = system::state_folder() else {
            let why = "the system has none, and there is no state folder to keep one in";
            return Err(Error::NoMachineIdentity { why: why.into() });
        };
        Self::made_in(&folder)
    }

    /// An identity that the application knows to be the machine's.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::new_with_prefix(LABEL).chain_update(bytes).finalize();
        Self {
            secret: Zeroizing::new(digest.into()),
            made: None,
        }
    }

    /// The file with the random identity, when the system had none: worth saying to the person.
    pub fn made(&self) -> Option<&Path> {
        self.made.as_deref()
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.secret.as_slice()
    }

    /// The random identity of this folder, made when it is absent.
    fn made_in(folder: &Path) -> Result<Self> {
        files::make_private_folder(folder)?;
        let path = folder.join("machine-id");
        let lock = files::lock(&folder.join("machine-id.lock"))?;
        if !path.try_exists().map_err(Error::io("look for", &path))? {
            let random: Zeroizing<[u8; 32]> = Zeroizing::new(keyferry_license::random()?);
            files::replace(&path, random.as_slice())?;
        }
        drop(lock);
        let bytes = Zeroizing::new(files::read_bounded(&path, 32)?);
        if bytes.len() != 32 {
            let why = "it is not 32 bytes long; delete it, and this becomes another machine";
            return Err(Error::damaged(&path, why));
        }
        let made = Some(path);
        Ok(Self {
            made,
            ..Self::from_bytes(&bytes)
        })
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! Linux: systemd's or D-Bus's machine-id.
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    use crate::files;

    pub fn identity() -> Option<String> {
        ["/etc/machine-id", "/var/lib/dbus/machine-id"]
            .into_iter()
            .find_map(|path| {
                let text = String::from_utf8(files::read_bounded(Path::new(path), 256).ok()?).ok()?;
                let id = text.trim();
                let whole = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
                (whole && id.bytes().any(|b| b != b'0')).then(|| id.to_ascii_lowercase())
            })
    }

    /// From the user's entry in the system's list, because variables decide nothing here.
    pub fn state_folder() -> Option<PathBuf> {
        let user = std::fs::metadata("/proc/self").ok()?.uid();
        let list = files::read_bounded(Path::new("/etc/passwd"), 1 << 20).ok()?;
        let list = String::from_utf8_lossy(&list).into_owned();
        let home = list.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            (fields.get(2)?.parse() == Ok(user)).then(|| fields.get(5).copied())?
        });
        let home = home.filter(|home| home.starts_with('/') && *home != "/");
        Some(match home {
            Some(home) => Path::new(home).join(".local/state/keyferry"),
            None => PathBuf::from("/var/lib/keyferry"),
        })
    }
}

#[cfg(windows)]
mod system {
    //! Windows: MachineGuid, which the installation of Windows makes. 32-bit programs ask for the same one.
    use std::path::PathBuf;

    use known_folders::{KnownFolder, get_known_folder_path};
    use windows_registry::LOCAL_MACHINE;

    pub fn identity() -> Option<String> {
        let mut options = LOCAL_MACHINE.options();
        let key = options.read().wow64_64().open(r"SOFTWARE\Microsoft\Cryptography");
        let id = key.and_then(|key| key.get_string("MachineGuid")).ok()?;
        (id.len() == 36).then(|| id.to_ascii_lowercase())
    }

    pub fn state_folder() -> Option<PathBuf> {
        get_known_folder_path(KnownFolder::ProgramData).map(|folder| folder.join("Keyferry"))
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod system {
    //! macOS: asked through a program of the system, by its full path.
    use std::path::PathBuf;
    use std::process::Command;

    pub fn identity() -> Option<String> {
        if !cfg!(target_os = "macos") {
            return None;
        }
        let arguments = ["-rd1", "-c", "IOPlatformExpertDevice"];
        let output = Command::new("/usr/sbin/ioreg").args(arguments).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| line.contains("IOPlatformUUID"))?;
        let value = line.split_whitespace().last()?.trim_matches('"');
        (value.len() == 36).then(|| value.to_ascii_lowercase())
    }

    pub fn state_folder() -> Option<PathBuf> {
        Some(PathBuf::from("/var/db/keyferry"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_identity_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state/keyferry");
        let first = MachineIdentity::made_in(&state).unwrap();
        let second = MachineIdentity::made_in(&state).unwrap();
        assert_eq!(first.expose(), second.expose());
        assert_eq!(second.made(), Some(state.join("machine-id").as_path()));
        std::fs::write(state.join("machine-id"), b"short").unwrap();
        assert!(matches!(
            MachineIdentity::made_in(&state),
            Err(Error::Damaged { .. })
        ));
    }

    #[test]
    fn different_bytes_are_different_machines() {
        let (a, b) = (
            MachineIdentity::from_bytes(b"a"),
            MachineIdentity::from_bytes(b"b"),
        );
        assert_ne!(a.expose(), b.expose());
    }
}
