//! The folder that makes a computer: where it is when nobody says, and how it is made.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use keyferry_store::{FileGuard, MachineIdentity};

use crate::error::{Error, Result};
use crate::object::Restorer;

/// The environment variable that names this computer's folder.
pub const HOME_VARIABLE: &str = "KEYFERRY_HOME";

/// This computer's folder when nobody names another: what [`HOME_VARIABLE`] says, else one in the platform's folder for
/// data of this user. None where there is no user's home.
pub fn default_home() -> Option<PathBuf> {
    if let Some(home) = std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
        return Some(home.into());
    }
    let base = choose_native_strategy().ok()?;
    // On Windows the data folder roams to other computers; what is bound to this one must not.
    Some(if cfg!(windows) {
        base.cache_dir().join("Keyferry")
    } else {
        base.data_dir().join("keyferry")
    })
}

/// Makes the folder if it is absent, readable by its owner only.
pub fn make_home(home: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home)
}

impl Restorer {
    /// The object of this computer: its folder (made if absent) and what ties it to this machine. None: the
    /// [`default_home`].
    pub fn of_this_computer(home: Option<&Path>) -> Result<Self> {
        let home = match home {
            Some(home) => home.to_owned(),
            None => default_home().ok_or(Error::NoHome)?,
        };
        make_home(&home).map_err(|error| Error::HomeNotMade {
            home: home.clone(),
            why: error.to_string(),
        })?;
        let machine = MachineIdentity::of_this_machine()?;
        Ok(Self::new(home, Arc::new(FileGuard::new(machine))))
    }
}
