//! The tables of check values as a file has them: found, each page from the copy that is whole (docs/backup.md section
//! 7.3).

use std::io::{self, Read, Seek};
use std::ops::Range;

use memchr::memmem;

use super::layout::{Layout, PAGE_LEN};
use super::page::{PAGE_MAGIC, Page, ProtectionId, decode};
use crate::payload::read_at;

/// Bytes that are searched at once.
const WINDOW: u64 = 1 << 20;

/// What is known of the cells of a file.
pub(crate) struct Table {
    pub layout: Layout,
    /// Of each cell, and whether a page that is whole has it.
    values: Vec<u64>,
    known: Vec<bool>,
    /// Bytes of the file that should hold a page, and don't.
    pub broken_pages: Vec<Range<u64>>,
}

impl Table {
    /// The tables of a file of which the trailer states N; `None` where no page of them is whole.
    pub fn at(source: &mut (impl Read + Seek), inner_len: u64, size: u64) -> Option<Self> {
        let mut bytes = vec![0; PAGE_LEN];
        let len = (size.saturating_sub(inner_len)).min(PAGE_LEN as u64) as usize;
        let first = read_at(source, inner_len, &mut bytes[..len])
            .ok()
            .and_then(|()| decode(&bytes[..len]));
        match first.filter(|page| page.layout.inner_len == inner_len) {
            Some(page) => Some(Self::read(source, page.layout, page.id)),
            None => Self::search(source, inner_len, size),
        }
    }

    /// Looks for a page from the end of the file back to `from`. A page says where it stands: one that stands elsewhere
    /// belongs to something inside the backup.
    pub fn search(source: &mut (impl Read + Seek), from: u64, size: u64) -> Option<Self> {
        let mut end = size;
        let mut window = Vec::new();
        while end > from {
            let start = end.saturating_sub(WINDOW).max(from);
            // A page that begins in this window may end in the one after it.
            let len = (size - start).min(end - start + PAGE_LEN as u64) as usize;
            window.resize(len, 0);
            read_what_can_be(source, start, &mut window);
            for at in memmem::rfind_iter(&window, PAGE_MAGIC) {
                if let Some(page) = decode(&window[at..]).filter(|page| stands_at(page, start + at as u64)) {
                    return Some(Self::read(source, page.layout, page.id));
                }
            }
            end = start;
        }
        None
    }

    /// Reads both tables, each page from the one where it is whole.
    fn read(source: &mut (impl Read + Seek), layout: Layout, id: ProtectionId) -> Self {
        let mut values = vec![0; layout.cells() as usize];
        let mut known = vec![false; values.len()];
        let mut broken_pages = Vec::new();
        let mut bytes = vec![0; PAGE_LEN];
        for table in layout.tables_at() {
            for number in 0..layout.pages() {
                let (at, len) = (table + Layout::page_at(number), layout.page_len(number));
                let page = read_at(source, at, &mut bytes[..len])
                    .ok()
                    .and_then(|()| decode(&bytes[..len]));
                match page.filter(|page| (page.layout, page.id, page.number) == (layout, id, number)) {
                    Some(page) => {
                        let from = layout.cells_of_page(number).start as usize;
                        let to = from + page.values.len();
                        values[from..to].copy_from_slice(&page.values);
                        known[from..to].fill(true);
                    }
                    None => broken_pages.push(at..at + len as u64),
                }
            }
        }
        Self {
            layout,
            values,
            known,
            broken_pages,
        }
    }

    /// What a cell should give; `None` where both pages that say it are damaged.
    pub fn value(&self, cell: u64) -> Option<u64> {
        let cell = usize::try_from(cell).ok()?;
        self.known.get(cell)?.then(|| self.values[cell])
    }
}

fn stands_at(page: &Page, at: u64) -> bool {
    let place = Layout::page_at(page.number);
    page.layout.tables_at().iter().any(|table| table + place == at)
}

/// Reads as much as the medium gives; what it doesn't is left as zeros.
fn read_what_can_be(source: &mut (impl Read + Seek), start: u64, bytes: &mut [u8]) {
    if read_at(source, start, bytes).is_ok() {
        return;
    }
    for (n, piece) in bytes.chunks_mut(PAGE_LEN).enumerate() {
        let read: io::Result<()> = read_at(source, start + (n * PAGE_LEN) as u64, piece);
        if read.is_err() {
            piece.fill(0);
        }
    }
}
