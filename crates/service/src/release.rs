//! Release: a computer gives slots back (docs/protocol.md section 5.6).

use std::collections::HashSet;

use keyferry_license::{Digest, Grant};
use keyferry_protocol::{Entry, Reason, ReleaseItem, Request, RequestId, Verdict};

use crate::policy::{Asker, Return, ReturnDecision, Returned};
use crate::recovery::Moment;
use crate::service::{Judged, NotJudged, Service};

/// An item after everything that needs no ledger.
struct Examined {
    /// Stands in the request for the first time.
    first: bool,
    /// Does the grant say that the asker is the origin? Or why that can't be told.
    origin: Result<bool, Reason>,
}

impl Service {
    pub(crate) fn judge_release(
        &self,
        id: RequestId,
        request: &Request,
        at: &Moment,
    ) -> Result<Judged, NotJudged> {
        let items = request.release_body()?.items;
        for item in items.iter().filter(|item| item.grant.is_some()) {
            // Its card is known from here on, if there is one.
            self.issuer(&item.issuer, at.now)?;
        }
        let mut seen = HashSet::with_capacity(items.len());
        let examine = |item: &ReleaseItem| Examined {
            first: seen.insert((item.issuer, item.license)),
            origin: self.is_origin(item, request),
        };
        let examined: Vec<Examined> = items.iter().map(examine).collect();
        let asker = Asker {
            computer: Some(request.computer),
            request: id,
            last_receipt: request.last_receipt,
            now: at.now,
            recovering: at.recovering(),
        };
        let mut asked: Vec<(usize, Return)> = items
            .iter()
            .zip(&examined)
            .enumerate()
            .filter(|(_, (_, examined))| examined.first)
            .map(|(at, (item, examined))| (at, self::item(item, examined)))
            .collect();
        asked.sort_unstable_by_key(|(_, item)| (item.license, item.issuer));
        let returned = self
            .ledger
            .release(asker, asked.iter().map(|(_, item)| *item).collect())?;
        let mut placed = vec![None; items.len()];
        let mut judged = Judged::default();
        for ((at, _), returned) in asked.iter().zip(returned) {
            judged.not_before = judged.not_before.max(returned.not_before);
            placed[*at] = Some(returned);
        }
        let entries = items.iter().zip(&examined).zip(placed);
        judged.entries = entries
            .map(|((item, examined), returned)| entry(item, examined, returned))
            .collect();
        log(id, request, &judged.entries);
        Ok(judged)
    }

    /// The origin holds slot 1 without a row, and nothing but its grant says who that is.
    fn is_origin(&self, item: &ReleaseItem, request: &Request) -> Result<bool, Reason> {
        let Some(bytes) = &item.grant else {
            return Ok(false);
        };
        let grant = Grant::parse(bytes).map_err(|_| Reason::Malformed)?;
        let claim = grant.claim();
        if (claim.issuer, claim.license) != (item.issuer, item.license) {
            return Err(Reason::Malformed);
        }
        let issuer = self.issuers.get(&claim.issuer).ok_or(Reason::UnknownIssuer)?;
        let grant = grant.verify_with(&issuer).map_err(|_| Reason::BadSignature)?;
        if grant.service != self.card().thumbprint() {
            return Err(Reason::OtherService);
        }
        Ok(grant.origin == request.computer)
    }
}

fn item(item: &ReleaseItem, examined: &Examined) -> Return {
    Return {
        issuer: item.issuer,
        license: item.license,
        origin: examined.origin == Ok(true),
    }
}

fn entry(item: &ReleaseItem, examined: &Examined, returned: Option<Returned>) -> Entry {
    let told = |verdict| Entry {
        issuer: item.issuer,
        license: item.license,
        verdict,
        reason: None,
        slot: None,
        of: None,
        seq: None,
        previous: None,
        row: None,
    };
    let refused = |reason| Entry {
        reason: Some(reason),
        ..told(Verdict::Refused)
    };
    let Some(returned) = returned else {
        return refused(Reason::Twice);
    };
    match (returned.decision, returned.row, examined.origin) {
        (ReturnDecision::Released { slot }, Some(row), _) => Entry {
            slot: Some(slot),
            seq: Some(row.seq),
            previous: Some(row.previous),
            row: Some(row.hash()),
            ..told(Verdict::Released)
        },
        (ReturnDecision::Stale, ..) => told(Verdict::Stale),
        // Only a sound grant would have shown that there is something to give back.
        (_, _, Err(reason)) => refused(reason),
        _ => told(Verdict::NotHeld),
    }
}

fn log(id: RequestId, request: &Request, entries: &[Entry]) {
    let count = |verdict| entries.iter().filter(|entry| entry.verdict == verdict).count();
    tracing::info!(
        request = %Digest(id),
        computer = %request.computer,
        kind = &*request.kind,
        released = count(Verdict::Released),
        not_held = count(Verdict::NotHeld),
        stale = count(Verdict::Stale),
        refused = count(Verdict::Refused),
        "judged"
    );
}
