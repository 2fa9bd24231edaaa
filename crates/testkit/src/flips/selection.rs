//! Restores of a few hundred licenses of a large backup that is damaged: as exact as one of all, and much faster.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::Range;

use keyferry::{Only, RestoreOptions, Unlocker};
use keyferry_archive::{Encrypted, Error, Item, Reader, Record};
use keyferry_license::{Grant, LicenseId};

use super::{Flips, Original, Restoring, names_place, restored};
use crate::publisher::Issued;

impl Flips {
    /// The licenses that a reader still gives, each as it was written; a wrong one panics. What stands there to the byte is
    /// what verification promises.
    fn readable(&self, bytes: &[u8]) -> BTreeSet<LicenseId> {
        let open = |_: &Encrypted| Ok::<_, Error>(self.unlock.clone());
        let mut readable = BTreeSet::new();
        let Ok(mut reader) = Reader::open_with(Cursor::new(bytes), open) else {
            return readable;
        };
        let Ok(mut records) = reader.records() else {
            return readable;
        };
        while let Some(item) = records.next_item() {
            if let Item::Record(Record::License(license)) = item {
                let grant = Grant::parse(license.grant).expect("a license that comes can be read");
                let id = grant.claim().license;
                let same = self
                    .licenses
                    .get(&id)
                    .is_some_and(|one| *one == Original::of(&license));
                assert!(same, "license {id} is not as it was written");
                readable.insert(id);
            }
        }
        readable
    }
}

impl Restoring<'_> {
    /// Restores three hundred licenses around an altered byte, and a hundred that `dice` picks anywhere, of a backup whose
    /// titles are `Song 1` and so on; an error in words if the damage is not told, or if other licenses come than are left
    /// of the selection.
    pub fn check_selection(&self, flips: &Flips, at: usize, mask: u8, dice: u64) -> Result<(), String> {
        let part = flips.part(at);
        let bytes = flips.flipped(at, mask);
        let count = self.issued.len();
        let near = at * count / bytes.len();
        let places = [near.saturating_sub(100), near, near + 100, dice as usize % count];
        let hundreds: BTreeSet<(String, usize, usize)> = places
            .iter()
            .map(|place| hundred((*place).min(count - 1) + 1, count))
            .map(|(pattern, range)| (pattern, range.start, range.end))
            .collect();
        let selected: Vec<Issued> = hundreds
            .iter()
            .flat_map(|(_, start, end)| self.issued[*start..*end].to_vec())
            .collect();
        let readable = flips.readable(&bytes);
        let promised = selected
            .iter()
            .filter(|one| readable.contains(&one.grant.license))
            .count();
        let only = Only::new(hundreds.iter().map(|(pattern, ..)| pattern)).expect("patterns");
        let options = RestoreOptions {
            unlocker: Unlocker::with(self.unlock.clone()),
            only,
            ..self.world.refused(&self.file)
        };
        let (exit, told, came) = self.restore_as(&bytes, options, &selected);
        let ends = match part {
            "version" | "age header" => restored(part).0.contains(&exit),
            _ if came == 0 => exit == 5 && names_place(&told, at),
            // Damage elsewhere is told too; only where nothing is lost anywhere may everything be done.
            _ => (exit == 3 || exit == 0 && readable.len() == flips.len()) && names_place(&told, at),
        };
        if ends && came == promised {
            return Ok(());
        }
        Err(format!(
            "byte {at} ^ {mask:#04x} in the {part}: exit {exit}, of {} selected {came} came and {promised} were \
             promised; {told}",
            selected.len()
        ))
    }
}

/// The pattern for the hundred songs of which this is one, or the ten or the ninety at the beginning, and where they stand.
fn hundred(number: usize, count: usize) -> (String, Range<usize>) {
    let (digits, start, end) = match number {
        1..=9 => ("?".to_owned(), 1, 10),
        10..=99 => ("??".to_owned(), 10, 100),
        _ => (
            format!("{}??", number / 100),
            number / 100 * 100,
            number / 100 * 100 + 100,
        ),
    };
    (format!("title:Song {digits}"), start - 1..(end - 1).min(count))
}

#[cfg(test)]
mod tests {
    use super::hundred;

    #[test]
    fn a_hundred_is_what_its_pattern_says() {
        for (number, count, pattern, range) in [
            (7, 5, "title:Song ?", 0..5),
            (10, 5000, "title:Song ??", 9..99),
            (99, 5000, "title:Song ??", 9..99),
            (100, 5000, "title:Song 1??", 99..199),
            (4999, 5000, "title:Song 49??", 4899..4999),
            (5000, 5000, "title:Song 50??", 4999..5000),
        ] {
            assert_eq!(hundred(number, count), (pattern.to_owned(), range), "{number}");
        }
    }
}
