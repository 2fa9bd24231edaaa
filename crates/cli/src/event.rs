//! The events of JSON mode, each once: a line is about one of them, and the schema beside this crate describes them all.

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)*) => {
        /// What a line of JSON is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name,)*
        }

        impl Event {
            /// All of them.
            #[cfg(test)]
            const ALL: &'static [Event] = &[$(Event::$name,)*];

            /// The value of the field `event`.
            pub const fn name(self) -> &'static str {
                match self { $(Event::$name => $word,)* }
            }
        }
    };
}

events! {
    /// A person accepted an issuer.
    Accepted = "accepted";
    /// What a service answered.
    Answer = "answer";
    /// A backup, in a list or by itself.
    Backup = "backup";
    /// A license that an operation dealt with beside those that it is about.
    Beside = "beside";
    /// A card.
    Card = "card";
    /// A step of a revocation without a service.
    Challenge = "challenge";
    /// A new part of the demo.
    Chapter = "chapter";
    /// Something that a service needs to start.
    Checked = "checked";
    /// This computer.
    Computer = "computer";
    /// A service waits for a person's consent.
    ConsentNeeded = "consent-needed";
    /// A whole document as text.
    Document = "document";
    /// A removable volume.
    Drive = "drive";
    /// A line within a request, a receipt or a revocation list.
    Entry = "entry";
    /// What failed.
    Error = "error";
    /// A license document was written to a file.
    Exported = "exported";
    /// Something in a ledger or a receipt that must not be.
    Finding = "finding";
    /// An issuer.
    Issuer = "issuer";
    /// A content key.
    Key = "key";
    /// A license: what became of it, or what it says.
    License = "license";
    /// A license document: what became of it, or what it says.
    LicenseDocument = "license-document";
    /// A service's word that it has a revocation list.
    ListReceipt = "list-receipt";
    /// A service takes requests now.
    Listening = "listening";
    /// What is lost with a damaged part of a backup.
    Lost = "lost";
    /// A page that explains refusals.
    Page = "page";
    /// Why a service judged nothing.
    Problem = "problem";
    /// How far an operation is.
    Progress = "progress";
    /// A receipt.
    Receipt = "receipt";
    /// A ledger that was restored, and what came back of it.
    Recovery = "recovery";
    /// What a rehearsal would bring of a license.
    Rehearsed = "rehearsed";
    /// A service took its files up again.
    Reloaded = "reloaded";
    /// An issuer is no longer accepted.
    Removed = "removed";
    /// What a computer asks of a service.
    Request = "request";
    /// What an issuer takes back.
    RevocationList = "revocation-list";
    /// A service took a revocation list.
    Revoked = "revoked";
    /// A file was left where it is.
    Skipped = "skipped";
    /// A status of the SDK's contract.
    Status = "status";
    /// A command of the demo.
    Step = "step";
    /// The last line.
    Summary = "summary";
    /// An issuer waits for a person's trust.
    TrustNeeded = "trust-needed";
    /// Something of a backup that was not checked.
    Unchecked = "unchecked";
    /// What was found about a license in a backup.
    Verdict = "verdict";
    /// A service asks to come back later, and the command does.
    Waiting = "waiting";
    /// Something is not as it should be, and the command goes on.
    Warning = "warning";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::schema::LINES;
    use keyferry::Failure;
    use serde_json::Value;

    fn sorted<'n>(names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names
    }

    fn schema() -> Value {
        serde_json::from_str(LINES).unwrap()
    }

    #[test]
    fn the_schema_has_these_events_and_no_others() {
        let schema = schema();
        let here = sorted(Event::ALL.iter().map(|event| event.name()));
        let definitions = schema["$defs"].as_object().unwrap();
        let described = definitions.keys().filter_map(|name| name.strip_prefix("event-"));
        assert_eq!(sorted(described), here);
        let one_of = schema["oneOf"].as_array().unwrap().iter();
        let named = one_of.filter_map(|of| of["$ref"].as_str()?.strip_prefix("#/$defs/event-"));
        assert_eq!(sorted(named), here);
    }

    #[test]
    fn the_documentation_has_these_events_and_no_others() {
        let text = include_str!("../../../docs/json.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let rows = rows.filter_map(|row| row.split('`').next());
        assert_eq!(sorted(rows), sorted(Event::ALL.iter().map(|event| event.name())));
    }

    #[test]
    fn the_schema_has_every_failure_and_every_exit_code() {
        let definitions = &schema()["$defs"];
        let words = definitions["failure"]["enum"].as_array().unwrap().iter();
        let failures = Failure::ALL.iter().map(|failure| failure.word());
        assert_eq!(sorted(words.filter_map(Value::as_str)), sorted(failures));
        let codes = definitions["exit"]["enum"].as_array().unwrap();
        for failure in Failure::ALL {
            assert!(codes.contains(&failure.exit_code().into()), "{failure:?}");
        }
    }

    #[test]
    fn the_schema_has_the_summary_of_every_command() {
        fn leaves(command: &clap::Command, before: &str, found: &mut Vec<String>) {
            if !command.is_subcommand_required_set() && !before.is_empty() {
                found.push(before.to_owned());
            }
            for sub in command.get_subcommands() {
                leaves(sub, format!("{before} {}", sub.get_name()).trim(), found);
            }
        }
        let mut commands = Vec::new();
        leaves(&crate::args::command(), "", &mut commands);
        let schema = schema();
        let summaries = schema["$defs"]["event-summary"]["oneOf"]
            .as_array()
            .unwrap()
            .iter();
        let described = summaries.filter_map(|one| one["properties"]["command"]["const"].as_str());
        assert_eq!(sorted(described), sorted(commands.iter().map(String::as_str)));
    }
}
