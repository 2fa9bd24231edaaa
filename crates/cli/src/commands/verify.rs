//! `keyferry verify`: whether a backup would come back, as far as that can be told without a service.

mod rehearsal;

use std::cell::OnceCell;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use keyferry::{Error, Failure, Unlock, Unlocker, find_backup};
use keyferry_archive::{
    BrokenDocument, Damage, Inspector, KeyCheck, License, LicenseVerdict, Name, Reader, Report, Unchecked,
    Verdict,
};
use keyferry_license::{Grant, Sealer, Verified, printable};

use crate::args::VerifyArgs;
use crate::commands::repair;
use crate::context::Context;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::output::{Line, Output};
use crate::passphrase;
use crate::signals::{self, Interrupted};
use crate::words;
use rehearsal::About;

/// Checks a backup.
pub fn run(context: &Context, args: &VerifyArgs) -> Result<()> {
    let interrupted = signals::on_interrupt(|| {})?;
    let unlocker = passphrase::unlocker(context, &args.unlock)?;
    let path = find_backup(&args.path, args.from.as_deref(), &unlocker)?;
    let open = || keyferry::open_regular(&path).map(BufReader::new);
    let source = open().map_err(|e| Failed::file("read", &path, &e))?;
    let again = || open().ok();
    let own = Own::default();
    find_own_key(context, again(), Unlock::None, &own);
    let mut inspect = Inspect {
        context,
        all: args.licenses,
        own: &own.key,
        interrupted: interrupted.clone(),
    };
    let ask = |encrypted: &_| Ok::<_, Error>(find_own_key(context, again(), unlocker.ask(encrypted), &own));
    let report = keyferry_archive::verify(source, ask, &mut inspect)?;
    context.output.summarize("path", path.display().to_string());
    tell(context, &report);
    let ended = ending(context, &path, &report);
    let opened = own.opens.get().cloned().map(Unlocker::with);
    let restorable = ended.is_ok() || report.loses_nothing();
    if args.rehearse && restorable && !interrupted.is_set() {
        let unlocker = opened.unwrap_or(unlocker);
        rehearsal::run(context, args, &path, unlocker, interrupted.flag())?;
    }
    let age = rehearsal::age(context, own.about.get().copied(), args.max_age);
    ended.and(age)
}

/// What opening the backup for this computer's sake found.
#[derive(Default)]
struct Own {
    key: OnceCell<Sealer>,
    about: OnceCell<About>,
    opens: OnceCell<Unlock>,
}

/// This computer's own key for the backup, if it has one: then each content key is opened too. A home that is not there
/// is not made. What opens the backup once more, without a passphrase asked or derived twice, is the answer.
fn find_own_key(context: &Context, source: Option<impl Read + Seek>, unlock: Unlock, own: &Own) -> Unlock {
    let Some(source) = source else { return unlock };
    match Reader::open_with(source, |_| Ok::<_, keyferry_archive::Error>(unlock.clone())) {
        Ok(reader) => {
            let backup = &reader.header().backup.0;
            let _ = own.about.set(About {
                backup: *backup,
                created: reader.header().created,
            });
            let _ = own.opens.set(reader.unlock());
            let key = context
                .existing_store()
                .and_then(|store| store.return_key(backup).ok()?);
            if let Some(key) = key {
                let _ = own.key.set(Sealer::returning(&key));
            }
            reader.unlock()
        }
        // All that is wrong is for the verification to find: a passphrase that does not open it may be a damaged stanza.
        Err(_) => unlock,
    }
}

struct Inspect<'a> {
    context: &'a Context,
    all: bool,
    own: &'a OnceCell<Sealer>,
    interrupted: Interrupted,
}

impl Inspector for Inspect<'_> {
    fn check_key(&mut self, grant: &Verified<Grant>, license: &License<'_>) -> KeyCheck {
        match (self.own.get(), &license.returning) {
            (Some(sealer), Some(sealed)) => match sealer.open(grant, sealed) {
                Ok(_) => KeyCheck::Fits,
                Err(error) => KeyCheck::Broken(error.to_string()),
            },
            _ => KeyCheck::NotOpened,
        }
    }

    fn license(&mut self, grant: Option<&Grant>, verdict: &LicenseVerdict) {
        let (word, said, why) = match verdict {
            LicenseVerdict::Good(KeyCheck::Fits) => ("good", "good", None),
            LicenseVerdict::Good(KeyCheck::NotOpened) => ("key-not-opened", "good, key not opened", None),
            LicenseVerdict::Good(KeyCheck::Broken(why)) | LicenseVerdict::Broken(why) => {
                ("broken", "broken", Some(why))
            }
            LicenseVerdict::NoIssuerCard => ("no-issuer-card", "no card of its issuer", None),
        };
        if !self.all && why.is_none() {
            return;
        }
        let output = &self.context.output;
        let title = grant.map(|grant| grant.title.shown()).unwrap_or_default();
        let license = grant.map(|grant| grant.license.to_string());
        output.item(
            &Line::new(Event::Verdict)
                .with("license", license.clone())
                .with("title", title.as_str())
                .with("verdict", word)
                .with("why", why.map(|why| printable(why))),
        );
        let why = why.map(|why| format!(": {}", printable(why))).unwrap_or_default();
        output.text(format_args!(
            "{}  {said}  {title}{why}",
            license.unwrap_or_else(|| "a license".into())
        ));
    }

    fn broken_document(&mut self, document: &BrokenDocument) {
        let (name, why) = (printable(&document.name), printable(document.why));
        self.context
            .output
            .warning(format_args!("license document {name}: {why}"));
    }

    fn lost(&mut self, name: &Name<'_>) {
        lost(&self.context.output, &name.shown_id(), &printable(name.title));
    }

    fn damage(&mut self, damage: &Damage) {
        self.context.output.warning(printable(&damage.to_string()));
    }

    fn is_canceled(&mut self) -> bool {
        self.interrupted.is_set()
    }
}

/// One license or document that is lost with what is damaged.
pub fn lost(output: &Output, id: &str, title: &str) {
    output.item(&Line::new(Event::Lost).with("id", id).with("title", title));
    output.text(format_args!("{id}  lost  {title}"));
}

fn tell(context: &Context, report: &Report) {
    let output = &context.output;
    output.summarize("bytes", report.size);
    output.summarize("inner_bytes", report.inner_len);
    output.summarize("encrypted", report.encryption.is_some());
    if let Some(opened) = &report.opened {
        let counts = &opened.counts;
        output.summarize("licenses", counts.licenses);
        output.summarize("good", counts.good);
        output.summarize("keys_opened", counts.keys_opened);
        output.summarize("lost", counts.lost);
        output.summarize("documents", counts.documents);
        output.summarize("documents_broken", counts.broken_documents);
        output.summarize("from", opened.computer.to_string());
        output.text(format_args!("the backup of computer {}", opened.computer.short()));
        output.text(format_args!(
            "{} read, {} good, {} with their keys opened",
            words::count(counts.licenses, "license"),
            words::number(counts.good),
            words::number(counts.keys_opened)
        ));
        let documents = counts.documents + counts.broken_documents;
        if documents > 0 {
            output.text(format_args!(
                "{} read, {} good",
                words::count(documents, "license document"),
                words::number(counts.documents)
            ));
        }
    }
    if let Some(protection) = &report.protection {
        repair::summarize(context, protection);
        if protection.used > 0.0 || protection.damaged_pages > 0 {
            output.text(repair::said(protection));
        }
    }
    for unchecked in &report.unchecked {
        let (word, said) = match unchecked {
            Unchecked::Inside => (
                "inside",
                "not checked: what is inside, for want of a passphrase or identity".to_owned(),
            ),
            Unchecked::Keys(n) => (
                "keys",
                format!(
                    "not checked: the keys of {}, which open only at the service",
                    words::count(*n, "license")
                ),
            ),
            Unchecked::Signatures(n) => (
                "signatures",
                format!(
                    "not checked: {} for want of the issuer's card",
                    words::count(*n, "signature")
                ),
            ),
            Unchecked::Promise => (
                "promise",
                "not checked: whether licenses are missing, as the end is".to_owned(),
            ),
            Unchecked::Canceled => ("canceled", "not checked: the rest".to_owned()),
            _ => (
                "other",
                "not checked: something that this version does not name".to_owned(),
            ),
        };
        output.event(
            &Line::new(Event::Unchecked)
                .with("what", word)
                .with("said", said.as_str()),
        );
        output.text(said);
    }
}

fn ending(context: &Context, path: &Path, report: &Report) -> Result<()> {
    let damaged = |exit: u8, message: &str| {
        let failed = Failed::new(Failure::BackupCorrupt, message);
        Err(Failed { exit, ..failed })
    };
    let documents = report.opened.as_ref().map_or(0, |opened| opened.counts.documents);
    match report.verdict() {
        // What was found damaged before is said; of the rest nothing is known.
        _ if report.unchecked.contains(&Unchecked::Canceled) => {
            Err(Failed::new(Failure::Canceled, "canceled"))
        }
        Verdict::Whole | Verdict::OutsideWhole => Ok(()),
        Verdict::Damaged { usable: 0 } => damaged(
            5,
            "the backup is damaged, and not repairable: nothing of it can be restored",
        ),
        Verdict::Repairable => Err(repair::repairable(context, path)),
        Verdict::Damaged { usable } => {
            let rest = words::holding(usable - documents, documents);
            if report.loses_nothing() {
                let message = format!("the backup is damaged, and nothing is lost: {rest} can be restored");
                return damaged(3, &message);
            }
            let message = format!("the backup is damaged, and not repairable; {rest} can be restored");
            damaged(5, &message)
        }
        Verdict::NothingCheckable => Err(Failed::new(
            Failure::WrongPassphrase,
            "nothing of this backup can be checked without opening it",
        )),
    }
}
