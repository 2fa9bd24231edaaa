//! Coming back from a backup: receipts that computers show are made into the rows that they speak of
//! (docs/protocol.md section 5.8).

use keyferry_license::Digest;
use keyferry_protocol::{Recovery, Remade, Remaking, Request, RequestId, Row};

use crate::error::Result;
use crate::ledger::{Placed, Recovered};
use crate::service::{Judged, NotJudged, Service};

/// After the end of a recovery its receipts tell of it for so long (seconds), for computers that come late: 400 days.
const TOLD_FOR: u64 = 400 * 24 * 60 * 60;

/// When a request is judged, and whether the ledger was being made whole then: read once for each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// The service's time (Unix seconds).
    pub(crate) now: u64,
    /// The newest recovery.
    recovery: Option<Recovery>,
}

impl Moment {
    /// Does it last?
    pub(crate) fn recovering(&self) -> bool {
        self.recovery.is_some_and(|recovery| recovery.lasts())
    }

    /// What the receipt says of it.
    pub(crate) fn told_recovery(&self) -> Option<Recovery> {
        let told = |recovery: &Recovery| {
            recovery
                .ended
                .is_none_or(|ended| self.now < ended.saturating_add(TOLD_FOR))
        };
        self.recovery.filter(told)
    }
}

impl Service {
    /// The newest recovery of the ledger, whether it lasts or has ended.
    pub fn recovery(&self) -> Result<Option<Recovery>> {
        self.ledger.recovery()
    }

    /// How far that recovery has come.
    pub fn recovered(&self, recovery: &Recovery) -> Result<Recovered> {
        self.ledger.recovered(recovery.started)
    }

    /// Reads what a request is judged by beside its licenses.
    pub(crate) fn moment(&self, now: u64) -> Result<Moment> {
        Ok(Moment {
            now,
            recovery: self.recovery()?,
        })
    }

    /// Takes receipts. All are verified before the first row is written; without a recovery there is nothing to make.
    pub(crate) fn take_receipts(
        &self,
        id: RequestId,
        request: &Request,
        at: &Moment,
    ) -> Result<Judged, NotJudged> {
        let body = request.receipts_body()?;
        let receipts = body.verified(self.card(), request)?;
        let Some(recovery) = at.recovery else {
            return Ok(Judged::default());
        };
        let (mut rows, mut unknown, mut remaking): (Vec<Row>, u64, _) = (Vec::new(), 0, Remaking::default());
        for receipt in &receipts {
            for entry in &receipt.entries {
                match remaking.row(receipt, entry) {
                    Remade::Row(row) => rows.push(row),
                    Remade::None => {}
                    Remade::Unknown => {
                        unknown += 1;
                        let request = Digest(receipt.request);
                        tracing::error!(%request, license = %entry.license, "a receipt of ours names a row that can't be made again");
                    }
                }
            }
        }
        rows.sort_unstable_by_key(|row| (row.issuer, row.license, row.seq));
        let placed = match rows.is_empty() {
            true => Vec::new(),
            false => self.ledger.put_rows(rows.clone(), recovery.started)?,
        };
        for (row, _) in rows
            .iter()
            .zip(&placed)
            .filter(|(_, placed)| **placed == Placed::Conflict)
        {
            tracing::error!(
                issuer = %row.issuer, license = %row.license, seq = row.seq, computer = %row.computer, row = %row.hash(),
                "a receipt of ours names a row that contradicts the ledger: it is kept apart, and one slot may be held twice"
            );
        }
        if !body.more {
            self.ledger.shown(request.computer, recovery.started)?;
        }
        let count = |what| placed.iter().filter(|placed| **placed == what).count();
        tracing::info!(
            request = %Digest(id),
            computer = %request.computer,
            receipts = receipts.len(),
            made = count(Placed::Made),
            known = count(Placed::Known),
            conflicts = count(Placed::Conflict),
            unknown,
            more = body.more,
            "receipts taken"
        );
        Ok(Judged::default())
    }
}
