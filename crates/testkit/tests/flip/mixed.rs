//! Backups in several frames that were altered in several places, cut, mixed with others, or added to.

use keyferry::Unlock;
use keyferry_archive::Verdict;
use keyferry_testkit::Flips;

use crate::{Made, bit};

const LICENSES: usize = 2_000;
/// Printed with every failure, so that the same places come again.
const SEED: u64 = 0x5eed_f11b;

/// xorshift64*: the same places on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end as u64) as usize
    }
}

/// Damage is told or the file is refused; what is said of licenses is checked by [`Flips::verify`].
#[track_caller]
fn seen(flips: &Flips, bytes: &[u8], what: &str) {
    match flips.verify(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(report) => {
            assert!(
                matches!(report.verdict(), Verdict::Damaged { .. }),
                "{what}: {:?}",
                report.verdict()
            );
            assert!(report.damaged_places > 0, "{what} is not told where");
        }
    }
}

/// And a restore of it doesn't pass for a whole one; wrong licenses panic in there.
#[track_caller]
fn restored_in_part(made: &Made, bytes: &[u8], what: &str) {
    let (exit, told, came) = made.restoring().restore(bytes);
    assert!(
        !told.is_empty(),
        "{what}: exit {exit}, {came} came, and nothing is told"
    );
    assert!(
        exit != 0 || came == made.issued.len(),
        "{what}: exit 0 with {came}"
    );
    assert!(
        came == 0 || [0, 3].contains(&exit),
        "{what}: exit {exit} with {came}"
    );
}

#[test]
fn random_bytes_of_several_frames_are_seen_and_cost_their_frame() {
    for made in [Made::plain(LICENSES), Made::encrypted(LICENSES)] {
        let mut dice = Dice(SEED);
        for number in 0..24 {
            let (at, mask) = (dice.below(made.flips.whole.len()), 1 << dice.below(8));
            if let Err(wrong) = made.flips.check(at, mask) {
                panic!("seed {SEED:#x}: {wrong}");
            }
            let restored = (number % 6 == 0).then(|| made.restoring().check_promise(&made.flips, at, mask));
            if let Some(Err(wrong)) = restored {
                panic!("seed {SEED:#x}: {wrong}");
            }
        }
    }
}

#[test]
fn two_flips_are_seen_and_the_second_does_not_undo_the_first() {
    for made in [Made::plain(100), Made::encrypted(100)] {
        let mut dice = Dice(SEED);
        for number in 0..200 {
            let (one, other) = (
                dice.below(made.flips.whole.len()),
                dice.below(made.flips.whole.len()),
            );
            let mut bytes = made.flips.flipped(one, bit(one));
            bytes[other] ^= 0xff;
            let what = format!("seed {SEED:#x}, bytes {one} and {other}");
            seen(&made.flips, &bytes, &what);
            if number % 20 == 0 {
                restored_in_part(&made, &bytes, &what);
            }
        }
    }
}

#[test]
fn every_cut_is_seen() {
    for made in [Made::plain(100), Made::encrypted(100)] {
        let whole = &made.flips.whole;
        let ends = made.flips.parts.iter().map(|part| part.range.end);
        let cuts = ends
            .chain((0..whole.len()).step_by(101))
            .chain(whole.len() - 200..whole.len());
        for (number, cut) in cuts.filter(|cut| *cut < whole.len()).enumerate() {
            seen(&made.flips, &whole[..cut], &format!("cut at {cut}"));
            if number % 20 == 0 {
                restored_in_part(&made, &whole[..cut], &format!("cut at {cut}"));
            }
        }
    }
}

#[test]
fn what_is_left_of_a_cut_trailer_does_not_matter() {
    for made in [Made::plain(100), Made::encrypted(100)] {
        let whole = &made.flips.whole;
        // Of the encrypted one the check too.
        let protection = if matches!(made.unlock, Unlock::None) {
            64
        } else {
            112
        };
        for left in [0, 1, 40, 63, protection - 1] {
            let cut = whole.len() - protection + left;
            let (exit, told, came) = made.restoring().restore(&whole[..cut]);
            let payload_ends = exit == 0 || matches!(made.unlock, Unlock::None);
            assert!(
                payload_ends && came == 100 && !told.is_empty(),
                "{left} left: exit {exit}, {came} came: {told}"
            );
        }
    }
}

#[test]
fn swapped_frames_and_frames_twice_are_seen() {
    let made = Made::plain(LICENSES);
    let heads: Vec<usize> = made
        .flips
        .parts
        .iter()
        .filter(|part| part.name == "frame head")
        .map(|part| part.range.start)
        .collect();
    let index = made
        .flips
        .parts
        .iter()
        .find(|part| part.name == "index")
        .expect("an index")
        .range
        .start;
    assert!(heads.len() >= 2, "{} frames", heads.len());
    let whole = &made.flips.whole;
    let (first, second) = (
        &whole[heads[0]..heads[1]],
        &whole[heads[1]..*heads.get(2).unwrap_or(&index)],
    );
    let (before, after) = (
        &whole[..heads[0]],
        &whole[heads[0] + first.len() + second.len()..],
    );
    for (what, bytes) in [
        ("swapped", [before, second, first, after].concat()),
        ("the first twice", [before, first, first, after].concat()),
        ("the second left out", [before, first, after].concat()),
    ] {
        seen(&made.flips, &bytes, what);
        restored_in_part(&made, &bytes, what);
    }
}

#[test]
fn what_is_added_and_files_glued_are_seen() {
    for made in [Made::plain(100), Made::encrypted(100)] {
        let whole = &made.flips.whole;
        let other = Made::plain(3);
        for (what, bytes) in [
            ("a byte", [whole.as_slice(), b"x"].concat()),
            ("64 zeros", [whole.as_slice(), &[0; 64]].concat()),
            ("itself", [whole.as_slice(), whole].concat()),
            ("another", [whole.as_slice(), &other.flips.whole].concat()),
            ("before it", [b"x", whole.as_slice()].concat()),
        ] {
            seen(&made.flips, &bytes, what);
            restored_in_part(&made, &bytes, what);
        }
    }
}
