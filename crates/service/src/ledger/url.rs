//! `sqlite:PATH | postgres://…`: where a ledger is, as an operator writes it (docs/ledger.md).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::{Ledger, PostgresLedger, SqliteLedger};
use crate::error::{Error, Result};

/// Where a ledger is. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerUrl {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A database of PostgreSQL.
    Postgres(PostgresUrl),
}

/// A PostgreSQL database, as libpq's URLs name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// What the driver understands.
    pub(super) url: String,
    /// Root certificates, PEM, in place of the public ones.
    pub(super) roots: Option<PathBuf>,
}

impl LedgerUrl {
    /// Opens the ledger; its tables are made, or brought to this version. The password is for PostgreSQL.
    pub fn open(&self, password: Option<&Zeroizing<String>>) -> Result<Arc<dyn Ledger>> {
        Ok(match self {
            Self::Sqlite(_) if password.is_some() => return Err(no_password()),
            Self::Sqlite(path) => Arc::new(SqliteLedger::open(path)?),
            Self::Postgres(url) => Arc::new(PostgresLedger::open(url, password)?),
        })
    }

    /// The same, but nothing is made where no ledger is.
    pub fn open_existing(&self, password: Option<&Zeroizing<String>>) -> Result<Arc<dyn Ledger>> {
        match self {
            Self::Sqlite(path) if !path.is_file() => {
                Err(wrong(format!("there is no ledger in {}", path.display())))
            }
            Self::Sqlite(_) => self.open(password),
            Self::Postgres(url) => Ok(Arc::new(PostgresLedger::open_existing(url, password)?)),
        }
    }
}

/// A ledger that was looked at, and not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerFound {
    /// Version of its tables; 0 where there is no ledger yet.
    pub version: u32,
    /// The version that this program brings older tables to when it opens them.
    pub known: u32,
}

impl LedgerUrl {
    /// Could it be opened? Nothing is made, and older tables stay as they are.
    pub fn look(&self, password: Option<&Zeroizing<String>>) -> Result<LedgerFound> {
        match self {
            Self::Sqlite(_) if password.is_some() => Err(no_password()),
            Self::Sqlite(path) => SqliteLedger::look(path),
            Self::Postgres(url) => PostgresLedger::look(url, password),
        }
    }
}

impl FromStr for LedgerUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(wrong("sqlite: is followed by the path of a file".into())),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        // What it is isn't repeated: it may hold a password.
        let why = "a ledger is sqlite:PATH or postgres://USER@HOST/DATABASE";
        Err(wrong(why.into()))
    }
}

impl fmt::Display for LedgerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&url.url),
        }
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let authority = base.split_once("://").map_or("", |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let mut kept = Vec::new();
        let mut roots = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| wrong(format!("{name} is not UTF-8")))?;
            match (name, &*value) {
                ("password", _) => return Err(password()),
                ("sslrootcert", path) => roots = Some(PathBuf::from(path)),
                ("sslmode", "verify-full") => kept.push("sslmode=require".to_owned()),
                ("sslmode", "verify-ca" | "allow") => {
                    return Err(wrong("sslmode is disable, prefer, require or verify-full".into()));
                }
                _ => kept.push(pair.to_owned()),
            }
        }
        if user.contains(':') {
            return Err(password());
        }
        let url = match kept.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", kept.join("&")),
        };
        let parsed = Self { url, roots };
        parsed.config()?;
        Ok(parsed)
    }

    pub(super) fn config(&self) -> Result<tokio_postgres::Config> {
        let config: tokio_postgres::Config = self
            .url
            .parse()
            .map_err(|error: tokio_postgres::Error| wrong(super::postgres::told(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(wrong("no host is named: postgres://USER@HOST/DATABASE".into()));
        }
        Ok(config)
    }
}

fn password() -> Error {
    wrong(
        "a password would stand in the list of processes: give a file with it, by --ledger-password-file"
            .into(),
    )
}

fn no_password() -> Error {
    wrong("SQLite takes no password".into())
}

fn wrong(why: String) -> Error {
    Error::Config { field: "ledger", why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match text.parse::<LedgerUrl>() {
            Ok(url) => url.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        for (text, expected) in [
            ("sqlite:ledger.sqlite", "sqlite:ledger.sqlite"),
            ("sqlite:///var/lib/l.sqlite", "sqlite:/var/lib/l.sqlite"),
            ("postgres://k@db/ledger", "postgres://k@db/ledger"),
            (
                "postgresql://k@a:5432,b:5433/ledger?sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=3",
                "postgresql://k@a:5432,b:5433/ledger?sslmode=require&connect_timeout=3",
            ),
            (
                "postgres:///ledger?host=/run/postgresql",
                "postgres:///ledger?host=/run/postgresql",
            ),
        ] {
            assert_eq!(parsed(text), expected);
        }
    }

    #[test]
    fn what_can_not_be_is_said_and_a_password_never_repeated() {
        for (text, part) in [
            ("", "sqlite:PATH or postgres://"),
            ("mysql://u:geheim@h/d", "sqlite:PATH or postgres://"),
            ("sqlite:", "path of a file"),
            ("postgres://u:geheim@h/d", "--ledger-password-file"),
            ("postgres://u@h/d?password=geheim", "--ledger-password-file"),
            ("postgres://u@h/d?sslmode=verify-ca", "sslmode is"),
            ("postgres://u@h/d?sslmode=geheim", "sslmode"),
            ("postgres://", "no host"),
        ] {
            let said = parsed(text);
            assert!(said.contains(part) && !said.contains("geheim"), "{text}: {said}");
        }
    }
}
