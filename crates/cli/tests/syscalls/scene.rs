//! A computer and a stick in the states that trials start from, and what has to be true afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Lines, Place, text};

/// Licenses of the computer, and with them those that open once.
pub const LICENSES: usize = 100;
const COUNTED: usize = 5;

/// What is done, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// To an empty stick.
    First,
    /// In place of an earlier backup.
    Backup,
    /// Where earlier ones are kept.
    Keep,
    /// Of a damaged backup, in place.
    Repair,
    /// Into a computer that holds nothing.
    Import,
    /// Into a computer whose store is gone.
    Restore,
    /// Of rights that open once.
    Use,
}

/// Everything of one row of trials.
pub struct Scene {
    pub place: Place,
    work: Work,
    name: String,
    /// Key IDs of those that open once.
    pub counted: Vec<String>,
    /// The backup before the work, as bytes.
    pub before: Vec<u8>,
}

impl Scene {
    /// Makes what the work starts from.
    pub fn new(work: Work) -> Self {
        let place = Place::with_trust();
        issue(&place, "all", LICENSES, r#"{"Play":{},"Backup":{}}"#);
        let counted = issue(&place, "counted", COUNTED, r#"{"Play":{"count":1}}"#);
        fs::create_dir(place.path("stick")).expect("a folder");
        let card = place.json(&["--home", "a", "computer", "card"]);
        let name = format!("licenses-{}.keyferry", &text(card.summary(), "thumbprint")[..8]);
        let mut scene = Self {
            place,
            work,
            name,
            counted,
            before: Vec::new(),
        };
        scene.prepare();
        for part in ["a", "stick"] {
            copy(
                &scene.place.path(part),
                &scene.place.path(&format!("{part}.before")),
            );
        }
        scene
    }

    fn prepare(&mut self) {
        if self.work == Work::Import {
            return;
        }
        self.place.done(&["--home", "a", "import", "all.license"]);
        if self.work == Work::Use {
            self.place.done(&["--home", "a", "import", "counted.license"]);
        }
        if matches!(self.work, Work::First | Work::Use) {
            return;
        }
        self.place
            .done(&["--home", "a", "backup", "stick", "--unencrypted"]);
        let file = self.place.path("stick").join(&self.name);
        self.before = fs::read(&file).expect("a backup");
        match self.work {
            Work::Repair => {
                let tenth = self.before.len() / 10;
                self.before[tenth..2 * tenth].fill(0xD5);
                fs::write(file, &self.before).expect("damaged");
            }
            Work::Restore => fs::remove_file(self.place.path("a/store.sqlite")).expect("removed"),
            _ => {}
        }
    }

    /// Everything as it was.
    pub fn begin(&self) {
        for part in ["a", "stick"] {
            copy(
                &self.place.path(&format!("{part}.before")),
                &self.place.path(part),
            );
        }
    }

    /// The command.
    pub fn args(&self) -> Vec<String> {
        let (home, stick) = (self.path("a"), self.path("stick"));
        let words: &[&str] = match self.work {
            Work::First => &["--home", &home, "backup", &stick, "--unencrypted"],
            Work::Backup => &["--home", &home, "backup", &stick, "--unencrypted", "--overwrite"],
            Work::Keep => &["--home", &home, "backup", &stick, "--unencrypted", "--keep", "3"],
            Work::Repair => &["--home", &home, "repair", &stick],
            Work::Import => &["--home", &home, "import", "all.license", "counted.license"],
            Work::Restore => &["--home", &home, "restore", &stick],
            Work::Use => &["--home", &home, "use", "-"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The files that it changes on the stick.
    pub fn on_stick(&self) -> Vec<PathBuf> {
        let stick = self.place.path("stick");
        let names = ["", ".new", ".old"].map(|end| stick.join(format!("{}{end}", self.name)));
        [stick].into_iter().chain(names).collect()
    }

    /// The files that it changes at home.
    pub fn at_home(&self) -> Vec<PathBuf> {
        let home = self.place.path("a");
        let names = ["computer.key", "computer.new", "computer.lock", "operation.lock"];
        let store = ["", "-wal", "-shm", "-journal"].map(|end| format!("store.sqlite{end}"));
        let files: Vec<_> = names
            .map(str::to_owned)
            .iter()
            .chain(&store)
            .map(|name| home.join(name))
            .collect();
        [home].into_iter().chain(files).collect()
    }

    /// What says who the computer is, and which store is its own.
    pub fn computer_key(&self) -> Vec<PathBuf> {
        ["a/computer.key", "a/computer.new"]
            .map(|name| self.place.path(name))
            .to_vec()
    }

    /// The backup that a reader takes is whole, or damaged as before and repairable; the store opens.
    pub fn is_usable(&self, when: &str) {
        match self.work {
            Work::First => {
                let exit = self.place.run(&["--home", "a", "verify", "stick"]).exit;
                assert!(matches!(exit, 0 | 10), "{when}: {exit}");
            }
            Work::Backup | Work::Keep => self.is_whole(when),
            Work::Repair => {
                let verified = self.place.json(&["--home", "a", "verify", "stick"]);
                assert!(matches!(verified.exit, 0 | 3), "{when}: {:?}", verified.all);
                assert_eq!(verified.summary()["good"], LICENSES, "{when}");
            }
            Work::Import | Work::Restore | Work::Use => {}
        }
        let held = self.held(when);
        assert!(held <= LICENSES + COUNTED, "{when}: {held} licenses");
    }

    /// The store opens; how many licenses it holds.
    pub fn held(&self, when: &str) -> usize {
        let listed = self.finish(&["--home", "a", "list"], when);
        listed.summary()["licenses"].as_u64().expect("a number") as usize
    }

    /// How many it holds when everything is done.
    pub fn all(&self) -> usize {
        let counted = matches!(self.work, Work::Import | Work::Use);
        LICENSES + if counted { COUNTED } else { 0 }
    }

    /// Uses what opens once; the keys, empty where there is none any more.
    pub fn uses(&self, when: &str) -> Vec<String> {
        let ids = self.counted.join("\n");
        let used = self.place.run_with(&["--home", "a", "use", "-"], ids.as_bytes());
        assert!(matches!(used.exit, 0 | 3 | 7), "{when}: {}", used.stderr);
        let keys: Vec<String> = used.stdout.lines().map(str::to_owned).collect();
        assert_eq!(keys.len(), self.counted.len(), "{when}: {}", used.stderr);
        keys
    }

    /// The next run does the work, with no help, and leaves nothing over.
    pub fn ends_well(&self, when: &str) {
        let args = self.args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = self.place.json(&args);
        // Where there is a backup already, the first one was made.
        let made = self.work == Work::First && ran.exit == 4;
        assert!(ran.exit == 0 || made, "{when}: {:?}", ran.all);
        match self.work {
            Work::Import | Work::Restore => self.holds(when),
            _ => self.is_whole(when),
        }
        // Whoever finds the work done writes nothing; what a stopped one set aside goes with the next who does.
        let set_aside = self.work == Work::Repair && self.names("stick").len() > 1;
        if made || set_aside {
            self.place
                .done(&["--home", "a", "backup", "stick", "--unencrypted", "--overwrite"]);
        }
        self.is_tidy(when);
    }

    /// Only what belongs there is on the stick and at home.
    pub fn is_tidy(&self, when: &str) {
        let stick = self.names("stick");
        if self.work == Work::Keep {
            let belongs = |name: &String| name.ends_with(".keyferry");
            assert!(stick.iter().all(belongs) && stick.len() <= 3, "{when}: {stick:?}");
        } else if self.work != Work::Import {
            assert_eq!(stick, [self.name.as_str()], "{when}");
        }
        let home = self.names("a");
        let belong = ["computer.key", "computer.lock", "operation.lock", "store.sqlite"];
        assert!(
            home.iter().all(|name| belong.contains(&name.as_str())),
            "{when}: {home:?}"
        );
    }

    /// Nothing but the backup of before is on the stick, byte for byte.
    pub fn is_as_before(&self, when: &str) {
        if matches!(self.work, Work::First | Work::Import) {
            assert_eq!(self.names("stick"), [""; 0], "{when}");
            return;
        }
        assert_eq!(self.names("stick"), [self.name.as_str()], "{when}");
        let now = fs::read(self.place.path("stick").join(&self.name)).expect("a backup");
        assert!(now == self.before, "{when}: the earlier backup is another");
    }

    fn is_whole(&self, when: &str) {
        let verified = self.finish(&["--home", "a", "verify", "stick"], when);
        assert_eq!(verified.summary()["licenses"], LICENSES, "{when}");
        assert_eq!(verified.summary()["cells_damaged"], 0, "{when}");
    }

    /// All are there, and what opens once opens once.
    fn holds(&self, when: &str) {
        assert_eq!(self.held(when), self.all(), "{when}");
        if self.work == Work::Import {
            assert!(self.uses(when).iter().all(|key| !key.is_empty()), "{when}");
            assert!(self.uses(when).iter().all(String::is_empty), "{when}");
        }
    }

    fn finish(&self, args: &[&str], when: &str) -> Lines {
        let lines = self.place.json(args);
        assert_eq!(lines.exit, 0, "{when}: {args:?}: {:?}", lines.all.last());
        lines
    }

    fn names(&self, part: &str) -> Vec<String> {
        let files = fs::read_dir(self.place.path(part)).expect("a folder");
        let name = |file: std::io::Result<fs::DirEntry>| file.expect("a file").file_name();
        let mut names: Vec<String> = files
            .map(|file| name(file).into_string().expect("UTF-8"))
            .collect();
        names.sort();
        names
    }

    fn path(&self, name: &str) -> String {
        self.place.path(name).to_str().expect("UTF-8").to_owned()
    }
}

/// Issues so many licenses with these rights to `a`, into a file of this name; gives their key IDs.
pub fn issue(place: &Place, name: &str, licenses: usize, rights: &str) -> Vec<String> {
    let line = |number| format!(r#"{{"title":"Song {number}","rights":{rights}}}"#);
    let lines: Vec<String> = (0..licenses).map(line).collect();
    fs::write(place.path("wanted"), lines.join("\n")).expect("written");
    let (keys, file) = (format!("{name}.keys"), format!("{name}.license"));
    let issue = [
        "issuer",
        "issue",
        "pub",
        "--service",
        "svc/service.card",
        "--computer",
        "a.card",
    ];
    place.done(
        &[
            &issue[..],
            &["--from", "wanted", "--keys-out", &keys, "-o", &file],
        ]
        .concat(),
    );
    let keys = fs::read_to_string(place.path(&keys)).expect("keys");
    let id = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        text(&line, "key_id").to_owned()
    };
    keys.lines().map(id).collect()
}

/// Makes `to` what `from` is.
pub fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("removed");
    }
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let file: PathBuf = entry.expect("a file").path();
        fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("copied");
    }
}
