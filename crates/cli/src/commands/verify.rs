//! `keyferry verify`: whether a backup would come back, as far as that can be told without a service.

use std::io::BufReader;

use keyferry::{Error, Failure, find_backup};
use keyferry_archive::{Damage, Inspector, KeyCheck, License, LicenseVerdict, Report, Unchecked, Verdict};
use keyferry_license::{Grant, Sealer, Verified, printable};

use crate::args::VerifyArgs;
use crate::context::Context;
use crate::failed::{Failed, Result};
use crate::output::Line;
use crate::passphrase;
use crate::words;

/// Checks a backup.
pub fn run(context: &Context, args: &VerifyArgs) -> Result<()> {
    let unlocker = passphrase::unlocker(context, &args.unlock)?;
    let path = find_backup(&args.path, args.from.as_deref(), &unlocker)?;
    let file = keyferry::open_regular(&path).map_err(|e| Failed::file("read", &path, &e))?;
    let mut inspect = Inspect {
        context,
        all: args.licenses,
        returning: returning(context, &path),
    };
    let source = BufReader::with_capacity(256 * 1024, file);
    let ask = |encrypted: &_| Ok::<_, Error>(unlocker.ask(encrypted));
    let report = keyferry_archive::verify(source, ask, &mut inspect)?;
    context.output.summarize("path", path.display().to_string());
    tell(context, &report);
    ending(&report)
}

/// This computer's own key for the backup, if it has one: then each content key is opened too. A home that is not there
/// is not made.
fn returning(context: &Context, path: &std::path::Path) -> Option<Sealer> {
    let store = context.existing_store()?;
    let file = BufReader::new(keyferry::open_regular(path).ok()?);
    let header = keyferry_archive::Reader::open(file).ok()?;
    let key = store.return_key(&header.header().backup.0).ok()??;
    Some(Sealer::returning(&key))
}

struct Inspect<'a> {
    context: &'a Context,
    all: bool,
    returning: Option<Sealer>,
}

impl Inspector for Inspect<'_> {
    fn check_key(&mut self, grant: &Verified<Grant>, license: &License<'_>) -> KeyCheck {
        match (&self.returning, &license.returning) {
            (Some(sealer), Some(sealed)) => match sealer.open(grant, sealed) {
                Ok(_) => KeyCheck::Fits,
                Err(error) => KeyCheck::Broken(error.to_string()),
            },
            _ => KeyCheck::NotOpened,
        }
    }

    fn license(&mut self, grant: Option<&Grant>, verdict: &LicenseVerdict) {
        let (word, why) = match verdict {
            LicenseVerdict::Good(KeyCheck::Fits) => ("good", None),
            LicenseVerdict::Good(KeyCheck::NotOpened) => ("good, key not opened", None),
            LicenseVerdict::Good(KeyCheck::Broken(why)) | LicenseVerdict::Broken(why) => {
                ("broken", Some(why))
            }
            LicenseVerdict::NoIssuerCard => ("no card of its issuer", None),
        };
        if !self.all && why.is_none() {
            return;
        }
        let output = &self.context.output;
        let title = grant.map(|grant| grant.title.shown()).unwrap_or_default();
        let license = grant.map(|grant| grant.license.to_string());
        output.item(
            &Line::new("verdict")
                .with("license", license.clone())
                .with("title", title.as_str())
                .with("verdict", word)
                .with("why", why.map(|why| printable(why))),
        );
        let why = why.map(|why| format!(": {}", printable(why))).unwrap_or_default();
        output.text(format_args!(
            "{}  {word}  {title}{why}",
            license.unwrap_or_else(|| "a license".into())
        ));
    }

    fn damage(&mut self, damage: &Damage) {
        self.context.output.warning(printable(&damage.to_string()));
    }
}

fn tell(context: &Context, report: &Report) {
    let output = &context.output;
    output.summarize("size", report.size);
    output.summarize("inner_length", report.inner_len);
    output.summarize("encrypted", report.encryption.is_some());
    if let Some(opened) = &report.opened {
        let counts = &opened.counts;
        output.summarize("licenses", counts.licenses);
        output.summarize("good", counts.good);
        output.summarize("keys_opened", counts.keys_opened);
        output.summarize("lost", counts.lost);
        output.summarize("documents", counts.documents);
        output.summarize("from", opened.computer.to_string());
        output.text(format_args!("the backup of computer {}", opened.computer.short()));
        output.text(format_args!(
            "{} read, {} good, {} with their keys opened",
            words::count(counts.licenses, "license"),
            words::number(counts.good),
            words::number(counts.keys_opened)
        ));
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
            &Line::new("unchecked")
                .with("what", word)
                .with("said", said.as_str()),
        );
        output.text(said);
    }
}

fn ending(report: &Report) -> Result<()> {
    let damaged = |exit: u8, message: &str| {
        let failed = Failed::new(Failure::BackupCorrupt, message);
        Err(Failed { exit, ..failed })
    };
    match report.verdict() {
        Verdict::Whole | Verdict::OutsideWhole => Ok(()),
        Verdict::Damaged { usable: 0 } => {
            damaged(5, "the backup is damaged, and nothing of it can be restored")
        }
        Verdict::Damaged { usable } => {
            let message = format!(
                "the backup is damaged; {} can be restored",
                words::count(usable, "license")
            );
            damaged(3, &message)
        }
        Verdict::NothingCheckable => Err(Failed::new(
            Failure::WrongPassphrase,
            "nothing of this backup can be checked without opening it",
        )),
    }
}
