//! Verifies what an open backup holds: signatures in batches, keys where they open, documents whole.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use keyferry_license::{Card, Grant, SealedKey, Thumbprint, Unverified, Verified};

use super::{Counts, Inspector, KeyCheck, LicenseVerdict, Opened, Report, Unchecked};
use crate::damage::{Damage, Lost, Place};
use crate::document::{Assembled, Assembler};
use crate::error::Result;
use crate::header::Header;
use crate::payload::{FooterState, Item};
use crate::reader::Reader;
use crate::record::{License, Record};

/// Grants whose signatures are checked together.
const BATCH: usize = 512;

pub(super) fn verify<R: Read + Seek>(
    report: &mut Report,
    reader: &mut Reader<R>,
    inspector: &mut dyn Inspector,
) -> Result<()> {
    report.add_all(reader.findings().to_vec(), inspector);
    let (header, footer) = (reader.header().clone(), reader.footer().clone());
    let mut run = Run {
        header: &header,
        counts: Counts::default(),
        waiting: Vec::new(),
        inspector,
    };
    let mut assembler = Assembler::new();
    let mut items = 0;
    let mut canceled = false;
    let mut records = reader.records()?;
    while let Some(item) = records.next_item() {
        let assembled = assembler.push(&item);
        run.documents(assembled);
        match item {
            Item::Record(Record::License(license)) => run.take(&license),
            Item::Record(Record::Part(_) | Record::Name(_)) => {}
            Item::Lost(name) => run.inspector.lost(&name),
            Item::Damage(damage) => {
                run.counts.lost += u64::from(damage.lost.unwrap_or_default().licenses);
                report.add(damage, run.inspector);
            }
        }
        items += 1;
        if items % BATCH == 0 && run.inspector.is_canceled() {
            canceled = true;
            break;
        }
    }
    let tally = records.tally();
    run.judge();
    if canceled {
        report.unchecked.push(Unchecked::Canceled);
    } else {
        let broken = assembler.finish();
        run.documents(Assembled { broken, whole: None });
        let there = (tally.licenses, tally.documents);
        if let Some(damage) = other_counts(report, &footer, there) {
            report.add(damage, run.inspector);
        }
    }
    let (counts, inspector) = (run.counts, run.inspector);
    report.opened = Some(Opened {
        backup: header.backup,
        computer: header.computer.thumbprint(),
        footer,
        counts,
    });
    report.add_foreign(true, inspector);
    note_unchecked(report, &counts);
    Ok(())
}

/// A file in which nothing is damaged and which holds other than it promises.
fn other_counts(report: &Report, footer: &FooterState, there: (u64, u64)) -> Option<Damage> {
    let FooterState::Signed { licenses, documents } = footer else {
        return None;
    };
    if report.is_wrong() || there == (*licenses, *documents) {
        return None;
    }
    Some(Damage {
        place: Place::Footer,
        range: 0..report.size,
        lost: Some(Lost::default()),
        why: format!(
            "it promises {licenses} licenses and {documents} documents, there are {} and {}",
            there.0, there.1
        ),
    })
}

fn note_unchecked(report: &mut Report, counts: &Counts) {
    let signed = matches!(
        report.opened,
        Some(Opened {
            footer: FooterState::Signed { .. },
            ..
        })
    );
    if !signed {
        report.unchecked.push(Unchecked::Promise);
    }
    if counts.without_card > 0 {
        report.unchecked.push(Unchecked::Signatures(counts.without_card));
    }
    if counts.good > counts.keys_opened {
        report
            .unchecked
            .push(Unchecked::Keys(counts.good - counts.keys_opened));
    }
}

struct Run<'v> {
    header: &'v Header,
    counts: Counts,
    waiting: Vec<Waiting>,
    inspector: &'v mut dyn Inspector,
}

/// A license whose signature is not checked yet.
struct Waiting {
    grant: Result<Unverified<Grant>, String>,
    escrow: SealedKey,
    returning: Option<SealedKey>,
    lease_close: Option<Vec<u8>>,
}

/// A grant after its signature was looked at.
enum Looked {
    Signed(Verified<Grant>),
    NoCard(Grant),
    Refused(Option<Grant>, String),
}

impl Run<'_> {
    fn take(&mut self, license: &License<'_>) {
        self.counts.licenses += 1;
        self.waiting.push(Waiting {
            grant: Grant::parse(license.grant).map_err(|error| error.to_string()),
            escrow: license.escrow,
            returning: license.returning,
            lease_close: license.lease_close.map(<[u8]>::to_vec),
        });
        if self.waiting.len() >= BATCH {
            self.judge();
        }
    }

    fn documents(&mut self, assembled: Assembled) {
        if let Some(broken) = assembled.broken {
            self.counts.broken_documents += 1;
            self.inspector.broken_document(&broken);
        }
        if let Some(document) = assembled.whole {
            self.counts.documents += 1;
            self.inspector.document(&document);
        }
    }

    /// Judges the licenses that wait, in their order.
    fn judge(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for (license, looked) in look_at(&self.header.issuers, &mut waiting) {
            let (grant, verdict) = match looked {
                Looked::Signed(grant) => {
                    let verdict = self.judge_signed(&grant, &license);
                    (Some((*grant).clone()), verdict)
                }
                Looked::NoCard(grant) => (Some(grant), LicenseVerdict::NoIssuerCard),
                Looked::Refused(grant, why) => (grant, LicenseVerdict::Broken(why)),
            };
            match &verdict {
                LicenseVerdict::Good(key) => {
                    self.counts.good += 1;
                    self.counts.keys_opened += u64::from(*key == KeyCheck::Fits);
                }
                LicenseVerdict::NoIssuerCard => self.counts.without_card += 1,
                LicenseVerdict::Broken(_) => self.counts.broken += 1,
            }
            self.inspector.license(grant.as_ref(), &verdict);
        }
    }

    fn judge_signed(&mut self, grant: &Verified<Grant>, license: &Waiting) -> LicenseVerdict {
        let sealed = |seal: &crate::header::ServiceSeal| seal.service == grant.service;
        if !self.header.seals.iter().any(sealed) {
            return LicenseVerdict::Broken("the backup has no encapsulation for its service".into());
        }
        let license = License {
            grant: grant.as_bytes(),
            escrow: license.escrow,
            returning: license.returning,
            lease_close: license.lease_close.as_deref(),
        };
        match self.inspector.check_key(grant, &license) {
            KeyCheck::Broken(why) => LicenseVerdict::Broken(why),
            key => LicenseVerdict::Good(key),
        }
    }
}

/// Checks the signatures, those of one issuer together; the order stays.
fn look_at(issuers: &[Verified<Card>], waiting: &mut Vec<Waiting>) -> Vec<(Waiting, Looked)> {
    let mut of_issuer: BTreeMap<Thumbprint, Vec<usize>> = BTreeMap::new();
    for (at, license) in waiting.iter().enumerate() {
        if let Ok(grant) = &license.grant {
            of_issuer.entry(grant.claim().issuer).or_default().push(at);
        }
    }
    let mut signed: Vec<Option<Result<Verified<Grant>, String>>> = Vec::new();
    signed.resize_with(waiting.len(), || None);
    for (issuer, places) in of_issuer {
        let Some(card) = issuers.iter().find(|card| card.thumbprint() == issuer) else {
            continue;
        };
        let grants: Vec<_> = places
            .iter()
            .filter_map(|at| waiting[*at].grant.clone().ok())
            .collect();
        for (at, grant) in places.iter().zip(Unverified::verify_batch(&grants, card)) {
            signed[*at] = Some(grant.map_err(|error| error.to_string()));
        }
    }
    let looked = waiting.drain(..).zip(signed).map(|(license, signed)| {
        let looked = match (signed, &license.grant) {
            (Some(Ok(grant)), _) => Looked::Signed(grant),
            (Some(Err(why)), Ok(grant)) => Looked::Refused(Some(grant.claim().clone()), why),
            (_, Err(why)) => Looked::Refused(None, why.clone()),
            (None, Ok(grant)) => Looked::NoCard(grant.claim().clone()),
        };
        (license, looked)
    });
    looked.collect()
}
