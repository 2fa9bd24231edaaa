//! The help of the whole program, with its commands in groups; clap alone would list them in one.

use std::fmt::Write;

use clap::CommandFactory;

use super::Cli;

/// A line of the help is at most so long.
const WIDTH: usize = 100;
/// Each command stands in one group; a test holds that.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Move",
        &[
            "backup",
            "restore",
            "verify",
            "repair",
            "list",
            "drives",
            "authorize",
        ],
    ),
    (
        "Mine",
        &["import", "export", "show", "use", "trust", "computer", "receipts"],
    ),
    ("Issuers", &["issuer"]),
    ("Operators", &["serve", "service"]),
    ("More", &["demo", "completions", "man", "schema"]),
];

/// What an exit code means.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "done"),
    (1, "failure"),
    (2, "usage"),
    (3, "partly done"),
    (4, "a backup or file exists"),
    (5, "damaged"),
    (6, "service unavailable"),
    (7, "refused"),
    (8, "consent or trust needed"),
    (10, "medium or backup not there"),
    (11, "another operation runs"),
    (12, "wrong passphrase"),
    (130, "canceled"),
];

/// What the environment decides.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("KEYFERRY_HOME", "this computer's folder, unless --home names it"),
    ("NO_COLOR", "if it is set and not empty, nothing is colored"),
];

/// What lies in this computer's folder.
pub const FILES: &[(&str, &str)] = &[
    (
        "computer.key",
        "this computer's secrets; deleting it makes it another computer",
    ),
    (
        "store.sqlite",
        "the licenses that it holds; deleting it empties the computer, which stays known",
    ),
];

/// The command line, ready to parse.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let groups = groups(&command);
    command.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{groups}Global options:\n{{options}}\n\n\
         Exit codes:\n{}\nEnvironment:\n{}\nFiles in this computer's folder:\n{}\n\
         `keyferry COMMAND --help` says more about a command.",
        exit_codes(),
        rows(ENVIRONMENT),
        rows(FILES)
    ))
}

fn exit_codes() -> String {
    let mut lines = vec![String::from(" ")];
    for (index, (code, meaning)) in EXIT_CODES.iter().enumerate() {
        let comma = if index + 1 < EXIT_CODES.len() { "," } else { "" };
        let item = format!(" {code} {meaning}{comma}");
        match lines.last_mut() {
            Some(line) if line.len() + item.len() <= WIDTH => line.push_str(&item),
            _ => lines.push(format!(" {item}")),
        }
    }
    lines.join("\n") + "\n"
}

fn rows(table: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, meaning) in table {
        let _ = writeln!(out, "  {name:<13} {meaning}");
    }
    out
}

/// The words of the command that was typed, such as `trust add`.
pub fn words(matches: &clap::ArgMatches) -> String {
    let mut words = Vec::new();
    let mut matches = matches;
    while let Some((word, inner)) = matches.subcommand() {
        words.push(word);
        matches = inner;
    }
    words.join(" ")
}

fn groups(command: &clap::Command) -> String {
    let mut out = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(out, "{heading}:");
        for name in *names {
            let about = command.find_subcommand(name).and_then(|found| found.get_about());
            let _ = writeln!(out, "  {name:<12} {}", about.cloned().unwrap_or_default());
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_stands_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        grouped.sort_unstable();
        let all = Cli::command();
        let mut known: Vec<&str> = all.get_subcommands().map(|sub| sub.get_name()).collect();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }

    #[test]
    fn every_exit_code_is_explained() {
        for failure in keyferry::Failure::ALL {
            let code = failure.exit_code();
            assert!(
                EXIT_CODES.iter().any(|(known, _)| *known == code),
                "{failure:?}: {code}"
            );
        }
        let help = command().render_help().to_string();
        assert!(
            help.contains(" 0 done, 1 failure,") && help.contains("130 canceled\n"),
            "{help}"
        );
        assert!(
            help.contains("  KEYFERRY_HOME this computer") && help.contains("  store.sqlite  the"),
            "{help}"
        );
    }

    #[test]
    fn help_lists_each_command_once() {
        let help = command().render_help().to_string();
        assert_eq!(help.matches("\n  backup ").count(), 1, "{help}");
        assert!(help.contains("Move:\n  backup"), "{help}");
        assert!(help.contains("--json"), "{help}");
    }

    #[test]
    fn no_flag_takes_a_secret() {
        fn flags(command: &clap::Command, found: &mut Vec<String>) {
            found.extend(command.get_arguments().map(|arg| arg.get_id().to_string()));
            command.get_subcommands().for_each(|sub| flags(sub, found));
        }
        let mut found = Vec::new();
        flags(&Cli::command(), &mut found);
        assert!(found.iter().any(|id| id == "key_file"));
        for secret in ["key", "content_key", "passphrase", "password", "secret"] {
            assert!(
                !found.iter().any(|id| id == secret),
                "--{secret} would show a secret to everybody"
            );
        }
    }
}
