//! One stripe at a time: its parity made, its damaged cells made again (docs/backup.md section 7.4). The code is that of
//! the reed-solomon-simd crate.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

use super::layout::Layout;
use super::survey::Survey;
use crate::payload::read_at;

/// Makes the parity of stripes, some that follow each other at once, so that the file isn't read cell by cell.
pub(super) struct Encoding<'l> {
    layout: &'l Layout,
    encoder: Option<ReedSolomonEncoder>,
    rows: Vec<u8>,
}

/// Bytes that are held at most while parity is made.
const HELD: u64 = 12 << 20;

impl<'l> Encoding<'l> {
    pub fn new(layout: &'l Layout) -> Self {
        Self {
            layout,
            encoder: None,
            rows: Vec::new(),
        }
    }

    /// Stripes to take at once.
    pub fn at_once(&self) -> u64 {
        let stripe = self.layout.data_of(0) * u64::from(self.layout.cell_len);
        (HELD / stripe).max(1)
    }

    /// Hands out the parity of these stripes: the stripe, the place among its parity cells, the bytes.
    pub fn stripes(
        &mut self,
        source: &mut (impl Read + Seek),
        stripes: std::ops::Range<u64>,
        mut give: impl FnMut(u64, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let layout = self.layout;
        let cell_len = layout.cell_len as usize;
        let (width, rows) = ((stripes.end - stripes.start) as usize, layout.data_of(0));
        let row_len = width * cell_len;
        self.rows.clear();
        self.rows.resize(rows as usize * row_len, 0);
        for (row, bytes) in self.rows.chunks_mut(row_len).enumerate() {
            let first = layout.cell(stripes.start, row as u64);
            if row as u64 >= layout.data_of(stripes.start) {
                continue;
            }
            let last = (first + width as u64).min(layout.data_cells());
            let (start, end) = (layout.range(first).start, layout.range(last - 1).end);
            read_at(source, start, &mut bytes[..(end - start) as usize])?;
        }
        for stripe in stripes.clone() {
            let column = (stripe - stripes.start) as usize * cell_len;
            let data = layout.data_of(stripe) as usize;
            let mut encoder = match self.encoder.take() {
                None => ReedSolomonEncoder::new(data, layout.parity as usize, cell_len),
                Some(mut encoder) => encoder
                    .reset(data, layout.parity as usize, cell_len)
                    .map(|()| encoder),
            }
            .map_err(io::Error::other)?;
            for row in self.rows.chunks(row_len).take(data) {
                encoder
                    .add_original_shard(&row[column..column + cell_len])
                    .map_err(io::Error::other)?;
            }
            let encoded = encoder.encode().map_err(io::Error::other)?;
            for (place, bytes) in encoded.recovery_iter().enumerate() {
                give(stripe, place as u64, bytes)?;
            }
            drop(encoded);
            self.encoder = Some(encoder);
        }
        Ok(())
    }
}

/// The damaged data cells of a stripe, made again from what is whole. An error where there is too little of it.
pub(super) fn recover(
    source: &mut (impl Read + Seek),
    layout: &Layout,
    survey: &Survey,
    stripe: u64,
) -> io::Result<BTreeMap<u64, Vec<u8>>> {
    let (data, cell_len) = (layout.data_of(stripe), layout.cell_len as usize);
    let mut decoder =
        ReedSolomonDecoder::new(data as usize, layout.parity as usize, cell_len).map_err(io::Error::other)?;
    let mut bytes = vec![0; cell_len];
    for place in 0..data + u64::from(layout.parity) {
        let cell = layout.cell(stripe, place);
        if survey.is_bad(cell) {
            continue;
        }
        let range = layout.range(cell);
        let len = (range.end - range.start) as usize;
        read_at(source, range.start, &mut bytes[..len])?;
        // What the last cell lacks counts as zeros.
        bytes[len..].fill(0);
        match place.checked_sub(data) {
            None => decoder.add_original_shard(place as usize, &bytes),
            Some(place) => decoder.add_recovery_shard(place as usize, &bytes),
        }
        .map_err(io::Error::other)?;
    }
    let decoded = decoder.decode().map_err(io::Error::other)?;
    let cells = decoded.restored_original_iter().map(|(place, bytes)| {
        let cell = layout.cell(stripe, place as u64);
        let range = layout.range(cell);
        (cell, bytes[..(range.end - range.start) as usize].to_vec())
    });
    Ok(cells.collect())
}
