//! A computer with licenses, and what is on its stick.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::mounted::Mounted;
use crate::place::{Place, Ran, text};

/// A computer `a` that holds so many licenses, all of which may be backed up.
pub struct Computer {
    pub place: Place,
    licenses: usize,
}

impl Computer {
    pub fn with(licenses: usize) -> Self {
        let computer = Self {
            place: Place::with_trust(),
            licenses,
        };
        computer.licenses_for("a");
        computer
    }

    /// Issues as many to a computer of this name, whose card is there, and imports them.
    pub fn licenses_for(&self, home: &str) {
        let line = |number| format!(r#"{{"title":"Song {number}","rights":{{"Play":{{}},"Backup":{{}}}}}}"#);
        let lines: Vec<String> = (0..self.licenses).map(line).collect();
        fs::write(self.place.path("wanted"), lines.join("\n")).expect("written");
        let (card, file) = (format!("{home}.card"), format!("{home}.license"));
        let issue = ["issuer", "issue", "pub", "--service", "svc/service.card"];
        let to = ["--computer", &card, "--from", "wanted", "-o", &file];
        self.place.done(&[&issue[..], &to].concat());
        self.place.done(&["--home", home, "import", &file]);
    }

    /// Another computer, with as many licenses.
    pub fn another(&self, home: &str) {
        self.place.done(&["--home", home, "computer", "name", home]);
        let card = format!("{home}.card");
        self.place
            .done(&["--home", home, "computer", "card", "-o", &card]);
        let trust = self.place.thumbprint();
        let add = [
            "--home",
            home,
            "trust",
            "add",
            "pub/issuer.card",
            "--thumbprint",
            &trust,
        ];
        self.place.done(&add);
        self.licenses_for(home);
    }

    /// Arguments that back `home` up to a folder.
    pub fn backup<'a>(home: &'a str, folder: &'a str) -> [&'a str; 6] {
        ["--home", home, "backup", folder, "--unencrypted", "--overwrite"]
    }

    /// Backs `a` up, which must do.
    pub fn backs_up(&self, medium: &Mounted) {
        self.place.done(&Self::backup("a", medium.folder()));
    }

    /// Backs `a` up.
    pub fn tries(&self, medium: &Mounted) -> Ran {
        self.place.run(&Self::backup("a", medium.folder()))
    }

    /// `verify` says that this is whole, and so many licenses.
    #[track_caller]
    pub fn is_whole(&self, what: &str) {
        let verified = self.place.json(&["--home", "a", "verify", what]);
        assert_eq!(verified.exit, 0, "{:?}", verified.all);
        assert_eq!(verified.summary()["licenses"], self.licenses);
        assert_eq!(verified.summary()["cells_damaged"], 0);
    }

    /// The name of `a`'s backup.
    pub fn name(&self) -> String {
        let card = self.place.json(&["--home", "a", "computer", "card"]);
        let id = text(card.summary(), "thumbprint");
        format!("licenses-{}.keyferry", &id[..8])
    }

    /// The file of `a`'s backup.
    pub fn file(&self, medium: &Mounted) -> PathBuf {
        medium.folder.join(self.name())
    }

    /// The store is gone, and comes back from the medium.
    pub fn comes_home(&self, medium: &Mounted) {
        for file in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
            let _ = fs::remove_file(self.place.path("a").join(file));
        }
        let restored = self.place.json(&["--home", "a", "restore", medium.folder()]);
        assert_eq!(restored.exit, 0, "{:?}", restored.all);
        let listed = self.place.json(&["--home", "a", "list"]);
        assert_eq!(listed.summary()["licenses"], self.licenses);
    }
}

/// Other bytes in the room that the file has: it isn't cut, which makes a full medium fuller.
pub fn overwrite(file: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(file).expect("opened");
    file.write_all(bytes).expect("written in place");
}
