//! Requests on their way to services: while the service judges one batch, the computer stores the one before; the one
//! after is being verified on other threads.

use std::collections::VecDeque;

use keyferry_license::{Card, Grant, Thumbprint, Verified};
use keyferry_protocol::{Checked, Prepared, check_answer, kind};
use keyferry_store::{OutboxEntry, Store};

use super::batch::{self, Asked, Proven};
use super::connect::{Link, Services};
use super::failure_of;
use super::problems::{is_not_individualized, problem};
use super::settle::settle;
use super::survey::Ground;
use super::told::Told;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::import::outcome;
use crate::operation::Operation;
use crate::patience::Call;

/// Requests that may be on their way at once. Two keep both sides busy; each further one only costs memory.
const IN_FLIGHT: usize = 2;

/// Requests on their way, the oldest first.
pub(crate) struct Flights<'a> {
    pub(crate) operation: &'a Operation<'a>,
    pub(crate) store: &'a Store,
    pub(crate) ground: &'a Ground,
    queue: VecDeque<Flight>,
}

/// One of them.
struct Flight {
    base: String,
    card: Verified<Card>,
    asked: Vec<Asked>,
    tries: Tries,
    request: Prepared,
    call: Call,
}

/// What a batch may still try a second time.
#[derive(Clone, Copy)]
struct Tries {
    /// Licenses that were given back before are asked for once more: the first answer brings the newest receipt.
    again: bool,
    /// How often this operation had individualized when the request was made, while it may still do so once more for
    /// a service that has forgotten this computer.
    individualized: Option<u32>,
}

impl<'a> Flights<'a> {
    pub(crate) fn new(operation: &'a Operation<'a>, store: &'a Store, ground: &'a Ground) -> Self {
        Self {
            operation,
            store,
            ground,
            queue: VecDeque::with_capacity(IN_FLIGHT),
        }
    }

    /// Asks a service for up to a thousand licenses. What goes wrong with the service fails its own licenses only; what
    /// goes wrong with the store ends the operation.
    pub(crate) fn ask(&mut self, services: &mut Services, batch: Proven, told: &mut Told) -> Result<()> {
        let (operation, store, ground) = (self.operation, self.store, self.ground);
        let service = batch.service;
        let asked = batch.asked(operation, told);
        if services.outgoing.is_some() {
            return batch::write(operation, store, ground, services, service, &asked, told);
        }
        while self.queue.len() >= IN_FLIGHT {
            self.land(services, told)?;
        }
        let tries = Tries {
            again: true,
            individualized: Some(services.individualized),
        };
        self.launch(services, service, asked, tries, told)
    }

    /// Waits for everything that is on its way.
    pub(crate) fn land_all(&mut self, services: &mut Services, told: &mut Told) -> Result<()> {
        while !self.queue.is_empty() {
            self.operation.check_canceled()?;
            self.land(services, told)?;
        }
        Ok(())
    }

    /// Gives up what is still on its way. What a service did all the same, it says to the next request.
    pub(crate) fn give_up(self) -> Result<()> {
        for flight in &self.queue {
            self.store.outbox_remove(&flight.request.id)?;
        }
        Ok(())
    }

    fn launch(
        &mut self,
        services: &mut Services,
        service: Thumbprint,
        asked: Vec<Asked>,
        tries: Tries,
        told: &mut Told,
    ) -> Result<()> {
        if asked.is_empty() {
            return Ok(());
        }
        match self.send(services, service, &asked) {
            Ok((base, card, request, call)) => {
                self.queue.push_back(Flight {
                    base,
                    card,
                    asked,
                    tries,
                    request,
                    call,
                });
                Ok(())
            }
            Err(error) => self.failed(services, service, &asked, error, told),
        }
    }

    fn send(
        &self,
        services: &Services,
        service: Thumbprint,
        asked: &[Asked],
    ) -> Result<(String, Verified<Card>, Prepared, Call)> {
        let (base, card) = match services.link(&service) {
            Some(Link::Up { base, card }) => (base.clone(), (**card).clone()),
            _ => {
                let (failure, why) = services.failed(&service);
                return Err(Error::Link {
                    failure,
                    why: why.unwrap_or_else(|| "the service was not asked".into()),
                });
            }
        };
        let request = batch::prepare(self.store, self.ground, services, &service, asked)?;
        // It changes the ledger, so it is kept before it is sent.
        self.store.outbox_put(&OutboxEntry {
            request_id: request.id,
            operation: services.operation,
            service,
            kind: kind::RESTORE.into(),
            bytes: request.bytes.clone(),
            one_time: request.one_time.clone(),
        })?;
        let call = self.operation.begin_send(&base, &request.bytes)?;
        Ok((base, card, request, call))
    }

    /// Waits for the oldest and takes its answer.
    fn land(&mut self, services: &mut Services, told: &mut Told) -> Result<()> {
        let Some(flight) = self.queue.pop_front() else {
            return Ok(());
        };
        let checked = self.answer(&flight);
        if checked.is_err() {
            // No answer to it can come any more. What the service did all the same, it says to the next request.
            self.store.outbox_remove(&flight.request.id)?;
        }
        let Flight {
            base,
            card,
            asked,
            tries,
            ..
        } = flight;
        let service = card.thumbprint();
        match checked {
            Ok(checked) => {
                let receipt = checked.receipt.clone();
                let (operation, store) = (self.operation, self.store);
                let settled = settle(operation, store, &card, asked, checked, tries.again, told)?;
                services.heard(&receipt);
                if let Some(card) = settled.newer_card {
                    services.renew(&service, card);
                }
                let tries = Tries {
                    again: false,
                    ..tries
                };
                self.launch(services, service, settled.repeat, tries, told)
            }
            Err(error) if is_not_individualized(&error) && self.may_individualize(&service, tries)? => {
                // Another batch may have done it in the meantime.
                if tries.individualized == Some(services.individualized)
                    && let Err(error) = services.individualize(self.operation, self.store, &base, &card)
                {
                    return self.failed(services, service, &asked, error, told);
                }
                let tries = Tries {
                    individualized: None,
                    ..tries
                };
                self.launch(services, service, asked, tries, told)
            }
            Err(error) => self.failed(services, service, &asked, error, told),
        }
    }

    fn answer(&self, flight: &Flight) -> Result<Checked> {
        let answer = self.operation.wait(&flight.call)?;
        let grants: Vec<Verified<Grant>> = flight.asked.iter().map(|(grant, _)| grant.clone()).collect();
        let (request, one_time) = (&flight.request.bytes, flight.request.one_time.as_ref());
        check_answer(&answer, request, &grants, &flight.card, one_time)?.map_err(problem)
    }

    /// A computer that the service has forgotten is individualized once more, under the consent that was recorded.
    fn may_individualize(&self, service: &Thumbprint, tries: Tries) -> Result<bool> {
        Ok(tries.individualized.is_some() && self.store.consent(service)?.is_some())
    }

    fn failed(
        &self,
        services: &mut Services,
        service: Thumbprint,
        asked: &[Asked],
        error: Error,
        told: &mut Told,
    ) -> Result<()> {
        if matches!(error, Error::Store(_) | Error::Canceled) {
            return Err(error);
        }
        let (failure, why) = failure_of(&error);
        services.cut(&service, failure, why.clone());
        for (grant, _) in asked {
            told.say(
                self.operation,
                outcome(grant, Outcome::Failed(failure), Some(why.clone())),
            );
        }
        Ok(())
    }
}
