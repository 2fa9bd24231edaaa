//! Requests of a restore that was interrupted after it had sent them: the same bytes are sent again, so they get the same
//! slots and rows. What comes is stored with its receipt, as if the answer had come then.

use keyferry_license::{Grant, Verified};
use keyferry_protocol::{ProblemCode, SignedRequest, check_answer, kind};
use keyferry_store::OutboxEntry;

use super::answer::asked;
use super::settle::settle;
use super::told::Told;
use crate::contact::{Contact, waiting};
use crate::error::{Error, Result};
use crate::events::{Events, LicenseOutcome};
use crate::report::RestoreReport;

/// Tells what came as news beside the operation: its own licenses are told later.
struct Beside<'a>(&'a dyn Events);

impl Events for Beside<'_> {
    fn outcome(&self, outcome: &LicenseOutcome) {
        if outcome.outcome.is_here() {
            self.0.beside(outcome);
        }
    }
}

/// Sends again what waits for this service. A request that can't be answered is dropped: what the service did all the
/// same, it says to the next one.
pub(crate) fn resume(contact: &mut Contact<'_>) -> Result<()> {
    for id in waiting(contact.store, kind::RESTORE, &contact.root())? {
        contact.operation.check_canceled()?;
        let Some(entry) = contact.store.outbox_entry(&id)? else {
            continue;
        };
        match again(contact, &entry) {
            Ok(()) => {}
            Err(error) if may_be_answered_later(&error) => return Err(error),
            Err(error) => {
                contact.store.outbox_remove(&id)?;
                contact.warn(format!("an interrupted restore could not be taken up: {error}"));
            }
        }
    }
    Ok(())
}

/// Then the request stays: it may also be on its way by file.
fn may_be_answered_later(error: &Error) -> bool {
    let busy = matches!(
        error,
        Error::Problem {
            code: ProblemCode::Busy,
            ..
        }
    );
    busy || matches!(error, Error::Store(_) | Error::Canceled | Error::Transport(_))
}

fn again(contact: &mut Contact<'_>, entry: &OutboxEntry) -> Result<()> {
    let request = SignedRequest::decode(&entry.bytes)?;
    let asked = asked(contact.store, &request.claim().restore_body()?)?;
    let grants: Vec<Verified<Grant>> = asked.iter().map(|(grant, _)| grant.clone()).collect();
    let checked = contact.ask(&entry.bytes, |answer, card| {
        check_answer(answer, &entry.bytes, &grants, card, entry.one_time.as_ref())
    })?;
    let receipt = checked.receipt.clone();
    let beside = Beside(contact.operation.events);
    let operation = contact.operation.told_to(&beside);
    let mut told = Told::new(RestoreReport::default());
    let settled = settle(
        &operation,
        contact.store,
        &contact.card,
        asked,
        checked,
        false,
        &mut told,
    )?;
    contact.heard(&receipt, settled.newer_card)
}
