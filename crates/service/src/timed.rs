//! A ledger that measures how long the calls of another take.

use std::sync::Arc;
use std::time::Instant;

use keyferry_license::{ComputerId, RevocationList, Thumbprint, Verified};
use keyferry_protocol::{ListNumber, Recovery, Row};

use crate::error::Result;
use crate::ledger::{
    Acknowledged, Computer, Ledger, LicenseName, ListPlace, PageId, Placed, Recovered, Refusal, RefusalPage,
};
use crate::metrics::Metrics;
use crate::policy::{Asker, Case, Judgment, Return, Returned};

/// Passes every call on, and tells the metrics.
pub(crate) struct TimedLedger {
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
}

impl TimedLedger {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, metrics: Arc<Metrics>) -> Self {
        Self { ledger, metrics }
    }

    fn timed<T>(&self, call: &'static str, work: impl FnOnce(&dyn Ledger) -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let done = work(self.ledger.as_ref());
        self.metrics.ledger(call, began.elapsed(), done.is_ok());
        done
    }
}

impl Ledger for TimedLedger {
    fn judge(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>> {
        self.timed("judge", |ledger| ledger.judge(asker, cases))
    }

    fn plan(&self, asker: Asker, cases: Vec<Case>) -> Result<Vec<Judgment>> {
        self.timed("plan", |ledger| ledger.plan(asker, cases))
    }

    fn release(&self, asker: Asker, items: Vec<Return>) -> Result<Vec<Returned>> {
        self.timed("release", |ledger| ledger.release(asker, items))
    }

    fn put_list(&self, list: &Verified<RevocationList>, now: u64) -> Result<ListPlace> {
        self.timed("put-list", |ledger| ledger.put_list(list, now))
    }

    fn lists(&self, after: ListNumber, bytes: usize) -> Result<Vec<Vec<u8>>> {
        self.timed("lists", |ledger| ledger.lists(after, bytes))
    }

    fn newest_lists(&self, issuers: &[Thumbprint]) -> Result<Vec<u64>> {
        self.timed("newest-lists", |ledger| ledger.newest_lists(issuers))
    }

    fn acknowledge(
        &self,
        computer: ComputerId,
        said: Acknowledged,
        lists: Vec<ListNumber>,
    ) -> Result<Option<ListNumber>> {
        self.timed("acknowledge", |ledger| ledger.acknowledge(computer, said, lists))
    }

    fn acknowledgements(&self, list: ListNumber) -> Result<Vec<(ComputerId, Acknowledged)>> {
        self.timed("acknowledgements", |ledger| ledger.acknowledgements(list))
    }

    fn rows(&self, names: &[LicenseName]) -> Result<Vec<Vec<Row>>> {
        self.timed("rows", |ledger| ledger.rows(names))
    }

    fn walk(&self, after: (LicenseName, u64), most: usize) -> Result<Vec<Row>> {
        self.timed("walk", |ledger| ledger.walk(after, most))
    }

    fn computer(&self, id: &ComputerId) -> Result<Option<Computer>> {
        self.timed("computer", |ledger| ledger.computer(id))
    }

    fn register(&self, computer: Computer) -> Result<()> {
        self.timed("register", |ledger| ledger.register(computer))
    }

    fn put_issuer(&self, root: Thumbprint, serial: u64, card: &[u8]) -> Result<()> {
        self.timed("put-issuer", |ledger| ledger.put_issuer(root, serial, card))
    }

    fn issuers(&self) -> Result<Vec<Vec<u8>>> {
        self.timed("issuers", |ledger| ledger.issuers())
    }

    fn refuse(&self, refusal: Refusal) -> Result<PageId> {
        self.timed("refuse", |ledger| ledger.refuse(refusal))
    }

    fn page(&self, id: &PageId, now: u64) -> Result<Option<RefusalPage>> {
        self.timed("page", |ledger| ledger.page(id, now))
    }

    fn recovery(&self) -> Result<Option<Recovery>> {
        self.timed("recovery", |ledger| ledger.recovery())
    }

    fn start_recovery(&self, since: u64, now: u64) -> Result<Recovery> {
        self.timed("start-recovery", |ledger| ledger.start_recovery(since, now))
    }

    fn end_recovery(&self, now: u64) -> Result<Option<Recovery>> {
        self.timed("end-recovery", |ledger| ledger.end_recovery(now))
    }

    fn put_rows(&self, rows: Vec<Row>, recovery: u64) -> Result<Vec<Placed>> {
        self.timed("put-rows", |ledger| ledger.put_rows(rows, recovery))
    }

    fn shown(&self, computer: ComputerId, recovery: u64) -> Result<()> {
        self.timed("shown", |ledger| ledger.shown(computer, recovery))
    }

    fn recovered(&self, recovery: u64) -> Result<Recovered> {
        self.timed("recovered", |ledger| ledger.recovered(recovery))
    }

    fn ready(&self) -> Result<()> {
        self.timed("ready", |ledger| ledger.ready())
    }
}
