//! Where a service's ledger is: what `--ledger` says, else a file in its folder.

use std::io;
use std::path::Path;
use std::sync::Arc;

use keyferry_service::LEDGER_FILE;
use keyferry_service::ledger::{Ledger, LedgerUrl};
use zeroize::Zeroizing;

use crate::args::LedgerArgs;
use crate::failed::{Failed, Result};
use crate::passphrase;

/// The place that the arguments name.
pub fn place(dir: &Path, args: &LedgerArgs) -> Result<LedgerUrl> {
    match &args.ledger {
        Some(url) => Ok(url.parse()?),
        None => Ok(LedgerUrl::Sqlite(dir.join(LEDGER_FILE))),
    }
}

/// Opens the ledger; made if it is not there.
pub fn open(place: &LedgerUrl, args: &LedgerArgs) -> Result<Arc<dyn Ledger>> {
    Ok(place.open(password(args)?.as_ref())?)
}

/// Opens a ledger that is there; nothing is made where none is.
pub fn open_existing(dir: &Path, args: &LedgerArgs) -> Result<Arc<dyn Ledger>> {
    let place = place(dir, args)?;
    match &place {
        LedgerUrl::Sqlite(path) if !path.is_file() => {
            Err(Failed::file("read", path, &io::ErrorKind::NotFound.into())
                .hint("--dir is the folder that serve was given, --ledger its ledger"))
        }
        _ => Ok(place.open_existing(password(args)?.as_ref())?),
    }
}

/// The database's password, if a file with it is named.
pub fn password(args: &LedgerArgs) -> Result<Option<Zeroizing<String>>> {
    let file = args.ledger_password_file.as_deref();
    file.map(passphrase::password).transpose()
}
