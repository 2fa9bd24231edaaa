//! The checker: from the ledger and the receipts that computers have it proves that no license ever had more computers
//! than it may, that every yes has its row and every row its cause, and that nothing was changed since
//! (docs/operations.md). It reads both once, in the ledger's order; what it remembers is a few megabytes, a list of the
//! computers whose receipts it was given, and one license.

mod claims;
mod finding;
mod history;

use std::collections::{HashMap, VecDeque};

use keyferry_license::{Card, ComputerId, Verified};
use keyferry_protocol::{Receipt, Row, kind};

use self::claims::{Claim, Claims};
use self::history::History;
use crate::error::Result;
use crate::ledger::{Ledger, LicenseName, row_key};
use crate::policy::Policy;

pub use self::finding::{Fault, Finding};

/// Rows that are read at a time.
const PAGE: usize = 4096;

/// What was checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows of the ledger.
    pub rows: u64,
    /// Licenses that have rows.
    pub licenses: u64,
    /// Receipts that the service signed.
    pub receipts: u64,
    /// Computers that they were given to.
    pub computers: u64,
    /// What they promise: a yes to one license each.
    pub promises: u64,
    /// Rows whose computer's receipts weren't given, or end before the row.
    pub unproven: u64,
    /// What is wrong.
    pub findings: u64,
}

/// Takes receipts, then reads the ledger.
pub struct Checker<'a> {
    ledger: &'a dyn Ledger,
    service: &'a Verified<Card>,
    policy: &'a Policy,
    claims: Claims,
    /// Until when the receipts of each computer reach (Unix seconds).
    reach: HashMap<ComputerId, u64>,
    checked: Checked,
}

impl<'a> Checker<'a> {
    /// `policy`: what the operator allows beyond the grants. A grant's own limit is known from receipts; where there are
    /// none it is taken for the highest that a grant can have.
    pub fn new(ledger: &'a dyn Ledger, service: &'a Verified<Card>, policy: &'a Policy) -> Self {
        Self {
            ledger,
            service,
            policy,
            claims: Claims::new(),
            reach: HashMap::new(),
            checked: Checked::default(),
        }
    }

    /// Takes a receipt; one that this service didn't sign is a finding, and proves nothing.
    pub fn receipt(&mut self, bytes: &[u8], told: &mut dyn FnMut(Finding)) -> Result<()> {
        let receipt = match Receipt::verify(bytes, self.service) {
            Ok(receipt) => receipt,
            Err(error) => {
                let computer = Receipt::claimed_computer(bytes).ok();
                told(Finding {
                    fault: Fault::BadReceipt(error.to_string()),
                    license: None,
                    seq: None,
                    computer,
                });
                self.checked.findings += 1;
                return Ok(());
            }
        };
        self.checked.receipts += 1;
        let reach = self.reach.entry(receipt.computer).or_default();
        *reach = receipt.time.max(*reach);
        // A plan promises nothing.
        if &*receipt.kind == kind::PLAN {
            return Ok(());
        }
        for claim in receipt
            .entries
            .iter()
            .filter_map(|entry| Claim::of(&receipt, entry))
        {
            self.checked.promises += 1;
            self.claims.add(&claim)?;
        }
        Ok(())
    }

    /// Reads the ledger, compares it with the receipts, and tells what is wrong.
    pub fn finish(self, told: &mut dyn FnMut(Finding)) -> Result<Checked> {
        let mut rows = Rows::new(self.ledger);
        let mut claims = self.claims.sorted()?;
        let mut checked = Checked {
            computers: self.reach.len() as u64,
            ..self.checked
        };
        let mut history: Option<History> = None;
        loop {
            let row = rows
                .peek()?
                .map(|row| row_key(&(row.issuer, row.license), row.seq));
            let claim = claims.peek().map(|claim| claim.key());
            let Some(key) = row.into_iter().chain(claim).min() else {
                break;
            };
            let row = if row == Some(key) { rows.next() } else { None };
            let claims = claims.take_of(&key)?;
            let named = row.as_ref().map(|row| ((row.issuer, row.license), row.seq));
            let Some((name, seq)) = named.or_else(|| claims.first().map(|claim| (claim.name, claim.seq)))
            else {
                break;
            };
            if history.as_ref().is_none_or(|history| history.name != name) {
                checked.add(history.take(), told);
                let allowed = self
                    .policy
                    .issuers
                    .get(&name.0)
                    .and_then(|issuer| issuer.computers);
                history = Some(History::new(name, allowed.unwrap_or_default()));
            }
            let Some(history) = history.as_mut() else { break };
            match &row {
                Some(row) => {
                    let reach = self.reach.get(&row.computer);
                    history.row(row, &claims, reach.is_some_and(|reach| row.time <= *reach));
                }
                None => history.without_row(seq, &claims),
            }
        }
        checked.add(history, told);
        Ok(checked)
    }
}

impl Checked {
    /// Adds what was found about a license.
    fn add(&mut self, history: Option<History>, told: &mut dyn FnMut(Finding)) {
        let Some(ended) = history.map(History::end) else {
            return;
        };
        self.rows += ended.rows;
        self.licenses += u64::from(ended.rows > 0);
        self.unproven += ended.unproven;
        self.findings += ended.findings.len() as u64;
        ended.findings.into_iter().for_each(told);
    }
}

/// All rows, a page at a time.
struct Rows<'a> {
    ledger: &'a dyn Ledger,
    after: (LicenseName, u64),
    page: VecDeque<Row>,
    done: bool,
}

impl<'a> Rows<'a> {
    fn new(ledger: &'a dyn Ledger) -> Self {
        Self {
            ledger,
            after: Default::default(),
            page: VecDeque::new(),
            done: false,
        }
    }

    fn peek(&mut self) -> Result<Option<&Row>> {
        if self.page.is_empty() && !self.done {
            self.page = self.ledger.walk(self.after, PAGE)?.into();
            self.done = self.page.len() < PAGE;
            if let Some(last) = self.page.back() {
                self.after = ((last.issuer, last.license), last.seq);
            }
        }
        Ok(self.page.front())
    }

    fn next(&mut self) -> Option<Row> {
        self.page.pop_front()
    }
}
