//! The first look at a backup: what is here, what comes back by itself, which services are needed.

use std::collections::BTreeMap;

use keyferry_archive::Header;
use keyferry_license::{Card, Encapsulation, Grant, LicenseId, Sealer, Thumbprint, Verified};
use keyferry_store::{Presence, Store};

use super::asking::{Asking, ask_plan};
use super::connect::Services;
use super::rows::{Chunks, Row};
use super::source::Backup;
use super::told::{DAMAGE_LINES, Told};
use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::import::outcome;
use crate::only::Picker;
use crate::operation::Operation;
use crate::plan::Rows;
use crate::report::{IssuerToTrust, LOST_NAMES, LostName, RestoreOptions};

/// What is known before the first license is looked at.
pub(crate) struct Ground {
    issuers: BTreeMap<Thumbprint, Verified<Card>>,
    names: BTreeMap<Thumbprint, String>,
    services: BTreeMap<Thumbprint, (Verified<Card>, Encapsulation)>,
    returning: Option<Sealer>,
    named: Vec<Verified<Card>>,
    /// What is wanted of the backup.
    pub(crate) picker: Picker,
    /// Is what is found compared with a plan?
    planned: bool,
}

/// How a license may get here.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// It is here.
    Here,
    /// By this computer's own return key.
    Return,
    /// By the service's word.
    Service(Thumbprint),
    /// Not at all.
    Closed(Failure),
}

impl Ground {
    /// Looks up issuers, services and the return key. Issuers that the person names are taken for accepted;
    /// [`Ground::accept`] keeps that.
    pub(crate) fn lay(store: &Store, header: &Header, options: &RestoreOptions) -> Result<Self> {
        if let Some(missing) = options.trust.iter().find(|root| !holds(header, root)) {
            return Err(Error::UnknownIssuer { thumbprint: *missing });
        }
        let mut services = BTreeMap::new();
        for seal in &header.seals {
            if let Some(card) = header
                .services
                .iter()
                .find(|card| card.thumbprint() == seal.service)
            {
                let known = store.service_card(&seal.service)?;
                services.insert(seal.service, (newest(known, card), seal.enc.clone()));
            }
        }
        let mut issuers = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut named = Vec::new();
        let accepted: Vec<Thumbprint> = store
            .accepted_roots()?
            .iter()
            .map(|root| root.card.thumbprint())
            .collect();
        for card in &header.issuers {
            let root = card.thumbprint();
            names.insert(root, card.name.shown());
            let trusted_now = options.trust.contains(&root) && !accepted.contains(&root);
            if trusted_now {
                named.push(card.clone());
            }
            if trusted_now || accepted.contains(&root) {
                issuers.insert(root, newest(store.issuer_card(&root)?, card));
            }
        }
        let returning = store
            .return_key(&header.backup.0)?
            .map(|key| Sealer::returning(&key));
        Ok(Self {
            issuers,
            names,
            services,
            returning,
            named,
            picker: Picker::new(&options.only, &header.issuers),
            planned: options.plan.is_some() || options.plan_out.is_some(),
        })
    }

    /// Accepts the issuers that the person named, for good: when it is clear that the restore goes on, because one
    /// for which nothing can come leaves the computer as it was.
    pub(crate) fn accept(&self, operation: &Operation<'_>, store: &Store) -> Result<()> {
        let first = self.services.values().next();
        let host = first
            .and_then(|(card, _)| card.urls.first())
            .map(|url| url.shown());
        for card in &self.named {
            store.accept_root(card, host.as_deref(), operation.now())?;
        }
        Ok(())
    }

    /// As on a computer that did not make the backup.
    pub(crate) fn forget_return_key(&mut self) {
        self.returning = None;
    }

    /// Newer cards of issuers came with a contact.
    pub(crate) fn renew_issuers(&mut self, store: &Store) -> Result<()> {
        for (root, card) in &mut self.issuers {
            *card = newest(store.issuer_card(root)?, card);
        }
        Ok(())
    }

    pub(crate) fn way(&self, row: &Row, presence: Presence) -> Way {
        let grant = row.grant.claim();
        if presence == Presence::Here {
            Way::Here
        } else if presence == Presence::Revoked {
            Way::Closed(Failure::Revoked)
        } else if !self.issuers.contains_key(&grant.issuer) {
            Way::Closed(Failure::IssuerNotAccepted)
        } else if self.returning.is_some() && row.returning.is_some() {
            Way::Return
        } else if self.services.contains_key(&grant.service) {
            Way::Service(grant.service)
        } else {
            Way::Closed(Failure::BackupCorrupt)
        }
    }

    /// The accepted issuer's card.
    pub(crate) fn issuer(&self, root: &Thumbprint) -> Option<&Verified<Card>> {
        self.issuers.get(root)
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Verified<Card>> {
        self.issuers.values()
    }

    pub(crate) fn returning(&self) -> Option<&Sealer> {
        self.returning.as_ref()
    }

    pub(crate) fn service(&self, root: &Thumbprint) -> Result<&Verified<Card>> {
        let found = self.services.get(root).map(|(card, _)| card);
        found.ok_or(Error::NoServiceCard { service: *root })
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = (&Thumbprint, &Verified<Card>)> {
        self.services.iter().map(|(root, (card, _))| (root, card))
    }

    pub(crate) fn enc(&self, root: &Thumbprint) -> Result<&Encapsulation> {
        let found = self.services.get(root).map(|(_, enc)| enc);
        found.ok_or(Error::NoServiceCard { service: *root })
    }
}

/// What the backup holds, in numbers.
#[derive(Default)]
pub(crate) struct Survey {
    here: u64,
    returns: u64,
    services: BTreeMap<Thumbprint, u64>,
    closed: BTreeMap<&'static str, (Failure, u64)>,
    untrusted: BTreeMap<Thumbprint, (Thumbprint, u64)>,
    lost: u64,
    damage: Vec<String>,
    names: Vec<LostName>,
    documents: u64,
    broken: u64,
    passed: u64,
    passed_documents: u64,
    newest: Option<LicenseId>,
    rows: Option<Rows>,
}

impl Survey {
    /// Reads the backup once, a chunk at a time. With `tell`, each license's outcome is told as a plan.
    pub(crate) fn take(
        operation: &Operation<'_>,
        store: &Store,
        ground: &Ground,
        backup: &mut Backup,
        mut tell: Option<Telling<'_, '_>>,
    ) -> Result<Self> {
        let mut survey = Self {
            rows: (ground.planned && tell.is_none()).then(Rows::default),
            ..Self::default()
        };
        let mut chunks = Chunks::new(backup.records()?, &ground.picker);
        while let Some(chunk) = chunks.next_chunk() {
            operation.check_canceled()?;
            survey.passed += chunk.passed;
            survey.passed_documents += chunk.passed_documents;
            survey.lost += chunk.lost;
            survey.documents += chunk.documents.documents.len() as u64;
            survey.broken += chunk.broken.len() as u64;
            let presences = presences(store, &chunk.rows)?;
            let mut asked: BTreeMap<Thumbprint, Vec<Row>> = BTreeMap::new();
            for (row, presence) in chunk.rows.into_iter().zip(presences) {
                let way = ground.way(&row, presence);
                survey.count(row.grant.claim(), way);
                match (&mut tell, way) {
                    (Some(tell), Way::Service(service)) if !tell.waiting.contains(&service) => {
                        asked.entry(service).or_default().push(row);
                    }
                    (Some(tell), way) => {
                        tell.told
                            .say(operation, outcome(row.grant.claim(), planned(way), None));
                    }
                    (None, _) => {}
                }
            }
            if let Some(tell) = &mut tell {
                for (service, rows) in asked {
                    ask_plan(operation, ground, tell.asking, &service, rows, tell.told)?;
                }
            }
            if tell.is_none() {
                let room = DAMAGE_LINES.saturating_sub(survey.damage.len());
                survey.damage.extend(chunk.damage.iter().take(room).cloned());
                let room = LOST_NAMES.saturating_sub(survey.names.len());
                survey.names.extend(chunk.names.iter().take(room).cloned());
            }
            if let Some(Telling { told, .. }) = &mut tell {
                told.passed(chunk.passed, chunk.passed_documents);
                told.lost(chunk.lost, chunk.damage);
                told.lost_names(chunk.names);
                let planned = chunk.documents.plan(store)?;
                told.documents(operation, planned.into_iter().chain(chunk.broken));
            } else if let Some(rows) = &mut survey.rows {
                let planned = chunk.documents.plan(store)?;
                for said in planned.into_iter().chain(chunk.broken) {
                    rows.add(&[&said.id.0], said.outcome.word());
                }
            }
        }
        Ok(survey)
    }

    fn count(&mut self, grant: &Grant, way: Way) {
        if matches!(way, Way::Return | Way::Service(_)) {
            self.newest = self.newest.max(Some(grant.license));
        }
        if let Some(rows) = &mut self.rows {
            rows.add(&[&grant.issuer.0, &grant.license.0], word(way));
        }
        match way {
            Way::Here => self.here += 1,
            Way::Return => self.returns += 1,
            Way::Service(service) => *self.services.entry(service).or_default() += 1,
            Way::Closed(failure) => {
                self.closed.entry(failure.word()).or_insert((failure, 0)).1 += 1;
                if failure == Failure::IssuerNotAccepted {
                    self.untrusted.entry(grant.issuer).or_insert((grant.service, 0)).1 += 1;
                }
            }
        }
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = (&Thumbprint, &u64)> {
        self.services.iter()
    }

    /// Is there anything that is here or comes back by itself?
    pub(crate) fn needs_no_service(&self) -> bool {
        self.here + self.returns + self.documents > 0
    }

    pub(crate) fn total(&self) -> u64 {
        let asked: u64 = self.services.values().sum();
        let closed: u64 = self.closed.values().map(|(_, count)| count).sum();
        self.here + self.returns + asked + closed + self.lost
    }

    /// Did the patterns leave everything out, as far as it can be read? None then, if something is lost: that may have
    /// been what was wanted.
    pub(crate) fn nothing_fits(&self) -> bool {
        self.total() + self.documents + self.broken == 0 && self.damage.is_empty()
    }

    /// What a plan compares.
    pub(crate) fn rows(&mut self) -> String {
        self.rows.take().unwrap_or_default().finish()
    }

    /// The newest license that may come.
    pub(crate) fn newest(&self) -> Option<LicenseId> {
        self.newest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Counts all licenses as not come, each for its reason.
    pub(crate) fn nothing_came(self, services: &Services, told: &mut Told) {
        for (service, count) in &self.services {
            let (failure, why) = services.failed(service);
            told.count(Outcome::Failed(failure), *count, why);
        }
        for (failure, count) in self.closed.values() {
            told.count(Outcome::Failed(*failure), *count, None);
        }
        told.passed(self.passed, self.passed_documents);
        told.lost(self.lost, self.damage);
        told.lost_names(self.names);
        told.lost_documents(self.broken);
    }

    pub(crate) fn issuers_to_trust(&self, ground: &Ground) -> Vec<IssuerToTrust> {
        let issuer = |(root, (service, licenses)): (&Thumbprint, &(Thumbprint, u64))| {
            let card = ground.service(service).ok();
            let url = card.and_then(|card| card.urls.first()).map(|url| url.shown());
            IssuerToTrust {
                name: ground.names.get(root).cloned().unwrap_or_default(),
                thumbprint: *root,
                service_url: url.unwrap_or_default(),
                licenses: *licenses,
            }
        };
        self.untrusted.iter().map(issuer).collect()
    }
}

/// Where a plan is told: to whom, which services wait for consent, and who asks the others.
pub(crate) struct Telling<'t, 'a> {
    pub(crate) told: &'t mut Told,
    pub(crate) waiting: &'t [Thumbprint],
    pub(crate) asking: &'t mut Asking<'a>,
}

/// What the store knows of these licenses.
pub(crate) fn presences(store: &Store, rows: &[Row]) -> Result<Vec<Presence>> {
    Ok(store.presence_of(rows.iter().map(|row| row.grant.claim()))?)
}

/// As plans compare it.
fn word(way: Way) -> &'static str {
    match way {
        Way::Here => "here",
        Way::Return => "return",
        Way::Service(_) => "service",
        Way::Closed(failure) => failure.word(),
    }
}

fn planned(way: Way) -> Outcome {
    match way {
        Way::Here => Outcome::AlreadyHere,
        Way::Return => Outcome::Restored { slot: None },
        Way::Service(_) => Outcome::Failed(Failure::NeedsIndividualization),
        Way::Closed(failure) => Outcome::Failed(failure),
    }
}

fn holds(header: &Header, root: &Thumbprint) -> bool {
    header.issuers.iter().any(|card| card.thumbprint() == *root)
}

/// Of two cards under one root the one with the higher serial.
fn newest(known: Option<Verified<Card>>, card: &Verified<Card>) -> Verified<Card> {
    known
        .filter(|known| known.serial >= card.serial)
        .unwrap_or_else(|| card.clone())
}
