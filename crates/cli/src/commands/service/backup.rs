//! `keyferry service backup`: keys, card and ledger of a service in one encrypted file.

use keyferry_archive::Envelope;
use keyferry_service::write_backup;

use crate::args::ServiceBackupArgs;
use crate::context::{Context, now};
use crate::failed::{Failed, Result};
use crate::files::{NewFile, Readers};
use crate::passphrase;
use crate::words;

/// Writes the file; it is whole or absent.
pub fn run(context: &Context, args: &ServiceBackupArgs) -> Result<()> {
    let encryption = passphrase::seal(context, &args.seal)?.ok_or_else(|| {
        Failed::usage("nothing says how the backup is to be encrypted, and nobody can be asked")
            .hint("one of --passphrase-file, --passphrase-command, -r or -R is missing")
            .hint(
                "whoever has the keys of a service is the service, so there is no backup without encryption",
            )
    })?;
    let file = NewFile::create(&args.output, args.overwrite, Readers::Owner)?;
    let mut envelope = Envelope::start(file, &encryption).map_err(keyferry::Error::from)?;
    let told = write_backup(&args.dir, !args.keys_only, &mut envelope, now())?;
    let failed = |error| Failed::file("write", &args.output, &error);
    envelope.finish().map_err(failed)?.finish()?;
    let bytes = std::fs::metadata(&args.output).map_err(failed)?.len();
    let (output, path) = (&context.output, words::path(&args.output));
    let what = match told.ledger {
        Some(ledger) => format!("keys, card and ledger ({})", words::size(ledger)),
        None => "keys and card".into(),
    };
    output.text(format_args!(
        "backed up {what} of {} to {path} ({})",
        told.card.name.shown(),
        words::size(bytes)
    ));
    if told.ledger.is_none() {
        output.hint("the ledger is not in it: its database has to be backed up by itself");
    }
    output.summarize("path", args.output.display().to_string());
    output.summarize("bytes", bytes);
    output.summarize("thumbprint", told.card.thumbprint().to_string());
    output.summarize("time", told.time);
    output.summarize("ledger", told.ledger);
    Ok(())
}
