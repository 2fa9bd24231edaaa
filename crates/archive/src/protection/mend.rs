//! Reads a protected file as if nothing were damaged: every cell is checked as it is read, and at the first that is
//! damaged all are looked at and repaired where there is parity enough (docs/backup.md section 7.4).

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use super::Protection;
use super::page::Checker;
use super::stripe::recover;
use super::survey::Survey;
use super::table::Table;
use crate::payload::read_at;

/// Repaired cells that are kept in memory, in bytes; more go to a nameless temporary file.
const KEPT: usize = 16 << 20;
/// Bytes that are read at once.
const PIECE: u64 = 128 * 1024;

/// A file as it should be: bytes 0..N are repaired where that is possible, what follows them is as it is.
pub(crate) struct Mended<R> {
    source: R,
    at: u64,
    /// Where the source stands, if it is known: going there once more may cost it what it has in memory.
    source_at: Option<u64>,
    protection: Option<Known>,
}

struct Known {
    table: Table,
    checker: Checker,
    /// The piece in memory: where it begins, and its bytes.
    piece: (u64, Vec<u8>),
    repair: Option<Repair>,
}

/// What was found when a damaged cell was met.
struct Repair {
    survey: Survey,
    /// Where in `cells` the bytes of a repaired cell begin.
    places: BTreeMap<u64, u64>,
    cells: SpooledTempFile,
}

impl<R: Read + Seek> Mended<R> {
    /// Passes everything through as long as nothing is known of its cells.
    pub fn new(source: R) -> Self {
        Self {
            source,
            at: 0,
            source_at: None,
            protection: None,
        }
    }

    /// From now on damaged cells are repaired.
    pub fn protect(&mut self, table: Table) {
        self.protection = Some(Known {
            table,
            checker: Checker::new(),
            piece: (0, Vec::new()),
            repair: None,
        });
    }

    /// The file as it is.
    pub fn raw(&mut self) -> &mut R {
        self.source_at = None;
        &mut self.source
    }

    /// What was found, if a damaged cell was met.
    pub fn found(&self) -> Option<Protection> {
        let known = self.protection.as_ref()?;
        let found = Protection::new(&known.table, &known.repair.as_ref()?.survey);
        (found.damaged > 0).then_some(found)
    }

    /// Looks at all cells now, and repairs what can be; `None` where there is no parity.
    pub fn examine(&mut self) -> io::Result<Option<(Protection, &Table, &Survey)>> {
        let Some(known) = &mut self.protection else {
            return Ok(None);
        };
        if known.repair.is_none() {
            self.source_at = None;
            known.examine(&mut self.source)?;
        }
        let survey = known.repair.as_ref().map(|repair| &repair.survey);
        Ok(survey.map(|survey| (Protection::new(&known.table, survey), &known.table, survey)))
    }
}

impl Known {
    fn examine(&mut self, source: &mut (impl Read + Seek)) -> io::Result<()> {
        let layout = self.table.layout;
        let survey = Survey::take(source, &self.table);
        let (mut places, mut cells) = (BTreeMap::new(), SpooledTempFile::new(KEPT));
        let mut len = 0;
        for stripe in 0..layout.stripes.into() {
            if survey.is_foreign() || !survey.needs_repair(stripe) {
                continue;
            }
            // A stripe of which more was lost in the meantime stays as it is.
            let Ok(recovered) = recover(source, &layout, &survey, stripe) else {
                continue;
            };
            for (cell, bytes) in recovered {
                // A value that is known must fit: else another cell only looked whole.
                if self
                    .table
                    .value(cell)
                    .is_some_and(|value| value != self.checker.value(&bytes))
                {
                    continue;
                }
                cells.write_all(&bytes)?;
                places.insert(cell, len);
                len += bytes.len() as u64;
            }
        }
        self.repair = Some(Repair {
            survey,
            places,
            cells,
        });
        Ok(())
    }

    /// Brings the piece at this place into memory, every cell of it as it should be.
    fn load(&mut self, source: &mut (impl Read + Seek), at: u64) -> io::Result<()> {
        let layout = self.table.layout;
        let cell_len = u64::from(layout.cell_len);
        let first = at / (PIECE - PIECE % cell_len) * (PIECE / cell_len);
        let last = (first + PIECE / cell_len).min(layout.data_cells());
        let (start, end) = (layout.range(first).start, layout.range(last - 1).end);
        let (mut piece, len) = (std::mem::take(&mut self.piece.1), (end - start) as usize);
        piece.resize(len, 0);
        let read = read_at(source, start, &mut piece);
        let mut kept = start..end;
        for cell in first..last {
            let range = layout.range(cell);
            let bytes = &mut piece[(range.start - start) as usize..(range.end - start) as usize];
            // Where a part of the piece can't be read, the rest still can.
            let there = match &read {
                Ok(()) => Ok(()),
                Err(_) => read_at(source, range.start, bytes),
            };
            if there.is_ok() && self.table.value(cell) == Some(self.checker.value(bytes)) {
                continue;
            }
            if self.repaired(source, cell, bytes)? {
                continue;
            }
            // It can't be repaired: what there is of it is given, and what is on either side of it.
            match there {
                Ok(()) => {}
                Err(error) if range.contains(&at) => return Err(error),
                Err(_) if range.start < at => kept.start = range.end,
                Err(_) => {
                    kept.end = range.start;
                    break;
                }
            }
        }
        piece.truncate((kept.end - start) as usize);
        piece.drain(..(kept.start - start) as usize);
        self.piece = (kept.start, piece);
        Ok(())
    }

    /// Puts the bytes of a damaged cell in place, if it could be repaired.
    fn repaired(&mut self, source: &mut (impl Read + Seek), cell: u64, bytes: &mut [u8]) -> io::Result<bool> {
        if self.repair.is_none() {
            self.examine(source)?;
        }
        let repair = self.repair.as_mut();
        let Some((place, cells)) =
            repair.and_then(|repair| Some((*repair.places.get(&cell)?, &mut repair.cells)))
        else {
            return Ok(false);
        };
        cells.seek(SeekFrom::Start(place))?;
        cells.read_exact(bytes)?;
        Ok(true)
    }
}

impl<R: Read + Seek> Read for Mended<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let protection = self
            .protection
            .as_mut()
            .filter(|protection| self.at < protection.table.layout.inner_len);
        let Some(protection) = protection else {
            if self.source_at.take() != Some(self.at) {
                self.source.seek(SeekFrom::Start(self.at))?;
            }
            let len = self.source.read(bytes)?;
            self.at += len as u64;
            self.source_at = Some(self.at);
            return Ok(len);
        };
        let (start, piece) = &protection.piece;
        if self
            .at
            .checked_sub(*start)
            .is_none_or(|at| at >= piece.len() as u64)
        {
            self.source_at = None;
            let loaded = protection.load(&mut self.source, self.at);
            if loaded.is_err() {
                protection.piece = (0, Vec::new());
            }
            loaded?;
        }
        let (start, piece) = &protection.piece;
        let from = &piece[(self.at - start) as usize..];
        let len = from.len().min(bytes.len());
        bytes[..len].copy_from_slice(&from[..len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl<R: Read + Seek> Seek for Mended<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => {
                self.source_at = None;
                self.source.seek(SeekFrom::End(0))?.checked_add_signed(by)
            }
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
