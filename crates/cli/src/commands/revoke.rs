//! `keyferry issuer revoke`: the issuer's next revocation list, kept in its folder before it is sent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyferry::{Error, Transport};
use keyferry_license::{Card, CardKind, IssuerKey, Revocation, RevocationList, Text, Verified, printable};
use keyferry_protocol::ListReceipt;

use super::issuer::{CARD, KEY};
use crate::args::RevokeArgs;
use crate::contact;
use crate::context::Context;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::files::{self, Readers};
use crate::output::Line;
use crate::progress::Reporter;
use crate::words;

/// Where an issuer keeps its lists, a file each.
const FOLDER: &str = "revocations";

/// Signs the next list, if there is anything to revoke, and sends what the service lacks.
pub fn run(context: &Context, args: &RevokeArgs) -> Result<()> {
    let desk = Desk::open(context, args)?;
    let mut number = desk.newest()?;
    let entries = entries(args)?;
    let fresh = !entries.is_empty();
    if fresh {
        confirm(context, args)?;
        number += 1;
        desk.keep(&desk.list(number, entries.clone())?)?;
    } else if number == 0 {
        return Err(Failed::usage(
            "there is nothing to revoke: --license, --key-id, --subject or --all is missing",
        ));
    }
    match desk.send(number) {
        Err(Error::ListNotTaken { next: Some(next), .. }) if fresh && next > number => {
            // The service has lists that this folder does not know: this one is numbered after them.
            let list = desk.list(next, entries)?;
            desk.keep(&list)?;
            desk.forget(number)?;
            let sent = desk.send(next).map_err(Failed::from);
            sent.and_then(|time| desk.taken(next, time))
        }
        Err(error) => Err(desk.failed(number, error)),
        Ok(time) => desk.taken(number, time),
    }
}

fn entries(args: &RevokeArgs) -> Result<Vec<Revocation>> {
    if args.all {
        return Ok(vec![Revocation::Everything]);
    }
    let mut entries: Vec<Revocation> = args.license.iter().copied().map(Revocation::License).collect();
    entries.extend(args.key_id.iter().copied().map(Revocation::KeyId));
    for subject in &args.subject {
        let subject = Text::new("subject", subject.as_str()).map_err(|e| Failed::usage(e.to_string()))?;
        entries.push(Revocation::Subject(subject));
    }
    Ok(entries)
}

/// Everything of an issuer can't be given again: that alone is asked.
fn confirm(context: &Context, args: &RevokeArgs) -> Result<()> {
    if !args.all || context.yes {
        return Ok(());
    }
    if !context.can_ask() {
        return Err(Failed::usage(
            "revoking everything has to be confirmed: --yes is missing",
        ));
    }
    match context.ask("revoke every license of this issuer, those issued later too, for good?")? {
        true => Ok(()),
        false => Err(Failed::new(keyferry::Failure::Canceled, "nothing was revoked")),
    }
}

struct Desk<'a> {
    context: &'a Context,
    args: &'a RevokeArgs,
    key: IssuerKey,
    card: Verified<Card>,
    service: Verified<Card>,
    folder: PathBuf,
    transport: Arc<dyn Transport>,
}

impl<'a> Desk<'a> {
    fn open(context: &'a Context, args: &'a RevokeArgs) -> Result<Self> {
        let key_file = args.dir.join(KEY);
        let key = IssuerKey::from_armor(&files::read_small(&key_file)?);
        Ok(Self {
            context,
            args,
            key: key.map_err(|e| Failed::document(&key_file, &e))?,
            card: files::read_card(&args.dir.join(CARD), CardKind::Issuer)?,
            service: files::read_card(&args.service, CardKind::Service)?,
            folder: args.dir.join(FOLDER),
            transport: Arc::new(contact::transport(&args.contact)?),
        })
    }

    /// Number of the newest list that is kept; 0 for none.
    fn newest(&self) -> Result<u64> {
        let entries = match self.folder.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(Failed::file("read", &self.folder, &error)),
        };
        let mut newest = 0;
        for entry in entries {
            let entry = entry.map_err(|e| Failed::file("read", &self.folder, &e))?;
            let name = entry.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(".list")?.parse().ok());
            newest = newest.max(number.unwrap_or(0));
        }
        Ok(newest)
    }

    fn list(&self, number: u64, entries: Vec<Revocation>) -> Result<Verified<RevocationList>> {
        let list = RevocationList {
            issuer: self.card.thumbprint(),
            number,
            nonce: None,
            entries,
        };
        list.sign(self.key.signing())
            .map_err(|e| Failed::usage(e.to_string()))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:08}.list"))
    }

    /// Keeps a list durably; from then on its number is used.
    fn keep(&self, list: &Verified<RevocationList>) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(|e| Failed::file("make", &self.folder, &e))?;
        files::write_new(
            &self.path(list.number),
            false,
            Readers::Everybody,
            list.as_bytes(),
        )?;
        match files::named(self.args.output.as_deref()) {
            Some(file) => files::write_new(file, self.args.overwrite, Readers::Everybody, list.as_bytes()),
            None => Ok(()),
        }
    }

    /// A list whose number another has: nobody took it.
    fn forget(&self, number: u64) -> Result<()> {
        let path = self.path(number);
        std::fs::remove_file(&path).map_err(|e| Failed::file("remove", &path, &e))
    }

    /// Posts this list, and those before it that the service lacks; gives back when the service took it.
    fn send(&self, number: u64) -> Result<u64, Error> {
        let (mut next, mut went_back) = (number, false);
        loop {
            let list = self.read(next)?;
            match self.post(&list) {
                Ok(receipt) if next == number => return Ok(receipt.time),
                Ok(_) => next += 1,
                Err(Error::ListNotTaken {
                    next: Some(missing), ..
                }) if (1..next).contains(&missing) && !went_back => {
                    (next, went_back) = (missing, true);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn post(&self, list: &Verified<RevocationList>) -> Result<ListReceipt, Error> {
        let (patience, events) = (
            contact::patience(&self.args.contact),
            Reporter::new(self.context, "posting"),
        );
        let posted = keyferry::post_revocations(&self.transport, patience, &*events, list, &self.service);
        events.done();
        posted
    }

    fn read(&self, number: u64) -> Result<Verified<RevocationList>, Error> {
        let path = self.path(number);
        let unreadable = |why: String| Error::Unreadable {
            path: path.clone(),
            why,
        };
        let bytes = std::fs::read(&path).map_err(|e| unreadable(e.to_string()))?;
        RevocationList::verify(&bytes, &self.card).map_err(|e| unreadable(e.to_string()))
    }

    fn taken(&self, number: u64, time: u64) -> Result<()> {
        let (output, service) = (&self.context.output, self.service.name.shown());
        output.text(format_args!(
            "{service} took list {number} on {}: it gives these licenses to nobody any more, and computers hear of it at \
             their next contact",
            words::time(time)
        ));
        let line = Line::new(Event::Revoked)
            .with("number", number)
            .with("service", self.service.thumbprint().to_string())
            .with("time", time);
        output.event(&line);
        Ok(())
    }

    fn failed(&self, number: u64, error: Error) -> Failed {
        let again = format!(
            "{} issuer revoke {} --service {}{}",
            self.context.program(),
            quoted(&self.args.dir),
            quoted(&self.args.service),
            contact::typed(&self.args.contact)
        );
        let kept = self.path(number);
        let failed = match &error {
            Error::Transport(why) => Failed::new(error.failure(), printable(&why.to_string())),
            Error::ListNotTaken { next: Some(next), .. } if *next > number => {
                return Failed::new(error.failure(), error.to_string()).hint(format!(
                    "this folder is older than what the service knows: its newest list is {}",
                    next - 1
                ));
            }
            _ => Failed::from(error),
        };
        let kept = format!("list {number} is signed and kept in {}", kept.display());
        failed.hint(kept).hint(format!("to send it later: {again}"))
    }
}

fn quoted(path: &Path) -> String {
    words::quoted(&path.display().to_string())
}
