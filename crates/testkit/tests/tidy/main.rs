//! What people would have to remember about this repository, held by a machine: each rule is a pure function over the
//! path and the text of a file, has a test that plants a violation, and is run here over the whole tree.

mod edges;
mod links;
mod manifest;
mod mask;
mod rust;
mod tree;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

use tree::File;

/// What is wrong with one file; empty when nothing is.
type Rule = fn(&File) -> Vec<String>;

const RULES: &[Rule] = &[
    rust::opens_with_its_purpose,
    rust::is_short,
    rust::is_finished,
    rust::is_safe,
    rust::keeps_sql_in_its_place,
    rust::keeps_async_in_its_place,
    rust::may_add_errors,
    words::names_no_place,
    words::has_no_reminder,
    words::spells_as_the_project_does,
    words::has_a_name_that_says_something,
    manifest::takes_the_lints_of_the_workspace,
    manifest::keeps_dependencies_in_their_place,
];

#[test]
fn every_file_follows_the_rules() {
    let files = tree::files(tree::root());
    assert!(
        files
            .iter()
            .any(|file| file.path == "crates/testkit/tests/tidy/main.rs"),
        "the walk is broken"
    );
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| RULES.iter().flat_map(|rule| rule(file)))
        .collect();
    assert!(found.is_empty(), "{}", list(&found));
}

#[test]
fn http_client_code_stands_in_one_file_of_the_restorer() {
    let found = rust::http_client_files(&tree::files(tree::root()));
    assert!(found.is_empty(), "{}", list(&found));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let found = links::dead_links(&tree::files(tree::root()));
    assert!(found.is_empty(), "{}", list(&found));
}

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let document =
        std::fs::read_to_string(tree::root().join("docs/architecture.md")).expect("docs/architecture.md");
    let allowed = edges::allowed(&document).expect("the edge table of docs/architecture.md");
    let found = edges::differences(&allowed, &edges::of_cargo(&metadata()));
    assert!(found.is_empty(), "{}", list(&found));
}

/// Cargo's own answer about the workspace, as JSON.
fn metadata() -> String {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(tree::root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("JSON is UTF-8")
}

fn list(found: &[String]) -> String {
    format!("{} found:\n{}", found.len(), found.join("\n"))
}

/// Names of the folders of `crates/`, for rules that speak of each crate.
fn crate_folders(root: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root.join("crates")).expect("crates/");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

#[test]
fn every_crate_is_looked_at() {
    let seen: BTreeSet<String> = tree::files(tree::root())
        .iter()
        .filter_map(|file| {
            file.path
                .strip_prefix("crates/")?
                .strip_suffix("/Cargo.toml")
                // What lies deeper is no crate of the workspace.
                .filter(|name| !name.contains('/'))
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(seen, crate_folders(tree::root()));
}
