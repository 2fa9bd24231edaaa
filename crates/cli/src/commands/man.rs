//! `keyferry man`: manual pages, made from the same definition as the help.

use std::io::{self, Write};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{self, ENVIRONMENT, EXIT_CODES, FILES, ManArgs};
use crate::context::Context;
use crate::failed::{Failed, Result};
use crate::files::{self, Readers};
use crate::words;

/// The name of the manual, in the middle of the first line of each page.
const MANUAL: &str = "Keyferry manual";

/// Prints one page, or writes them all.
pub fn run(context: &Context, args: &ManArgs) -> Result<()> {
    let mut program = args::command();
    program.build();
    let Some(folder) = &args.to else {
        let words: Vec<&str> = args
            .words
            .iter()
            .flat_map(|word| word.split_whitespace())
            .collect();
        let page = page(find(&program, &words)?);
        context.output.document("man", &page.text);
        return Ok(());
    };
    let pages = pages(&program);
    for page in &pages {
        let path = folder.join(&page.name);
        files::write_new(&path, true, Readers::Everybody, page.text.as_bytes())?;
    }
    context.output.note(format_args!(
        "{} written to {}",
        words::count(pages.len() as u64, "page"),
        words::path(folder)
    ));
    Ok(())
}

fn find<'c>(program: &'c clap::Command, words: &[&str]) -> Result<&'c clap::Command> {
    let mut command = program;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            let typed = keyferry_license::printable(&words.join(" "));
            Failed::usage(format!("there is no command {typed:?}")).hint("`keyferry --help` shows them all")
        })?;
    }
    Ok(command)
}

/// A manual page.
struct Page {
    /// Name of its file.
    name: String,
    text: String,
}

/// The page of this command, and those of all below it.
fn pages(command: &clap::Command) -> Vec<Page> {
    let below = command.get_subcommands().flat_map(pages);
    std::iter::once(page(command)).chain(below).collect()
}

/// No date and no path stands in a page: one version makes one text.
fn page(command: &clap::Command) -> Page {
    let name = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned();
    let version = concat!("keyferry ", env!("CARGO_PKG_VERSION"));
    // The options that every command takes stand in the page of the program, which each page names.
    let own = command.clone().mut_args(|arg| {
        let is_common = arg.get_help_heading() == Some(args::GLOBAL_HEADING);
        arg.hide(is_common && name != "keyferry")
    });
    let man = Man::new(own)
        .title(name.to_uppercase())
        .date(" ")
        .source(version)
        .manual(MANUAL);
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = render(&man, command, &mut text);
    Page {
        name: format!("{name}.1"),
        text: String::from_utf8_lossy(&text).chars().map(in_ascii).collect(),
    }
}

/// Every roff reads ASCII; what else there is has a name in it.
fn in_ascii(c: char) -> String {
    if c.is_ascii() {
        return c.into();
    }
    format!("\\[u{:04X}]", u32::from(c))
}

fn render(man: &Man, command: &clap::Command, out: &mut impl Write) -> io::Result<()> {
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    let mut more = Roff::new();
    let codes: Vec<(String, &str)> = EXIT_CODES
        .iter()
        .map(|(code, meaning)| (code.to_string(), *meaning))
        .collect();
    section(
        &mut more,
        "EXIT STATUS",
        codes.iter().map(|(code, meaning)| (code.as_str(), *meaning)),
    );
    section(&mut more, "ENVIRONMENT", ENVIRONMENT.iter().copied());
    section(&mut more, "FILES", FILES.iter().copied());
    more.control("PP", []);
    more.text([roman("These lie in this computer's folder.")]);
    see_also(&mut more, command);
    more.to_writer(out)
}

fn section<'t>(page: &mut Roff, title: &str, rows: impl Iterator<Item = (&'t str, &'t str)>) {
    page.control("SH", [title]);
    for (name, meaning) in rows {
        page.control("TP", []);
        page.text([bold(name)]);
        page.text([roman(meaning)]);
    }
}

/// The page above, for the options that every command takes.
fn see_also(page: &mut Roff, command: &clap::Command) {
    let name = command.get_display_name().unwrap_or(command.get_name());
    if let Some((above, _)) = name.rsplit_once('-') {
        page.control("SH", ["SEE ALSO"]);
        let mut seen = vec![bold("keyferry"), roman("(1)")];
        if above != "keyferry" {
            seen.extend([roman(", "), bold(above), roman("(1)")]);
        }
        page.text(seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Page> {
        let mut program = args::command();
        program.build();
        pages(&program)
    }

    #[test]
    fn every_command_has_its_page_and_none_is_hidden() {
        fn names(command: &clap::Command, before: &str, found: &mut Vec<String>) {
            assert!(!command.is_hide_set(), "{before}");
            for arg in command.get_arguments() {
                assert!(!arg.is_hide_set(), "{before}: {}", arg.get_id());
            }
            found.push(format!("{before}.1"));
            for sub in command.get_subcommands() {
                names(sub, &format!("{before}-{}", sub.get_name()), found);
            }
        }
        let mut expected = Vec::new();
        names(&args::command(), "keyferry", &mut expected);
        let pages = all();
        let made: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        assert_eq!(made, expected);
        assert!(made.contains(&"keyferry-trust-add.1"), "{made:?}");
    }

    #[test]
    fn a_page_has_every_option_and_every_section() {
        let mut program = args::command();
        program.build();
        for page in pages(&program) {
            let words: Vec<&str> = page.name.trim_end_matches(".1").split('-').skip(1).collect();
            let command = find(&program, &words).unwrap();
            let text = page.text.replace('\\', "");
            for arg in command.get_arguments() {
                let is_common = arg.get_help_heading() == Some(args::GLOBAL_HEADING);
                if let Some(long) = arg.get_long().filter(|_| !is_common || words.is_empty()) {
                    assert!(text.contains(&format!("--{long}")), "{}: --{long}", page.name);
                }
            }
            for section in ["NAME", "SYNOPSIS", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES"] {
                assert!(
                    text.contains(&format!(".SH {section}\n")),
                    "{}: {section}",
                    page.name
                );
            }
        }
    }

    #[test]
    fn pages_are_the_same_each_time() {
        for (one, other) in all().iter().zip(all()) {
            assert_eq!(one.text, other.text);
        }
    }
}
