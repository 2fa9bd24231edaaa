//! The power goes while a new computer restores with the help of its service: whatever is left of the computer, the next run
//! finishes the work, and no license takes a second slot.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::place::{Place, Served, text};
use crate::power::cuts;
use crate::recorded::{Dice, Left, Recorded};
use crate::scene::{LICENSES, copy, issue};
use crate::traced::is_possible;

/// A stick with the backup of `a`, the new computer `b`, and a service.
struct Scene {
    place: Place,
    address: String,
    trust: String,
}

impl Scene {
    fn new() -> Self {
        let place = Place::new();
        place.done(&["issuer", "init", "pub", "--name", "Harbor Books"]);
        let service = place.serve();
        let address = text(&service.listening, "address").to_owned();
        drop(service);
        place.done(&["--home", "a", "computer", "name", "Old laptop"]);
        place.done(&["--home", "a", "computer", "card", "-o", "a.card"]);
        let trust = place.thumbprint();
        let add = [
            "--home",
            "a",
            "trust",
            "add",
            "pub/issuer.card",
            "--thumbprint",
            &trust,
        ];
        place.done(&add);
        issue(&place, "all", LICENSES, r#"{"Play":{},"Backup":{}}"#);
        place.done(&["--home", "a", "import", "all.license"]);
        fs::create_dir(place.path("stick")).expect("a folder");
        place.done(&["--home", "a", "backup", "stick", "--unencrypted"]);
        copy(&place.path("svc"), &place.path("svc.before"));
        Self {
            place,
            address,
            trust,
        }
    }

    fn args<'a>(&'a self, home: &'a str) -> Vec<&'a str> {
        let words = [
            "--home",
            home,
            "restore",
            "stick",
            "--individualize",
            "--trust",
            &self.trust,
        ];
        words.to_vec()
    }

    /// The service, as it was at that time.
    fn serve(&self, state: &str) -> Served {
        copy(&self.place.path(state), &self.place.path("svc"));
        self.place.serve_at(&self.address)
    }

    fn put(&self, left: &Left) {
        let home = self.place.path("b");
        if home.exists() {
            fs::remove_dir_all(&home).expect("removed");
        }
        fs::create_dir(&home).expect("a folder");
        for (name, bytes) in left {
            fs::write(home.join(name), bytes).expect("written");
        }
    }

    /// Rows of the ledger, licenses in them, and computers.
    fn taken(&self) -> (usize, usize, usize) {
        let ledger = self.place.path("svc/ledger.sqlite");
        let ledger = Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let ledger = ledger.expect("the ledger opens");
        let count = |sql: &str| {
            let count = ledger.query_row(sql, [], |row| row.get::<_, i64>(0));
            usize::try_from(count.expect("a count")).expect("a number")
        };
        (
            count("SELECT count(*) FROM licenses"),
            count("SELECT count(DISTINCT hex(issuer) || hex(license)) FROM license_rows"),
            count("SELECT count(*) FROM computers"),
        )
    }
}

#[test]
fn during_a_restore_by_the_service() {
    if !is_possible("power cuts") {
        return;
    }
    let scene = Scene::new();
    let home = scene.place.path("b");
    let home_named = home.to_str().expect("UTF-8").to_owned();
    let service = scene.serve("svc.before");
    let recorded = Recorded::of(&scene.place, &home, None, &scene.args(&home_named));
    drop(service);
    copy(&scene.place.path("svc"), &scene.place.path("svc.after"));
    assert_eq!(scene.taken(), (LICENSES, LICENSES, 1));
    let mut connected = 0;
    for cut in 0..cuts() {
        let mut dice = Dice(cut as u64);
        let moment = match cut {
            0 => recorded.len(),
            _ => dice.below(recorded.len() + 1),
        };
        let when = format!("cut {cut}, before step {moment} of {}", recorded.len());
        scene.put(&recorded.cut(moment, Some(&mut dice)));
        // What the computer asked before, the service has answered, and knows.
        let asked = recorded.had_connected(moment);
        connected += usize::from(asked);
        let service = scene.serve(if asked { "svc.after" } else { "svc.before" });
        let restored = scene.place.json(&scene.args("b"));
        assert_eq!(restored.exit, 0, "{when}: {:?}", restored.all);
        drop(service);
        let listed = scene.place.json(&["--home", "b", "list"]);
        assert_eq!(listed.summary()["licenses"], LICENSES, "{when}");
        assert_eq!(scene.taken(), (LICENSES, LICENSES, 1), "{when}");
        is_tidy(&home, &when);
    }
    println!(
        "a restore by the service: {} cuts in {} steps, {connected} of them after it was asked",
        cuts(),
        recorded.len()
    );
    assert!(connected > 0, "it was never asked before a cut");
}

fn is_tidy(home: &Path, when: &str) {
    let names = fs::read_dir(home).expect("a folder").flatten();
    let over = names.map(|entry| entry.file_name().into_string().expect("UTF-8"));
    let over: Vec<_> = over
        .filter(|name| name.contains("-wal") || name.ends_with(".new"))
        .collect();
    assert!(over.is_empty(), "{when}: {over:?}");
}
