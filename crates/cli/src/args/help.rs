//! The help of the whole program, with its commands in groups; clap alone would list them in one.

use std::fmt::Write;

use clap::CommandFactory;

use super::Cli;

/// Each command stands in one group; a test holds that.
const GROUPS: &[(&str, &[&str])] = &[
    ("Move", &["backup", "restore", "verify", "list", "authorize"]),
    (
        "Mine",
        &["import", "export", "show", "use", "trust", "computer", "receipts"],
    ),
    ("Issuers", &["issuer"]),
    ("Operators", &["serve"]),
    ("More", &["demo", "completions"]),
];

/// The command line, ready to parse.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let groups = groups(&command);
    command.help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{groups}Global options:\n{{options}}\n\n\
         Exit codes:\n  0 done, 1 failure, 2 usage, 3 partly done, 4 a backup or file exists, 5 damaged,\n  6 service \
         unavailable, 7 refused, 8 consent or trust needed, 10 medium or backup not there,\n  11 another operation \
         runs, 12 wrong passphrase, 130 canceled\n\n\
         `keyferry COMMAND --help` says more about a command."
    ))
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
