//! How a backup gets onto a medium: whole or absent at every instant (docs/backup.md sections 9 to 11). The folder
//! is a trait, so that tests can fail or stop at every step of it.

mod find;
mod folder;
mod generations;
mod name;
mod naming;
mod publish;
mod steps;

use std::io::{self, Read, Seek, Write};

pub use find::{Found, choose, choose_with, find_backups};
pub use folder::FolderMedium;
pub use generations::{Earlier, Keep};
pub use name::{BackupName, Stage};
pub use publish::{Published, publish};

/// What can be read at any place.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// A file that is being made. While it lives no other process makes one of the same name.
pub trait NewFile: Write + Seek {
    /// Everything that was written is on the medium when this returns.
    fn sync(&mut self) -> io::Result<()>;
    /// Is the file that bears its name still this one? False when somebody removed or replaced it.
    fn is_in_place(&self) -> io::Result<bool>;
}

/// A folder on a medium. Names are plain file names. Every method either does what it says or fails and does
/// nothing.
pub trait Medium {
    /// The folder as a person knows it.
    fn folder(&self) -> String;
    /// Does the folder exist, and is it one? `Ok(false)` if it is something else, `NotFound` if it is missing.
    fn is_folder(&self) -> io::Result<bool>;
    /// Is it the folder that it was when it was first looked at? `true` where nobody can tell.
    fn is_same(&self) -> io::Result<bool> {
        Ok(true)
    }
    /// The names in it.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Is there a file of this name?
    fn exists(&self, name: &str) -> io::Result<bool>;
    /// When a file was last written to, in Unix seconds; 0 for a time before 1970.
    fn modified(&self, name: &str) -> io::Result<u64>;
    /// Opens a file to read.
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadSeek>>;
    /// Opens a file such that it is read from the medium itself where that can be, not from the system's memory.
    fn open_uncached(&self, name: &str) -> io::Result<Box<dyn ReadSeek>>;
    /// Makes a new, empty file in place of what a process that is gone left behind. `WouldBlock` if another process
    /// is making it.
    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>>;
    /// Gives a file a second name that must be free (`AlreadyExists` if not). Fails where there are no hard links.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    /// Gives a file another name; replaces what bears it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Names that were given and removed are on the medium when this returns.
    fn sync_folder(&self) -> io::Result<()>;
}
