//! Where the cells of a protected backup lie, how many of them are parity, and where the check values stand
//! (docs/backup.md section 7.2). Numbers alone: no bytes are read here.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::error::Error;

/// How much parity a backup gets: percent of what it protects. More of it repairs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parity {
    /// None: damage is seen, and costs what lies in it.
    None,
    /// Repairs any contiguous 25th of the file.
    Five,
    /// Repairs any contiguous tenth of the file.
    #[default]
    Twelve,
    /// Repairs any contiguous sixth of the file.
    TwentyFive,
}

impl Parity {
    /// All of them, from none to most.
    pub const ALL: [Self; 4] = [Self::None, Self::Five, Self::Twelve, Self::TwentyFive];

    /// 0, 5, 12 or 25.
    pub fn percent(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Five => 5,
            Self::Twelve => 12,
            Self::TwentyFive => 25,
        }
    }

    /// One part in so many of the whole file can be repaired, wherever it lies.
    fn share(self) -> u64 {
        match self {
            Self::None => u64::MAX,
            Self::Five => 25,
            Self::Twelve => 10,
            Self::TwentyFive => 6,
        }
    }
}

/// `none`, `5`, `12` or `25`.
impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("none"),
            parity => parity.percent().fmt(f),
        }
    }
}

/// Reads what [`Parity`] displays.
impl FromStr for Parity {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|parity| parity.to_string() == value);
        known.ok_or(Error::Invalid {
            what: "parity",
            why: "it is none, 5, 12 or 25",
        })
    }
}

/// A check value.
pub(super) const VALUE_LEN: usize = 8;
/// A page of check values is so long, but for the last of a table.
pub(super) const PAGE_LEN: usize = 4096;
/// What stands in a page before its values.
pub(super) const PAGE_HEAD: usize = 72;
pub(super) const VALUES_IN_PAGE: u64 = ((PAGE_LEN - PAGE_HEAD) / VALUE_LEN) as u64;

/// Cells are a multiple of this.
const GRAIN: u64 = 64;
/// Cells of a file that isn't small.
const USUAL_CELL: u64 = 2048;
const LARGEST_CELL: u64 = 8 * 1024;
/// A small file has about so many cells.
const SMALL_CELLS: u64 = 256;
/// Cells are made longer from so many on.
const MANY_CELLS: u64 = 1 << 20;
/// Cells of a stripe, at least, where there are so many.
const STRIPE: u64 = 768;
/// No reader takes more memory than this for a stripe.
const STRIPE_LIMIT: u64 = 16 << 20;
/// Nor for the check values of more cells.
const CELLS_LIMIT: u64 = 3 << 19;

/// How layers 1 and 2 are cut into cells, and how the cells form stripes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// N: layers 1 and 2.
    pub inner_len: u64,
    /// Bytes in a cell.
    pub cell_len: u32,
    /// How many stripes there are.
    pub stripes: u32,
    /// Cells of parity in each.
    pub parity: u32,
}

impl Layout {
    /// Longer files are not protected: 8 GiB, some thirty million licenses.
    pub const MAX_LEN: u64 = MANY_CELLS * LARGEST_CELL;

    /// For layers 1 and 2 of this length; `None` without parity, or for a file longer than any backup.
    pub fn new(inner_len: u64, parity: Parity) -> Option<Self> {
        if parity == Parity::None || inner_len == 0 {
            return None;
        }
        let cell_len = cell_len(inner_len);
        let data = inner_len.div_ceil(cell_len);
        let stripes = (data / STRIPE).max(1);
        let mut layout = Self {
            inner_len,
            cell_len: u32::try_from(cell_len).ok()?,
            stripes: u32::try_from(stripes).ok()?,
            parity: 0,
        };
        let by_percent = (data.div_ceil(stripes) * u64::from(parity.percent())).div_ceil(100);
        for cells in by_percent.max(1)..=data + 8 {
            layout.parity = u32::try_from(cells).ok()?;
            if layout.repairs_any(parity.share()) {
                return layout.checked();
            }
        }
        None
    }

    /// Does a contiguous part of the file of this share, wherever it begins, leave enough? It may not hit more cells of
    /// any stripe than there is parity, nor both tables.
    fn repairs_any(&self, share: u64) -> bool {
        let hit = self.file_len().div_ceil(share);
        let (cell, stripes) = (u64::from(self.cell_len), u64::from(self.stripes));
        // Two at its ends are hit in part, and so is the last, shorter one of the data.
        let cells = hit / cell + 3;
        // Where data and parity meet, their stripes begin anew.
        let of_a_stripe = cells.div_ceil(stripes) + u64::from(stripes > 1);
        of_a_stripe <= u64::from(self.parity) && hit + 2 * cell <= self.parity_cells() * cell
    }

    /// One that a reader may work with: within the bounds, so that a hostile one takes no memory.
    pub fn checked(self) -> Option<Self> {
        let (cell, stripes, parity) = (
            u64::from(self.cell_len),
            u64::from(self.stripes),
            u64::from(self.parity),
        );
        let lengths = cell.is_multiple_of(GRAIN) && (GRAIN..=LARGEST_CELL).contains(&cell);
        if !lengths || self.inner_len == 0 || self.inner_len > CELLS_LIMIT * cell || parity == 0 {
            return None;
        }
        let data = self.inner_len.div_ceil(cell);
        let (longest, all) = (data.div_ceil(stripes.max(1)), data + stripes * parity);
        let fits = (1..=data).contains(&stripes)
            && all <= CELLS_LIMIT
            && (longest + parity) * cell <= STRIPE_LIMIT
            && reed_solomon_simd::ReedSolomonEncoder::supports(longest as usize, parity as usize);
        fits.then_some(self)
    }

    /// How much parity it was made with; the default where another program chose.
    pub fn level(&self) -> Parity {
        let level = |parity: &Parity| Self::new(self.inner_len, *parity) == Some(*self);
        Parity::ALL.into_iter().find(level).unwrap_or_default()
    }

    pub fn data_cells(&self) -> u64 {
        self.inner_len.div_ceil(u64::from(self.cell_len))
    }

    pub fn parity_cells(&self) -> u64 {
        u64::from(self.stripes) * u64::from(self.parity)
    }

    /// Data first, then parity.
    pub fn cells(&self) -> u64 {
        self.data_cells() + self.parity_cells()
    }

    pub fn stripe_of(&self, cell: u64) -> u64 {
        let from = if cell < self.data_cells() {
            0
        } else {
            self.data_cells()
        };
        (cell - from) % u64::from(self.stripes)
    }

    /// Cells of data in a stripe.
    pub fn data_of(&self, stripe: u64) -> u64 {
        (self.data_cells() - stripe).div_ceil(u64::from(self.stripes))
    }

    /// The cell at this place of a stripe; parity comes after its data.
    pub fn cell(&self, stripe: u64, place: u64) -> u64 {
        let data = self.data_of(stripe);
        let (from, place) = if place < data {
            (0, place)
        } else {
            (self.data_cells(), place - data)
        };
        from + place * u64::from(self.stripes) + stripe
    }

    /// The bytes of the file that a cell holds.
    pub fn range(&self, cell: u64) -> Range<u64> {
        let len = u64::from(self.cell_len);
        match cell.checked_sub(self.data_cells()) {
            None => cell * len..(cell * len + len).min(self.inner_len),
            Some(parity) => {
                let start = self.parity_at() + parity * len;
                start..start + len
            }
        }
    }

    pub fn parity_at(&self) -> u64 {
        self.inner_len + self.table_len()
    }

    /// Where the two tables of check values begin.
    pub fn tables_at(&self) -> [u64; 2] {
        let first = self.inner_len;
        [
            first,
            self.parity_at() + self.parity_cells() * u64::from(self.cell_len),
        ]
    }

    pub fn pages(&self) -> u64 {
        self.cells().div_ceil(VALUES_IN_PAGE)
    }

    /// The cells whose values stand in a page.
    pub fn cells_of_page(&self, page: u64) -> Range<u64> {
        page * VALUES_IN_PAGE..((page + 1) * VALUES_IN_PAGE).min(self.cells())
    }

    /// Where a page begins, in its table.
    pub fn page_at(page: u64) -> u64 {
        page * PAGE_LEN as u64
    }

    pub fn page_len(&self, page: u64) -> usize {
        let cells = self.cells_of_page(page);
        PAGE_HEAD + (cells.end - cells.start) as usize * VALUE_LEN
    }

    pub fn table_len(&self) -> u64 {
        self.pages() * PAGE_HEAD as u64 + self.cells() * VALUE_LEN as u64
    }

    /// P: both tables, and the parity between them.
    pub fn protection_len(&self) -> u64 {
        2 * self.table_len() + self.parity_cells() * u64::from(self.cell_len)
    }

    /// With the trailer.
    pub fn file_len(&self) -> u64 {
        self.inner_len + self.protection_len() + super::TRAILER_LEN as u64
    }
}

fn cell_len(inner_len: u64) -> u64 {
    let small = inner_len.div_ceil(SMALL_CELLS * GRAIN) * GRAIN;
    let mut len = small.clamp(GRAIN, USUAL_CELL);
    while inner_len.div_ceil(len) > MANY_CELLS {
        len *= 2;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many cells of each stripe these bytes of the file touch, at most; `None` if they touch both tables.
    fn worst(layout: &Layout, hit: Range<u64>) -> Option<u64> {
        let touches = |range: &Range<u64>| range.start < hit.end && hit.start < range.end;
        let tables = layout.tables_at().map(|at| at..at + layout.table_len());
        if tables.iter().all(touches) {
            return None;
        }
        let mut hits = vec![0; layout.stripes as usize];
        for cell in (0..layout.cells()).filter(|cell| touches(&layout.range(*cell))) {
            hits[layout.stripe_of(cell) as usize] += 1;
        }
        hits.into_iter().max()
    }

    #[test]
    fn any_part_of_the_promised_share_can_be_repaired() {
        for parity in [Parity::Five, Parity::Twelve, Parity::TwentyFive] {
            let lens = [
                1, 63, 64, 65, 700, 4_000, 4_097, 16_385, 25_000, 131_071, 524_288, 1_100_000, 3_150_001,
            ];
            for len in lens {
                let layout = Layout::new(len, parity).unwrap();
                let hit = layout.file_len().div_ceil(parity.share());
                let step = (layout.file_len() / 150).max(1) | 1;
                let starts = (0..layout.file_len() - hit).step_by(step as usize);
                let ends = (layout.inner_len.saturating_sub(hit)..layout.parity_at()).step_by(step as usize);
                for start in starts.chain(ends).chain([layout.file_len() - hit]) {
                    let worst = worst(&layout, start..start + hit).unwrap();
                    assert!(
                        worst <= layout.parity.into(),
                        "{len} {parity:?} {start}: {worst} {layout:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_it_costs() {
        // About a license, a hundred, ten thousand, a million: the table of docs/backup.md section 7.2.
        let percent = |parity| {
            [4_000, 25_000, 2_000_000, 200_000_000].map(|len| {
                let whole = Layout::new(len, parity).unwrap().file_len();
                ((whole - len) * 100 + len / 2) / len
            })
        };
        assert_eq!(percent(Parity::Five), [42, 20, 6, 6]);
        assert_eq!(percent(Parity::Twelve), [54, 30, 13, 13]);
        assert_eq!(percent(Parity::TwentyFive), [70, 42, 26, 26]);
    }

    #[test]
    fn cells_and_bytes_fit_each_other() {
        for len in [1, 5_000, 600_000, 5_000_000] {
            let layout = Layout::new(len, Parity::Twelve).unwrap();
            let mut seen = vec![false; layout.cells() as usize];
            for stripe in 0..layout.stripes.into() {
                for place in 0..layout.data_of(stripe) + u64::from(layout.parity) {
                    let cell = layout.cell(stripe, place);
                    assert_eq!(layout.stripe_of(cell), stripe);
                    assert!(!std::mem::replace(&mut seen[cell as usize], true));
                }
            }
            assert!(seen.iter().all(|seen| *seen));
            let data = layout.data_cells();
            assert_eq!(layout.range(data - 1).end, len);
            assert_eq!(layout.range(data).start, layout.parity_at());
            assert_eq!(layout.range(layout.cells() - 1).end, layout.tables_at()[1]);
        }
    }

    #[test]
    fn bounds_hold() {
        let good = Layout::new(5_000_000, Parity::Twelve).unwrap();
        assert!(good.checked().is_some());
        let bad = [
            Layout {
                cell_len: 100,
                ..good
            },
            Layout { cell_len: 0, ..good },
            Layout {
                cell_len: 1 << 20,
                ..good
            },
            Layout { stripes: 0, ..good },
            Layout {
                stripes: u32::MAX,
                ..good
            },
            Layout { parity: 0, ..good },
            Layout {
                parity: u32::MAX,
                ..good
            },
            Layout { inner_len: 0, ..good },
            Layout {
                inner_len: u64::MAX,
                ..good
            },
            Layout {
                inner_len: 1 << 33,
                stripes: 1,
                ..good
            },
        ];
        for layout in bad {
            assert_eq!(layout.checked(), None, "{layout:?}");
        }
        for len in [1 << 30, 1 << 32, Layout::MAX_LEN] {
            let layout = Layout::new(len, Parity::TwentyFive).unwrap();
            assert!(layout.cells() <= CELLS_LIMIT);
        }
        assert_eq!(Layout::new(Layout::MAX_LEN + 1, Parity::Twelve), None);
    }
}
