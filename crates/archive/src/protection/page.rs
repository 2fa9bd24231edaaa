//! A page of check values: each says where all cells lie, and has a digest of its own, so that any page that is whole
//! leads to the others (docs/backup.md section 7.3).

use super::layout::{Layout, PAGE_HEAD, PAGE_LEN, VALUE_LEN};

pub(super) const PAGE_MAGIC: &[u8; 8] = b"KFcells\n";
const VERSION: u32 = 1;
const DIGEST_AT: usize = PAGE_HEAD - 16;

/// Names one protection: made of the check values of its data, so that pages of another backup are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProtectionId(pub [u8; 16]);

impl ProtectionId {
    /// Of the values of all cells of data.
    pub fn of(values: &[u64]) -> Self {
        let mut hash = blake3::Hasher::new_derive_key("keyferry v1 backup protection");
        for value in values {
            hash.update(&value.to_be_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        Self(std::array::from_fn(|at| digest[at]))
    }
}

/// Takes check values.
#[derive(Clone, Copy)]
pub(crate) struct Checker([u8; 32]);

impl Checker {
    pub fn new() -> Self {
        Self(blake3::derive_key("keyferry v1 backup cell", b""))
    }

    pub fn value(&self, bytes: &[u8]) -> u64 {
        let digest = blake3::keyed_hash(&self.0, bytes);
        let mut value = [0; VALUE_LEN];
        value.copy_from_slice(&digest.as_bytes()[..VALUE_LEN]);
        u64::from_be_bytes(value)
    }
}

/// A page that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub layout: Layout,
    pub id: ProtectionId,
    pub number: u64,
    pub values: Vec<u64>,
}

/// What a page of a table is made of.
pub(super) fn encode(layout: &Layout, id: &ProtectionId, number: u64, values: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PAGE_LEN);
    out.extend(PAGE_MAGIC);
    out.extend(VERSION.to_be_bytes());
    out.extend(layout.cell_len.to_be_bytes());
    out.extend(layout.inner_len.to_be_bytes());
    out.extend(layout.stripes.to_be_bytes());
    out.extend(layout.parity.to_be_bytes());
    out.extend(id.0);
    out.extend(number.to_be_bytes());
    out.extend([0; 16]);
    out.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    let digest = digest(&out);
    out[DIGEST_AT..PAGE_HEAD].copy_from_slice(&digest);
    out
}

/// Reads a page from the start of these bytes, which may go on after it.
pub(super) fn decode(bytes: &[u8]) -> Option<Page> {
    let mut rest = bytes.strip_prefix(PAGE_MAGIC)?;
    let (version, cell_len) = (u32_of(&mut rest)?, u32_of(&mut rest)?);
    let inner_len = u64_of(&mut rest)?;
    let (stripes, parity) = (u32_of(&mut rest)?, u32_of(&mut rest)?);
    let (id, mut rest) = rest.split_first_chunk()?;
    let number = u64_of(&mut rest)?;
    let layout = Layout {
        inner_len,
        cell_len,
        stripes,
        parity,
    };
    let layout = layout
        .checked()
        .filter(|layout| version == VERSION && number < layout.pages())?;
    let page = bytes.get(..layout.page_len(number))?;
    let mut blank = page.to_vec();
    blank[DIGEST_AT..PAGE_HEAD].fill(0);
    if digest(&blank) != page[DIGEST_AT..PAGE_HEAD] {
        return None;
    }
    let mut rest = &page[PAGE_HEAD..];
    let values = std::iter::from_fn(|| u64_of(&mut rest)).collect();
    Some(Page {
        layout,
        id: ProtectionId(*id),
        number,
        values,
    })
}

fn digest(page: &[u8]) -> [u8; 16] {
    let digest = blake3::derive_key("keyferry v1 backup page", page);
    std::array::from_fn(|at| digest[at])
}

fn u32_of(rest: &mut &[u8]) -> Option<u32> {
    let (field, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*field))
}

fn u64_of(rest: &mut &[u8]) -> Option<u64> {
    let (field, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_be_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::super::layout::Parity;
    use super::*;

    #[test]
    fn a_page_reads_back_and_a_flipped_byte_does_not() {
        let layout = Layout::new(70_000, Parity::Twelve).unwrap();
        let values: Vec<u64> = (0..layout.cells()).collect();
        let bytes = encode(&layout, &ProtectionId([7; 16]), 0, &values);
        assert_eq!(bytes.len(), layout.page_len(0));
        let page = decode(&[&bytes[..], b"more"].concat()).unwrap();
        assert_eq!(
            (page.layout, page.id, page.number),
            (layout, ProtectionId([7; 16]), 0)
        );
        assert_eq!(page.values, values);
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            assert_eq!(decode(&bytes), None, "byte {at}");
        }
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
    }
}
