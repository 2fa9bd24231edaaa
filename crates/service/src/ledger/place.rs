//! Where a row belongs that a receipt proves: a pure function of the license's rows (docs/protocol.md section 5.8).

use keyferry_license::Digest;
use keyferry_protocol::Row;

use super::Placed;

/// `rows` are those of the license that are here, by sequence number. [`Placed::Made`] says that it is to be written.
pub(super) fn place(rows: &[Row], row: &Row) -> Placed {
    match rows.binary_search_by_key(&row.seq, |known| known.seq) {
        Ok(at) if rows[at] == *row => Placed::Known,
        Ok(_) => Placed::Conflict,
        Err(at) => {
            let before = at.checked_sub(1).map(|at| &rows[at]);
            let fits = fits(before, row) && rows.get(at).is_none_or(|after| fits(Some(row), after));
            if fits { Placed::Made } else { Placed::Conflict }
        }
    }
}

/// Two rows with none between them must be joined by hash; whether others can be joined is known when they are.
fn fits(before: Option<&Row>, row: &Row) -> bool {
    let (number, hash) = before.map_or((0, Digest::default()), |before| (before.seq, before.hash()));
    number.checked_add(1) != Some(row.seq) || row.previous == hash
}

#[cfg(test)]
mod tests {
    use keyferry_license::{LicenseId, Thumbprint};
    use keyferry_protocol::Change;

    use super::*;

    fn row(seq: u64, slot: u32, previous: Digest) -> Row {
        Row {
            issuer: Thumbprint([1; 32]),
            license: LicenseId([2; 16]),
            seq,
            computer: Thumbprint([3; 32]),
            change: Change::Take,
            slot,
            lease: 0,
            request: [4; 32],
            time: 5,
            previous,
        }
    }

    fn chain() -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for seq in 1..=4 {
            let previous = rows.last().map_or(Digest::default(), Row::hash);
            rows.push(row(seq, 1, previous));
        }
        rows
    }

    #[test]
    fn every_order_brings_back_the_same_rows() {
        let whole = chain();
        for order in 0..256_usize {
            let mut here: Vec<Row> = Vec::new();
            for step in 0..4 {
                let next = &whole[(order >> (2 * step)) % 4];
                match place(&here, next) {
                    Placed::Made => here.push(next.clone()),
                    placed => assert_eq!((placed, here.contains(next)), (Placed::Known, true)),
                }
                here.sort_by_key(|row| row.seq);
            }
            for row in &whole {
                if place(&here, row) == Placed::Made {
                    here.push(row.clone());
                    here.sort_by_key(|row| row.seq);
                }
            }
            assert_eq!(here, whole, "order {order}");
        }
    }

    #[test]
    fn what_contradicts_its_place_or_its_neighbors_is_a_conflict() {
        let whole = chain();
        let other = |at: usize| row(whole[at].seq, 2, whole[at].previous);
        assert_eq!(place(&whole, &other(1)), Placed::Conflict, "its place is taken");
        let gap = [whole[0].clone(), whole[1].clone(), whole[3].clone()];
        assert_eq!(place(&gap, &whole[2]), Placed::Made);
        assert_eq!(
            place(&gap, &other(2)),
            Placed::Conflict,
            "the row after it doesn't follow"
        );
        assert_eq!(
            place(&whole[..2], &row(3, 1, Digest([9; 32]))),
            Placed::Conflict,
            "it doesn't follow"
        );
        assert_eq!(
            place(&[], &row(1, 1, Digest([9; 32]))),
            Placed::Conflict,
            "nothing is before the first"
        );
        assert_eq!(place(&whole[..2], &row(4, 1, Digest([9; 32]))), Placed::Made);
    }
}
