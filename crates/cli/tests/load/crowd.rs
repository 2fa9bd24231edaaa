//! The computers: one to which the licenses were issued, and many that want them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyferry::{HttpTransport, Only, ReleaseOptions, RestoreOptions, Selection};
use keyferry_license::{Card, Verified, armor};
use keyferry_service::{Service, ServiceConfig, policy::Policy};
use keyferry_testkit::{Computer, Issued, Publisher, Wanted, until};

use crate::fleet::service_dir;
use crate::proxy::Proxy;
use crate::random::Random;

/// What the service calls itself.
pub const NAME: &str = "Northwind Licenses";
/// Long enough to make good what was interrupted.
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Crowd {
    pub folder: PathBuf,
    pub proxy: Proxy,
    pub service: Verified<Card>,
    pub licenses: Vec<Issued>,
    pub origin: Computer,
    pub computers: Vec<Computer>,
    root: keyferry_license::Thumbprint,
}

/// What the computers did, by what they wanted and the exit code that it would have had.
#[derive(Default)]
pub struct Did(Mutex<BTreeMap<(&'static str, u8), usize>>);

impl Crowd {
    /// Keys for a service behind a proxy, licenses, and a backup of them that all computers have.
    pub fn new(folder: &Path, computers: usize, wanted: &[Wanted]) -> Self {
        let (proxy, publisher) = (Proxy::start(), Publisher::new("Northwind Audio"));
        let service = Service::open(ServiceConfig {
            dir: service_dir(folder, 0),
            name: NAME.into(),
            url: proxy.url(),
            issuers: vec![publisher.card().clone()],
            policy: Policy::default(),
        });
        let service = service.expect("a service").card().clone();
        let card = armor::write(armor::CARD, publisher.card().as_bytes()).expect("armored");
        std::fs::write(folder.join("issuer.card"), card).expect("a card");
        let origin = Computer::new(folder.join("origin"), "origin");
        let licenses = publisher.sign(&service, &origin.card(), wanted);
        let file = folder.join("issued.license");
        publisher.write(&service, &origin.card(), &licenses, &file);
        let transport = Arc::new(HttpTransport::default());
        origin.import(&file, publisher.root(), transport.clone());
        let stick = folder.join("stick");
        std::fs::create_dir(&stick).expect("a folder");
        origin.backup(&stick, true, transport).result.expect("backed up");
        let computer = |number: usize| {
            Computer::new(
                folder.join(format!("home-{number}")),
                &format!("computer {number}"),
            )
        };
        Self {
            folder: folder.to_owned(),
            proxy,
            service,
            licenses,
            origin,
            computers: (0..computers).map(computer).collect(),
            root: publisher.root(),
        }
    }

    /// All of them restore and give back for so long, while something happens.
    pub fn ask_for(&self, seconds: u64, seed: u64, happens: impl FnOnce() + Send) -> Did {
        let (did, end) = (Did::default(), Instant::now() + Duration::from_secs(seconds));
        std::thread::scope(|scope| {
            scope.spawn(happens);
            for (number, computer) in self.computers.iter().enumerate() {
                let (did, mut random) = (&did, Random::new(seed, number as u64));
                scope.spawn(move || {
                    while Instant::now() < end {
                        self.act(computer, &mut random, did);
                    }
                });
            }
        });
        did
    }

    fn act(&self, computer: &Computer, random: &mut Random, did: &Did) {
        let transport = Arc::new(HttpTransport::default());
        let here: Vec<Issued> = self.here(computer).into_iter().cloned().collect();
        if !here.is_empty() && random.below(2) == 0 {
            let gone = random.some(&here, 2);
            did.add("release", computer.release(Some(&gone), transport).exit_code());
        } else {
            let wanted = random.some(&self.licenses, 3);
            let options = self.only(&wanted);
            did.add("restore", computer.restore(options, transport).exit_code());
        }
    }

    /// Everybody finishes what was interrupted, and then takes what is free.
    pub fn settle(&self) {
        for computer in &self.computers {
            let transport = || Arc::new(HttpTransport::default());
            let nothing = Selection::These {
                licenses: Vec::new(),
                key_ids: Vec::new(),
            };
            let options = ReleaseOptions {
                selection: nothing,
                individualize: true,
            };
            let settled = until(PATIENCE, || {
                computer
                    .release_as(options.clone(), transport())
                    .failure()
                    .is_none()
            });
            assert!(settled, "what waits is sent when nothing fails any more");
            let settled = until(PATIENCE, || {
                [0, 3, 7].contains(&computer.restore(self.all(), transport()).exit_code())
            });
            assert!(settled, "a restore is answered when nothing fails any more");
        }
    }

    /// The licenses that open on a computer.
    pub fn here(&self, computer: &Computer) -> Vec<&Issued> {
        let store = computer.store();
        let opens = |license: &&Issued| {
            let used = store.use_key(
                &license.grant.key_id,
                None,
                keyferry_license::PLAY,
                keyferry_testkit::NOW,
            );
            used.is_ok()
        };
        self.licenses.iter().filter(opens).collect()
    }

    /// A restore of these, or of everything where there are none.
    pub fn only(&self, licenses: &[Issued]) -> RestoreOptions {
        let names = licenses.iter().map(|one| one.grant.license.to_string());
        let only = Only::new(names).expect("patterns");
        RestoreOptions { only, ..self.all() }
    }

    /// A restore of everything, by a person who agrees to it.
    pub fn all(&self) -> RestoreOptions {
        RestoreOptions {
            path: Some(self.folder.join("stick")),
            individualize: true,
            trust: vec![self.root],
            ..RestoreOptions::default()
        }
    }
}

impl Did {
    fn add(&self, what: &'static str, exit: u8) {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((what, exit))
            .or_default() += 1;
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all
            .iter()
            .map(|((what, exit), count)| format!("{count} x {what} with exit {exit}"));
        f.write_str(&all.collect::<Vec<_>>().join(", "))
    }
}
