//! What a restore has told so far: outcomes, counts, pages; at the end its report.

use super::source::Backup;
use crate::code::Failure;
use crate::events::{DocumentOutcome, LicenseOutcome, Outcome, Status};
use crate::operation::Operation;
use crate::report::{LOST_NAMES, LostName, RefusalPage, RestoreReport, overall};

/// Lines of damage that a report lists; more are only counted.
pub(crate) const DAMAGE_LINES: usize = 100;

/// The report as it grows.
pub(crate) struct Told {
    pub(crate) report: RestoreReport,
    failures: Vec<Failure>,
    lost: u64,
    passed: u64,
    passed_documents: u64,
    strict: bool,
}

impl Told {
    pub(crate) fn new(report: RestoreReport) -> Self {
        Self {
            report,
            failures: Vec::new(),
            lost: 0,
            passed: 0,
            passed_documents: 0,
            strict: false,
        }
    }

    /// One in which whatever fails is a failure of the whole, though other things came.
    pub(crate) fn strict(report: RestoreReport) -> Self {
        Self {
            strict: true,
            ..Self::new(report)
        }
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    /// One license.
    pub(crate) fn say(&mut self, operation: &Operation<'_>, said: LicenseOutcome) {
        self.count(said.outcome, 1, said.why.clone());
        operation.events.outcome(&said);
    }

    /// Several licenses of one outcome that nobody names.
    pub(crate) fn count(&mut self, outcome: Outcome, licenses: u64, why: Option<String>) {
        for _ in 0..licenses {
            self.report.counts.add(outcome);
        }
        if let Outcome::Failed(failure) = outcome {
            self.fail(failure);
            if self.report.why.is_none() {
                self.report.why = why;
            }
        }
    }

    /// License documents.
    pub(crate) fn documents(
        &mut self,
        operation: &Operation<'_>,
        documents: impl IntoIterator<Item = DocumentOutcome>,
    ) {
        for said in documents {
            self.report.documents.add(said.outcome);
            if let Outcome::Failed(failure) = said.outcome {
                self.fail(failure);
            }
            operation.events.document(&said);
        }
    }

    /// License documents that can't be read, and that nobody names.
    pub(crate) fn lost_documents(&mut self, documents: u64) {
        for _ in 0..documents {
            self.report.documents.add(Outcome::Failed(Failure::BackupCorrupt));
            self.fail(Failure::BackupCorrupt);
        }
    }

    fn fail(&mut self, failure: Failure) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// Licenses and documents that the patterns leave out.
    pub(crate) fn passed(&mut self, licenses: u64, documents: u64) {
        self.passed += licenses;
        self.passed_documents += documents;
        self.report.left_out += licenses + documents;
    }

    /// Patterns that met nothing.
    pub(crate) fn unmet(&mut self, unmet: Vec<String>) {
        if !unmet.is_empty() {
            self.fail(Failure::NoMatch);
        }
        self.report.unmet = unmet;
    }

    /// Licenses that can't be read.
    pub(crate) fn lost(&mut self, licenses: u64, damage: Vec<String>) {
        if licenses == 0 && damage.is_empty() {
            return;
        }
        self.lost += licenses;
        // A part that only repeats what stands elsewhere costs nothing.
        if licenses > 0 {
            self.count(Outcome::Failed(Failure::BackupCorrupt), licenses, None);
        }
        let room = DAMAGE_LINES.saturating_sub(self.report.damage.len());
        self.report.damage.extend(damage.into_iter().take(room));
    }

    /// The names of what can't be read, as far as there is room.
    pub(crate) fn lost_names(&mut self, names: Vec<LostName>) {
        let room = LOST_NAMES.saturating_sub(self.report.lost.len());
        self.report.lost.extend(names.into_iter().take(room));
    }

    /// Refusals of one reason by one service: told once.
    pub(crate) fn page(&mut self, operation: &Operation<'_>, failure: Failure, url: String) {
        let page = RefusalPage {
            failure,
            url: url.clone(),
        };
        if !self.report.pages.contains(&page) {
            self.report.pages.push(page);
            operation.tell(Status::ErrorWithUrl {
                hr: failure.hresult(),
                url,
            });
        }
    }

    /// The end of what was no backup.
    pub(crate) fn close(mut self) -> RestoreReport {
        let here = self.report.counts.here() + self.report.documents.here();
        let here = if self.strict { 0 } else { here };
        self.report.failure = overall(here, &self.failures);
        self.report
    }

    /// The end. A backup whose signature promises more than was read, or none at all, may miss licenses that nobody
    /// can name.
    pub(crate) fn finish(mut self, backup: &mut Backup, was_read: bool) -> RestoreReport {
        self.report.repairable = backup.is_repairable();
        self.report.damage.extend(backup.repaired_since());
        let Some((licenses, documents)) = backup.promised() else {
            if was_read {
                self.fail(Failure::BackupCorrupt);
            }
            return self.close();
        };
        let missing = licenses.saturating_sub(self.passed + self.report.counts.total - self.lost);
        if was_read && missing > 0 {
            self.fail(Failure::BackupCorrupt);
            self.report
                .damage
                .push(format!("{missing} of {licenses} licenses can't be read"));
        }
        let unseen = documents.saturating_sub(self.passed_documents + self.report.documents.total);
        self.lost_documents(unseen);
        let unreadable = self.report.documents.all_failed();
        if unreadable > 0 {
            self.report.damage.push(format!(
                "{unreadable} of {documents} license documents can't be read"
            ));
        }
        self.close()
    }
}
