//! Looks at every cell of a protected file: which are damaged, and whether there is parity enough to repair them
//! (docs/backup.md section 7.4).

use std::io::{Read, Seek};
use std::ops::Range;

use super::layout::Layout;
use super::page::Checker;
use super::table::Table;
use crate::payload::read_at;

/// Bytes that are read at once.
const PIECE: u64 = 256 * 1024;

/// The state of every cell.
pub(crate) struct Survey {
    bad: Vec<bool>,
    /// Cells that are damaged, of data and of parity.
    pub bad_data: u64,
    pub bad_parity: u64,
    /// Damaged cells of each stripe.
    in_stripe: Vec<u32>,
    layout: Layout,
}

impl Survey {
    /// Reads the whole file. What can't be read is damaged.
    pub fn take(source: &mut (impl Read + Seek), table: &Table) -> Self {
        let layout = &table.layout;
        let checker = Checker::new();
        let mut survey = Self {
            bad: vec![false; layout.cells() as usize],
            bad_data: 0,
            bad_parity: 0,
            in_stripe: vec![0; layout.stripes as usize],
            layout: table.layout,
        };
        let data = layout.data_cells();
        let mut piece = Vec::new();
        for cells in [0..data, data..layout.cells()] {
            let at_once = PIECE / u64::from(layout.cell_len);
            let mut first = cells.start;
            while first < cells.end {
                let last = (first + at_once).min(cells.end);
                let start = layout.range(first).start;
                piece.resize((layout.range(last - 1).end - start) as usize, 0);
                let read = read_at(source, start, &mut piece).is_ok();
                for cell in first..last {
                    let Range { start: from, end } = layout.range(cell);
                    let bytes = &mut piece[(from - start) as usize..(end - start) as usize];
                    // Where a part of the piece can't be read, the rest still can.
                    let there = read || read_at(source, from, bytes).is_ok();
                    if !there || table.value(cell) != Some(checker.value(bytes)) {
                        survey.note(cell, layout.stripe_of(cell), cell < data);
                    }
                }
                first = last;
            }
        }
        survey
    }

    fn note(&mut self, cell: u64, stripe: u64, is_data: bool) {
        self.bad[cell as usize] = true;
        self.in_stripe[stripe as usize] += 1;
        *(if is_data {
            &mut self.bad_data
        } else {
            &mut self.bad_parity
        }) += 1;
    }

    pub fn is_bad(&self, cell: u64) -> bool {
        self.bad.get(cell as usize).copied().unwrap_or(true)
    }

    /// Is something in this stripe damaged, and parity enough to repair it?
    pub fn needs_repair(&self, stripe: u64) -> bool {
        (1..=self.layout.parity).contains(&self.in_stripe[stripe as usize])
    }

    /// Most of the file is not what the check values say: they are another backup's, or nothing can be saved by them.
    pub fn is_foreign(&self) -> bool {
        self.bad_data * 2 > self.layout.data_cells()
    }

    /// Will this damaged cell be as it was?
    pub fn is_repaired(&self, cell: u64) -> bool {
        !self.is_foreign() && self.needs_repair(self.layout.stripe_of(cell))
    }

    /// Stripes that can't be repaired.
    pub fn lost_stripes(&self) -> u64 {
        let lost = |bad: &&u32| **bad > self.layout.parity;
        self.in_stripe.iter().filter(lost).count() as u64
    }

    /// How much of the parity the most damaged stripe needs: 0 where nothing is damaged, above 1 where it is too little.
    pub fn used(&self) -> f64 {
        let worst = self.in_stripe.iter().max().copied().unwrap_or(0);
        f64::from(worst) / f64::from(self.layout.parity)
    }

    /// The damaged cells, those that follow each other together.
    pub fn bad_cells(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = at + self.bad[at..].iter().position(|bad| *bad)?;
            let len = self.bad[start..].iter().position(|bad| !*bad);
            at = len.map_or(self.bad.len(), |len| start + len);
            Some(start as u64..at as u64)
        })
    }
}
