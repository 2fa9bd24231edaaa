//! A service as one stream of bytes: its keys, its card and a snapshot of its ledger, and back into a new folder
//! (docs/operations.md, "Keys and recovery"). Whoever calls encrypts the stream: its keys are the service.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use keyferry_license::{Card, Text, Thumbprint, Verified, armor, decode_exact, encode};
use keyferry_protocol::{Recovery, Row};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::files;
use crate::keys::{CARD_FILE, KEY_FILE, ServiceKeys, read_card};
use crate::ledger::{Ledger, LicenseName, SqliteLedger};
use crate::service::{LEDGER_FILE, make_folder};

/// Begins the stream.
const MAGIC: &[u8; 8] = b"KEYFSVC1";
/// Bytes of the header.
const HEADER_LIMIT: usize = 131_072;
/// Clocks differ: rows are taken to be missing from so long before the snapshot on (seconds).
const MARGIN: u64 = 24 * 60 * 60;
/// Rows that are checked at a time.
const ROWS: usize = 10_000;

#[derive(Encode, Decode)]
#[cbor(map)]
struct Header {
    #[n(1)]
    version: u32,
    #[n(2)]
    time: u64,
    #[n(3)]
    key: Text<16_384>,
    #[n(4)]
    card: Text<98_304>,
    #[n(5)]
    ledger: Option<u64>,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct BackedUp {
    /// The service's card.
    pub card: Verified<Card>,
    /// When the snapshot was made (Unix seconds).
    pub time: u64,
    /// Bytes of the ledger; None if it isn't in the backup.
    pub ledger: Option<u64>,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The service's card.
    pub card: Verified<Card>,
    /// When the snapshot was made (Unix seconds).
    pub time: u64,
    /// Rows of the ledger; None if the backup held none, and the new one is empty.
    pub rows: Option<u64>,
    /// What the new ledger is told.
    pub recovery: Recovery,
}

/// Writes the service of this folder, which may run meanwhile. `with_ledger`: the SQLite ledger that lies in it, too.
pub fn write_backup(dir: &Path, with_ledger: bool, out: &mut dyn Write, now: u64) -> Result<BackedUp> {
    let missing = |file: &str| Error::Config {
        field: "dir",
        why: format!("there is no {file} in {}", dir.display()),
    };
    let path = dir.join(KEY_FILE);
    let key = match fs::read(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing(KEY_FILE)),
        Err(error) => return Err(Error::file("read", &path)(error)),
    };
    let card = read_card(dir)?.ok_or_else(|| missing(CARD_FILE))?;
    fitting(&key, &card)?;
    let snapshot = match with_ledger {
        true if !dir.join(LEDGER_FILE).exists() => return Err(missing(LEDGER_FILE)),
        true => Some(Snapshot::of(dir)?),
        false => None,
    };
    let utf8 = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let header = Header {
        version: 1,
        time: now,
        key: Text::new("service.key", utf8(&key))?,
        card: Text::new("service.card", armor::write(armor::CARD, card.as_bytes())?)?,
        ledger: snapshot.as_ref().map(Snapshot::len).transpose()?,
    };
    let header = Zeroizing::new(encode(&header));
    let failed = |error: io::Error| Error::file("write", Path::new("the backup"))(error);
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(failed);
    write(MAGIC)?;
    write(&u32::try_from(header.len()).unwrap_or(u32::MAX).to_be_bytes())?;
    write(&header)?;
    let ledger = match &snapshot {
        Some(snapshot) => {
            let mut file = File::open(&snapshot.0).map_err(Error::file("read", &snapshot.0))?;
            Some(io::copy(&mut file, out).map_err(failed)?)
        }
        None => None,
    };
    Ok(BackedUp {
        card,
        time: now,
        ledger,
    })
}

/// Makes a new folder of what [`write_backup`] wrote; everything is checked first, and the ledger is in recovery. The folder
/// is whole or absent: one that holds anything is left alone.
pub fn restore_backup(from: &mut dyn Read, dir: &Path, now: u64) -> Result<Restored> {
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        let why = format!(
            "{} holds something already; a restore makes a new folder",
            dir.display()
        );
        return Err(Error::Config { field: "dir", why });
    }
    let header = read_header(from)?;
    let card = Card::verify(&armor::single(armor::CARD, header.card.as_bytes())?)?;
    let keys = fitting(header.key.as_bytes(), &card)?;
    let made = Making::beside(dir)?;
    let path = made.0.join(LEDGER_FILE);
    if let Some(len) = header.ledger {
        let mut file = BufWriter::new(File::create(&path).map_err(Error::file("create", &path))?);
        let copied = io::copy(&mut from.take(len), &mut file).map_err(Error::file("write", &path))?;
        if copied < len {
            return Err(unusable("it is cut off"));
        }
        let file = file
            .into_inner()
            .map_err(|error| Error::file("write", &path)(error.into_error()))?;
        file.sync_all().map_err(Error::file("write", &path))?;
    }
    if from.read(&mut [0]).map_err(reading)? > 0 {
        return Err(unusable("there is more in it than it says"));
    }
    let ledger = SqliteLedger::open(&path)?;
    let rows = match header.ledger {
        Some(_) => Some(check(&ledger)?),
        None => None,
    };
    // Of a ledger that is empty everything may be missing.
    let since = header.ledger.map_or(0, |_| header.time.saturating_sub(MARGIN));
    let recovery = ledger.start_recovery(since, now)?;
    drop(ledger);
    let write = |name: &str, text: &[u8], mode| files::replace(&made.0, &made.0.join(name), text, mode);
    write(CARD_FILE, header.card.as_bytes(), 0o644)?;
    write(KEY_FILE, keys.to_armor()?.as_bytes(), 0o600)?;
    made.become_folder(dir)?;
    Ok(Restored {
        card,
        time: header.time,
        rows,
        recovery,
    })
}

fn reading(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => unusable("it is cut off"),
        _ => Error::file("read", Path::new("the backup"))(error),
    }
}

fn read_header(from: &mut dyn Read) -> Result<Header> {
    let mut start = [0; 12];
    from.read_exact(&mut start).map_err(reading)?;
    let (magic, len) = start.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(unusable("it is not the backup of a service"));
    }
    let len = len
        .iter()
        .fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
    if len > HEADER_LIMIT {
        return Err(unusable("its header is too long"));
    }
    let mut header = Zeroizing::new(vec![0; len]);
    from.read_exact(&mut header).map_err(reading)?;
    let header: Header = decode_exact("header of the backup", &header, HEADER_LIMIT)?;
    if header.version != 1 {
        return Err(unusable("it is of a newer version; use a newer Keyferry"));
    }
    Ok(header)
}

/// The keys, if the card is theirs and lists them and no others.
fn fitting(key: &[u8], card: &Verified<Card>) -> Result<ServiceKeys> {
    let keys = ServiceKeys::from_armor(key)?;
    match keys.are_in(card)? {
        true => Ok(keys),
        false => Err(unusable(
            "the keys and the card in it don't fit each other; if it is being made: start the service once, which writes the card anew",
        )),
    }
}

fn unusable(why: &str) -> Error {
    Error::Config {
        field: "backup",
        why: why.into(),
    }
}

/// The database is whole, and rows beside each other follow by hash. Gives how many there are.
fn check(ledger: &SqliteLedger) -> Result<u64> {
    ledger.check_whole()?;
    let (mut count, mut last): (u64, Option<Row>) = (0, None);
    let name = |row: &Row| -> LicenseName { (row.issuer, row.license) };
    loop {
        let after = last
            .as_ref()
            .map_or(((Thumbprint::default(), Default::default()), 0), |row| {
                (name(row), row.seq)
            });
        let rows = ledger.walk(after, ROWS)?;
        for row in &rows {
            let before = last.as_ref().filter(|before| name(before) == name(row));
            let (number, hash) = before.map_or((0, Default::default()), |before| (before.seq, before.hash()));
            if number.checked_add(1) == Some(row.seq) && row.previous != hash {
                return Err(Error::LedgerDamaged("a row doesn't follow the one before it"));
            }
            last = Some(row.clone());
        }
        count += rows.len() as u64;
        if rows.len() < ROWS {
            return Ok(count);
        }
    }
}

/// A copy of the ledger as it was at one moment; it goes when this is dropped.
struct Snapshot(PathBuf);

impl Snapshot {
    fn of(dir: &Path) -> Result<Self> {
        let path = dir.join(format!(".{LEDGER_FILE}.{}", std::process::id()));
        // One that a process of this number left.
        let _ = fs::remove_file(&path);
        let snapshot = Self(path);
        SqliteLedger::snapshot(&dir.join(LEDGER_FILE), &snapshot.0)?;
        Ok(snapshot)
    }
}

impl Snapshot {
    fn len(&self) -> Result<u64> {
        let file = fs::metadata(&self.0).map_err(Error::file("read", &self.0))?;
        Ok(file.len())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A folder that is being filled; it goes when this is dropped, unless it got its name.
struct Making(PathBuf);

impl Making {
    fn beside(dir: &Path) -> Result<Self> {
        let Some(name) = dir.file_name().map(|name| name.to_string_lossy()) else {
            let why = format!("{} is not the name of a new folder", dir.display());
            return Err(Error::Config { field: "dir", why });
        };
        let path = dir.with_file_name(format!(".{name}.restoring.{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        make_folder(&path)?;
        Ok(Self(path))
    }

    fn become_folder(self, dir: &Path) -> Result<()> {
        // An empty folder that is there makes room; one that isn't empty stays, and this fails.
        let _ = fs::remove_dir(dir);
        fs::rename(&self.0, dir).map_err(Error::file("create", dir))?;
        files::sync_folder(dir)?;
        match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => files::sync_folder(parent),
            _ => files::sync_folder(Path::new(".")),
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
