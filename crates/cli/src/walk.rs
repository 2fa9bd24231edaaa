//! The files below what a person named. Folders are walked to a bounded depth; links in them are not followed, because
//! one may lead out of the folder or back into it. What can't be looked at is named and left.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use crate::failed::plain;

/// Folders within each other, below the one that was named.
const DEPTH: usize = 32;

/// What was found.
#[derive(Default)]
pub struct Walked {
    /// Files, each once.
    pub files: BTreeSet<PathBuf>,
    /// What was left.
    pub skipped: Vec<Left>,
}

/// Something that was left, and why.
pub struct Left {
    pub path: PathBuf,
    /// A word for programs.
    pub reason: &'static str,
    /// The same for people.
    pub why: String,
}

impl Left {
    /// What the system does not let anybody read.
    pub fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self {
            path: path.to_owned(),
            reason: "unreadable",
            why: plain(error),
        }
    }

    fn because(path: PathBuf, reason: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { path, reason, why }
    }
}

/// Looks at everything that was named. A link that was named itself is followed: a person said so.
pub fn walk(paths: &[PathBuf]) -> Walked {
    let mut walked = Walked::default();
    for path in paths {
        match path.metadata() {
            Ok(about) if about.is_dir() => walked.look_into(path, 0),
            Ok(_) => _ = walked.files.insert(path.clone()),
            Err(error) => walked.skipped.push(Left::unreadable(path, &error)),
        }
    }
    walked
}

impl Walked {
    fn look_into(&mut self, folder: &Path, depth: usize) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        match entries {
            Ok(mut entries) => {
                entries.sort_by_key(DirEntry::file_name);
                entries.iter().for_each(|entry| self.look_at(entry, depth));
            }
            Err(error) => self.skipped.push(Left::unreadable(folder, &error)),
        }
    }

    fn look_at(&mut self, entry: &DirEntry, depth: usize) {
        let path = entry.path();
        match entry.file_type() {
            Err(error) => self.skipped.push(Left::unreadable(&path, &error)),
            Ok(kind) if kind.is_file() => _ = self.files.insert(path),
            Ok(kind) if kind.is_dir() && depth < DEPTH => self.look_into(&path, depth + 1),
            Ok(kind) if kind.is_dir() => {
                let why = format!("more than {DEPTH} folders deep");
                self.skipped.push(Left::because(path, "too-deep", why));
            }
            Ok(kind) if kind.is_symlink() => {
                let why = "a link, which is not followed: name what it leads to";
                self.skipped.push(Left::because(path, "link", why));
            }
            Ok(_) => {
                let why = "neither a file nor a folder";
                self.skipped.push(Left::because(path, "no-file", why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_end_at_a_depth() {
        let root = tempfile::tempdir().unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", DEPTH).collect();
        let deep = root.path().join(deep);
        fs::create_dir_all(deep.join("d")).unwrap();
        fs::write(deep.join("in.lic"), "x").unwrap();
        fs::write(deep.join("d/out.lic"), "x").unwrap();
        let walked = walk(&[root.path().to_owned(), root.path().to_owned()]);
        assert_eq!(walked.files.len(), 1);
        assert!(walked.files.contains(&deep.join("in.lic")));
        assert_eq!(walked.skipped[0].path, deep.join("d"));
        assert_eq!(walked.skipped[0].reason, "too-deep");
    }
}
