//! What the demo found out: the fields of its last line, and whether the trip ended as it should.

use crate::context::Context;

/// What the demo found out; the fields of its summary.
#[derive(Debug, Default)]
pub struct Ending {
    pub(super) licenses: u64,
    pub(super) expected: u64,
    pub(super) backed_up: u64,
    pub(super) restricted: u64,
    pub(super) restored: u64,
    pub(super) keys_match: bool,
    pub(super) opens: bool,
    pub(super) computers: u64,
    pub(super) fifth: String,
    pub(super) fifth_exit: u8,
    pub(super) refusal_url: String,
    pub(super) backup_bytes: u64,
    pub(super) backup_seconds: f64,
    pub(super) restore_seconds: f64,
    pub(super) peak_rss: std::collections::BTreeMap<String, u64>,
}

impl Ending {
    /// Puts it into the last line.
    pub fn summarize(&self, context: &Context) {
        let output = &context.output;
        output.summarize("licenses", self.licenses);
        output.summarize("backed_up", self.backed_up);
        output.summarize("restricted", self.restricted);
        output.summarize("restored", self.restored);
        output.summarize("keys_match", self.keys_match);
        output.summarize("computers", self.computers);
        output.summarize("fifth", self.fifth.as_str());
        output.summarize("refusal_url", self.refusal_url.as_str());
        output.summarize("backup_bytes", self.backup_bytes);
        output.summarize("backup_seconds", self.backup_seconds);
        output.summarize("restore_seconds", self.restore_seconds);
        output.summarize("peak_rss", serde_json::json!(self.peak_rss));
    }

    /// What is not as it should be.
    pub fn fault(&self) -> Option<&'static str> {
        let checks = [
            (
                self.backed_up == self.expected,
                "not every license with the right Backup was backed up",
            ),
            (
                self.restricted == self.licenses - self.expected,
                "not every license without it stayed",
            ),
            (
                self.restored == self.expected,
                "not every license of the backup was restored",
            ),
            (
                self.keys_match,
                "a key on another computer is not the one that the publisher issued",
            ),
            (self.opens, "the protected file did not open"),
            (self.computers == 4, "four computers should hold the licenses"),
            (
                self.fifth == "refused" && self.fifth_exit == 7,
                "the fifth computer was not refused",
            ),
            (!self.refusal_url.is_empty(), "the refusal has no page"),
        ];
        checks.iter().find(|(holds, _)| !holds).map(|(_, fault)| *fault)
    }
}
