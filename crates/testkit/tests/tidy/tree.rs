//! The text files of the repository, without what is built or found by fuzzing.

use std::fs;
use std::path::Path;

/// A text file.
pub struct File {
    /// From the root, with `/` between its parts.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A file that is compiled for tests alone.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("tests.rs")
            || self.path.starts_with("crates/testkit/")
    }

    /// `found` at a line (from 1) of this file.
    pub fn at(&self, line: usize, found: &str) -> String {
        format!("{}:{line}: {found}", self.path)
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("two folders above crates/testkit")
}

/// What holds nothing written by people.
const SKIPPED: &[&str] = &[".git", "target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];

/// Every file under `root` that is UTF-8, sorted by path. Symbolic links are not followed.
pub fn files(root: &Path) -> Vec<File> {
    let mut files = Vec::new();
    walk(root, "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(root: &Path, folder: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(root.join(folder)).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let name = entry
            .file_name()
            .into_string()
            .expect("names in this repository are UTF-8");
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        let kind = entry.file_type().expect("an entry has a kind");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        if kind.is_dir() {
            walk(root, &path, files);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push(File { path, text });
        }
    }
}

/// A planted file.
#[cfg(test)]
pub fn planted(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn the_walk_skips_what_is_built_and_what_is_not_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, bytes) in [
        ("src/a.rs", &b"//! a"[..]),
        ("target/b.rs", b"b"),
        ("fuzz/corpus/c", b"c"),
        ("d", b"\xff"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, bytes).expect("written");
    }
    let found: Vec<String> = files(folder.path()).into_iter().map(|file| file.path).collect();
    assert_eq!(found, ["src/a.rs"]);
}
