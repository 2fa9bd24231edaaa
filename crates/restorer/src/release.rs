//! The release journey: plan -> consent -> return keys forgotten, licenses out, requests into the outbox (the store's one
//! transaction) -> only then each service is told. What a service has not answered waits for the next contact with it.

mod delivery;

use std::collections::{BTreeMap, BTreeSet};

use keyferry_license::{Card, CardKind, KeyId, Thumbprint, Verified};
use keyferry_protocol::{MAX_ITEMS, ReleaseItem, kind};
use keyferry_store::{Presence, Store, StoredLicense};

use crate::code::Failure;
use crate::contact::waiting;
use crate::error::{Error, Result};
use crate::events::{LicenseOutcome, Outcome, Status};
use crate::import::outcome;
use crate::operation::Operation;
use crate::report::{ConsentNeeded, Counts, ReleaseOptions, ReleaseReport, Selection, overall};
use crate::restore::{Services, failure_of};
use delivery::{claim, entry, items, told};

pub(crate) use delivery::{deliver, settle};

/// Licenses that leave in one transaction.
const CHUNK: usize = 10_000;

/// Gives licenses back.
pub(crate) fn run(operation: &Operation<'_>, options: &ReleaseOptions) -> Result<ReleaseReport> {
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    let plan = Plan::make(operation, &store, options, None)?;
    let mut report = ReleaseReport {
        consents_needed: plan.consents_needed(&store, options)?,
        ..ReleaseReport::default()
    };
    for consent in &report.consents_needed {
        let (service, url) = (consent.name.clone(), consent.url.clone());
        operation.tell(Status::NeedsIndividualization { service, url });
    }
    if !report.consents_needed.is_empty() {
        // Nothing left: without consent no service can be told.
        report.failure = Some(Failure::NeedsIndividualization);
        return Ok(report);
    }
    operation.tell(Status::Begin);
    for service in plan.services.keys() {
        if options.individualize && store.consent(service)?.is_none() {
            store.record_consent(service, operation.now())?;
        }
    }
    let mut services = Services::bare(Some(Counts::default()))?;
    let (left, damaged) = leave(operation, &store, &services, options)?;
    report.left = left;
    let down = contact(operation, &store, &mut services, &plan)?;
    services.keep_receipts(&store)?;
    let mut counts = services.told.take().unwrap_or_default();
    let mut failures = Vec::new();
    for said in &damaged {
        counts.add(said.outcome);
        operation.events.outcome(said);
        failures.push(Failure::StoreCorrupt);
    }
    for service in plan.services.keys() {
        still_waits(operation, &store, service, &mut counts)?;
    }
    if counts
        .failed
        .keys()
        .any(|word| *word != Failure::StoreCorrupt.word())
    {
        failures.push(Failure::Refused);
    }
    report.failure = match down {
        Some((failure, why)) => {
            report.why = Some(why);
            Some(failure)
        }
        None if counts.released > 0 && !failures.is_empty() => Some(Failure::NotAllStored),
        None => overall(counts.here(), &failures),
    };
    report.counts = counts;
    report.news = services.news;
    Ok(report)
}

/// What a release would do. Nothing is written or sent.
pub(crate) fn plan(operation: &Operation<'_>, options: &ReleaseOptions) -> Result<ReleaseReport> {
    let store = operation.open_store()?;
    let mut counts = Counts::default();
    let plan = Plan::make(operation, &store, options, Some(&mut counts))?;
    let consents_needed = plan.consents_needed(&store, options)?;
    for service in plan.services.keys() {
        still_waits(operation, &store, service, &mut counts)?;
    }
    let failure = (!consents_needed.is_empty()).then_some(Failure::NeedsIndividualization);
    Ok(ReleaseReport {
        counts,
        failure,
        consents_needed,
        ..ReleaseReport::default()
    })
}

/// Which services have to be told, and of how many licenses.
struct Plan {
    services: BTreeMap<Thumbprint, u64>,
}

impl Plan {
    /// With `told`, each license is told and counted.
    fn make(
        operation: &Operation<'_>,
        store: &Store,
        options: &ReleaseOptions,
        mut told: Option<&mut Counts>,
    ) -> Result<Self> {
        let mut services = BTreeMap::new();
        for pending in store.pending(Some(kind::RELEASE))? {
            services.entry(pending.service).or_insert(0);
        }
        select(store, &options.selection, |stored| {
            let said = match stored.grant() {
                Ok(grant) => {
                    let grant = grant.claim();
                    *services.entry(grant.service).or_insert(0) += 1;
                    outcome(grant, Outcome::Released { slot: None }, None)
                }
                Err(error) => damage(stored, &error),
            };
            if let Some(counts) = &mut told {
                counts.add(said.outcome);
                operation.events.outcome(&said);
            }
            Ok(())
        })?;
        for service in services.keys() {
            service_card(store, service)?;
        }
        Ok(Self { services })
    }

    fn consents_needed(&self, store: &Store, options: &ReleaseOptions) -> Result<Vec<ConsentNeeded>> {
        let mut needed = Vec::new();
        for (service, licenses) in &self.services {
            let known = store.certificate(service)?.is_some() || store.consent(service)?.is_some();
            if !options.individualize && !known {
                let card = service_card(store, service)?;
                let url = card.urls.first().map(|url| url.shown()).unwrap_or_default();
                let (name, thumbprint) = (card.name.shown(), *service);
                needed.push(ConsentNeeded {
                    name,
                    thumbprint,
                    url,
                    licenses: *licenses,
                });
            }
        }
        Ok(needed)
    }
}

fn service_card(store: &Store, service: &Thumbprint) -> Result<Verified<Card>> {
    let card = store.service_card(service)?;
    card.ok_or(Error::NoServiceCard { service: *service })
}

/// Calls `each` for every license that is meant. Memory doesn't grow with their number.
fn select(
    store: &Store,
    selection: &Selection,
    mut each: impl FnMut(&StoredLicense) -> Result<()>,
) -> Result<()> {
    let Selection::These { licenses, key_ids } = selection else {
        return store.snapshot()?.for_each(|stored| each(&stored));
    };
    let mut seen = BTreeSet::new();
    let issuers = store.cards(CardKind::Issuer)?;
    for license in licenses {
        let mut gone = false;
        for issuer in issuers.iter().map(|card| card.thumbprint()) {
            if let Some(stored) = store.license(&issuer, license)? {
                gone = true;
                if seen.insert((issuer, *license)) {
                    each(&stored)?;
                }
            }
            gone |= store.presence([(&issuer, license)])? == [Presence::Released];
        }
        if !gone {
            return Err(Error::NotHere {
                what: format!("license {license}"),
            });
        }
    }
    for key_id in key_ids {
        let found = store.licenses_for(key_id)?;
        if found.is_empty() && !waits(store, key_id)? {
            return Err(Error::NotHere {
                what: format!("license for key ID {key_id}"),
            });
        }
        for stored in found {
            // One whose grant can't be read is told by whoever is called.
            let issuer = stored.grant().map(|grant| grant.claim().issuer);
            if seen.insert((issuer.unwrap_or_default(), stored.license())) {
                each(&stored)?;
            }
        }
    }
    Ok(())
}

/// Was a license for this key ID given back by a request that still waits?
fn waits(store: &Store, key_id: &KeyId) -> Result<bool> {
    for pending in store.pending(Some(kind::RELEASE))? {
        let Some(entry) = store.outbox_entry(&pending.request_id)? else {
            continue;
        };
        let claims = items(&entry)?;
        if claims
            .iter()
            .filter_map(claim)
            .any(|grant| grant.key_id == *key_id)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the licenses out of the store, with the requests that will tell their services. Says how many left, and which
/// can't be read and stay.
fn leave(
    operation: &Operation<'_>,
    store: &Store,
    services: &Services,
    options: &ReleaseOptions,
) -> Result<(u64, Vec<LicenseOutcome>)> {
    let (mut left, mut damaged) = (0, Vec::new());
    let mut leaving: BTreeMap<Thumbprint, Vec<ReleaseItem>> = BTreeMap::new();
    let flush = |leaving: &mut BTreeMap<Thumbprint, Vec<ReleaseItem>>| {
        operation.check_canceled()?;
        let (mut names, mut requests) = (Vec::new(), Vec::new());
        for (service, items) in std::mem::take(leaving) {
            names.extend(items.iter().map(|item| (item.issuer, item.license)));
            let last = services.last_receipt(store, &service)?;
            for items in items.chunks(MAX_ITEMS) {
                requests.push(entry(store, (services.operation, service), last, items.to_vec())?);
            }
        }
        store.release(&names, &requests, operation.now())?;
        Ok::<_, Error>(())
    };
    select(store, &options.selection, |stored| {
        match store.open_license(stored) {
            Ok((grant, _)) => {
                let item = ReleaseItem::of(&grant);
                leaving.entry(grant.service).or_default().push(item);
                left += 1;
            }
            Err(error @ keyferry_store::Error::DamagedLicense { .. }) => {
                damaged.push(damage(stored, &error));
            }
            Err(error) => return Err(error.into()),
        }
        if leaving.values().map(Vec::len).sum::<usize>() >= CHUNK {
            flush(&mut leaving)?;
        }
        Ok(())
    })?;
    if !leaving.is_empty() {
        flush(&mut leaving)?;
    }
    Ok((left, damaged))
}

/// Tells each service; gives back what kept one from being told.
fn contact(
    operation: &Operation<'_>,
    store: &Store,
    services: &mut Services,
    plan: &Plan,
) -> Result<Option<(Failure, String)>> {
    if plan.services.is_empty() {
        return Ok(None);
    }
    operation.tell(Status::Connecting);
    let mut issuers = Vec::new();
    for root in store.accepted_roots()? {
        issuers.push(store.issuer_card(&root.card.thumbprint())?.unwrap_or(root.card));
    }
    let mut down = None;
    let mut any = false;
    for service in plan.services.keys() {
        let card = service_card(store, service)?;
        match services.validate(operation, store, &card, &issuers) {
            Ok(_) => any = true,
            Err(error @ (Error::Store(_) | Error::Canceled)) => return Err(error),
            Err(error) => down = Some(failure_of(&error)),
        }
    }
    if any {
        operation.tell(Status::Disconnecting);
    }
    Ok(down)
}

/// Tells of the licenses whose slots wait for the next contact.
fn still_waits(
    operation: &Operation<'_>,
    store: &Store,
    service: &Thumbprint,
    counts: &mut Counts,
) -> Result<()> {
    for id in waiting(store, kind::RELEASE, service)? {
        let Some(entry) = store.outbox_entry(&id)? else {
            continue;
        };
        for item in items(&entry)? {
            let said = told(&item, Outcome::SlotWaits, None);
            counts.add(said.outcome);
            operation.events.outcome(&said);
        }
    }
    Ok(())
}

/// A license that can't be read can't be given back.
fn damage(stored: &StoredLicense, error: &keyferry_store::Error) -> LicenseOutcome {
    let why = Some(error.to_string());
    let failed = Outcome::Failed(Failure::StoreCorrupt);
    match stored.grant() {
        Ok(grant) => outcome(grant.claim(), failed, why),
        Err(_) => LicenseOutcome {
            issuer: Thumbprint::default(),
            license: stored.license(),
            key_id: KeyId::default(),
            title: String::new(),
            outcome: failed,
            why,
        },
    }
}
