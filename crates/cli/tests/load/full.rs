//! The disk under the ledger is full: computers are told to come back later, nothing is acknowledged that isn't there, and
//! as soon as there is room it goes on, in the same process.

use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex, PoisonError};

use keyferry::{HttpTransport, Transport, TransportError};
use keyferry_protocol::{Answer, ProblemCode};
use keyferry_testkit::{Postgres, Wanted};

use crate::crowd::Crowd;
use crate::fleet::{Fleet, service_dir};
use crate::mounted::{Kind, Mounted, on};
use crate::verdict;

/// Enough that their rows need room.
const LICENSES: usize = 600;

/// A way to the service that remembers why it judged nothing.
#[derive(Default)]
struct Told {
    way: HttpTransport,
    problems: Mutex<Vec<(ProblemCode, Option<u32>)>>,
}

impl Transport for Told {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        self.way.card(base)
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answer = self.way.send(base, request)?;
        if let Some(problem) = Answer::decode(&answer).expect("an answer").problem {
            let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
            problems.push((problem.code, problem.retry_after));
        }
        Ok(answer)
    }
}

#[test]
fn sqlite_on_a_full_disk() {
    on(Kind::Tmpfs, 16 << 20, "full::sqlite_on_a_full_disk", |medium| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let service = medium.folder.join("service");
        std::fs::create_dir(&service).expect("a folder");
        symlink(service, service_dir(folder.path(), 0)).expect("a link");
        let crowd = Crowd::new(folder.path(), 3, &Wanted::many(LICENSES, None));
        fills_up(medium, &crowd, &Fleet::start(&crowd, 1, None), || {}, || {});
    });
}

#[test]
fn postgresql_on_a_full_disk() {
    on(
        Kind::Tmpfs,
        48 << 20,
        "full::postgresql_on_a_full_disk",
        |medium| {
            let Some(server) = Postgres::start() else { return };
            // Its log is elsewhere: a server whose log can't be written stops.
            let place = medium.folder.join("tables");
            std::fs::create_dir(&place).expect("a folder");
            server.own(&place);
            server.sql(
                "postgres",
                &format!("create tablespace small location '{}'", place.display()),
            );
            server.sql("postgres", "create database ledger tablespace small");
            let folder = tempfile::tempdir().expect("a temporary folder");
            let crowd = Crowd::new(folder.path(), 3, &Wanted::many(LICENSES, None));
            let url = server.url("ledger");
            fills_up(medium, &crowd, &Fleet::start(&crowd, 1, Some(&url)), || {}, || {});
        },
    );
}

#[test]
fn postgresql_whose_log_is_full() {
    on(
        Kind::Tmpfs,
        160 << 20,
        "full::postgresql_whose_log_is_full",
        |medium| {
            let place = medium.folder.join("server");
            std::fs::create_dir(&place).expect("a folder");
            let Some(server) = Postgres::start_in(&place, "max_wal_size = 32MB") else {
                return;
            };
            let url = server.create_database();
            let folder = tempfile::tempdir().expect("a temporary folder");
            let crowd = Crowd::new(folder.path(), 3, &Wanted::many(LICENSES, None));
            let fleet = Fleet::start(&crowd, 1, Some(&url));
            // Its log needs the next file, and there is no room for one: it stops, and doesn't start.
            let full = || {
                for _ in 0..8 {
                    let _ = server.try_sql("postgres", "select pg_switch_wal()");
                    let _ = server.try_sql("postgres", "create table more (number integer)");
                }
                assert!(
                    server.log().contains("No space left on device"),
                    "{}",
                    server.log()
                );
            };
            let roomy = || {
                server.stop();
                server.start_again();
            };
            fills_up(medium, &crowd, &fleet, full, roomy);
        },
    );
}

/// `full` and `roomy`: what becomes of the database when the disk is, and what its operator does then.
fn fills_up(medium: &Mounted, crowd: &Crowd, fleet: &Fleet, full: impl FnOnce(), roomy: impl FnOnce()) {
    let [first, second, third] = &crowd.computers[..] else {
        panic!("three computers")
    };
    let way = || Arc::new(Told::default());
    assert_eq!(first.restore(crowd.all(), way()).exit_code(), 0);
    // The service knows these two already.
    for computer in [second, third] {
        assert_eq!(
            computer
                .restore(crowd.only(&crowd.licenses[..1]), way())
                .exit_code(),
            0
        );
    }
    medium.fill_up_to(0);
    full();
    for _ in 0..3 {
        let told = way();
        let ended = second.restore(crowd.all(), told.clone());
        let counts = &ended.report().counts;
        assert_eq!((counts.restored, counts.already_here), (0, 1), "{counts:?}");
        assert_eq!(
            counts.failed.get("service-busy"),
            Some(&(LICENSES as u64 - 1)),
            "{counts:?}"
        );
        let problems = told.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let later =
            |problem: &(ProblemCode, Option<u32>)| problem.0 == ProblemCode::Busy && problem.1.is_some();
        assert!(!problems.is_empty() && problems.iter().all(later), "{problems:?}");
    }
    medium.make_room();
    roomy();
    // Before anybody asks for anything once more.
    verdict::is_content(crowd, &*fleet.ledger());
    for computer in [second, third] {
        assert_eq!(computer.restore(crowd.all(), way()).exit_code(), 0);
        assert_eq!(crowd.here(computer).len(), LICENSES);
    }
    verdict::check(crowd, &*fleet.ledger());
}
