//! `keyferry serve --check-config`: all that a start would need, looked at without serving and without changing
//! anything. Everything is looked at, whatever failed before.

use std::fs;
use std::io;
use std::path::Path;

use keyferry_license::CardKind;
use keyferry_service::ledger::LedgerUrl;
use keyferry_service::{CARD_FILE, FolderLock, KEY_FILE, ServiceKeys, read_card};
use zeroize::Zeroizing;

use crate::args::ServeArgs;
use crate::context::{Context, now};
use crate::disk;
use crate::event::Event;
use crate::failed::{Failed, Result};
use crate::files;
use crate::ledger;
use crate::open_files;
use crate::output::{Line, Output};
use crate::words;

/// Looks at everything; fails as the first that failed.
pub fn run(context: &Context, args: &ServeArgs) -> Result<()> {
    let mut checks = Checks {
        output: &context.output,
        all: 0,
        warnings: 0,
        failures: Vec::new(),
    };
    checks.limits(args);
    checks.folder(&args.dir);
    checks.keys(&args.dir);
    let url = checks.url(args);
    checks.card(args, url.as_deref());
    for path in &args.issuer {
        checks.issuer(path);
    }
    if let Some(password) = checks.password(args) {
        checks.ledger(args, password.as_ref());
    }
    checks.certificate(args);
    checks.running(&args.dir);
    checks.listen(args);
    checks.end()
}

struct Checks<'c> {
    output: &'c Output,
    all: usize,
    warnings: usize,
    failures: Vec<Failed>,
}

impl Checks<'_> {
    fn limits(&mut self, args: &ServeArgs) {
        let wanted = args.limits.limits();
        let files = open_files::raised();
        match files {
            Some(files) => self.ok(
                "limits",
                format_args!("{} connections, {files} open files", wanted.connections),
            ),
            None => self.ok("limits", format_args!("{} connections", wanted.connections)),
        }
        if let (_, Some(hint)) = super::within(wanted, files) {
            self.warning("limits", "there are fewer connections than wanted", &hint);
        }
        for net in args
            .limits
            .trusted_proxy
            .iter()
            .filter(|net| net.prefix_len() == 0)
        {
            self.warning(
                "limits",
                format_args!("--trusted-proxy {net} is everybody"),
                "whoever asks could say another address, and no limit by address would hold: name the proxy's",
            );
        }
    }

    fn folder(&mut self, dir: &Path) {
        let shown = words::path(dir);
        let found = match fs::metadata(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new("."));
                let made = writable(parent).map_err(|e| Failed::file("create", dir, &e));
                made.map(|()| format!("{shown} will be made"))
            }
            Err(error) => Err(Failed::file("read", dir, &error)),
            Ok(found) if !found.is_dir() => {
                Err(Failed::file("use", dir, &io::ErrorKind::NotADirectory.into()))
            }
            Ok(_) => writable(dir)
                .map(|()| shown.clone())
                .map_err(|e| Failed::file("write in", dir, &e)),
        };
        self.take("folder", found);
        if let Some(full) = disk::full(dir) {
            self.failed("folder", full);
        }
        if others_may(dir, 0o022) {
            self.warning(
                "folder",
                format_args!("others may write in {shown}"),
                "whoever can replace its files is the service: chmod go-w",
            );
        }
    }

    fn keys(&mut self, dir: &Path) {
        let path = dir.join(KEY_FILE);
        let found = match ServiceKeys::read(dir) {
            Ok(None) if dir.join(CARD_FILE).exists() => {
                let gone = keyferry_service::Error::KeysGone { dir: dir.to_owned() };
                Err(Failed::from(gone))
            }
            Ok(None) => Ok("will be made, as at a first start".into()),
            Ok(Some(keys)) => Ok(words::grouped(&keys.thumbprint())),
            Err(error) => Err(Failed::from(error)),
        };
        self.take("key", found);
        if others_may(&path, 0o077) {
            self.warning(
                "key",
                format_args!("others may read or write {}", words::path(&path)),
                "whoever has the keys of a service is the service: chmod 600, and think of new keys",
            );
        }
    }

    fn url(&mut self, args: &ServeArgs) -> Option<String> {
        // Of port 0 nobody knows yet which one it will be.
        let url = super::url(args, args.listen);
        let told = url.as_ref().ok().cloned();
        self.take("url", url);
        told
    }

    fn card(&mut self, args: &ServeArgs, url: Option<&str>) {
        let card = match read_card(&args.dir) {
            Ok(None) => return self.ok("card", "will be made"),
            Ok(Some(card)) => card,
            Err(error) => {
                let failed = Failed::from(error);
                let message = format!("{}: {}", words::path(&args.dir.join(CARD_FILE)), failed.message);
                return self.failed("card", Failed { message, ..failed });
            }
        };
        self.ok(
            "card",
            format_args!("{}, serial {}", card.name.shown(), card.serial),
        );
        let keys = ServiceKeys::read(&args.dir).ok().flatten();
        if keys.is_some_and(|keys| keys.thumbprint() != card.thumbprint()) {
            self.warning(
                "card",
                "it is another service's",
                "a start would write one that belongs to service.key: if that is wrong, bring the right key back",
            );
        }
        let before = card.urls.first().map(|url| url.shown()).unwrap_or_default();
        if url.is_some_and(|url| url != before) && (args.url.is_some() || args.listen.port() != 0) {
            self.warning("card", "its address will change", &super::moved(&before));
        }
    }

    fn issuer(&mut self, path: &Path) {
        let card = files::read_card(path, CardKind::Issuer);
        self.take(
            "issuer",
            card.map(|card| format!("{}, {}", card.name.shown(), words::grouped(&card.thumbprint()))),
        );
    }

    /// What the ledger is to be looked at with, unless that is what fails.
    fn password(&mut self, args: &ServeArgs) -> Option<Option<Zeroizing<String>>> {
        let Some(path) = &args.ledger.ledger_password_file else {
            return Some(None);
        };
        let shown = words::path(path);
        let password = match ledger::password(&args.ledger) {
            Ok(password) => {
                self.ok("password", &shown);
                Some(password)
            }
            Err(failed) => {
                self.failed("password", failed);
                None
            }
        };
        if others_may(path, 0o077) {
            self.warning(
                "password",
                format_args!("others may read or write {shown}"),
                "it is for its owner alone: chmod 600",
            );
        }
        password
    }

    fn ledger(&mut self, args: &ServeArgs, password: Option<&Zeroizing<String>>) {
        let found = ledger::place(&args.dir, &args.ledger).and_then(|place| {
            let found = place.look(password)?;
            if let LedgerUrl::Sqlite(path) = &place
                && found.version == 0
                && path.parent().is_some_and(|folder| folder != args.dir)
            {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let may = writable(folder.unwrap_or(Path::new(".")));
                may.map_err(|e| Failed::file("create", path, &e))?;
            }
            let version = match found.version {
                0 => "will be made".into(),
                old if old < found.known => {
                    format!("version {old}, will be brought to {}", found.known)
                }
                version => format!("version {version}"),
            };
            Ok(format!("{place}, {version}"))
        });
        self.take("ledger", found);
    }

    fn certificate(&mut self, args: &ServeArgs) {
        let found = super::tls(args).and_then(|tls| {
            let Some(tls) = tls else {
                return Ok("none: plain http, on this computer only".into());
            };
            let path = args.tls_cert.as_deref().map(words::path).unwrap_or_default();
            let Some((from, until)) = tls.validity() else {
                return Ok(format!("{path}, which doesn't say until when it is valid"));
            };
            let no = |why: String| Err(Failed::other(format!("{path} {why}")).because("service"));
            match now() {
                now if now < from => no(format!("is valid from {} on", words::time(from))),
                now if now > until => no(format!("expired on {}", words::time(until))),
                _ => Ok(format!("{path}, valid until {}", words::time(until))),
            }
        });
        self.take("certificate", found);
        // A group that may read it is how many programs share one.
        if let Some(key) = args.tls_key.as_deref().filter(|key| others_may(key, 0o007)) {
            self.warning(
                "certificate",
                format_args!("everybody may read or write {}", words::path(key)),
                "whoever has the key can pass for this address: chmod o-rwx",
            );
        }
    }

    fn running(&mut self, dir: &Path) {
        let free = FolderLock::look(dir).map_err(Failed::from);
        self.take("running", free.map(|()| "none in this folder".into()));
    }

    fn listen(&mut self, args: &ServeArgs) {
        // Both at once, as they would be.
        let main = super::bind(args.listen);
        let metrics = args.metrics.map(super::bind);
        self.take("listen", main.map(|_bound| address(args.listen)));
        if let (Some(bound), Some(asked)) = (metrics, args.metrics) {
            self.take("metrics", bound.map(|_| address(asked)));
            if !asked.ip().is_loopback() {
                self.warning(
                    "metrics",
                    "they are not for this computer alone",
                    super::METRICS_SEEN,
                );
            }
        }
    }

    fn end(self) -> Result<()> {
        let (all, failures) = (self.all, self.failures.len());
        self.output.summarize("checks", all);
        self.output.summarize("warnings", self.warnings);
        self.output.summarize("failures", failures);
        match self.failures.into_iter().next() {
            None => {
                self.output.text("it would start");
                Ok(())
            }
            Some(first) => Err(Failed {
                message: format!("it would not start: {}", words::count(failures as u64, "failure")),
                hints: Vec::new(),
                ..first
            }),
        }
    }

    fn take(&mut self, what: &'static str, found: Result<String>) {
        match found {
            Ok(said) => self.ok(what, said),
            Err(failed) => self.failed(what, failed),
        }
    }

    fn ok(&mut self, what: &'static str, said: impl std::fmt::Display) {
        self.tell(what, "ok", &said.to_string(), &[], None);
    }

    fn warning(&mut self, what: &'static str, said: impl std::fmt::Display, hint: &str) {
        self.warnings += 1;
        self.tell(what, "warning", &said.to_string(), &[hint.to_owned()], None);
    }

    fn failed(&mut self, what: &'static str, failed: Failed) {
        self.tell(what, "failed", &failed.message, &failed.hints, Some(&failed));
        self.failures.push(failed);
    }

    fn tell(
        &mut self,
        what: &'static str,
        status: &str,
        said: &str,
        hints: &[String],
        failed: Option<&Failed>,
    ) {
        self.all += 1;
        let output = self.output;
        output.text(format_args!("{status:<8} {what:<12} {said}"));
        for hint in hints {
            output.hint(hint);
        }
        output.item(
            &Line::new(Event::Checked)
                .with("what", what)
                .with("status", status)
                .with("said", said)
                .with("hint", (!hints.is_empty()).then(|| hints.join("\n")))
                .with("reason", failed.map(|failed| failed.reason.as_str()))
                .with("exit", failed.map(|failed| failed.exit)),
        );
    }
}

fn address(address: std::net::SocketAddr) -> String {
    match address.port() {
        0 => format!("{}, any free port", address.ip()),
        _ => address.to_string(),
    }
}

/// May files be made in this folder?
#[cfg(unix)]
fn writable(dir: &Path) -> io::Result<()> {
    use rustix::fs::{Access, access};
    Ok(access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// Is it a folder? Whether files may be made in it is known when one is.
#[cfg(not(unix))]
fn writable(dir: &Path) -> io::Result<()> {
    match fs::metadata(dir)?.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// Does a file that is there let others do this?
#[cfg(unix)]
fn others_may(path: &Path, mode: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & mode != 0)
}

/// Does a file that is there let others do this? Here permissions are inherited from the folder.
#[cfg(not(unix))]
fn others_may(_: &Path, _: u32) -> bool {
    false
}
