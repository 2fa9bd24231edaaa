//! What receipts promise, sorted as the ledger's rows are: in memory while they are few, in temporary files that are
//! merged when they are many.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use keyferry_license::{ComputerId, Digest, LicenseId, Thumbprint};
use keyferry_protocol::{Entry, Receipt, RequestId, Verdict};

use crate::error::{Error, Result};
use crate::ledger::{LicenseName, row_key};

/// So many are sorted in memory: 19 MB.
const IN_MEMORY: usize = 100_000;
/// The key, then what is claimed.
const LEN: usize = 56 + 32 + 32 + 32 + 4 + 4 + 1;

/// A claim as it is sorted and kept.
type Packed = [u8; LEN];

/// What a receipt says about one license: a yes, by a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) name: LicenseName,
    /// Of the row; 0 where it is held by none, since it was issued to the computer.
    pub(super) seq: u64,
    pub(super) computer: ComputerId,
    pub(super) request: RequestId,
    pub(super) row: Digest,
    pub(super) slot: u32,
    pub(super) of: u32,
    pub(super) verdict: Verdict,
}

impl Claim {
    /// `None` where the entry is no yes.
    pub(super) fn of(receipt: &Receipt, entry: &Entry) -> Option<Self> {
        let by_row = match entry.verdict {
            Verdict::Restored | Verdict::Released => true,
            Verdict::Reissued => entry.seq.is_some(),
            _ => return None,
        };
        let slot = entry.slot.unwrap_or_default();
        Some(Self {
            name: (entry.issuer, entry.license),
            // A yes by a row that it doesn't name has a row that nobody finds.
            seq: entry.seq.unwrap_or(if by_row { u64::MAX } else { 0 }),
            computer: receipt.computer,
            request: receipt.request,
            row: entry.row.unwrap_or_default(),
            slot,
            of: entry.of.unwrap_or(slot),
            verdict: entry.verdict,
        })
    }

    pub(super) fn key(&self) -> [u8; 56] {
        row_key(&self.name, self.seq)
    }

    fn pack(&self) -> Packed {
        let mut packed = [0; LEN];
        let mut rest = packed.as_mut_slice();
        let verdict = match self.verdict {
            Verdict::Restored => 1,
            Verdict::Reissued => 2,
            _ => 3,
        };
        for part in [
            self.key().as_slice(),
            self.computer.as_bytes(),
            &self.request,
            self.row.as_bytes(),
            &self.slot.to_be_bytes(),
            &self.of.to_be_bytes(),
            &[verdict],
        ] {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        packed
    }

    fn unpack(packed: &Packed) -> Self {
        let mut rest = packed.as_slice();
        let license = part(&mut rest);
        let issuer = part(&mut rest);
        Self {
            name: (Thumbprint(issuer), LicenseId(license)),
            seq: u64::from_be_bytes(part(&mut rest)),
            computer: Thumbprint(part(&mut rest)),
            request: part(&mut rest),
            row: Digest(part(&mut rest)),
            slot: u32::from_be_bytes(part(&mut rest)),
            of: u32::from_be_bytes(part(&mut rest)),
            verdict: match part(&mut rest) {
                [1] => Verdict::Restored,
                [2] => Verdict::Reissued,
                _ => Verdict::Released,
            },
        }
    }
}

/// The next bytes; there are enough, by the length of what is packed.
fn part<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let (here, after) = rest.split_at(N.min(rest.len()));
    bytes[..here.len()].copy_from_slice(here);
    *rest = after;
    bytes
}

/// Takes claims in any order.
pub(super) struct Claims {
    most: usize,
    here: Vec<Packed>,
    runs: Vec<BufReader<File>>,
}

impl Claims {
    pub(super) fn new() -> Self {
        Self {
            most: IN_MEMORY,
            here: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, claim: &Claim) -> Result<()> {
        if self.here.len() >= self.most {
            let run = spill(&mut self.here).map_err(failed("write"))?;
            self.runs.push(run);
        }
        self.here.push(claim.pack());
        Ok(())
    }

    /// Gives them in the order of the rows.
    pub(super) fn sorted(mut self) -> Result<Sorted> {
        self.here.sort_unstable();
        let mut sorted = Sorted {
            here: self.here.into_iter(),
            runs: self.runs,
            heads: BinaryHeap::new(),
            next: None,
        };
        for source in 0..=sorted.runs.len() {
            sorted.refill(source)?;
        }
        sorted.advance()?;
        Ok(sorted)
    }
}

/// Writes a sorted run, and opens it at its start.
fn spill(here: &mut Vec<Packed>) -> io::Result<BufReader<File>> {
    here.sort_unstable();
    let mut file = BufWriter::new(tempfile::tempfile()?);
    for packed in here.drain(..) {
        file.write_all(&packed)?;
    }
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(BufReader::new(file))
}

/// Claims in the order of the rows.
pub(super) struct Sorted {
    here: std::vec::IntoIter<Packed>,
    runs: Vec<BufReader<File>>,
    /// The first of each run, and of what is in memory, with where it is from.
    heads: BinaryHeap<Reverse<(Packed, usize)>>,
    next: Option<Claim>,
}

impl Sorted {
    pub(super) fn peek(&self) -> Option<&Claim> {
        self.next.as_ref()
    }

    /// All claims about the row with this key, each once.
    pub(super) fn take_of(&mut self, key: &[u8; 56]) -> Result<Vec<Claim>> {
        let mut claims: Vec<Claim> = Vec::new();
        while let Some(claim) = self.next.take_if(|claim| claim.key() == *key) {
            if claims.last() != Some(&claim) {
                claims.push(claim);
            }
            self.advance()?;
        }
        Ok(claims)
    }

    fn advance(&mut self) -> Result<()> {
        self.next = match self.heads.pop() {
            None => None,
            Some(Reverse((packed, source))) => {
                self.refill(source)?;
                Some(Claim::unpack(&packed))
            }
        };
        Ok(())
    }

    fn refill(&mut self, source: usize) -> Result<()> {
        let head = match self.runs.get_mut(source) {
            None => self.here.next(),
            Some(run) => {
                let mut packed = [0; LEN];
                match run.read_exact(&mut packed) {
                    Ok(()) => Some(packed),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                    Err(error) => return Err(failed("read")(error)),
                }
            }
        };
        self.heads.extend(head.map(|packed| Reverse((packed, source))));
        Ok(())
    }
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> Error {
    move |source| Error::File {
        action,
        path: std::env::temp_dir(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(number: u64) -> Claim {
        // Scattered, and many of them about the same row.
        let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Claim {
            name: (
                Thumbprint([(scattered >> 8) as u8 % 3; 32]),
                LicenseId([(scattered >> 16) as u8 % 5; 16]),
            ),
            seq: (scattered >> 24) % 4,
            computer: Thumbprint([(scattered >> 32) as u8; 32]),
            request: [(number % 251) as u8; 32],
            row: Digest([(scattered >> 40) as u8; 32]),
            slot: number as u32,
            of: u32::MAX - number as u32,
            verdict: [Verdict::Restored, Verdict::Reissued, Verdict::Released][number as usize % 3],
        }
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        for number in 0..1000 {
            assert_eq!(Claim::unpack(&claim(number).pack()), claim(number));
        }
    }

    #[test]
    fn many_come_in_the_order_of_the_rows_from_files_as_from_memory() {
        let mut expected: Vec<Claim> = (0..1000).map(claim).collect();
        expected.sort_by_key(|claim| claim.pack());
        for most in [7, 999, 2000] {
            let mut claims = Claims {
                most,
                ..Claims::new()
            };
            (0..1000)
                .try_for_each(|number| claims.add(&claim(number)))
                .expect("added");
            // Once more: a receipt that is given twice says nothing new.
            (0..10)
                .try_for_each(|number| claims.add(&claim(number)))
                .expect("added");
            let mut sorted = claims.sorted().expect("sorted");
            let mut got = Vec::new();
            while let Some(key) = sorted.peek().map(|claim| claim.key()) {
                got.extend(sorted.take_of(&key).expect("read"));
            }
            assert_eq!(got, expected, "{most} in memory");
        }
    }
}
