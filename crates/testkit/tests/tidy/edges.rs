//! Which crate may depend on which: the table of docs/architecture.md against cargo's own answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// For each crate of the workspace, those that it depends on (dev-dependencies aside).
pub type Edges = BTreeMap<String, BTreeSet<String>>;

const HEADER: [&str; 2] = ["crate", "may depend on"];

/// The table under the header `| crate | may depend on |`; names stand in backquotes, and what isn't is prose.
pub fn allowed(document: &str) -> Result<Edges, String> {
    let mut rows = document.lines().skip_while(|line| cells(line) != HEADER).skip(1);
    let ruler = rows
        .next()
        .ok_or("no table with the header | crate | may depend on |")?;
    if !ruler.starts_with("|-") {
        return Err(format!("not the line under a header: {ruler}"));
    }
    let mut edges = Edges::new();
    for row in rows.take_while(|line| line.starts_with('|')) {
        let [name, dependencies] = cells(row)[..] else {
            return Err(format!("not two cells: {row}"));
        };
        let [name] = &names(name)[..] else {
            return Err(format!("not one crate: {row}"));
        };
        if edges
            .insert(name.clone(), names(dependencies).into_iter().collect())
            .is_some()
        {
            return Err(format!("a second row for {name}"));
        }
    }
    Ok(edges)
}

fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// What stands between backquotes.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// From the output of `cargo metadata --format-version 1 --no-deps`.
pub fn of_cargo(metadata: &str) -> Edges {
    let metadata: Value = serde_json::from_str(metadata).expect("cargo's answer is JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let name = |package: &Value| package["name"].as_str().expect("a name").to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies").iter();
        all.filter(|dependency| dependency["kind"] != "dev")
            .map(name)
            .filter(|name| members.contains(name))
            .collect()
    };
    packages
        .iter()
        .map(|package| (name(package), dependencies(package)))
        .collect()
}

/// Edges that the table doesn't allow, and crates that only one side knows.
pub fn differences(allowed: &Edges, actual: &Edges) -> Vec<String> {
    let mut found = Vec::new();
    for name in allowed.keys().filter(|name| !actual.contains_key(*name)) {
        found.push(format!(
            "docs/architecture.md has a row for {name}, cargo doesn't know it"
        ));
    }
    for (name, dependencies) in actual {
        match allowed.get(name) {
            None => found.push(format!("{name} has no row in docs/architecture.md")),
            Some(row) => {
                let more = dependencies.difference(row);
                found.extend(
                    more.map(|other| format!("{name} depends on {other}, docs/architecture.md says no")),
                );
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "\n| crate | may depend on |\n|---|---|\n| `a` | none |\n| `b` | `a`, `c` |\n\nrest `d`\n";

    fn edges(list: &[(&str, &[&str])]) -> Edges {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        list.iter()
            .map(|(name, names)| ((*name).to_owned(), owned(names)))
            .collect()
    }

    #[test]
    fn the_table_is_read() {
        assert_eq!(allowed(TABLE), Ok(edges(&[("a", &[]), ("b", &["a", "c"])])));
    }

    #[test]
    fn a_broken_table_is_no_table() {
        for text in [
            "",
            "| crate | may depend on |",
            "| crate | may depend on |\n|---|---|\n| `a` |\n",
        ] {
            assert!(allowed(text).is_err(), "{text}");
        }
        assert!(allowed(&TABLE.replace("`b`", "`a`")).is_err());
        assert!(allowed(&TABLE.replace("`b`", "b")).is_err());
    }

    #[test]
    fn cargo_answer_without_dev_dependencies() {
        let answer = r#"{"packages":[
            {"name":"a","dependencies":[{"name":"serde","kind":null},{"name":"b","kind":"dev"}]},
            {"name":"b","dependencies":[{"name":"a","kind":null},{"name":"c","kind":"build"}]},
            {"name":"c","dependencies":[]}]}"#;
        assert_eq!(
            of_cargo(answer),
            edges(&[("a", &[]), ("b", &["a", "c"]), ("c", &[])])
        );
    }

    #[test]
    fn an_edge_too_many_is_found() {
        let table = edges(&[("a", &[]), ("b", &["a"])]);
        assert!(differences(&table, &edges(&[("a", &[]), ("b", &[])])).is_empty());
        let found = differences(&table, &edges(&[("a", &["b"]), ("b", &["a"])]));
        assert_eq!(found, ["a depends on b, docs/architecture.md says no"]);
    }

    #[test]
    fn a_crate_that_one_side_does_not_know_is_found() {
        let (small, large) = (edges(&[("a", &[])]), edges(&[("a", &[]), ("b", &[])]));
        assert_eq!(differences(&small, &large).len(), 1);
        assert_eq!(differences(&large, &small).len(), 1);
    }
}
