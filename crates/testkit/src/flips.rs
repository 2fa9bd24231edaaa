//! Damaged copies of a backup, and what has to be said of each: by the verification, byte by byte, and by what a restore
//! puts into a store.

mod selection;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;
use std::path::PathBuf;

use keyferry::{RestoreOptions, Unlocker};
use keyferry_archive::{
    Damage, Encrypted, Error, Inspector, Item, KeyCheck, License, LicenseVerdict, Place, Reader, Record,
    Report, Unlock, Verdict, verify,
};
use keyferry_license::{Grant, LicenseId, Verified};

use crate::computer::Computer;
use crate::parts::{Part, part_at, parts};
use crate::publisher::Issued;
use crate::world::World;

/// A backup that is whole, and what it holds.
pub struct Flips {
    /// Its bytes.
    pub whole: Vec<u8>,
    /// Its parts.
    pub parts: Vec<Part>,
    unlock: Unlock,
    licenses: BTreeMap<LicenseId, Original>,
}

/// A license as it stands in the whole backup.
#[derive(PartialEq, Eq)]
struct Original {
    grant: Vec<u8>,
    seals: [Option<Vec<u8>>; 3],
}

impl Flips {
    /// Reads a whole backup once.
    pub fn new(whole: Vec<u8>, unlock: Unlock) -> Self {
        let open = |_: &Encrypted| Ok::<_, Error>(unlock.clone());
        let mut reader = Reader::open_with(Cursor::new(&whole), open).expect("it opens");
        let mut licenses = BTreeMap::new();
        let mut records = reader.records().expect("records");
        while let Some(item) = records.next_item() {
            let Item::Record(Record::License(license)) = item else {
                panic!("nothing but licenses is in it");
            };
            let grant = Grant::parse(license.grant).expect("a grant");
            licenses.insert(grant.claim().license, Original::of(&license));
        }
        Self {
            parts: parts(&whole),
            whole,
            unlock,
            licenses,
        }
    }

    /// How many licenses it holds.
    pub fn len(&self) -> usize {
        self.licenses.len()
    }

    /// Does it hold none?
    pub fn is_empty(&self) -> bool {
        self.licenses.is_empty()
    }

    /// The part in which a byte lies.
    pub fn part(&self, at: usize) -> &'static str {
        part_at(&self.parts, at).name
    }

    /// A copy with one byte altered.
    pub fn flipped(&self, at: usize, mask: u8) -> Vec<u8> {
        let mut bytes = self.whole.clone();
        bytes[at] ^= mask;
        bytes
    }

    /// Verifies a damaged copy. Whatever is said of licenses is said of those that were written: a wrong one panics.
    pub fn verify(&self, bytes: &[u8]) -> Result<Report, Error> {
        let mut same = Same(self);
        verify(
            Cursor::new(bytes),
            |_| Ok::<_, Error>(self.unlock.clone()),
            &mut same,
        )
    }

    /// Verifies a copy of which this byte was altered; an error in words if the byte is not told, not told where, or costs
    /// more than the part in which it lies.
    pub fn check(&self, at: usize, mask: u8) -> Result<(), String> {
        let part = part_at(&self.parts, at);
        let wrong = |said: String| Err(format!("byte {at} ^ {mask:#04x} in the {}: {said}", part.name));
        let report = match self.verify(&self.flipped(at, mask)) {
            // Nobody can tell it from the version of a later program.
            Err(Error::Version { .. }) if part.name == "version" => return Ok(()),
            Err(error) => return wrong(format!("refused: {error}")),
            Ok(report) => report,
        };
        let Verdict::Damaged { usable } = report.verdict() else {
            return wrong(format!("{:?}", report.verdict()));
        };
        let at = at as u64;
        let Some(damage) = report.damage.iter().find(|damage| damage.range.contains(&at)) else {
            return wrong(format!("told elsewhere: {:?}", report.damage));
        };
        if !places(part.name).contains(&kind(damage.place)) {
            return wrong(format!("told as {damage}"));
        }
        if !self.usable(part, &report.damage).contains(&(usable as usize)) {
            return wrong(format!(
                "{usable} licenses are said to be usable: {:?}",
                report.damage
            ));
        }
        Ok(())
    }

    /// How many licenses must still be usable when a byte of this part is damaged.
    fn usable(&self, part: &Part, damage: &[Damage]) -> Range<usize> {
        let all = self.len();
        let lost: usize = damage
            .iter()
            .filter_map(|damage| damage.lost)
            .map(|lost| lost.licenses as usize)
            .sum();
        let is_first = self.parts.iter().find(|one| one.name == part.name) == Some(part);
        match part.name {
            "frame head" | "frame names" | "index" | "footer" | "tail" | "check" | "trailer" => all..all + 1,
            "frame records" => all - lost..(all - lost).min(all - 1) + 1,
            // The payload's header lies in the first one.
            "age chunk" if !is_first => 1..all + 1,
            _ => 0..1,
        }
    }
}

/// As what a damaged byte of a part may be told.
fn places(part: &str) -> &'static [&'static str] {
    match part {
        "magic" | "header length" | "header" | "header digest" | "age nonce" => &["header"],
        "frame head" | "frame names" | "frame records" => &["frame"],
        "index" => &["index"],
        "footer" => &["footer"],
        "tail" => &["tail"],
        "trailer" => &["trailer"],
        "check" => &["protection"],
        // What its first line is can't be told from what a payload begins with; in a stanza, the check alone tells.
        "age header" => &["encryption", "protection", "header"],
        "age chunk" => &[
            "header",
            "frame",
            "index",
            "footer",
            "tail",
            "encryption",
            "an unknown part",
        ],
        _ => &[],
    }
}

fn kind(place: Place) -> &'static str {
    match place {
        Place::Header => "header",
        Place::Frame(_) => "frame",
        Place::Index => "index",
        Place::Footer => "footer",
        Place::Tail => "tail",
        Place::Trailer => "trailer",
        Place::Protection => "protection",
        Place::Encryption => "encryption",
        _ => "an unknown part",
    }
}

impl Original {
    fn of(license: &License<'_>) -> Self {
        Self {
            grant: license.grant.to_vec(),
            seals: [
                Some(license.escrow.0.to_vec()),
                license.returning.map(|seal| seal.0.to_vec()),
                license.lease_close.map(<[u8]>::to_vec),
            ],
        }
    }
}

/// Compares every license that comes with the one that was written.
struct Same<'a>(&'a Flips);

impl Inspector for Same<'_> {
    fn check_key(&mut self, grant: &Verified<Grant>, license: &License<'_>) -> KeyCheck {
        let original = self.0.licenses.get(&grant.license);
        assert!(
            original.is_some_and(|original| *original == Original::of(license)),
            "license {} is not as it was written",
            grant.license
        );
        KeyCheck::NotOpened
    }

    fn license(&mut self, grant: Option<&Grant>, verdict: &LicenseVerdict) {
        let grant = grant.expect("a license that comes can be read");
        assert!(
            self.0.licenses.contains_key(&grant.license),
            "nobody wrote {}",
            grant.license
        );
        assert_eq!(
            *verdict,
            LicenseVerdict::Good(KeyCheck::NotOpened),
            "{}",
            grant.license
        );
    }
}

/// With what a restore of a copy may end, and whether any license comes, when a byte of this part is altered; for a backup
/// in one frame.
pub fn restored(part: &str) -> (&'static [u8], bool) {
    match part {
        // Nobody can tell it from the version of a later program.
        "version" => (&[1], false),
        // A stanza can't be told from one for somebody else.
        "age header" => (&[5, 12], false),
        // They only repeat what stands elsewhere, or what the encryption proves.
        "frame head" | "frame names" | "check" | "trailer" => (&[0], true),
        // Nothing is known to be lost, and nothing says any more how much there was.
        "index" | "footer" | "tail" => (&[3], true),
        _ => (&[5], false),
    }
}

/// Does a text name a range of bytes in which this one lies? `header (bytes 0 to 24): …`
pub fn names_place(text: &str, at: usize) -> bool {
    text.split("bytes ").skip(1).any(|rest| {
        let mut words = rest.split([' ', ')', ':']);
        let start = words.next().and_then(|word| word.parse::<usize>().ok());
        let end = words.nth(1).and_then(|word| word.parse::<usize>().ok());
        start
            .zip(end)
            .is_some_and(|(start, end)| (start..end).contains(&at))
    })
}

/// A computer to which damaged copies of its own backup are given.
pub struct Restoring<'w> {
    world: &'w World,
    computer: &'w Computer,
    issued: &'w [Issued],
    by_license: BTreeMap<LicenseId, &'w Issued>,
    file: PathBuf,
    unlock: Unlock,
}

impl<'w> Restoring<'w> {
    /// `file` is written over with each copy. The computer has lost its store.
    pub fn new(
        world: &'w World,
        computer: &'w Computer,
        issued: &'w [Issued],
        file: PathBuf,
        unlock: Unlock,
    ) -> Self {
        let by_license = issued.iter().map(|one| (one.grant.license, one)).collect();
        Self {
            world,
            computer,
            issued,
            by_license,
            file,
            unlock,
        }
    }

    /// Restores a copy; says how that ended, what was told, and how many licenses came. Each is the one that was issued, to
    /// the byte, and opens with its own key; else this panics. The store is empty again afterwards.
    pub fn restore(&self, bytes: &[u8]) -> (u8, String, usize) {
        let options = RestoreOptions {
            unlocker: Unlocker::with(self.unlock.clone()),
            ..self.world.refused(&self.file)
        };
        self.restore_as(bytes, options, self.issued)
    }

    /// The same as these options say; nothing but these licenses may come.
    fn restore_as(&self, bytes: &[u8], options: RestoreOptions, issued: &[Issued]) -> (u8, String, usize) {
        std::fs::write(&self.file, bytes).expect("written");
        let ended = self.computer.restore(options, self.world.direct());
        let told = match &ended.result {
            Ok(report) => report.damage.join("\n"),
            Err(error) => error.to_string(),
        };
        (ended.exit_code(), told, self.came(issued))
    }

    fn came(&self, issued: &[Issued]) -> usize {
        let store = self.computer.store();
        let mut came = 0;
        let snapshot = store.snapshot().expect("a snapshot");
        let each = snapshot.for_each(|stored| {
            let original = self.by_license.get(&stored.license());
            let original = original.expect("nobody issued what came");
            assert_eq!(
                stored.as_bytes(),
                original.grant.as_bytes(),
                "a wrong license came"
            );
            came += 1;
            Ok::<_, keyferry_store::Error>(())
        });
        each.expect("licenses can be read");
        drop((snapshot, store));
        if came > 0 {
            assert_eq!(self.computer.opens(issued), came, "what came opens");
            self.computer.lose_store();
        }
        came
    }

    /// Restores a copy of which this byte was altered, of a backup of any size; an error in words if that is not told, or
    /// if other licenses come than verification promises.
    pub fn check_promise(&self, flips: &Flips, at: usize, mask: u8) -> Result<(), String> {
        let part = flips.part(at);
        let bytes = flips.flipped(at, mask);
        let promised = match flips.verify(&bytes).map(|report| report.verdict()) {
            Ok(Verdict::Damaged { usable }) => usable as usize,
            Ok(other) => return Err(format!("byte {at} ^ {mask:#04x} in the {part}: {other:?}")),
            Err(_) => 0,
        };
        let (exit, told, came) = self.restore(&bytes);
        let ends = match part {
            "version" | "age header" => restored(part).0.contains(&exit),
            _ if came == 0 => exit == 5 && names_place(&told, at),
            // Only what no license lies in may leave everything done.
            _ => (exit == 3 || exit == 0 && came == flips.len()) && names_place(&told, at),
        };
        if ends && came == promised {
            return Ok(());
        }
        Err(format!(
            "byte {at} ^ {mask:#04x} in the {part}: exit {exit}, {came} came of {promised} promised; {told}"
        ))
    }

    /// Restores a copy of which this byte was altered, of a backup in one frame; an error in words if that is not told, or
    /// ends otherwise than it has to.
    pub fn check(&self, flips: &Flips, at: usize, mask: u8) -> Result<(), String> {
        let part = flips.part(at);
        let (exits, comes) = restored(part);
        let (exit, told, came) = self.restore(&flips.flipped(at, mask));
        let wrong = |said: &str| {
            Err(format!(
                "byte {at} ^ {mask:#04x} in the {part}: {said}: exit {exit}, {came} came; {told}"
            ))
        };
        if !exits.contains(&exit) {
            return wrong("another end");
        }
        if came != if comes { flips.len() } else { 0 } {
            return wrong("another number of licenses");
        }
        let has_no_place = part == "version" || exit == 12;
        if told.is_empty() || !has_no_place && !names_place(&told, at) {
            return wrong("it is not told where");
        }
        Ok(())
    }
}
