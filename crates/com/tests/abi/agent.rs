//! The license revocation agent, used by the client in C++ as a program would: this test is the issuer, bytes go through
//! files, and nobody asks a service. The checks that need no issuer stand in the client.

use std::path::PathBuf;

use keyferry_license::{Revocation, RevocationList, Verified};
use keyferry_protocol::ListAcknowledgement;
use keyferry_store::Presence;
use keyferry_testkit::{Computer, Issued, Publisher, Wanted, World};

use crate::client::told;

/// Runs a scenario of the client.
pub type Run<'r> = &'r dyn Fn(&[&str]) -> Vec<String>;

/// A computer with licenses, and the files that a program carries.
struct Desk<'r> {
    run: Run<'r>,
    world: World,
    old: Computer,
    issued: Vec<Issued>,
}

impl<'r> Desk<'r> {
    fn open(run: Run<'r>) -> Self {
        let world = World::new();
        let old = world.computer_here("old laptop");
        let issued = world.issue(&old, &Wanted::many(2, None));
        Self {
            run,
            world,
            old,
            issued,
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.world.path(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// The HRESULT, and what the client wrote to the file.
    fn call(&self, words: &[&str], computer: &Computer, result: &str) -> (String, Vec<u8>) {
        let path = self.world.path(result);
        let home = computer.home().to_string_lossy();
        let last = path.to_string_lossy();
        let words = [&words[..1], &[&home], &words[1..], &[&last]].concat();
        let lines = (self.run)(&words);
        let hr = lines.last().and_then(|line| line.strip_prefix("returned "));
        let hr = hr.expect("it tells the HRESULT").to_owned();
        (hr, std::fs::read(&path).unwrap_or_default())
    }

    fn challenge(&self, computer: &Computer, machine: Option<&[u8]>, bytes: &[u8]) -> (String, Vec<u8>) {
        let machine = machine.map_or("-".into(), |id| self.file("machine", id));
        let asked = self.file("challenge", bytes);
        let words = [
            "challenge",
            &*machine.to_string_lossy(),
            &*asked.to_string_lossy(),
        ];
        self.call(&words, computer, "answer")
    }

    fn process(&self, list: &[u8]) -> (String, Vec<u8>) {
        let list = self.file("list", list);
        self.call(
            &["process", &*list.to_string_lossy()],
            &self.old,
            "acknowledgement",
        )
    }

    /// Refused with this HRESULT, and everything is still here.
    fn refuses(&self, list: &[u8], hr: &str) {
        assert_eq!(self.process(list), (hr.to_owned(), Vec::new()));
        assert_eq!(self.old.opens(&self.issued), 2);
    }

    fn first_list(&self) -> [Verified<RevocationList>; 1] {
        let license = Revocation::License(self.issued[0].grant.license);
        [self.world.publisher.revoke(1, vec![license])]
    }
}

/// Everything with licenses and an issuer, each call by this program.
pub fn revocation(run: Run<'_>) {
    let desk = Desk::open(run);
    let publisher = &desk.world.publisher;
    let challenge = publisher.challenge();
    let id = desk.old.store().id();
    let (hr, _) = desk.challenge(&desk.old, Some(&[1; 32]), &challenge);
    assert_eq!(hr, "C00D2719", "another computer is meant");
    let stranger = Publisher::new("Somebody");
    let (hr, _) = desk.challenge(&desk.old, None, &stranger.challenge());
    assert_eq!(hr, "C00D272D", "nobody accepted that issuer");
    let (hr, answer) = desk.challenge(&desk.old, Some(id.as_bytes()), &challenge);
    assert_eq!(hr, "00000000");
    let (list, answer) = publisher.list_for(&challenge, &answer, &desk.first_list());
    assert_eq!(answer.computer(), Ok(id));

    let other = desk.world.computer_here("other");
    desk.world.issue(&other, &Wanted::many(1, None));
    let (hr, elsewhere) = desk.challenge(&other, None, &challenge);
    assert_eq!(hr, "00000000");
    let (elsewhere, _) = publisher.list_for(&challenge, &elsewhere, &desk.first_list());
    desk.refuses(elsewhere.as_bytes(), "C00D272E");
    desk.refuses(desk.first_list()[0].as_bytes(), "C00D272E");
    let mut altered = list.as_bytes().to_vec();
    *altered.last_mut().expect("a signature") ^= 1;
    desk.refuses(&altered, "C00D2745");
    desk.refuses(&altered[1..], "C00D2745");
    desk.refuses(
        stranger.revoke(1, vec![Revocation::Everything]).as_bytes(),
        "C00D272D",
    );
    desk.refuses(stranger.sign_list(&list).as_bytes(), "C00D2745");

    let (hr, word) = desk.process(list.as_bytes());
    assert_eq!(hr, "00000000");
    assert_eq!(ListAcknowledgement::check(&word, &list, &answer), Ok(()));
    assert_eq!(
        (desk.old.opens(&desk.issued), desk.old.opens(&desk.issued[..1])),
        (1, 0)
    );
    let gone = (&publisher.root(), &desk.issued[0].grant.license);
    let presence = desk.old.store().presence([gone]).expect("known");
    assert_eq!(presence, [Presence::Revoked], "its tombstone is kept");
    // The same list gets the same word again; after another challenge it is one of yesterday.
    assert_eq!(desk.process(list.as_bytes()), ("00000000".to_owned(), word));
    let (hr, _) = desk.challenge(&desk.old, None, &publisher.challenge());
    assert_eq!(hr, "00000000");
    assert_eq!(desk.process(list.as_bytes()).0, "C00D272E");
}

#[test]
fn each_call_answers_as_the_contract_says() {
    let world = World::new();
    let (home, stick) = (world.path("home"), world.folder("stick"));
    let lines = told(&["agent", &home.to_string_lossy(), &stick.to_string_lossy()]);
    assert!(lines.is_empty());
}

#[test]
fn an_issuer_revokes_by_a_program_that_carries_bytes() {
    revocation(&|words| told(words));
}
