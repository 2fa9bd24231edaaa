//! Makes layer 3 after layers 1 and 2 were written: check values, parity, both tables, the trailer (docs/backup.md
//! section 7.5).

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::layout::{Layout, Parity};
use super::page::{Checker, ProtectionId, encode};
use super::stripe::Encoding;
use super::trailer::{TRAILER_LEN, Trailer};
use crate::error::{Error, Result};
use crate::payload::read_at;

const PIECE: u64 = 256 * 1024;

/// What layer 3 is to be, cell by cell.
pub(crate) struct Protecting {
    layout: Layout,
    id: ProtectionId,
    values: Vec<u64>,
}

impl Protecting {
    /// Takes the check values of layers 1 and 2 while reading them from the first byte to the last; `seen` gets all that
    /// was read.
    pub fn read(
        source: &mut (impl Read + Seek),
        layout: Layout,
        mut seen: impl FnMut(&[u8]),
    ) -> io::Result<Self> {
        let checker = Checker::new();
        let mut values = Vec::with_capacity(layout.cells() as usize);
        let mut piece = vec![0; (PIECE - PIECE % u64::from(layout.cell_len)) as usize];
        let mut at = 0;
        while at < layout.inner_len {
            let len = (layout.inner_len - at).min(piece.len() as u64) as usize;
            read_at(source, at, &mut piece[..len])?;
            seen(&piece[..len]);
            values.extend(
                piece[..len]
                    .chunks(layout.cell_len as usize)
                    .map(|cell| checker.value(cell)),
            );
            at += len as u64;
        }
        let id = ProtectionId::of(&values);
        values.resize(layout.cells() as usize, 0);
        Ok(Self { layout, id, values })
    }

    /// Writes layer 3 to its place in `out`, of which `source` reads the same file; gives the length of the file.
    pub fn write(
        &mut self,
        source: &mut (impl Read + Seek),
        out: &mut (impl Write + Seek + ?Sized),
    ) -> io::Result<u64> {
        let (layout, checker) = (self.layout, Checker::new());
        let values = &mut self.values;
        let mut encoding = Encoding::new(&layout);
        // Cells come in the order of their stripes, and the tables last. Not every file system lets a file be written
        // beyond its end, and where it is full that is better seen now.
        out.seek(SeekFrom::Start(layout.inner_len))?;
        write_zeros(out, layout.file_len() - layout.inner_len)?;
        let stripes = u64::from(layout.stripes);
        let at_once = encoding.at_once();
        for first in (0..stripes).step_by(at_once as usize) {
            encoding.stripes(
                source,
                first..(first + at_once).min(stripes),
                |stripe, place, bytes| {
                    let cell = layout.cell(stripe, layout.data_of(stripe) + place);
                    values[cell as usize] = checker.value(bytes);
                    out.seek(SeekFrom::Start(layout.range(cell).start))?;
                    out.write_all(bytes)
                },
            )?;
        }
        for at in layout.tables_at() {
            out.seek(SeekFrom::Start(at))?;
            out.write_all(&self.table())?;
        }
        out.write_all(&self.trailer().to_bytes())?;
        out.flush()?;
        Ok(layout.file_len())
    }

    /// Layer 3 reads as it was written.
    pub fn compare(&self, source: &mut (impl Read + Seek)) -> io::Result<bool> {
        let (layout, checker) = (&self.layout, Checker::new());
        let mut bytes = vec![0; layout.cell_len as usize];
        source.seek(SeekFrom::Start(layout.parity_at()))?;
        for cell in layout.data_cells()..layout.cells() {
            source.read_exact(&mut bytes)?;
            if checker.value(&bytes) != self.values[cell as usize] {
                return Ok(false);
            }
        }
        let table = self.table();
        let mut bytes = vec![0; table.len()];
        for at in layout.tables_at() {
            read_at(source, at, &mut bytes)?;
            if bytes != table {
                return Ok(false);
            }
        }
        let mut end = Vec::new();
        source.take(TRAILER_LEN as u64 + 1).read_to_end(&mut end)?;
        Ok(end == self.trailer().to_bytes())
    }

    fn trailer(&self) -> Trailer {
        Trailer::with_parity(&self.layout)
    }

    fn table(&self) -> Vec<u8> {
        let pages = (0..self.layout.pages()).flat_map(|number| {
            let cells = self.layout.cells_of_page(number);
            let values = &self.values[cells.start as usize..cells.end as usize];
            encode(&self.layout, &self.id, number, values)
        });
        pages.collect()
    }
}

fn write_zeros(out: &mut (impl Write + ?Sized), mut len: u64) -> io::Result<()> {
    let zeros = vec![0; PIECE.min(len) as usize];
    while len > 0 {
        let piece = len.min(PIECE);
        out.write_all(&zeros[..piece as usize])?;
        len -= piece;
    }
    Ok(())
}

/// Protects a file that holds layers 1 and 2 and nothing else; gives its new length. [`Parity::None`] is an error, as
/// then the writer writes the trailer.
pub fn protect(file: &mut (impl Read + Write + Seek), parity: Parity) -> Result<u64> {
    let stream = |source| Error::Stream {
        doing: "protect",
        at: 0,
        source,
    };
    let inner_len = file.seek(SeekFrom::End(0)).map_err(stream)?;
    let layout = Layout::new(inner_len, parity).ok_or(Error::Invalid {
        what: "parity",
        why: "there is nothing to protect, or too much of it",
    })?;
    let file = RefCell::new(file);
    let handle = || Handle { file: &file, at: 0 };
    Protecting::read(&mut handle(), layout, |_| ())
        .and_then(|mut protecting| protecting.write(&mut handle(), &mut handle()))
        .map_err(stream)
}

/// Reads and writes a file at a place of its own.
struct Handle<'f, F> {
    file: &'f RefCell<F>,
    at: u64,
}

impl<F: Seek> Handle<'_, F> {
    fn there<T>(&mut self, step: impl FnOnce(&mut F) -> io::Result<T>) -> io::Result<T> {
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(self.at))?;
        let done = step(&mut file)?;
        self.at = file.stream_position()?;
        Ok(done)
    }
}

impl<F: Read + Seek> Read for Handle<'_, F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.there(|file| file.read(bytes))
    }
}

impl<F: Write + Seek> Write for Handle<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.there(|file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.borrow_mut().flush()
    }
}

impl<F: Seek> Seek for Handle<'_, F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Current(by) => SeekFrom::Start(self.at.saturating_add_signed(by)),
            to => to,
        };
        self.at = self.file.borrow_mut().seek(at)?;
        Ok(self.at)
    }
}
