//! Rules for Rust source.

use crate::mask::{lines_with, masks};
use crate::tree::File;

const LONGEST: usize = 400;
const LONGEST_TEST: usize = 600;

pub fn opens_with_its_purpose(file: &File) -> Vec<String> {
    if file.is_rust() && !file.text.starts_with("//!") {
        return vec![file.at(1, "a file opens with `//!`: what it is and what it is not")];
    }
    Vec::new()
}

pub fn is_short(file: &File) -> Vec<String> {
    let limit = if file.is_test() { LONGEST_TEST } else { LONGEST };
    let lines = file.text.lines().count();
    if file.is_rust() && lines > limit {
        return vec![file.at(lines, &format!("more than {limit} lines"))];
    }
    Vec::new()
}

pub fn is_finished(file: &File) -> Vec<String> {
    in_code(file, &["todo!", "unimplemented!", "dbg!", "#[ignore"])
}

pub fn is_safe(file: &File) -> Vec<String> {
    if file.path.starts_with("crates/com/") {
        Vec::new()
    } else {
        in_code(file, &["unsafe"])
    }
}

/// SQL stands in the store and in the service's ledger; tests may write a row by hand.
pub fn keeps_sql_in_its_place(file: &File) -> Vec<String> {
    const HOMES: &[&str] = &[
        "crates/store/",
        "crates/service/src/ledger/",
        "crates/service/src/ledger.",
    ];
    const STATEMENTS: &[&str] = &[
        "SELECT ",
        "INSERT INTO ",
        "INSERT OR ",
        "UPDATE ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "CREATE INDEX ",
        "DROP TABLE ",
        "ALTER TABLE ",
        "PRAGMA ",
        "BEGIN IMMEDIATE",
        "VACUUM",
    ];
    if HOMES.iter().any(|home| file.path.starts_with(home)) || file.is_test() {
        return Vec::new();
    }
    if file.path.ends_with(".sql") {
        return vec![file.at(1, "SQL outside the store and the service's ledger")];
    }
    if !file.is_rust() {
        return Vec::new();
    }
    let strings = masks(&file.text).strings;
    let found = STATEMENTS
        .iter()
        .flat_map(|statement| lines_with(&strings, statement));
    found
        .map(|line| file.at(line, "SQL outside the store and the service's ledger"))
        .collect()
}

/// Everything below the service's HTTP is synchronous.
pub fn keeps_async_in_its_place(file: &File) -> Vec<String> {
    if file.path.starts_with("crates/service/") || file.is_test() {
        return Vec::new();
    }
    in_code(file, &["async", ".await"])
}

/// A public error enum must be able to grow.
pub fn may_add_errors(file: &File) -> Vec<String> {
    if !file.is_rust() || file.is_test() {
        return Vec::new();
    }
    let code = masks(&file.text).code;
    let lines: Vec<&str> = code.lines().collect();
    let is_error = |line: &str| {
        let name = line
            .trim()
            .strip_prefix("pub enum ")
            .and_then(|rest| rest.split([' ', '{', '<']).next());
        name.is_some_and(|name| name.ends_with("Error"))
    };
    let may_grow = |at: usize| {
        let attributes = lines[..at]
            .iter()
            .rev()
            .take_while(|line| !line.trim_end().ends_with(['}', ';']));
        attributes
            .into_iter()
            .any(|line| line.contains("#[non_exhaustive]"))
    };
    (0..lines.len())
        .filter(|at| is_error(lines[*at]) && !may_grow(*at))
        .map(|at| file.at(at + 1, "a public error enum is `#[non_exhaustive]`"))
        .collect()
}

/// The HTTP client is used by one file of the restorer, and by no other (tests aside).
pub fn http_client_files(files: &[File]) -> Vec<String> {
    let uses = |file: &&File| {
        file.is_rust() && !file.is_test() && !lines_with(&masks(&file.text).code, "ureq").is_empty()
    };
    let users: Vec<&File> = files.iter().filter(uses).collect();
    let (inside, outside): (Vec<&File>, Vec<&File>) = users
        .into_iter()
        .partition(|file| file.path.starts_with("crates/restorer/src/"));
    let mut found: Vec<String> = outside
        .iter()
        .map(|file| file.at(1, "HTTP client outside the restorer"))
        .collect();
    if inside.len() != 1 {
        let paths: Vec<&str> = inside.iter().map(|file| file.path.as_str()).collect();
        found.push(format!(
            "HTTP client in {} files of the restorer, not in one: {}",
            inside.len(),
            paths.join(", ")
        ));
    }
    found
}

fn in_code(file: &File, words: &[&str]) -> Vec<String> {
    if !file.is_rust() {
        return Vec::new();
    }
    let code = masks(&file.text).code;
    let found = words
        .iter()
        .flat_map(|word| lines_with(&code, word).into_iter().map(move |line| (line, word)));
    found
        .map(|(line, word)| file.at(line, &format!("`{word}` doesn't belong here")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::planted;

    fn in_file(path: &str, text: &str, rule: fn(&File) -> Vec<String>) -> usize {
        rule(&planted(path, text)).len()
    }

    #[test]
    fn a_file_without_its_purpose_is_found() {
        assert_eq!(in_file("a.rs", "use std::io;\n", opens_with_its_purpose), 1);
        assert_eq!(in_file("a.rs", "//! This.\n", opens_with_its_purpose), 0);
        assert_eq!(in_file("a.md", "text", opens_with_its_purpose), 0);
    }

    #[test]
    fn a_long_file_is_found() {
        let text = "//\n".repeat(401);
        assert_eq!(in_file("src/a.rs", &text, is_short), 1);
        assert_eq!(in_file("src/a.rs", &text[3..], is_short), 0);
        assert_eq!(in_file("crates/a/tests/a.rs", &text, is_short), 0);
        assert_eq!(in_file("src/tests.rs", &"//\n".repeat(601), is_short), 1);
    }

    #[test]
    fn unfinished_code_is_found() {
        for text in [
            "todo!()",
            "unimplemented!(\"later\")",
            "dbg!(x)",
            "#[ignore]",
            "#[ignore = \"slow\"]",
        ] {
            assert_eq!(in_file("a.rs", text, is_finished), 1, "{text}");
            assert_eq!(in_file("a.rs", &format!("// {text}"), is_finished), 0, "{text}");
        }
    }

    #[test]
    fn unsafe_code_is_found_outside_the_abi() {
        assert_eq!(in_file("crates/cli/src/a.rs", "unsafe { f() }", is_safe), 1);
        assert_eq!(in_file("crates/com/src/a.rs", "unsafe { f() }", is_safe), 0);
        assert_eq!(
            in_file("crates/cli/src/a.rs", "#![forbid(unsafe_code)]", is_safe),
            0
        );
    }

    #[test]
    fn sql_is_found_outside_its_place() {
        let text = "let q = \"SELECT 1\";";
        for path in ["crates/cli/src/a.rs", "crates/service/src/policy.rs"] {
            assert_eq!(in_file(path, text, keeps_sql_in_its_place), 1, "{path}");
        }
        for path in [
            "crates/store/src/a.rs",
            "crates/service/src/ledger/sqlite.rs",
            "crates/service/src/ledger.rs",
        ] {
            assert_eq!(in_file(path, text, keeps_sql_in_its_place), 0, "{path}");
        }
        assert_eq!(in_file("crates/cli/src/a.sql", "", keeps_sql_in_its_place), 1);
        assert_eq!(
            in_file("crates/cli/src/a.rs", "// SELECT a place", keeps_sql_in_its_place),
            0
        );
    }

    #[test]
    fn async_code_is_found_outside_the_service() {
        assert_eq!(
            in_file(
                "crates/restorer/src/a.rs",
                "async fn f() { g().await }",
                keeps_async_in_its_place
            ),
            2
        );
        assert_eq!(
            in_file(
                "crates/service/src/a.rs",
                "async fn f() {}",
                keeps_async_in_its_place
            ),
            0
        );
    }

    #[test]
    fn an_error_that_can_not_grow_is_found() {
        let bare = "/// Why.\n#[derive(Debug)]\npub enum ReadError {\n    A,\n}\n";
        let open = format!("#[non_exhaustive]\n{bare}");
        assert_eq!(in_file("src/a.rs", bare, may_add_errors), 1);
        assert_eq!(in_file("src/a.rs", &open, may_add_errors), 0);
        assert_eq!(in_file("src/a.rs", &format!("{open}{bare}"), may_add_errors), 1);
        assert_eq!(in_file("src/a.rs", "pub enum Verdict {}", may_add_errors), 0);
    }

    #[test]
    fn a_second_http_client_is_found() {
        let one = || planted("crates/restorer/src/http.rs", "use ureq::Agent;");
        assert!(http_client_files(&[one()]).is_empty());
        assert_eq!(http_client_files(&[]).len(), 1);
        assert_eq!(
            http_client_files(&[one(), planted("crates/restorer/src/b.rs", "ureq::get(url)")]).len(),
            1
        );
        assert_eq!(
            http_client_files(&[one(), planted("crates/cli/src/b.rs", "ureq::get(url)")]).len(),
            1
        );
        assert!(http_client_files(&[one(), planted("crates/cli/src/b.rs", "// not ureq")]).is_empty());
    }
}
