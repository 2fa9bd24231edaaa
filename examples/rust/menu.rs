//! The backup restorer object behind the menu commands of a program in Rust, by the library `keyferry`.
//!
//! ```sh
//! cargo run -p keyferry-com --example menu -- /media/stick THUMBPRINT
//! ```
//!
//! Type b to back up, o to back up over an older backup, r to restore, y to restore and agree that this computer's public
//! keys and its name are sent to the service, c to cancel, q to quit.

use std::error::Error;
use std::io::stdin;
use std::sync::Arc;

use keyferry::{
    BACKUP_PATH, BackupOptions, Events, Failure, HResult, RESTORE_PATH, RestoreOptions, Restorer, Status,
};

/// Prints what an operation tells, from the operation's thread.
struct Printed;

impl Events for Printed {
    fn status(&self, status: &Status) {
        match status {
            Status::RestrictedLicense { key_id, .. } => println!("stays here: {}", key_id.to_base64()),
            Status::ErrorWithUrl { hr, url } => println!("refused ({hr}), see {url}"),
            Status::Connecting => println!("asking the service"),
            Status::End(hr) => println!("{}", ending(*hr)),
            _ => {}
        }
    }
}

/// Waits for the end of an operation.
type Wait = Box<dyn FnOnce()>;

fn ending(hr: HResult) -> String {
    let is = |failure: Failure| hr == failure.hresult();
    match hr {
        HResult::OK => "done".into(),
        _ if is(Failure::Canceled) => "canceled".into(),
        _ if is(Failure::BackupExists) => "a backup is there, o replaces it".into(),
        _ if is(Failure::NeedsIndividualization) => {
            "the service wants to know this computer, y agrees".into()
        }
        _ => format!("failed: {hr}"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().ok_or("usage: menu FOLDER [THUMBPRINT]...")?;
    // The issuers whose licenses this computer takes.
    let trust = words.map(|word| word.parse()).collect::<Result<Vec<_>, _>>()?;

    let restorer = Restorer::of_this_computer(None)?;
    restorer.set_property(BACKUP_PATH, &folder)?;
    restorer.set_property(RESTORE_PATH, &folder)?;
    // Each operation runs on a thread of its own, which `wait` waits for.
    let backup = |overwrite| -> keyferry::Result<Wait> {
        let options = BackupOptions {
            overwrite,
            ..BackupOptions::default()
        };
        let running = restorer.backup(options, Arc::new(Printed))?;
        Ok(Box::new(|| drop(running.wait())))
    };
    let restore = |individualize| -> keyferry::Result<Wait> {
        let options = RestoreOptions {
            individualize,
            trust: trust.clone(),
            ..RestoreOptions::default()
        };
        let running = restorer.restore(options, Arc::new(Printed))?;
        Ok(Box::new(|| drop(running.wait())))
    };
    let mut begun = Vec::new();
    for line in stdin().lines() {
        let operation = match line?.as_str() {
            "b" => backup(false),
            "o" => backup(true),
            "r" => restore(false),
            "y" => restore(true),
            "c" => {
                restorer.cancel_backup();
                restorer.cancel_restore();
                continue;
            }
            _ => break,
        };
        match operation {
            Ok(wait) => begun.push(wait),
            Err(error) => println!("not begun: {error}"),
        }
    }
    begun.into_iter().for_each(|wait| wait());
    Ok(())
}
