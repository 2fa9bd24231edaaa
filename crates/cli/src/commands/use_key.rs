//! `keyferry use`: content keys, handed out as their rights allow and counted.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use keyferry::Failure;
use keyferry_license::usage::Denied;
use keyferry_license::{KeyId, Thumbprint};
use keyferry_store::{Store, UseError};
use zeroize::Zeroizing;

use crate::args::{KeyFormat, UseArgs};
use crate::context::{Context, now};
use crate::failed::{Failed, Result, plain};
use crate::files::{self, NewFile, Readers};
use crate::key_text;
use crate::words;

/// A line of stdin is at most this many bytes long.
const LINE_LIMIT: u64 = 1024;

/// Hands out keys.
pub fn run(context: &Context, args: &UseArgs) -> Result<()> {
    let file = files::named(args.output.as_deref());
    if file.is_none() && context.output.stdout_is_terminal() && !args.reveal {
        return Err(
            Failed::usage("stdout is a terminal, which would show the key: --reveal is missing")
                .hint("or write it to a file that only you can read, with -o FILE"),
        );
    }
    if file.is_none() && context.output.stdout_leads_nowhere() {
        return Err(Failed::usage(
            "stdout is closed or leads nowhere, and a use would be counted all the same",
        )
        .hint("write the key to a file that only you can read, with -o FILE"));
    }
    let named = args
        .key_ids
        .iter()
        .map(|id| if id == "-" { Ok(None) } else { parse(id).map(Some) });
    let named = named.collect::<Result<Vec<_>>>()?;
    let several = args.key_ids.len() > 1 || args.key_ids.iter().any(|id| id == "-");
    // Before a use is counted, it has to be sure that its key can be handed out.
    let file = file
        .map(|file| NewFile::create(file, args.overwrite, Readers::Owner))
        .transpose()?;
    let mut counter = Counter {
        context,
        args,
        store: context.store()?,
        several,
        file,
        given: 0,
        denied: BTreeMap::new(),
    };
    let used = named.into_iter().try_for_each(|key_id| match key_id {
        None => counter.use_each_line(io::stdin().lock()),
        Some(key_id) => counter.use_one(key_id),
    });
    counter.finish(used)
}

fn parse(id: &str) -> Result<KeyId> {
    id.parse()
        .map_err(|e: keyferry_license::Error| Failed::usage(e.to_string()))
}

/// Where uses are counted.
struct Counter<'a> {
    context: &'a Context,
    args: &'a UseArgs,
    store: Store,
    several: bool,
    file: Option<NewFile>,
    given: u64,
    denied: BTreeMap<String, (Failed, u64)>,
}

impl Counter<'_> {
    fn use_each_line(&mut self, mut lines: impl BufRead) -> Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            let read = Read::take(&mut lines, LINE_LIMIT).read_line(&mut line);
            if read.map_err(|e| Failed::other(format!("can't read stdin: {}", plain(&e))))? == 0 {
                return Ok(());
            }
            if self.context.output.is_closed() {
                return Ok(());
            }
            match parse(line.trim()) {
                _ if line.trim().is_empty() => {}
                Ok(key_id) => self.use_one(key_id)?,
                Err(failed) => self.refuse(failed)?,
            }
        }
    }

    fn use_one(&mut self, key_id: KeyId) -> Result<()> {
        match self
            .store
            .use_key(&key_id, self.args.issuer.as_ref(), &self.args.action, now())
        {
            Ok(used) => {
                self.given += 1;
                let text = key_text::key(self.args.format, &key_id, &used.key);
                if !self.several
                    && let Some(left) = used.left()
                {
                    self.context
                        .output
                        .note(format_args!("{} left", words::count(left.into(), "use")));
                }
                self.hand_out(&key_id, &used.grant.license.to_string(), used.left(), &text)
            }
            Err(UseError::Denied {
                denied, not_accepted, ..
            }) => self.refuse(refusal(
                self.context,
                &key_id,
                &self.args.action,
                denied,
                &not_accepted,
            )),
            Err(UseError::Store(error @ keyferry_store::Error::DamagedLicense { .. })) => {
                self.refuse(error.into())
            }
            Err(UseError::Store(error)) => Err(error.into()),
            Err(error) => Err(Failed::other(error.to_string())),
        }
    }

    fn hand_out(&mut self, key_id: &KeyId, license: &str, left: Option<u32>, key: &str) -> Result<()> {
        let output = &self.context.output;
        if output.is_json() && self.file.is_none() {
            output.secret(key_text::json_line(self.args.format, key_id, license, left, key).as_bytes());
            return Ok(());
        }
        let mut line = Zeroizing::new(String::with_capacity(key.len() + 1));
        line.push_str(key);
        line.push('\n');
        self.write(&line)
    }

    fn write(&mut self, line: &str) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write(line.as_bytes()),
            None => {
                self.context.output.secret(line.as_bytes());
                Ok(())
            }
        }
    }

    /// One that is refused takes nothing from the others, and leaves its line empty, so that the lines are those of
    /// the key IDs.
    fn refuse(&mut self, failed: Failed) -> Result<()> {
        if self.several {
            self.context.output.failed(&failed);
        }
        self.denied.entry(failed.reason.clone()).or_insert((failed, 0)).1 += 1;
        let keeps_lines = self.several && self.args.format != KeyFormat::Jwk;
        if keeps_lines && (self.file.is_some() || !self.context.output.is_json()) {
            return self.write("\n");
        }
        Ok(())
    }

    /// What was counted is handed out, even if something failed after it.
    fn finish(self, used: Result<()>) -> Result<()> {
        let Self {
            context,
            several,
            file,
            given,
            denied,
            ..
        } = self;
        if given > 0
            && let Some(file) = file
        {
            file.finish()?;
        }
        let refused: u64 = denied.values().map(|(_, count)| count).sum();
        context.output.summarize("keys", given);
        context.output.summarize("denied", refused);
        used?;
        let Some((_, (first, _))) = denied.into_iter().next() else {
            return Ok(());
        };
        if !several {
            return Err(first);
        }
        let message = format!("{} of {} keys were not handed out", refused, refused + given);
        if given > 0 {
            return Err(Failed::new(Failure::NotAllStored, message));
        }
        Err(Failed {
            message,
            hints: Vec::new(),
            ..first
        })
    }
}

fn refusal(
    context: &Context,
    key_id: &KeyId,
    action: &str,
    denied: Denied,
    not_accepted: &[Thumbprint],
) -> Failed {
    let failure = if denied.0 & Denied::EXPIRED != 0 {
        Failure::Expired
    } else {
        Failure::Refused
    };
    if denied.0 & (Denied::NO_LICENSE | Denied::NO_RIGHT) != 0 && !not_accepted.is_empty() {
        let message = format!(
            "the license for key ID {key_id} is here, and its issuer is not accepted on this computer"
        );
        let failed = Failed::new(Failure::IssuerNotAccepted, message);
        return not_accepted.iter().fold(failed, |failed, root| {
            failed.hint(format!(
                "the issuer has thumbprint {root}: {} trust add FILE accepts it",
                context.program()
            ))
        });
    }
    let action = keyferry_license::printable(action);
    let failed = Failed::new(
        failure,
        format!("{action} is refused for key ID {key_id}: {denied}"),
    )
    .because(word(denied));
    match denied.0 & Denied::NO_LICENSE {
        0 => failed,
        _ => failed.hint("`keyferry list` shows what is here"),
    }
}

/// The first bit as a word; they go from the most to the least fundamental.
fn word(denied: Denied) -> &'static str {
    let words = [
        (Denied::NO_LICENSE, "no-license"),
        (Denied::NO_RIGHT, "no-right"),
        (Denied::CLOCK, "clock"),
        (Denied::EXPIRED, "expired"),
        (Denied::NOT_STARTED, "not-started"),
        (Denied::EXHAUSTED, "exhausted"),
    ];
    words
        .into_iter()
        .find(|(bit, _)| denied.0 & bit != 0)
        .map_or("refused", |(_, word)| word)
}
