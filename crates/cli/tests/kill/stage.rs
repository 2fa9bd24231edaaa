//! Two computers, a backup of one of them and a service, in the states that trials start from; and what has to be true
//! when the work is done.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::place::{Lines, Place, text};
use crate::process::Process;
use crate::wire::Wire;

/// The ledger's word for a slot that was taken, and for one that was given back (docs/protocol.md section 5.1).
const TAKE: u8 = 1;
const RELEASE: u8 = 2;

/// Parts of a state.
const PARTS: [&str; 4] = ["svc", "a", "b", "stick"];
/// Licenses that open once.
const COUNTED: usize = 20;

/// Key IDs and content keys, as the issuer wrote them.
type Keys = Vec<(String, String)>;

/// Everything of one row of trials.
pub struct Stage {
    pub place: Place,
    pub wire: Wire,
    pub licenses: usize,
    keys: Keys,
    /// Of licenses that open once.
    counted: Keys,
    trust: String,
}

impl Stage {
    /// Two states. "new": the computer `a` has accepted the issuer and holds nothing. "before": it holds so many licenses,
    /// the stick a backup of them, and `b` is new.
    pub fn new(licenses: usize) -> Self {
        let (place, wire) = (Place::new(), Wire::new());
        place.done(&["issuer", "init", "pub", "--name", "Harbor Books"]);
        wire.serve(place.serve_with(&["--url", &wire.url()]));
        place.done(&["--home", "a", "computer", "name", "Old laptop"]);
        place.done(&["--home", "a", "computer", "card", "-o", "a.card"]);
        let trust = place.thumbprint();
        place.done(&[
            "--home",
            "a",
            "trust",
            "add",
            "pub/issuer.card",
            "--thumbprint",
            &trust,
        ]);
        fs::create_dir(place.path("stick")).expect("a folder");
        let keys = issue(&place, "all", licenses, r#"{"Play":{},"Backup":{}}"#);
        let counted = issue(&place, "counted", COUNTED, r#"{"Play":{"count":1}}"#);
        let stage = Self {
            place,
            wire,
            licenses,
            keys,
            counted,
            trust,
        };
        stage.keep("new");
        stage.place.done(&["--home", "a", "import", "all.license"]);
        stage
            .place
            .done(&["--home", "a", "backup", "stick", "--unencrypted"]);
        stage.keep("before");
        stage
    }

    /// One more, "restored": everything is on `b` too.
    pub fn restored(licenses: usize) -> Self {
        let stage = Self::new(licenses);
        stage.begin("before");
        stage.finish(&stage.restore());
        stage.is_restored("at the start");
        stage.keep("restored");
        stage
    }

    /// Keeps everything as it is, under a name.
    fn keep(&self, name: &str) {
        self.wire.kill_service();
        for part in PARTS {
            copy(
                &self.place.path(part),
                &self.place.path(&format!("{name}/{part}")),
            );
        }
    }

    /// Everything as it was under this name, and the service serves.
    pub fn begin(&self, name: &str) {
        self.wire.kill_service();
        for part in PARTS {
            copy(
                &self.place.path(&format!("{name}/{part}")),
                &self.place.path(part),
            );
        }
        self.wire.arm(None);
        self.serve();
    }

    /// Starts the service if it is down.
    pub fn serve(&self) {
        if !self.wire.is_served() {
            self.wire
                .serve(self.place.serve_with(&["--url", &self.wire.url()]));
        }
    }

    /// The command that restores to `b`.
    pub fn restore(&self) -> Vec<&str> {
        vec![
            "--home",
            "b",
            "restore",
            "stick",
            "--individualize",
            "--trust",
            &self.trust,
        ]
    }

    /// The command that gives everything back.
    pub fn release(&self) -> Vec<&str> {
        vec!["--home", "b", "--yes", "computer", "release", "--all"]
    }

    /// The command that brings all licenses to `a`, with those that open once.
    pub fn import(&self) -> Vec<&str> {
        vec!["--home", "a", "import", "all.license", "counted.license"]
    }

    /// The command that backs `a` up.
    pub fn backup(&self) -> Vec<&str> {
        vec!["--home", "a", "backup", "stick", "--unencrypted", "--overwrite"]
    }

    /// Starts a command that may be killed.
    pub fn start(&self, args: &[&str]) -> Arc<Process> {
        Arc::new(Process::start(
            self.place.command(args),
            self.place.path("output"),
        ))
    }

    /// Runs a command that nobody disturbs; it must do its work.
    pub fn finish(&self, args: &[&str]) -> Lines {
        let lines = self.place.json(args);
        assert_eq!(lines.exit, 0, "{args:?}: {:?}", lines.all.last());
        lines
    }

    /// All licenses are on `b`, their keys are the issuer's, each took one slot, and the receipts prove it.
    pub fn is_restored(&self, when: &str) {
        self.holds("b", self.licenses, when);
        self.opens("b", &self.keys, true, when);
        for (license, rows) in self.rows() {
            assert_eq!(rows, [(TAKE, 2)], "{when}: the rows of {license}");
        }
        assert_eq!(self.rows().len(), self.licenses, "{when}");
        assert_eq!(self.computers(), 1, "{when}");
        assert_eq!(
            self.proven(&["restored", "reissued"], when),
            self.licenses,
            "{when}"
        );
    }

    /// Nothing is on `b`, each slot was given back once, and the receipts prove it.
    pub fn is_released(&self, when: &str) {
        self.holds("b", 0, when);
        self.opens("b", &self.keys, false, when);
        for (license, rows) in self.rows() {
            assert_eq!(rows, [(TAKE, 2), (RELEASE, 2)], "{when}: the rows of {license}");
        }
        assert_eq!(self.rows().len(), self.licenses, "{when}");
        assert_eq!(self.proven(&["given-back"], when), self.licenses, "{when}");
    }

    /// For how many licenses the receipts on `b` say one of these; each receipt has to verify.
    fn proven(&self, verdicts: &[&str], when: &str) -> usize {
        let verified = self.finish(&["--home", "b", "receipts", "verify"]);
        assert_eq!(verified.summary()["bad"], 0, "{when}");
        let count = |receipt: &Value, verdict| receipt["counts"][verdict].as_u64().unwrap_or(0);
        let receipts = verified.of("receipt");
        let counts = receipts
            .iter()
            .flat_map(|receipt| verdicts.iter().map(|verdict| count(receipt, *verdict)));
        usize::try_from(counts.sum::<u64>()).expect("not that many")
    }

    /// Everything is on `a`, and what opens once opens once.
    pub fn is_imported(&self, when: &str) {
        self.holds("a", self.licenses + COUNTED, when);
        self.opens("a", &self.keys, true, when);
        self.opens("a", &self.counted, true, when);
        self.opens("a", &self.counted, false, when);
    }

    /// The one file on the stick is a whole backup.
    pub fn is_backed_up(&self, when: &str) {
        let verified = self.finish(&["verify", "stick"]);
        assert_eq!(verified.summary()["licenses"], self.licenses, "{when}");
        let files = fs::read_dir(self.place.path("stick")).expect("a folder");
        let files: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
        assert_eq!(files.len(), 1, "{when}: {files:?}");
    }

    /// This home holds so many licenses.
    fn holds(&self, home: &str, licenses: usize, when: &str) {
        let listed = self.finish(&["--home", home, "list"]);
        assert_eq!(listed.summary()["licenses"], licenses, "{when}");
    }

    /// All these keys are handed out on this home and are the issuer's, or none is.
    fn opens(&self, home: &str, keys: &Keys, all: bool, when: &str) {
        let ids: String = keys.iter().map(|(id, _)| format!("{id}\n")).collect();
        let used = self.place.run_with(&["--home", home, "use", "-"], ids.as_bytes());
        let expected = keys.iter().map(|(_, key)| if all { key } else { "" });
        assert_eq!(used.exit, if all { 0 } else { 7 }, "{when}: {}", used.stderr);
        assert!(
            used.stdout.lines().eq(expected),
            "{when}: other keys than the issuer's"
        );
    }

    /// Of each license in the ledger: changes and slots, in their order.
    fn rows(&self) -> BTreeMap<String, Vec<(u8, u32)>> {
        let ledger = self.ledger();
        let query = "SELECT hex(issuer) || hex(license), change, slot FROM license_rows ORDER BY issuer, license, seq";
        let mut query = ledger.prepare(query).expect("a query");
        let mut rows = query.query([]).expect("rows");
        let mut found: BTreeMap<String, Vec<(u8, u32)>> = BTreeMap::new();
        while let Some(row) = rows.next().expect("a row") {
            let change = (row.get(1).expect("a change"), row.get(2).expect("a slot"));
            found
                .entry(row.get(0).expect("a license"))
                .or_default()
                .push(change);
        }
        found
    }

    /// How many computers the service knows.
    fn computers(&self) -> u32 {
        let count = "SELECT count(*) FROM computers";
        self.ledger()
            .query_row(count, [], |row| row.get(0))
            .expect("a count")
    }

    fn ledger(&self) -> Connection {
        let file = self.place.path("svc/ledger.sqlite");
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the ledger opens")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The wire's thread lives on.
        self.wire.kill_service();
    }
}

/// Issues so many licenses with these rights to `a`, into a file of this name.
fn issue(place: &Place, name: &str, licenses: usize, rights: &str) -> Keys {
    let mut wishes = String::new();
    for number in 1..=licenses {
        writeln!(wishes, r#"{{"title":"Song {number}","rights":{rights}}}"#).expect("a line");
    }
    fs::write(place.path("wishes"), wishes).expect("a file");
    let (keys, file) = (format!("{name}.keys"), format!("{name}.license"));
    let issue = [
        "issuer",
        "issue",
        "pub",
        "--computer",
        "a.card",
        "--service",
        "svc/service.card",
    ];
    place.done(
        &[
            issue.as_slice(),
            &["--from", "wishes", "--keys-out", &keys, "-o", &file],
        ]
        .concat(),
    );
    let keys = fs::read_to_string(place.path(&keys)).expect("keys");
    let keys = keys.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        (text(&line, "key_id").to_owned(), text(&line, "key").to_owned())
    });
    let keys: Keys = keys.collect();
    assert_eq!(keys.len(), licenses);
    keys
}

/// Makes `to` what `from` is, which is a folder or nothing.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("removed");
    }
    if !from.exists() {
        return;
    }
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let file: PathBuf = entry.expect("a file").path();
        fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("copied");
    }
}
