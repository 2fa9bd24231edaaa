//! The restore journey: archive reader -> plan -> connect, individualize if agreed, credentials validated -> batches to
//! the service -> verify receipts and keys -> store, one transaction a batch -> end.

mod answer;
mod asking;
mod batch;
mod connect;
mod execute;
mod flights;
mod outgoing;
mod problems;
mod resume;
mod rows;
mod settle;
mod source;
mod survey;
mod told;

use std::collections::BTreeMap;
use std::path::Path;

use keyferry_license::Thumbprint;

use crate::code::Failure;
use crate::error::{Error, Result};
use crate::events::Status;
use crate::only::Picker;
use crate::operation::Operation;
use crate::plan::{Basis, Plan, Planning, file_sha256};
use crate::report::{ConsentNeeded, RestoreOptions, RestoreReport};

use connect::Link;
use survey::Telling;

pub(crate) use answer::run as take_answers;
pub(crate) use asking::{Asking, Silence, ask_plan};
pub(crate) use connect::{Services, card_of, newest_card};
pub(crate) use execute::take_back;
pub(crate) use outgoing::Outgoing;
pub(crate) use problems::{is_not_individualized, problem};
pub(crate) use resume::resume;
pub(crate) use rows::{Chunks, Row};
pub(crate) use settle::failure;
pub use source::find as find_backup;
pub(crate) use source::{Backup, open};
pub(crate) use survey::{Ground, Survey, Way, presences};
pub(crate) use told::Told;

/// Restores what the backup at `path` holds.
pub(crate) fn run(operation: &Operation<'_>, path: &Path, options: &RestoreOptions) -> Result<RestoreReport> {
    let plan = options.plan.as_deref().map(Plan::read).transpose()?;
    let mut backup = source::open(path, options.from.as_deref(), &options.unlocker)?;
    let store = operation.open_store()?;
    let _lock = store.operation_lock()?;
    let mut ground = Ground::lay(&store, backup.header(), options)?;
    let mut survey = Survey::take(operation, &store, &ground, &mut backup, None)?;
    operation.check_canceled()?;
    something_fits(&ground.picker, &survey)?;
    if let Some(plan) = &plan {
        plan.holds(&basis(&store, &backup, options)?, &survey.rows())?;
    }
    let mut report = backup.report();
    report.issuers_to_trust = survey.issuers_to_trust(&ground);

    let (ask, blocked) = consent(&store, &ground, &survey, options)?;
    for consent in &blocked {
        let (service, url) = (consent.name.clone(), consent.url.clone());
        operation.tell(Status::NeedsIndividualization { service, url });
    }
    let mut services = Services::new(&ground, &blocked);
    report.consents_needed = blocked;
    if let Some(path) = &options.request_out {
        services.by_file(operation, &store, &ground, &ask, Outgoing::begin(path)?)?;
    } else if !ask.is_empty() {
        operation.tell(Status::Connecting);
        services.connect(operation, &store, &ground, &ask)?;
        if services.any_link() {
            operation.tell(Status::Disconnecting);
        }
        ground.renew_issuers(&store)?;
        report.news = std::mem::take(&mut services.news);
    }
    let mut told = Told::new(report);
    told.unmet(ground.picker.unmet());
    if !services.any_link() && !survey.needs_no_service() && !survey.is_empty() {
        // Nothing can come: the store stays untouched.
        survey.nothing_came(&services, &mut told);
        return Ok(told.finish(&mut backup, false));
    }
    operation.tell(Status::Begin);
    ground.accept(operation, &store)?;
    if let Some(newest) = survey.newest() {
        // Once for all batches: the mark is durable before the first license is.
        store.expect_up_to(newest)?;
    }
    let executed = execute::run(
        operation,
        &store,
        &ground,
        &mut services,
        &mut backup,
        &mut told,
        survey.total(),
    );
    services.keep_receipts(&store)?;
    executed?;
    told.report.requests_out = services.post()?;
    Ok(told.finish(&mut backup, true))
}

/// What a restore would do. Services that know this computer are asked, and write nothing.
pub(crate) fn plan(
    operation: &Operation<'_>,
    path: &Path,
    options: &RestoreOptions,
) -> Result<RestoreReport> {
    let mut backup = source::open(path, options.from.as_deref(), &options.unlocker)?;
    let store = operation.open_store()?;
    let ground = Ground::lay(&store, backup.header(), options)?;
    let planning = match &options.plan_out {
        Some(path) => {
            let basis = basis(&store, &backup, options)?;
            Some(Planning::begin(path, operation.events, &basis)?)
        }
        None => None,
    };
    let events = match &planning {
        Some(planning) => planning,
        None => operation.events,
    };
    let operation = &operation.told_to(events);
    let mut told = Told::new(backup.report());
    let mut survey = Survey::take(operation, &store, &ground, &mut backup, None)?;
    something_fits(&ground.picker, &survey)?;
    told.unmet(ground.picker.unmet());
    let (ask, blocked) = consent(&store, &ground, &survey, options)?;
    let waiting: Vec<Thumbprint> = blocked.iter().map(|consent| consent.thumbprint).collect();
    told.report.issuers_to_trust = survey.issuers_to_trust(&ground);
    told.report.consents_needed = blocked;
    let mut asking = Asking::connect(operation, &store, &ground, &ask, false)?;
    let telling = Telling {
        told: &mut told,
        waiting: &waiting,
        asking: &mut asking,
    };
    Survey::take(operation, &store, &ground, &mut backup, Some(telling))?;
    told.report.unasked = asking.unasked();
    if let Some(planning) = planning {
        planning.finish(survey.rows())?;
    }
    Ok(told.finish(&mut backup, true))
}

/// What the plan of this restore rests on.
fn basis(store: &keyferry_store::Store, backup: &Backup, options: &RestoreOptions) -> Result<Basis> {
    let only = options.only.patterns().map(|pattern| format!("--only {pattern}"));
    let trust = options.trust.iter().map(|root| format!("--trust {root}"));
    let individualize = options.individualize.then(|| "--individualize".to_owned());
    let words = only.chain(trust).chain(individualize).collect();
    Ok(Basis {
        backup: Some(backup.header().backup.to_string()),
        file_sha256: file_sha256(backup.path()),
        ..Basis::new("restore", store, words)?
    })
}

/// Patterns that meet nothing at all in a backup of which nothing is lost are a mistake of who gave them.
fn something_fits(picker: &Picker, survey: &Survey) -> Result<()> {
    if picker.is_all() || !survey.nothing_fits() {
        return Ok(());
    }
    Err(Error::NothingFits {
        patterns: picker.unmet(),
        there: "in the backup",
    })
}

/// Which services may be asked, and which need the person's consent first.
pub(crate) fn consent(
    store: &keyferry_store::Store,
    ground: &Ground,
    survey: &Survey,
    options: &RestoreOptions,
) -> Result<(Vec<Thumbprint>, Vec<ConsentNeeded>)> {
    let (mut ask, mut blocked) = (Vec::new(), Vec::new());
    for (service, licenses) in survey.services() {
        if options.individualize || store.certificate(service)?.is_some() {
            ask.push(*service);
            continue;
        }
        let card = ground.service(service)?;
        let url = card.urls.first().map(|url| url.shown()).unwrap_or_default();
        let (name, thumbprint) = (card.name.shown(), *service);
        blocked.push(ConsentNeeded {
            name,
            thumbprint,
            url,
            licenses: *licenses,
        });
    }
    Ok((ask, blocked))
}

/// How each service stands, by its root.
type Links = BTreeMap<Thumbprint, Link>;

/// The failure of an error that concerns one service, as its licenses report it.
pub(crate) fn failure_of(error: &Error) -> (Failure, String) {
    (error.failure(), error.to_string())
}
