//! Rules for words, in every text file: what a reader elsewhere can't follow, what was put off, and spelling.

use crate::mask::{contains_word, masks};
use crate::tree::File;

/// This file lists the words that it forbids.
const THIS: &str = "crates/testkit/tests/tidy/words.rs";

/// Paths and hosts of one machine, and files outside the repository, mean nothing to a reader.
pub fn names_no_place(file: &File) -> Vec<String> {
    const PLACES: &[&str] = &[
        "/root/",
        "/work/",
        "../shared",
        "artifactory",
        "index.crates.io",
        "static.crates.io",
        "registry.npmjs.org",
        "pypi.org",
        "pythonhosted.org",
        "deb.debian.org",
    ];
    if file.path == THIS {
        return Vec::new();
    }
    each_line(file, &file.text, |line| {
        PLACES.iter().find(|place| line.contains(**place)).copied()
    })
}

/// What is left to do is an issue, not a comment.
pub fn has_no_reminder(file: &File) -> Vec<String> {
    const REMINDERS: &[&str] = &["TODO", "FIXME", "XXX"];
    if file.path == THIS || is_foreign(file) {
        return Vec::new();
    }
    let text = if file.is_rust() {
        masks(&file.text).comments
    } else {
        file.text.clone()
    };
    each_line(file, &text, |line| {
        REMINDERS
            .iter()
            .find(|reminder| contains_word(line, reminder))
            .copied()
    })
}

/// American spelling, and one word for one thing: what a person starts is an operation.
pub fn spells_as_the_project_does(file: &File) -> Vec<String> {
    const SPELLINGS: &[&str] = &[
        "licence",
        "behaviour",
        "colour",
        "authorise",
        "individualise",
        "initialise",
        "recognise",
        "serialise",
    ];
    if file.path == THIS || is_foreign(file) {
        return Vec::new();
    }
    each_line(file, &file.text, |line| {
        let line = line.to_lowercase();
        let spelled = SPELLINGS
            .iter()
            .find(|spelling| line.contains(**spelling))
            .copied();
        // TLS and D-Bus have theirs, and keep the word.
        let named = line.replace("tls session", "").replace("session bus", "");
        let operation = ["session", "sessions"]
            .into_iter()
            .find(|word| contains_word(&named, word));
        spelled.or(operation)
    })
}

/// A folder or module is named for what it holds.
pub fn has_a_name_that_says_something(file: &File) -> Vec<String> {
    const NAMES: &[&str] = &["common", "util", "utils", "misc", "helpers"];
    let mut parts = file
        .path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part));
    match parts.find(|part| NAMES.contains(part)) {
        Some(part) => vec![file.at(1, &format!("`{part}` says nothing about what it holds"))],
        None => Vec::new(),
    }
}

/// Written elsewhere, and kept as it came.
fn is_foreign(file: &File) -> bool {
    file.path.contains("testdata/") || file.path == "Cargo.lock" || file.path.starts_with("LICENSE-")
}

fn each_line<'a>(file: &File, text: &str, find: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| Some(file.at(number + 1, &format!("`{}`", find(line)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::planted;

    #[test]
    fn a_place_is_found() {
        for text in [
            "see /work/main",
            "in ../shared/design.md",
            "/root/.cargo",
            "https://pypi.org/simple",
        ] {
            assert_eq!(names_no_place(&planted("README.md", text)).len(), 1, "{text}");
        }
        assert!(names_no_place(&planted("README.md", "see docs/framework/work.md and crates.io")).is_empty());
    }

    #[test]
    fn a_reminder_is_found() {
        assert_eq!(
            has_no_reminder(&planted("a.rs", "// TODO: more\nlet a = \"TODO\";")).len(),
            1
        );
        assert_eq!(
            has_no_reminder(&planted("a.md", "one\nFIXME\nXXX")),
            ["a.md:2: `FIXME`", "a.md:3: `XXX`"]
        );
        assert!(has_no_reminder(&planted("a.md", "TODOs of others")).is_empty());
    }

    #[test]
    fn a_spelling_is_found() {
        for text in ["a Licence", "its behaviour", "in one session", "Sessions end"] {
            assert_eq!(
                spells_as_the_project_does(&planted("a.md", text)).len(),
                1,
                "{text}"
            );
        }
        for text in ["a license", "a TLS session", "the session bus", "obsession"] {
            assert!(
                spells_as_the_project_does(&planted("a.md", text)).is_empty(),
                "{text}"
            );
        }
        assert!(spells_as_the_project_does(&planted("crates/a/testdata/b.txt", "licence")).is_empty());
    }

    #[test]
    fn an_empty_name_is_found() {
        for path in [
            "crates/common/src/lib.rs",
            "crates/cli/src/utils.rs",
            "crates/cli/tests/util/mod.rs",
        ] {
            assert_eq!(
                has_a_name_that_says_something(&planted(path, "")).len(),
                1,
                "{path}"
            );
        }
        assert!(has_a_name_that_says_something(&planted("crates/cli/src/commonly.rs", "")).is_empty());
    }
}
