//! `keyferry service restore`: a new folder of a service's backup.

use std::fs::File;
use std::io::{self, Read};

use keyferry_archive::{Encrypted, open_envelope};
use keyferry_service::restore_backup;

use crate::args::ServiceRestoreArgs;
use crate::context::{Context, now};
use crate::failed::{Failed, Result};
use crate::passphrase;
use crate::words;

/// Makes the folder; it is whole or absent.
pub fn run(context: &Context, args: &ServiceRestoreArgs) -> Result<()> {
    let unreadable = |error: &io::Error| Failed::file("read", &args.file, error);
    let mut file = File::open(&args.file).map_err(|error| unreadable(&error))?;
    if Encrypted::of(&mut file).map_err(keyferry::Error::from)?.is_none() {
        let message = format!("{} is not the backup of a service", words::path(&args.file));
        return Err(Failed::usage(message).hint("`keyferry service backup` writes one"));
    }
    let unlocker = passphrase::unlocker(context, &args.unlock)?;
    let opened = open_envelope(&mut file, |encrypted| unlocker.ask(encrypted));
    let mut opened = opened.map_err(keyferry::Error::from)?;
    let told = restore_backup(&mut opened as &mut dyn Read, &args.dir, now())?;
    let (output, dir) = (&context.output, words::path(&args.dir));
    output.text(format_args!(
        "{} is in {dir} as it was on {}",
        told.card.name.shown(),
        words::time(told.time)
    ));
    match told.rows {
        Some(rows) => output.text(format_args!("  ledger      {}", words::count(rows, "row"))),
        None => output.text("  ledger      not in the backup: a new one is empty, and in recovery"),
    }
    output.summarize("dir", args.dir.display().to_string());
    output.summarize("thumbprint", told.card.thumbprint().to_string());
    output.summarize("time", told.time);
    output.summarize("rows", told.rows);
    super::tell_recovery(output, &told.recovery, None);
    if told.rows.is_none() {
        output.hint(
            "where the ledger is another database, bring that back, and then: keyferry service recovery --start --since …",
        );
    }
    Ok(())
}
