//! Runs the transcripts of the READMEs as they stand there and compares what comes out with what they say.
//!
//! In a block marked `console`, a line that begins with `$ ` is typed into one shell that lives through the whole file,
//! a line that begins with `> ` continues it, every other line is expected output: `[..]` stands for anything within a
//! line, `...` alone for any number of lines. What differs from run to run (IDs, thumbprints, times, ports) only has to
//! be of the same shape. Each command must succeed, as the shell sees it. What the program prints as JSON must be what the
//! schema says, wherever it goes.

mod shell;
mod transcript;

use std::path::PathBuf;

use shell::Shell;
use transcript::{commands, matches};

fn run(file: &str, least: usize) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = std::fs::read_to_string(&path).expect("the README is there");
    let commands = commands(&text);
    assert!(
        commands.len() >= least,
        "{file} has {} commands, a tour has {least} or more",
        commands.len()
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut shell = Shell::start(folder.path());
    for command in &commands {
        let (output, exit) = shell.type_in(&command.typed);
        let place = format!("{file}, line {}: {}", command.line, command.typed);
        assert_eq!(
            exit,
            0,
            "{place}\nended with {exit} and printed:\n{}",
            output.join("\n")
        );
        assert!(
            matches(&command.expected, &output),
            "{place}\nprinted:\n{}\nand the README says:\n{}",
            output.join("\n"),
            command.expected.join("\n")
        );
    }
    let lines = keyferry_testkit::LineSchema::shipped().lines(&shell.lines());
    assert!(!lines.is_empty(), "{file} shows no line of JSON");
}

#[test]
fn the_tour_of_the_readme_is_true() {
    run("README.md", 12);
}

#[test]
fn the_tour_of_the_russian_readme_is_true() {
    run("README.ru.md", 12);
}

#[test]
fn both_readmes_type_the_same() {
    let typed = |file: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
        let text = std::fs::read_to_string(path).expect("the README is there");
        commands(&text)
            .into_iter()
            .map(|command| command.typed)
            .collect::<Vec<_>>()
    };
    assert_eq!(typed("README.md"), typed("README.ru.md"));
}

#[test]
fn a_wrong_transcript_is_noticed() {
    let told = commands("```console\n$ echo one; echo two\none\nthree\n```\n");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (output, exit) = Shell::start(folder.path()).type_in(&told[0].typed);
    assert_eq!(
        (output.as_slice(), exit),
        (["one".to_owned(), "two".to_owned()].as_slice(), 0)
    );
    assert!(!matches(&told[0].expected, &output));
}
