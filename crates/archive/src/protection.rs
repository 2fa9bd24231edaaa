//! Layer 3, the protection (docs/backup.md section 7): the trailer, and parity by which damage is repaired. Knows nothing
//! of what it protects.

mod layout;
mod mend;
mod page;
mod protect;
mod stripe;
mod survey;
mod table;
mod trailer;

use crate::damage::{Damage, Lost, Place};

pub(crate) use layout::Layout;
pub use layout::Parity;
pub(crate) use mend::Mended;
pub(crate) use protect::Protecting;
pub use protect::protect;
pub(crate) use survey::Survey;
pub(crate) use table::Table;
pub(crate) use trailer::{CHECK_LEN, Check, Ending, TRAILER_LEN, Trailer};

/// What the protection of a file is worth now.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Protection {
    /// Bytes in a cell.
    pub cell_len: u32,
    /// Cells in the file, parity included.
    pub cells: u64,
    /// Of them, damaged: of the backup itself.
    pub damaged: u64,
    /// Damaged cells of parity.
    pub damaged_parity: u64,
    /// Damaged pages of check values.
    pub damaged_pages: u64,
    /// Cells of parity in a stripe, so many of which may be damaged.
    pub parity: u32,
    /// How much of the parity the most damaged stripe needs: 0 where nothing is damaged, more than 1 where it is too
    /// little.
    pub used: f64,
    /// Stripes that can't be repaired.
    pub lost_stripes: u64,
    /// Most of the file is not what the check values say: they are another backup's, or nothing can be saved by them.
    pub is_foreign: bool,
    /// From the first to the last damaged byte of the backup itself, whole cells; empty where none is.
    damaged_from: u64,
    damaged_to: u64,
}

impl Protection {
    fn new(table: &Table, survey: &Survey) -> Self {
        let layout = &table.layout;
        let damaged = survey
            .bad_cells()
            .filter(|cells| cells.start < layout.data_cells());
        let damaged = damaged.fold(0..0, |all, cells| {
            let last = cells.end.min(layout.data_cells()) - 1;
            let (start, end) = (layout.range(cells.start).start, layout.range(last).end);
            if all.is_empty() {
                start..end
            } else {
                all.start..end
            }
        });
        Self {
            cell_len: layout.cell_len,
            cells: layout.cells(),
            damaged: survey.bad_data,
            damaged_parity: survey.bad_parity,
            damaged_pages: table.broken_pages.len() as u64,
            parity: layout.parity,
            used: survey.used(),
            lost_stripes: survey.lost_stripes(),
            is_foreign: survey.is_foreign(),
            damaged_from: damaged.start,
            damaged_to: damaged.end,
        }
    }

    /// Is every byte of the backup itself there, or made again?
    pub fn is_repairable(&self) -> bool {
        self.lost_stripes == 0 && !self.is_foreign
    }

    /// All of it as one damage, from the first damaged cell to the last.
    pub fn damage(&self) -> Damage {
        let cells = self.damaged + self.damaged_parity;
        let why = if self.is_foreign {
            "most of the backup is not what its parity was made of: that belongs to another backup, or too much is damaged".to_owned()
        } else if self.is_repairable() {
            format!("{cells} of {} cells are damaged, and were repaired", self.cells)
        } else {
            format!(
                "{cells} of {} cells are damaged, more than can be repaired",
                self.cells
            )
        };
        Damage {
            place: Place::Protection,
            range: self.damaged_from..self.damaged_to,
            lost: self.is_repairable().then(Lost::default),
            why,
        }
    }
}
