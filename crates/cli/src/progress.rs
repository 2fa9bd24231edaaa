//! What an operation tells, on its way to people and programs: a bar on a terminal, lines in JSON mode, and for the
//! end a short account of what did not go as wished.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use keyferry::{
    DocumentOutcome, Events, IndividualizeStep, LicenseOutcome, Outcome, Progress, Status, Waiting,
};

use crate::context::Context;
use crate::event::Event;
use crate::output::{Line, Output};
use crate::words;

/// Lines of progress in JSON mode come no faster than this.
const PACE: Duration = Duration::from_millis(200);
/// Licenses that are named of each kind; all are in JSON mode.
const NAMED: usize = 5;

/// Receives the events of one operation.
pub struct Reporter {
    output: Arc<Output>,
    bar: Option<ProgressBar>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    last: Option<Instant>,
    slots: BTreeMap<(u32, u32), u64>,
    /// By the word of the outcome.
    others: BTreeMap<&'static str, Others>,
    /// Of a rehearsal: as a new computer or not, and by the word.
    rehearsed: BTreeMap<(bool, &'static str), Others>,
    /// License documents of which there is something to say.
    documents: Others,
}

#[derive(Default)]
struct Others {
    count: u64,
    named: Vec<String>,
}

impl Others {
    fn add(&mut self, outcome: &LicenseOutcome) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(named(outcome));
        }
    }
}

impl Reporter {
    /// For one operation, which the bar calls by this name.
    pub fn new(context: &Context, doing: &'static str) -> Arc<Self> {
        let bar = context.shows_progress().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let shape = "{msg} {wide_bar} {human_pos}/{human_len} {rate} {eta}";
            bar.with_style(
                ProgressStyle::with_template(shape)
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                        let _ = write!(out, "{:.0}/s", state.per_sec());
                    }),
            )
            .with_message(doing)
        });
        Arc::new(Self {
            output: context.output.clone(),
            bar,
            told: Mutex::default(),
        })
    }

    /// Takes the bar away; nothing is drawn after it.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// `place 2 of 4`, when the licenses took the same; else from the least to the highest.
    pub fn places(&self) -> Option<String> {
        let told = self.lock();
        let (first, last) = (told.slots.keys().next()?, told.slots.keys().next_back()?);
        let of = if first.1 == last.1 {
            format!(" of {}", last.1)
        } else {
            String::new()
        };
        Some(match first.0 == last.0 {
            true => format!("place {}{of}", first.0),
            false => format!("places {} to {}{of}", first.0, last.0),
        })
    }

    /// Names licenses that came to this end, a line each and not too many.
    pub fn name_licenses(&self, word: &str) {
        if let Some(others) = self.lock().others.get(word) {
            self.name(others);
        }
    }

    /// The same of licenses that would come to this end on a new computer, or on this one.
    pub fn name_rehearsed(&self, as_new: bool, word: &'static str) {
        if let Some(others) = self.lock().rehearsed.get(&(as_new, word)) {
            self.name(others);
        }
    }

    fn name(&self, others: &Others) {
        others
            .named
            .iter()
            .for_each(|line| self.output.text(format_args!("  {line}")));
        let rest = others.count - others.named.len() as u64;
        if rest > 0 {
            self.output.text(format_args!(
                "  and {} more; --json names them all",
                words::count(rest, "license")
            ));
        }
    }

    /// Says what there is to say of license documents, a line each and not too many.
    pub fn name_documents(&self) {
        let told = self.lock();
        let named = told.documents.named.iter();
        named.for_each(|line| self.output.text(format_args!("  {line}")));
        let rest = told.documents.count - told.documents.named.len() as u64;
        if rest > 0 {
            self.output.text(format_args!(
                "  and {} more; --json names them all",
                words::count(rest, "license document")
            ));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Reporter {
    fn status(&self, status: &Status) {
        tracing::debug!(status = status.name(), hr = %status.hresult(), "status");
        self.output.event(&status_line(status));
        let step = match status {
            Status::Connecting => "connecting",
            Status::Individualize(IndividualizeStep::Begin) => "individualizing",
            _ => return,
        };
        if let Some(bar) = &self.bar {
            bar.println(step);
        }
    }

    fn progress(&self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        }
        if self.output.is_json() {
            let mut told = self.lock();
            let due = told.last.is_none_or(|last| last.elapsed() >= PACE) || progress.done == progress.total;
            if due {
                told.last = Some(Instant::now());
                drop(told);
                let line = Line::new(Event::Progress)
                    .with("done", progress.done)
                    .with("total", progress.total);
                self.output.event(&line);
            }
        }
    }

    fn outcome(&self, outcome: &LicenseOutcome) {
        if self.output.is_json() {
            self.output.item(&outcome_line(outcome));
        }
        match outcome.outcome {
            Outcome::Restored { slot: Some(slot) } | Outcome::Reissued { slot } => {
                *self.lock().slots.entry(slot).or_default() += 1;
            }
            Outcome::Restricted | Outcome::Failed(_) => {
                let mut told = self.lock();
                told.others
                    .entry(outcome.outcome.word())
                    .or_default()
                    .add(outcome);
            }
            _ => {}
        }
    }

    fn rehearsed(&self, as_new: bool, outcome: &LicenseOutcome) {
        let whom = if as_new { "new-computer" } else { "this-computer" };
        let mut line = outcome_line(outcome).with("on", whom);
        line.rename(Event::Rehearsed);
        self.output.item(&line);
        if let Outcome::Failed(failure) = outcome.outcome {
            let mut told = self.lock();
            told.rehearsed
                .entry((as_new, failure.word()))
                .or_default()
                .add(outcome);
        }
    }

    fn waiting(&self, waiting: &Waiting) {
        let line = Line::new(Event::Waiting)
            .with("seconds", waiting.seconds)
            .with("why", waiting.why.as_str());
        self.output.event(&line);
        let step = format!(
            "the service is busy: asking again in {} s (--wait says for how long in all)",
            waiting.seconds
        );
        match &self.bar {
            Some(bar) => bar.println(step),
            None => self.output.note(step),
        }
    }

    fn beside(&self, outcome: &LicenseOutcome) {
        let mut line = outcome_line(outcome);
        line.rename(Event::Beside);
        self.output.item(&line);
        if let Outcome::Failed(_) = outcome.outcome {
            self.output.text(format_args!("revoked: {}", named(outcome)));
        }
    }

    fn document(&self, document: &DocumentOutcome) {
        self.output.item(&document_line(document));
        if let Some(why) = &document.why {
            let documents = &mut self.lock().documents;
            documents.count += 1;
            if documents.named.len() < NAMED {
                let (name, why) = (&document.name, keyferry_license::printable(why));
                documents
                    .named
                    .push(format!("{}: {why}", keyferry_license::printable(name)));
            }
        }
    }
}

fn named(outcome: &LicenseOutcome) -> String {
    let why = outcome.why.as_deref().map_or(String::new(), |why| {
        format!(": {}", keyferry_license::printable(why))
    });
    format!(
        "{} (key ID {}){why}",
        keyferry_license::printable(&outcome.title),
        outcome.key_id
    )
}

fn status_line(status: &Status) -> Line {
    let line = Line::new(Event::Status)
        .with("status", status.value())
        .with("name", status.name())
        .with("hr", status.hresult().to_string());
    match status {
        Status::NeedsIndividualization { service, url } => line
            .with("service", keyferry_license::printable(service))
            .with("url", keyferry_license::printable(url)),
        Status::ErrorWithUrl { url, .. } => line.with("url", keyferry_license::printable(url)),
        Status::RestrictedLicense {
            key_id,
            license,
            title,
        } => line
            .with("key_id", key_id.to_string())
            .with("license", license.to_string())
            .with("title", keyferry_license::printable(title)),
        Status::Individualize(step) => line.with("step", step.value()),
        _ => line,
    }
}

fn outcome_line(outcome: &LicenseOutcome) -> Line {
    let line = Line::new(Event::License)
        .with("license", outcome.license.to_string())
        .with("issuer", outcome.issuer.to_string())
        .with("key_id", outcome.key_id.to_string())
        .with("title", keyferry_license::printable(&outcome.title))
        .with("outcome", outcome.outcome.word())
        .with("why", outcome.why.as_deref().map(keyferry_license::printable));
    match outcome.outcome {
        Outcome::Restored {
            slot: Some((slot, of)),
        }
        | Outcome::Reissued { slot: (slot, of) } => line.with("slot", slot).with("of", of),
        _ => line,
    }
}

fn document_line(document: &DocumentOutcome) -> Line {
    Line::new(Event::LicenseDocument)
        .with("document", document.id.to_string())
        .with("name", keyferry_license::printable(&document.name))
        .with("kind", keyferry_license::printable(&document.kind))
        .with("bytes", document.size)
        .with("outcome", document.outcome.word())
        .with("why", document.why.as_deref().map(keyferry_license::printable))
}
