//! Rules for the manifests of the crates.

use crate::tree::File;

/// The crate at the boundary to C, and its client on Windows: they have unsafe code, which the workspace forbids, and
/// explain each block of it.
const BOUNDARY: [&str; 2] = [
    "crates/com/Cargo.toml",
    "crates/com/tests/windows-client/Cargo.toml",
];

/// A crate that forgets this is not linted at all.
pub fn takes_the_lints_of_the_workspace(file: &File) -> Vec<String> {
    if BOUNDARY.contains(&file.path.as_str()) {
        let explained = r#"undocumented_unsafe_blocks = "deny""#;
        return match section(&file.text, "lints.clippy").any(|line| line == explained) {
            true => Vec::new(),
            false => vec![file.at(1, "unsafe blocks need not be explained here")],
        };
    }
    if is_of_a_crate(file) && !section(&file.text, "lints").any(|line| line == "workspace = true") {
        return vec![file.at(1, "`[lints] workspace = true` is missing")];
    }
    Vec::new()
}

/// Dependencies that belong to some crates only; what tests use is not asked.
pub fn keeps_dependencies_in_their_place(file: &File) -> Vec<String> {
    const PLACES: &[(&str, &[&str])] = &[
        ("anyhow", &["crates/cli/", "xtask/"]),
        ("axum", &["crates/service/"]),
        ("rusqlite", &["crates/store/", "crates/service/"]),
        ("tokio", &["crates/service/"]),
        ("ureq", &["crates/restorer/"]),
    ];
    if !is_of_a_crate(file) || file.path.starts_with("crates/testkit/") {
        return Vec::new();
    }
    let named = section(&file.text, "dependencies").filter_map(|line| line.split(['.', ' ', '=']).next());
    let misplaced = named.filter(|name| {
        let place = PLACES.iter().find(|(dependency, _)| dependency == name);
        place.is_some_and(|(_, homes)| !homes.iter().any(|home| file.path.starts_with(home)))
    });
    misplaced
        .map(|name| file.at(1, &format!("`{name}` doesn't belong into this crate")))
        .collect()
}

fn is_of_a_crate(file: &File) -> bool {
    file.path.ends_with("/Cargo.toml")
        && (file.path.starts_with("crates/") || file.path.starts_with("xtask/"))
}

/// The lines of one section, trimmed.
fn section<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let header = format!("[{name}]");
    let mut lines = text.lines().map(str::trim);
    let _ = lines.find(|line| *line == header);
    lines.take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::planted;

    #[test]
    fn a_crate_without_lints_is_found() {
        for text in [
            "[package]\nname = \"a\"\n",
            "[lints]\n[profile]\nworkspace = true\n",
        ] {
            assert_eq!(
                takes_the_lints_of_the_workspace(&planted("crates/a/Cargo.toml", text)).len(),
                1,
                "{text}"
            );
        }
        let good = planted("crates/a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n");
        assert!(takes_the_lints_of_the_workspace(&good).is_empty());
        assert!(takes_the_lints_of_the_workspace(&planted("Cargo.toml", "[workspace]")).is_empty());
        let explains = "[lints.clippy]\nundocumented_unsafe_blocks = \"deny\"\n";
        for (text, found) in [(explains, 0), ("[lints]\nworkspace = true\n", 1)] {
            for path in BOUNDARY {
                assert_eq!(
                    takes_the_lints_of_the_workspace(&planted(path, text)).len(),
                    found
                );
            }
        }
    }

    #[test]
    fn a_misplaced_dependency_is_found() {
        let text =
            "[dependencies]\nanyhow.workspace = true\nureq = \"3\"\n[dev-dependencies]\ntokio = \"1\"\n";
        assert_eq!(
            keeps_dependencies_in_their_place(&planted("crates/license/Cargo.toml", text)).len(),
            2
        );
        assert_eq!(
            keeps_dependencies_in_their_place(&planted("crates/restorer/Cargo.toml", text)).len(),
            1
        );
    }
}
