//! `keyferry service rotate`: new keys for a service, also while it runs.

use keyferry_license::KeyUse;

use crate::args::{RotateArgs, Usage};
use crate::cards;
use crate::context::{Context, now};
use crate::failed::Result;
use crate::words;

/// Changes keys.
pub fn run(context: &Context, args: &RotateArgs) -> Result<()> {
    let uses = match args.usage {
        Some(Usage::Sign) => vec![KeyUse::Sign],
        Some(Usage::Seal) => vec![KeyUse::Seal],
        None => vec![KeyUse::Sign, KeyUse::Seal],
    };
    let (output, now) = (&context.output, now());
    let from = args.not_before.unwrap_or(now);
    let card = keyferry_service::rotate(&args.dir, &uses, from, now)?;
    cards::show(output, &card, now);
    output.summarize("thumbprint", card.thumbprint().to_string());
    output.summarize("serial", card.serial);
    output.summarize("not_before", from);
    if from > now {
        output.hint(format_args!(
            "copy service.key, then service.card, to the other processes of this service before {}",
            words::time(from)
        ));
    }
    output.hint("a service that runs takes them up by itself; make a backup: keyferry service backup");
    Ok(())
}
