//! Links between documents: a relative link of a Markdown file leads to a file or folder of this repository.

use std::collections::BTreeSet;

use crate::tree::File;

/// Links that lead nowhere; what is on the web isn't asked.
pub fn dead_links(files: &[File]) -> Vec<String> {
    let mut places: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let folders: Vec<&str> = places.iter().flat_map(|path| parents(path)).collect();
    places.extend(folders);
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|file| dead_links_of(file, &places)).collect()
}

fn dead_links_of(file: &File, places: &BTreeSet<&str>) -> Vec<String> {
    let folder = parents(&file.path).next().unwrap_or("");
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for target in targets(line) {
            if !places.contains(resolve(folder, target).as_str()) {
                found.push(file.at(number + 1, &format!("leads nowhere: {target}")));
            }
        }
    }
    found
}

/// The relative targets of `[text](target)` in a line, without their anchors.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let targets = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':'))
}

/// The folders above a path, nearest first, the root left out.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/'), |(parent, _)| parent.rsplit_once('/'))
        .map(|(parent, _)| parent)
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if !parts.is_empty() => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::dead_links;
    use crate::tree::planted;

    #[test]
    fn a_dead_link_is_found() {
        let good =
            "[a](b.md#part) [b](../README.md), [c](../docs/) and [d](https://example.com/x) or [e](#here)";
        let mut files = vec![
            planted("README.md", ""),
            planted("docs/a.md", good),
            planted("docs/b.md", ""),
        ];
        assert_eq!(dead_links(&files), Vec::<String>::new());
        files.push(planted("docs/c.md", "one\n[a](README.md) [b](../../README.md)"));
        let found = dead_links(&files);
        assert_eq!(
            found,
            [
                "docs/c.md:2: leads nowhere: README.md",
                "docs/c.md:2: leads nowhere: ../../README.md"
            ]
        );
    }
}
