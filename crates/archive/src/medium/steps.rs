//! Steps on a medium, and how their failures are told.

use std::io::{self, ErrorKind};

use super::Medium;
use crate::error::{Error, Result};

/// The folder must be there, and be one; it is never made.
pub(super) fn require_folder(medium: &dyn Medium) -> Result<()> {
    let folder = || medium.folder();
    let why = match medium.is_folder() {
        Ok(true) => return Ok(()),
        Ok(false) => "it is not a folder",
        Err(error) => match error.kind() {
            ErrorKind::NotFound => "there is no such folder",
            ErrorKind::NotADirectory => "a part of its path is not a folder",
            _ => {
                let doing = "look";
                return Err(told(error, doing, folder()));
            }
        },
    };
    Err(Error::NoMedium {
        folder: folder(),
        why,
    })
}

/// Runs steps on a medium and tells their errors.
pub(super) struct Steps<'m>(pub &'m dyn Medium);

impl<'m> Steps<'m> {
    pub fn run<T>(
        &self,
        doing: &'static str,
        step: impl FnOnce(&'m dyn Medium) -> io::Result<T>,
    ) -> Result<T> {
        step(self.0).map_err(|error| {
            // A medium that was pulled out fails in many ways; that it is gone says more.
            self.still_there()
                .err()
                .unwrap_or_else(|| told(error, doing, self.0.folder()))
        })
    }

    /// The medium is there, and is the one that it was; what fails otherwise is told by who does it.
    pub fn still_there(&self) -> Result<()> {
        if let Err(gone @ Error::NoMedium { .. }) = require_folder(self.0) {
            return Err(gone);
        }
        match self.0.is_same() {
            Ok(false) => Err(Error::Swapped {
                folder: self.0.folder(),
            }),
            Ok(true) | Err(_) => Ok(()),
        }
    }
}

fn told(source: io::Error, doing: &'static str, folder: String) -> Error {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full { folder },
        ErrorKind::ReadOnlyFilesystem => Error::ReadOnly { folder },
        ErrorKind::FileTooLarge => Error::FileTooLong { folder, limit: None },
        ErrorKind::PermissionDenied => Error::Denied { doing, folder },
        _ => Error::Medium {
            doing,
            folder,
            source,
        },
    }
}
