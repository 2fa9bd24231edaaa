//! `keyferry issuer`: makes an issuer, shows its card, issues licenses. Needs neither a home nor a network.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use keyferry::Failure;
use keyferry_license::{CardKind, ContentKey, Grant, IssuerKey, KeyId, LicenseId, armor};
use zeroize::Zeroizing;

use crate::args::{IssueArgs, IssuerCommand};
use crate::cards;
use crate::context::{Context, now};
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::files::{self, NewFile, Readers};
use crate::issue::{self, Press, Wish};
use crate::output::{Line, Output};
use crate::signals::{self, Interrupted};
use crate::words;

pub(super) const KEY: &str = "issuer.key";
pub(super) const CARD: &str = "issuer.card";
/// A line of JSON is at most this many bytes long.
const LINE_LIMIT: u64 = 64 * 1024;

/// Runs one of its commands.
pub fn run(context: &Context, command: IssuerCommand) -> Result<()> {
    match command {
        IssuerCommand::Init { dir, name, url } => init(&context.output, &dir, &name, &url),
        IssuerCommand::Card {
            dir,
            output,
            overwrite,
        } => {
            let card = files::read_card(&dir.join(CARD), CardKind::Issuer)?;
            cards::write(&context.output, &card, output.as_deref(), overwrite)
        }
        IssuerCommand::Issue(args) => issue(&context.output, *args),
        IssuerCommand::Revoke(args) => super::revoke::run(context, &args),
    }
}

fn init(output: &Output, dir: &Path, name: &str, urls: &[String]) -> Result<()> {
    for url in urls {
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            let message = format!(
                "{:?} is not an address of the web",
                keyferry_license::printable(url)
            );
            return Err(Failed::usage(message).hint("give it as https://…"));
        }
    }
    let (key_file, card_file) = (dir.join(KEY), dir.join(CARD));
    for file in [&key_file, &card_file] {
        if file.symlink_metadata().is_ok() {
            let message = format!(
                "{} is there already, and an issuer's files are never overwritten",
                file.display()
            );
            return Err(Failed::other(message)
                .because("file-exists")
                .hint("choose another folder"));
        }
    }
    let key = IssuerKey::generate()?;
    let card = key
        .card(name, urls, now())
        .map_err(|e| Failed::usage(e.to_string()))?;
    std::fs::create_dir_all(dir).map_err(|e| Failed::file("make", dir, &e))?;
    files::write_new(&key_file, false, Readers::Owner, key.to_armor()?.as_bytes())?;
    let text = armor::write(armor::CARD, card.as_bytes())?;
    files::write_new(&card_file, false, Readers::Everybody, text.as_bytes())?;
    output.text(format_args!("{} is an issuer now", card.name.shown()));
    output.text(format_args!(
        "  thumbprint  {}",
        words::grouped(&card.thumbprint())
    ));
    output.text(format_args!("  key         {}", key_file.display()));
    output.text(format_args!("  card        {}", card_file.display()));
    output.event(
        &Line::new(Event::Issuer)
            .with("name", card.name.shown())
            .with("thumbprint", card.thumbprint().to_string())
            .with("key", key_file.display().to_string())
            .with("card", card_file.display().to_string()),
    );
    output.hint("publish the thumbprint where people can compare it, and keep issuer.key to yourself");
    Ok(())
}

fn issue(output: &Output, args: IssueArgs) -> Result<()> {
    let key_file = args.dir.join(KEY);
    let key =
        IssuerKey::from_armor(&files::read_small(&key_file)?).map_err(|e| Failed::document(&key_file, &e))?;
    let press = Press::new(
        key,
        files::read_card(&args.dir.join(CARD), CardKind::Issuer)?,
        files::read_card(&args.service, CardKind::Service)?,
        files::read_card(&args.computer, CardKind::Computer)?,
        now(),
    );
    let to = press.computer.name.shown();
    let mut desk = Desk::new(output, press, &args)?;
    let mut only = None;
    match &args.from {
        None => only = Some(desk.issue(single_wish(&args)?)?),
        Some(from) if from == Path::new("-") => desk.issue_all(io::stdin().lock())?,
        Some(from) => {
            // Canceled between two licenses it leaves no half-made file behind.
            desk.interrupted = Some(signals::on_interrupt(|| {})?);
            let file = File::open(from).map_err(|e| Failed::file("read", from, &e))?;
            desk.issue_all(BufReader::new(file))?;
        }
    }
    let issued = desk.finish()?;
    output.summarize("licenses", issued);
    if let Some((license, key_id)) = only {
        output.summarize("license", license.to_string());
        output.summarize("key_id", key_id.to_string());
        output.note(format_args!(
            "issued license {license} for key ID {key_id} to {to}"
        ));
    } else {
        output.note(format_args!("issued {} to {to}", words::count(issued, "license")));
    }
    Ok(())
}

fn single_wish(args: &IssueArgs) -> Result<Wish> {
    let one = &args.one;
    let key = one.key_file.as_deref().map(|file| {
        let bytes = files::read_small(file)?;
        issue::key_from_text(&bytes)
            .map_err(|why| Failed::other(format!("{}: {why}", file.display())).because("bad-document"))
    });
    Ok(Wish {
        title: one.title.clone().unwrap_or_default(),
        kind: one.kind.clone(),
        key_id: one.key_id,
        key: key.transpose()?,
        rights: if one.rights.is_empty() {
            issue::play_alone()
        } else {
            one.rights.clone()
        },
        computers: one.computers,
        subject: one.subject.clone(),
        priority: one.priority,
        parent: one.parent,
    })
}

/// The press with its paper: where the licenses and the publisher's keys go.
struct Desk<'a> {
    output: &'a Output,
    press: Press,
    licenses: Option<NewFile>,
    keys: Option<NewFile>,
    issued: u64,
    interrupted: Option<Interrupted>,
}

impl<'a> Desk<'a> {
    fn new(output: &'a Output, press: Press, args: &IssueArgs) -> Result<Self> {
        let licenses = files::named(args.output.as_deref());
        let licenses = licenses.map(|file| NewFile::create(file, args.overwrite, Readers::Everybody));
        let keys = args
            .keys_out
            .as_deref()
            .map(|file| NewFile::create(file, false, Readers::Owner));
        Ok(Self {
            output,
            press,
            licenses: licenses.transpose()?,
            keys: keys.transpose()?,
            issued: 0,
            interrupted: None,
        })
    }

    fn issue(&mut self, wish: Wish) -> Result<(LicenseId, KeyId)> {
        if self.press.is_full() {
            self.deliver()?;
        }
        let (grant, key) = self.press.issue(wish)?;
        if let Some(file) = &mut self.keys {
            file.write(key_line(grant, key).as_bytes())?;
        }
        self.issued += 1;
        Ok((grant.license, grant.key_id))
    }

    fn issue_all(&mut self, mut lines: impl BufRead) -> Result<()> {
        let mut line = Zeroizing::new(Vec::with_capacity(4096));
        for number in 1u64.. {
            if self.interrupted.as_ref().is_some_and(Interrupted::is_set) {
                return Err(Failed::new(Failure::Canceled, "canceled"));
            }
            line.clear();
            let read = Read::take(&mut lines, LINE_LIMIT).read_until(b'\n', &mut line);
            let read =
                read.map_err(|e| Failed::other(format!("line {number}: {}", crate::failed::plain(&e))))?;
            if read == 0 {
                break;
            }
            let bad = |why: String| Failed::other(format!("line {number}: {why}")).because("bad-document");
            if read as u64 == LINE_LIMIT && !line.ends_with(b"\n") {
                return Err(bad(format!("longer than {LINE_LIMIT} bytes")));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let wish = Wish::from_json(&line).map_err(bad)?;
            self.issue(wish).map_err(|failed| Failed {
                message: format!("line {number}: {}", failed.message),
                ..failed
            })?;
        }
        if self.issued == 0 {
            return Err(Failed::other("there is no license to issue").because("bad-document"));
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<()> {
        let Some(block) = self.press.block()? else {
            return Ok(());
        };
        match &mut self.licenses {
            Some(file) => file.write(block.as_bytes()),
            None => {
                self.output.document(armor::LICENSE, &block);
                Ok(())
            }
        }
    }

    /// The keys get their name first: licenses whose keys nobody knows protect nothing.
    fn finish(mut self) -> Result<u64> {
        self.deliver()?;
        self.keys.take().map_or(Ok(()), NewFile::finish)?;
        self.licenses.take().map_or(Ok(()), NewFile::finish)?;
        Ok(self.issued)
    }
}

fn key_line(grant: &Grant, key: &ContentKey) -> Zeroizing<String> {
    let mut line = Zeroizing::new(String::with_capacity(192));
    line.push_str("{\"license\":\"");
    line.push_str(&grant.license.to_string());
    line.push_str("\",\"key_id\":\"");
    line.push_str(&grant.key_id.to_base64());
    line.push_str("\",\"key\":\"");
    crate::key_text::push_hex(&mut line, key.expose());
    line.push_str("\"}\n");
    line
}
