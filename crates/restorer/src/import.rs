//! Import: licenses that were issued to this computer, from `.license` files into the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use keyferry_license::{
    Card, ContentKey, Encapsulation, Grant, LicenseFile, SealedKey, Sealer, Thumbprint, Unverified, Verified,
    armor, printable,
};
use keyferry_store::{Arrival, Inserted, NewLicense, Store};

use crate::code::Failure;
use crate::error::Result;
use crate::events::{LicenseOutcome, Outcome};
use crate::operation::Operation;
use crate::regular::open_regular;
use crate::report::{ImportReport, IssuerToTrust, overall};

struct Import<'a> {
    operation: &'a Operation<'a>,
    store: Store,
    trust: &'a [Thumbprint],
    accepted: BTreeSet<Thumbprint>,
    waiting: BTreeMap<Thumbprint, IssuerToTrust>,
    failures: Vec<Failure>,
    report: ImportReport,
}

pub(crate) fn run(
    operation: &Operation<'_>,
    files: &[PathBuf],
    trust: &[Thumbprint],
) -> Result<ImportReport> {
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    let accepted = store
        .accepted_roots()?
        .iter()
        .map(|root| root.card.thumbprint())
        .collect();
    let report = ImportReport::default();
    let mut import = Import {
        operation,
        store,
        trust,
        accepted,
        waiting: BTreeMap::new(),
        failures: Vec::new(),
        report,
    };
    for file in files {
        if let Err(why) = import.file(file)? {
            import.failures.push(Failure::Other);
            import.report.bad_files.push((file.clone(), why));
        }
    }
    let Import {
        mut report,
        failures,
        waiting,
        ..
    } = import;
    report.issuers_to_trust = waiting.into_values().collect();
    report.failure = overall(report.counts.here(), &failures);
    Ok(report)
}

impl Import<'_> {
    /// One file, block by block. The outer error ends the import (the store failed), the inner one says what is wrong
    /// with this file; the blocks before that are in.
    fn file(&mut self, path: &Path) -> Result<Result<(), String>> {
        let file = match open_regular(path) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let (mut found, mut unread) = (false, None);
        for block in armor::Blocks::new(armor::LICENSE, BufReader::new(file)) {
            found = true;
            let block = match block.and_then(|bytes| LicenseFile::from_bytes(&bytes)) {
                Ok(block) => block,
                Err(error) => return Ok(Err(error.to_string())),
            };
            if let Err(error) = self.block(&block)? {
                unread = Some(error.to_string());
            }
        }
        Ok(match unread {
            Some(why) => Err(why),
            None if found => Ok(()),
            None => Err("it holds no license block".into()),
        })
    }

    fn block(&mut self, block: &LicenseFile) -> Result<Result<(), keyferry_license::Error>> {
        let cards = block.cards();
        let (issuer, service) = match cards {
            Ok(cards) => cards,
            Err(error) => return Ok(Err(error)),
        };
        // One grant that can't be read takes nothing from the others.
        let (mut grants, mut keys, mut unreadable) = (Vec::new(), Vec::new(), None);
        for item in &block.items {
            match Grant::parse(&item.grant) {
                Ok(grant) => {
                    grants.push(grant);
                    keys.push(item.key);
                }
                Err(error) => unreadable = Some(error),
            }
        }
        let read = unreadable.map_or(Ok(()), Err);
        if !self.accept(&issuer, &service)? {
            let waits = self
                .waiting
                .entry(issuer.thumbprint())
                .or_insert_with(|| IssuerToTrust {
                    name: issuer.name.shown(),
                    thumbprint: issuer.thumbprint(),
                    service_url: service.urls.first().map(|url| url.shown()).unwrap_or_default(),
                    licenses: 0,
                });
            waits.licenses += grants.len() as u64;
            grants
                .iter()
                .for_each(|grant| self.failed(grant.claim(), Failure::IssuerNotAccepted, None));
            return Ok(read);
        }
        if block.computer != self.store.id() {
            let why = format!(
                "it was issued to computer {}, this is {}",
                block.computer,
                self.store.id()
            );
            grants
                .iter()
                .for_each(|grant| self.failed(grant.claim(), Failure::OtherComputer, Some(why.clone())));
            return Ok(read);
        }
        self.store.put_card(&issuer)?;
        self.store.put_card(&service)?;
        self.take(&block.enc, &issuer, &service, grants, &keys)?;
        Ok(read)
    }

    /// Verifies grants, opens their keys and stores them, one transaction a block.
    fn take(
        &mut self,
        enc: &Encapsulation,
        issuer: &Verified<Card>,
        service: &Verified<Card>,
        grants: Vec<Unverified<Grant>>,
        keys: &[SealedKey],
    ) -> Result<()> {
        let sealer = Sealer::open_delivery(enc, self.store.kem())?;
        let verified = Unverified::verify_batch(&grants, issuer);
        let mut licenses = Vec::with_capacity(grants.len());
        for ((claimed, key), grant) in grants.iter().zip(keys).zip(verified) {
            let opened = grant.and_then(|grant| Ok((sealer.open(&grant, key)?, grant)));
            match opened {
                Ok((key, grant)) if self.fits(&grant, service) => licenses.push(issued(grant, key)),
                Ok((_, grant)) => {
                    let why = "it names another computer or another service than the file it came in";
                    self.failed(&grant, Failure::OtherComputer, Some(why.into()));
                }
                Err(error) => self.failed(claimed.claim(), Failure::Other, Some(error.to_string())),
            }
        }
        let shown: Vec<LicenseOutcome> = licenses
            .iter()
            .map(|license| outcome(&license.grant, Outcome::AlreadyHere, None))
            .collect();
        let inserted = self.store.insert(&licenses)?;
        for (mut said, inserted) in shown.into_iter().zip(inserted) {
            (said.outcome, said.why) = arrived(inserted, Outcome::Restored { slot: None });
            self.said(said);
        }
        Ok(())
    }

    fn fits(&self, grant: &Grant, service: &Verified<Card>) -> bool {
        grant.origin == self.store.id() && grant.service == service.thumbprint()
    }

    fn accept(&mut self, issuer: &Verified<Card>, service: &Verified<Card>) -> Result<bool> {
        let root = issuer.thumbprint();
        if !self.accepted.contains(&root) && self.trust.contains(&root) {
            let host = service.urls.first().map(|url| url.shown());
            self.store
                .accept_root(issuer, host.as_deref(), self.operation.now())?;
            self.accepted.insert(root);
        }
        Ok(self.accepted.contains(&root))
    }

    fn failed(&mut self, grant: &Grant, failure: Failure, why: Option<String>) {
        self.said(outcome(grant, Outcome::Failed(failure), why));
    }

    fn said(&mut self, outcome: LicenseOutcome) {
        if let Outcome::Failed(failure) = outcome.outcome
            && !self.failures.contains(&failure)
        {
            self.failures.push(failure);
        }
        self.report.counts.add(outcome.outcome);
        self.operation.events.outcome(&outcome);
    }
}

fn issued(grant: Verified<Grant>, key: ContentKey) -> NewLicense {
    NewLicense {
        grant,
        key,
        arrival: Arrival::Issued,
    }
}

/// What the store's word means to a person.
pub(crate) fn arrived(inserted: Inserted, added: Outcome) -> (Outcome, Option<String>) {
    match inserted {
        Inserted::Added { .. } => (added, None),
        Inserted::AlreadyHere => (Outcome::AlreadyHere, None),
        Inserted::Released => (
            Outcome::Failed(Failure::Released),
            Some("this computer gave it back: restore it to take a slot".into()),
        ),
        Inserted::Revoked => (
            Outcome::Failed(Failure::Revoked),
            Some("its issuer revoked it".into()),
        ),
        Inserted::NeedsReceipt => (
            Outcome::Failed(Failure::Released),
            Some("it was here before: restore it from a backup instead".into()),
        ),
        Inserted::Conflict => (
            Outcome::Failed(Failure::Other),
            Some("another license of this issuer with the same ID is here: ask the issuer".into()),
        ),
        _ => (
            Outcome::Failed(Failure::Other),
            Some("the store did not take it".into()),
        ),
    }
}

/// What is told of a license.
pub(crate) fn outcome(grant: &Grant, outcome: Outcome, why: Option<String>) -> LicenseOutcome {
    LicenseOutcome {
        issuer: grant.issuer,
        license: grant.license,
        key_id: grant.key_id,
        title: printable(&grant.title),
        outcome,
        why,
    }
}
