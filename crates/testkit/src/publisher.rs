//! Who issues licenses in the tests, and remembers their keys to compare with.

use std::path::Path;

use keyferry_license::{
    BACKUP, Card, ContentKey, Grant, IssuerKey, KeyId, LICENSES_IN_A_BLOCK, LicenseFile, LicenseId, Limits,
    PLAY, Revocation, RevocationList, Right, Rights, Text, Thumbprint, Verified, random,
};
use keyferry_protocol::{Challenge, ChallengeAnswer};

use crate::world::NOW;

/// An issuer with its secret.
pub struct Publisher {
    key: IssuerKey,
    card: Verified<Card>,
}

/// A license as its issuer knows it.
#[derive(Debug, Clone)]
pub struct Issued {
    /// What was signed.
    pub grant: Verified<Grant>,
    /// What it opens.
    pub key: ContentKey,
}

/// What a license is to look like; the rest is the same for all.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What a person knows it by.
    pub title: String,
    /// Its rights with their limits.
    pub rights: Vec<(&'static str, Limits)>,
    /// How many computers may hold it, if fewer than four.
    pub computers: Option<u8>,
}

impl Wanted {
    /// May be played and backed up.
    pub fn plain(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rights: vec![(PLAY, Limits::default()), (BACKUP, Limits::default())],
            computers: None,
        }
    }

    /// May be played and has to stay.
    pub fn without_backup(title: impl Into<String>) -> Self {
        Self {
            rights: vec![(PLAY, Limits::default())],
            ..Self::plain(title)
        }
    }

    /// May be played within these limits and backed up.
    pub fn limited(title: impl Into<String>, play: Limits) -> Self {
        Self {
            rights: vec![(PLAY, play), (BACKUP, Limits::default())],
            ..Self::plain(title)
        }
    }

    /// So many, numbered from 1; of every `stays` the last without the right Backup.
    pub fn many(count: usize, stays: Option<usize>) -> Vec<Self> {
        let one = |number: usize| {
            let title = format!("Song {number}");
            match stays {
                Some(every) if number.is_multiple_of(every) => Self::without_backup(title),
                _ => Self::plain(title),
            }
        };
        (1..=count).map(one).collect()
    }
}

impl Publisher {
    /// An issuer of this name.
    pub fn new(name: &str) -> Self {
        let key = IssuerKey::generate().expect("keys");
        let card = key.card(name, &["https://publisher.example".into()], NOW);
        Self {
            card: card.expect("a card"),
            key,
        }
    }

    /// What it shows of itself.
    pub fn card(&self) -> &Verified<Card> {
        &self.card
    }

    /// Names its root.
    pub fn root(&self) -> Thumbprint {
        self.card.thumbprint()
    }

    /// Signs licenses to a computer; `service` decides about their moves.
    pub fn sign(
        &self,
        service: &Verified<Card>,
        computer: &Verified<Card>,
        wanted: &[Wanted],
    ) -> Vec<Issued> {
        wanted
            .iter()
            .map(|wanted| self.sign_one(service, computer, wanted))
            .collect()
    }

    fn sign_one(&self, service: &Verified<Card>, computer: &Verified<Card>, wanted: &Wanted) -> Issued {
        let license = LicenseId::new_at(NOW, random().expect("randomness"));
        let key = ContentKey::generate().expect("a key");
        let right = |(action, limits): &(&str, Limits)| Right {
            action: Text::new("right", *action).expect("short"),
            limits: *limits,
        };
        let grant = Grant {
            license,
            issuer: self.root(),
            service: service.thumbprint(),
            origin: computer.thumbprint(),
            key_id: KeyId(random().expect("randomness")),
            kind: Text::new("kind", "music").expect("short"),
            rights: Rights::new(wanted.rights.iter().map(right).collect()).expect("good rights"),
            computers: wanted.computers,
            commitment: key.commitment(&license),
            title: Text::new("title", &*wanted.title).expect("short"),
            priority: 0,
            subject: None,
            parent: None,
        };
        let grant = grant.sign(self.key.signing()).expect("a good grant");
        Issued { grant, key }
    }

    /// Signs the revocation list of this number.
    pub fn revoke(&self, number: u64, entries: Vec<Revocation>) -> Verified<RevocationList> {
        self.sign_list(&RevocationList {
            issuer: self.root(),
            number,
            nonce: None,
            entries,
        })
    }

    /// Signs a list as it is.
    pub fn sign_list(&self, list: &RevocationList) -> Verified<RevocationList> {
        list.sign(self.key.signing()).expect("a good list")
    }

    /// A fresh challenge, signed.
    pub fn challenge(&self) -> Vec<u8> {
        let challenge = Challenge::new(&self.card).expect("randomness");
        challenge.sign(self.key.signing())
    }

    /// Signs the list that a computer lacks by its answer to this challenge; `lists`: all of this issuer.
    pub fn list_for(
        &self,
        challenge: &[u8],
        answer: &[u8],
        lists: &[Verified<RevocationList>],
    ) -> (Verified<RevocationList>, ChallengeAnswer) {
        let answer = ChallengeAnswer::of(answer, challenge, &self.root()).expect("a good answer");
        let list = answer.list(lists).expect("good lists").expect("it lacks some");
        (self.sign_list(&list), answer)
    }

    /// Writes licenses to a `.license` file for a computer.
    pub fn write(&self, service: &Verified<Card>, computer: &Verified<Card>, issued: &[Issued], file: &Path) {
        let mut text = String::new();
        for block in issued.chunks(LICENSES_IN_A_BLOCK) {
            let pairs: Vec<_> = block
                .iter()
                .map(|one| (one.grant.clone(), one.key.clone()))
                .collect();
            let sealed = LicenseFile::seal(&self.card, service, computer, NOW, &pairs).expect("sealed");
            text.push_str(&sealed.to_armor().expect("armored"));
        }
        std::fs::write(file, text).expect("a license file");
    }
}
