//! Keeps what an operation tells, and writes it down as a transcript that can be compared.

use std::sync::{Mutex, MutexGuard, PoisonError};

use keyferry::{
    DocumentOutcome, Events, IndividualizeStep, LicenseOutcome, Outcome, Progress, Status, Waiting,
};

/// One thing that was told.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// A status.
    Status(&'a Status),
    /// How far it is.
    Progress(&'a Progress),
    /// What became of a license.
    Outcome(&'a LicenseOutcome),
    /// A service asks to come back later.
    Waiting(&'a Waiting),
}

type Hook = Box<dyn Fn(Seen<'_>) + Send + Sync>;

/// Keeps everything, in the order in which it was told.
#[derive(Default)]
pub struct Recorder {
    statuses: Mutex<Vec<Status>>,
    outcomes: Mutex<Vec<LicenseOutcome>>,
    besides: Mutex<Vec<LicenseOutcome>>,
    documents: Mutex<Vec<DocumentOutcome>>,
    waits: Mutex<Vec<Waiting>>,
    hook: Option<Hook>,
}

impl Recorder {
    /// A recorder that also calls `hook`, after it has kept what was told.
    pub fn with(hook: impl Fn(Seen<'_>) + Send + Sync + 'static) -> Self {
        Self {
            hook: Some(Box::new(hook)),
            ..Self::default()
        }
    }

    /// All statuses so far.
    pub fn statuses(&self) -> Vec<Status> {
        lock(&self.statuses).clone()
    }

    /// All outcomes so far.
    pub fn outcomes(&self) -> Vec<LicenseOutcome> {
        lock(&self.outcomes).clone()
    }

    /// All that was told of license documents so far.
    pub fn documents(&self) -> Vec<DocumentOutcome> {
        lock(&self.documents).clone()
    }

    /// What was told of licenses that the operation was not about.
    pub fn besides(&self) -> Vec<LicenseOutcome> {
        lock(&self.besides).clone()
    }

    /// The waits for busy services.
    pub fn waits(&self) -> Vec<Waiting> {
        lock(&self.waits).clone()
    }

    /// How many licenses came to this outcome.
    pub fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        lock(&self.outcomes)
            .iter()
            .filter(|said| wanted(&said.outcome))
            .count()
    }

    /// The pages that were told.
    pub fn pages(&self) -> Vec<String> {
        let page = |status: &Status| match status {
            Status::ErrorWithUrl { url, .. } => Some(url.clone()),
            _ => None,
        };
        lock(&self.statuses).iter().filter_map(page).collect()
    }

    /// One line for each status: name, value, HRESULT, and what goes with it. What differs from run to run is replaced
    /// by a word in angle brackets.
    pub fn transcript(&self) -> String {
        lock(&self.statuses)
            .iter()
            .map(|status| line(status) + "\n")
            .collect()
    }

    fn call(&self, seen: Seen<'_>) {
        if let Some(hook) = &self.hook {
            hook(seen);
        }
    }
}

impl Events for Recorder {
    fn status(&self, status: &Status) {
        lock(&self.statuses).push(status.clone());
        self.call(Seen::Status(status));
    }

    fn waiting(&self, waiting: &Waiting) {
        lock(&self.waits).push(waiting.clone());
        self.call(Seen::Waiting(waiting));
    }

    fn progress(&self, progress: &Progress) {
        self.call(Seen::Progress(progress));
    }

    fn outcome(&self, outcome: &LicenseOutcome) {
        lock(&self.outcomes).push(outcome.clone());
        self.call(Seen::Outcome(outcome));
    }

    fn beside(&self, outcome: &LicenseOutcome) {
        lock(&self.besides).push(outcome.clone());
    }

    fn document(&self, document: &DocumentOutcome) {
        lock(&self.documents).push(document.clone());
    }
}

fn line(status: &Status) -> String {
    let start = format!("{} {} {}", status.name(), status.value(), status.hresult());
    let more = match status {
        Status::Individualize(step) => match step {
            IndividualizeStep::Begin => "begin".into(),
            IndividualizeStep::Succeed => "succeed".into(),
            IndividualizeStep::Fail(_) => "fail".into(),
            other => format!("{other:?}"),
        },
        Status::NeedsIndividualization { service, url } => format!("\"{service}\" {}", place(url)),
        Status::ErrorWithUrl { url, .. } => place(url),
        Status::RestrictedLicense { key_id, title, .. } => {
            assert_eq!(key_id.to_base64().len(), 24, "a key ID is shown as base64");
            format!("<key ID> \"{title}\"")
        }
        _ => return start,
    };
    format!("{start} {more}")
}

/// An address without its port and without the random part of a page.
fn place(url: &str) -> String {
    let path = url.splitn(4, '/').nth(3).unwrap_or("");
    let path = match path.rsplit_once('/') {
        Some((above, last)) if last.len() == 32 && last.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{above}/<page>")
        }
        _ => path.to_owned(),
    };
    if path.is_empty() {
        "<service>".into()
    } else {
        format!("<service>/{path}")
    }
}

/// A hook that panics leaves what was kept before it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
