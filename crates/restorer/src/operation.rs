//! What an operation works with while it runs: the object's parts, one sink, and the wish to cancel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyferry_store::Store;

use crate::error::{Error, Result};
use crate::events::{Events, Progress, Status};
use crate::object::Parts;
use crate::patience::{self, Call};
use crate::transport::{Transport, TransportError};

/// What an operation works with while it runs.
pub(crate) struct Operation<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) events: &'a dyn Events,
    cancel: &'a AtomicBool,
}

impl<'a> Operation<'a> {
    pub(crate) fn new(parts: &'a Parts, events: &'a dyn Events, cancel: &'a AtomicBool) -> Self {
        Self {
            parts,
            events,
            cancel,
        }
    }

    /// The same operation, told to another sink.
    pub(crate) fn told_to<'b>(&'b self, events: &'b dyn Events) -> Operation<'b> {
        Operation {
            parts: self.parts,
            events,
            cancel: self.cancel,
        }
    }

    pub(crate) fn open_store(&self) -> Result<Store> {
        Ok(Store::open(&self.parts.home, &*self.parts.guard)?)
    }

    pub(crate) fn now(&self) -> u64 {
        self.parts.clock.now()
    }

    /// The newest card of the service at this address.
    pub(crate) fn fetch_card(&self, base: &str) -> Result<Vec<u8>> {
        let base = base.to_owned();
        let fetch = move |transport: &dyn Transport| transport.card(&base);
        self.wait(&self.begin(|_| None, fetch)?)
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>> {
        self.wait(&self.begin_send(base, request)?)
    }

    /// Sends a request; [`Operation::wait`] waits for its answer.
    pub(crate) fn begin_send(&self, base: &str, request: &[u8]) -> Result<Call> {
        let (base, request) = (base.to_owned(), Arc::<[u8]>::from(request));
        let send = move |transport: &dyn Transport| transport.send(&base, &request);
        self.begin(patience::busy_answer, send)
    }

    fn begin(
        &self,
        busy: patience::BusyAnswer,
        call: impl Fn(&dyn Transport) -> Result<Vec<u8>, TransportError> + Send + 'static,
    ) -> Result<Call> {
        let parts = self.parts;
        Call::begin(&parts.transport, &parts.clock, parts.patience, busy, call)
    }

    /// Waits for an answer, or for a cancel.
    pub(crate) fn wait(&self, call: &Call) -> Result<Vec<u8>> {
        call.wait(self.events, self.cancel)
    }

    pub(crate) fn tell(&self, status: Status) {
        self.events.status(&status);
    }

    pub(crate) fn progress(&self, done: u64, total: u64) {
        self.events.progress(&Progress { done, total });
    }

    /// Stops here if somebody canceled; called between batches, where nothing is half-done.
    pub(crate) fn check_canceled(&self) -> Result<()> {
        if self.cancel.load(Ordering::Acquire) {
            Err(Error::Canceled)
        } else {
            Ok(())
        }
    }
}
