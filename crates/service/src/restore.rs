//! Restore and plan: each license is examined, judged by the ledger and, if it is a yes, sealed for the one-time key
//! (docs/protocol.md section 5). The order of the checks is normative.

use std::collections::{BTreeMap, HashSet};

use keyferry_license::{
    ContentKey, Digest, Encapsulation, Grant, LicenseId, SealedKey, Sealer, Suite, Text, Thumbprint,
    Unverified, Verified,
};
use keyferry_protocol::{Delivery, Entry, Item, Page, Reason, Request, RequestId, Restore, Verdict, kind};

use crate::error::Result;
use crate::escrows::Escrows;
use crate::ledger::{LISTED_LICENSES, Refusal, RefusedLicense, subject};
use crate::policy::{Asker, Case, Decision, Judgment};
use crate::recovery::Moment;
use crate::service::{Judged, NotJudged, Service};

/// A license of a request after everything that needs no ledger.
enum Examined {
    /// Grant and escrow are sound; the key is kept only until it is sealed again.
    Sound(Verified<Grant>, ContentKey),
    /// Not, and what can be said of it.
    Unsound(Reason, Option<RefusedLicense>),
}

impl Service {
    pub(crate) fn judge_licenses(
        &self,
        id: RequestId,
        request: &Request,
        at: &Moment,
    ) -> Result<Judged, NotJudged> {
        let body = request.restore_body()?;
        self.may_ask_about(request.computer, body.items.len())?;
        let plan = &*request.kind == kind::PLAN;
        // Whatever can fail with the request fails before anything is written.
        let sealer = match plan {
            true => None,
            false => {
                Some(Sealer::delivery(&request.one_time_key()?).map_err(keyferry_protocol::Error::from)?)
            }
        };
        let examined = self.examine(&body, at.now)?;
        let as_new = plan && body.as_new == Some(true);
        let asker = Asker {
            computer: (!as_new).then_some(request.computer),
            request: id,
            last_receipt: request.last_receipt,
            now: at.now,
            recovering: at.recovering(),
        };
        let judgments = self.judge_sound(&examined, asker, plan)?;
        let judged = self.tell(&examined, &judgments, id, sealer)?;
        let pages = if plan {
            Vec::new()
        } else {
            self.keep_refusals(&examined, &judged.entries, id, request, at.now)?
        };
        log(id, request, &judged.entries);
        Ok(Judged { pages, ..judged })
    }

    /// Bounds, signature, issuer, service, escrow; signatures of one issuer are verified together.
    fn examine(&self, body: &Restore, now: u64) -> Result<Vec<Examined>> {
        let mut examined: Vec<Option<Examined>> = Vec::new();
        examined.resize_with(body.items.len(), || None);
        let mut by_issuer: BTreeMap<Thumbprint, (Vec<usize>, Vec<Unverified<Grant>>)> = BTreeMap::new();
        let mut seen = HashSet::with_capacity(body.items.len());
        for (at, Item { grant, .. }) in body.items.iter().enumerate() {
            match Grant::parse(grant) {
                Err(_) => examined[at] = Some(Examined::Unsound(Reason::Malformed, None)),
                Ok(grant) if !seen.insert((grant.claim().issuer, grant.claim().license)) => {
                    examined[at] = Some(self.unsound(Reason::Twice, grant.claim()));
                }
                Ok(grant) if self.issuer(&grant.claim().issuer, now)?.is_none() => {
                    examined[at] = Some(self.unsound(Reason::UnknownIssuer, grant.claim()));
                }
                Ok(grant) => {
                    let (places, grants) = by_issuer.entry(grant.claim().issuer).or_default();
                    places.push(at);
                    grants.push(grant);
                }
            }
        }
        let escrows = Escrows::of(&body.enc, self.keys().escrows());
        for (issuer, (places, grants)) in by_issuer {
            let Some(card) = self.issuers.get(&issuer) else {
                continue;
            };
            let mut verified = Unverified::verify_batch(&grants, &card);
            if verified.iter().any(Result::is_err)
                && let Some(newer) = self.newer_issuer(&card, now)?
            {
                verified = Unverified::verify_batch(&grants, &newer);
            }
            for (at, grant) in places.iter().zip(verified) {
                examined[*at] = Some(match grant {
                    Ok(grant) => self.open_escrow(grant, &escrows, &body.items[*at].escrow),
                    Err(_) => Examined::Unsound(Reason::BadSignature, self.claimed(&body.items[*at])),
                });
            }
        }
        let missing = || Examined::Unsound(Reason::Malformed, None);
        Ok(examined
            .into_iter()
            .map(|license| license.unwrap_or_else(missing))
            .collect())
    }

    fn open_escrow(&self, grant: Verified<Grant>, escrows: &Escrows<'_>, sealed: &SealedKey) -> Examined {
        if grant.service != self.card().thumbprint() {
            return self.unsound(Reason::OtherService, &grant);
        }
        match escrows.open(&grant, sealed) {
            Some(key) => Examined::Sound(grant, key),
            None => self.unsound(Reason::BadEscrow, &grant),
        }
    }

    /// Asks the ledger about the sound ones, in the order of its rows; a plan only reads.
    fn judge_sound(&self, examined: &[Examined], asker: Asker, plan: bool) -> Result<Vec<Option<Judgment>>> {
        let sound = examined
            .iter()
            .enumerate()
            .filter_map(|(at, license)| match license {
                Examined::Sound(grant, _) => Some((at, self.case(grant))),
                Examined::Unsound(..) => None,
            });
        let mut sound: Vec<(usize, Case)> = sound.collect();
        sound.sort_unstable_by_key(|(_, case)| (case.license, case.issuer));
        let cases: Vec<Case> = sound.iter().map(|(_, case)| *case).collect();
        let judgments = if cases.is_empty() {
            Vec::new()
        } else if plan {
            self.ledger.plan(asker, cases)?
        } else {
            self.ledger.judge(asker, cases)?
        };
        let mut placed = vec![None; examined.len()];
        for ((at, _), judgment) in sound.iter().zip(judgments) {
            placed[*at] = Some(judgment);
        }
        Ok(placed)
    }

    fn case(&self, grant: &Grant) -> Case {
        Case {
            issuer: grant.issuer,
            license: grant.license,
            origin: grant.origin,
            limit: self.policy.limit(grant),
            backup: grant.rights.may_be_backed_up(),
            key_id: grant.key_id,
            subject: grant.subject.as_deref().map(subject),
        }
    }

    /// Entries in the order of the request, and the keys of those that are a yes.
    fn tell(
        &self,
        examined: &[Examined],
        judgments: &[Option<Judgment>],
        id: RequestId,
        sealer: Option<(Encapsulation, Sealer)>,
    ) -> Result<Judged> {
        let mut judged = Judged::default();
        let mut keys = Vec::with_capacity(examined.len());
        for (license, judgment) in examined.iter().zip(judgments) {
            let entry = entry(license, judgment.as_ref(), id, sealer.is_none());
            let sealed = match (license, &sealer) {
                (Examined::Sound(grant, key), Some((_, sealer))) if entry.reason.is_none() => {
                    Some(sealer.seal(grant, key)?)
                }
                _ => None,
            };
            keys.push(sealed);
            judged.entries.push(entry);
            let not_before = judgment.as_ref().map_or(0, |judgment| judgment.not_before);
            judged.not_before = judged.not_before.max(not_before);
        }
        let any = keys.iter().any(Option::is_some);
        judged.delivery = sealer.filter(|_| any).map(|(enc, _)| Delivery {
            suite: Suite::XWingHkdfSha256,
            enc,
            keys,
        });
        Ok(judged)
    }

    /// One page for each reason, shared by all requests of the operation.
    fn keep_refusals(
        &self,
        examined: &[Examined],
        entries: &[Entry],
        id: RequestId,
        request: &Request,
        now: u64,
    ) -> Result<Vec<Page>> {
        let mut by_reason: BTreeMap<Reason, Refusal> = BTreeMap::new();
        for (license, entry) in examined.iter().zip(entries) {
            let Some(reason) = entry.reason else { continue };
            let refusal = by_reason.entry(reason).or_insert_with(|| Refusal {
                computer: request.computer,
                operation: request.operation,
                request: id,
                reason,
                licenses: 0,
                listed: Vec::new(),
                now,
            });
            refusal.licenses += 1;
            if refusal.listed.len() < LISTED_LICENSES {
                refusal.listed.extend(match license {
                    Examined::Sound(grant, _) => Some(self.refused(grant)),
                    Examined::Unsound(_, refused) => refused.clone(),
                });
            }
        }
        let page = |(reason, refusal)| {
            let page = self.ledger.refuse(refusal)?;
            let url = Text::new("address of a refusal", self.page_url(&page))?;
            Ok(Page { reason, url })
        };
        by_reason.into_iter().map(page).collect()
    }

    fn unsound(&self, reason: Reason, claim: &Grant) -> Examined {
        Examined::Unsound(reason, Some(self.refused(claim)))
    }

    fn refused(&self, grant: &Grant) -> RefusedLicense {
        RefusedLicense {
            issuer: grant.issuer,
            license: grant.license,
            origin: grant.origin,
            limit: self.policy.limit(grant),
            title: grant.title.shown(),
        }
    }

    /// What a grant says of itself whose signature doesn't hold.
    fn claimed(&self, item: &Item) -> Option<RefusedLicense> {
        Grant::parse(&item.grant)
            .ok()
            .map(|grant| self.refused(grant.claim()))
    }
}

fn entry(license: &Examined, judgment: Option<&Judgment>, id: RequestId, plan: bool) -> Entry {
    let (issuer, name) = match license {
        Examined::Sound(grant, _) => (grant.issuer, grant.license),
        Examined::Unsound(_, Some(refused)) => (refused.issuer, refused.license),
        Examined::Unsound(_, None) => (Thumbprint::default(), LicenseId::default()),
    };
    let refused = |reason| Entry {
        issuer,
        license: name,
        verdict: Verdict::Refused,
        reason: Some(reason),
        slot: None,
        of: None,
        seq: None,
        previous: None,
        row: None,
    };
    let (decision, row) = match (license, judgment) {
        (Examined::Unsound(reason, _), _) => return refused(*reason),
        (Examined::Sound(..), Some(judgment)) => (judgment.decision, judgment.row.as_ref()),
        (Examined::Sound(..), None) => return refused(Reason::Malformed),
    };
    // A retry is answered as the first time. A plan took nothing: a receipt never names a row that isn't there.
    let (slot, of, taken, row) = match decision {
        Decision::Refused(reason) => return refused(reason),
        Decision::Take { slot, of } => (slot, of, true, row.filter(|_| !plan)),
        Decision::Reissue { slot, of } => (slot, of, row.is_some_and(|row| row.request == id), row),
    };
    Entry {
        issuer,
        license: name,
        verdict: if taken {
            Verdict::Restored
        } else {
            Verdict::Reissued
        },
        reason: None,
        slot: Some(slot),
        of: Some(of),
        seq: row.map(|row| row.seq),
        previous: row.map(|row| row.previous),
        row: row.map(|row| row.hash()),
    }
}

fn log(id: RequestId, request: &Request, entries: &[Entry]) {
    let count = |verdict| entries.iter().filter(|entry| entry.verdict == verdict).count();
    tracing::info!(
        request = %Digest(id),
        computer = %request.computer,
        kind = &*request.kind,
        restored = count(Verdict::Restored),
        reissued = count(Verdict::Reissued),
        refused = count(Verdict::Refused),
        "judged"
    );
}
