//! An issuer, a service and computers, as the tests need them.

use keyferry_license::{
    BACKUP, Card, CardKey, CardKind, ComputerId, ContentKey, Grant, IssuerKey, KemSecret, KeyId, KeyUse,
    LicenseId, Limits, PLAY, PublicKey, Right, Rights, Sealer, SigningSecret, Text, Verified, random,
};
use keyferry_protocol::{
    Answer, Checked, Individualize, Item, LastReceipt, OperationId, Prepared, Problem, Receipt, Release,
    ReleaseItem, ReleasedItem, Request, Restore, check_answer, check_release, kind,
};
use keyferry_service::{Service, ServiceConfig, policy::Policy};
use tempfile::TempDir;

/// Where the tests' clock starts.
pub const NOW: u64 = 1_790_000_000;

/// A service with one registered issuer.
pub struct World {
    pub dir: TempDir,
    pub issuer: IssuerKey,
    pub issuer_card: Verified<Card>,
    pub service: Service,
}

/// A computer: its keys and what it heard last.
pub struct Computer {
    pub signing: SigningSecret,
    pub card: Verified<Card>,
    pub last: Option<LastReceipt>,
}

/// A grant with its key, as the issuer knows them.
pub type License = (Verified<Grant>, ContentKey);

impl World {
    pub fn new() -> Self {
        Self::with_policy(Policy::default())
    }

    pub fn with_policy(policy: Policy) -> Self {
        let issuer = IssuerKey::generate().unwrap();
        let issuer_card = issuer
            .card("Northwind Audio", &["https://northwind.example".into()], NOW)
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let service = open(&dir, vec![issuer_card.clone()], policy);
        Self {
            dir,
            issuer,
            issuer_card,
            service,
        }
    }

    pub fn ledger(&self) -> std::path::PathBuf {
        self.dir.path().join(keyferry_service::LEDGER_FILE)
    }

    /// A license that was issued to this computer.
    pub fn issue(&self, origin: ComputerId) -> License {
        self.issue_with(origin, |_| {})
    }

    pub fn issue_with(&self, origin: ComputerId, change: impl FnOnce(&mut Grant)) -> License {
        let license = LicenseId::new_at(NOW, random().unwrap());
        let key = ContentKey::generate().unwrap();
        let mut grant = Grant {
            license,
            issuer: self.issuer_card.thumbprint(),
            service: self.service.card().thumbprint(),
            origin,
            key_id: KeyId(random().unwrap()),
            kind: Text::new("kind", "music").unwrap(),
            rights: rights(&[PLAY, BACKUP]),
            computers: None,
            commitment: key.commitment(&license),
            title: Text::new("title", "Slow River").unwrap(),
            priority: 0,
            subject: None,
            parent: None,
        };
        change(&mut grant);
        (grant.sign(self.issuer.signing()).unwrap(), key)
    }

    /// A computer that has been individualized.
    pub fn computer(&self, name: &str) -> Computer {
        let mut computer = Computer::new(name);
        let request = computer.individualize(&self.service);
        let answer = self.service.handle(&request.bytes, NOW);
        computer.hear(&answer, &self.service);
        computer
    }

    /// Sends a restore and takes the answer as a computer would.
    pub fn restore(&self, computer: &mut Computer, licenses: &[License], now: u64) -> Checked {
        let request = computer.restore(&self.service, licenses);
        self.send(computer, &request, licenses, now).unwrap()
    }

    /// Sends a release and takes the answer as a computer would.
    pub fn release(
        &self,
        computer: &mut Computer,
        licenses: &[License],
        now: u64,
    ) -> (Vec<ReleasedItem>, Receipt) {
        let request = computer.release(&self.service, licenses);
        self.send_release(computer, &request, now)
    }

    pub fn send_release(
        &self,
        computer: &mut Computer,
        request: &Prepared,
        now: u64,
    ) -> (Vec<ReleasedItem>, Receipt) {
        let answer = self.service.handle(&request.bytes, now);
        let checked = check_release(&answer, &request.bytes, self.service.card())
            .unwrap()
            .unwrap();
        computer.know(&checked.receipt);
        (checked.items, checked.receipt)
    }

    pub fn send(
        &self,
        computer: &mut Computer,
        request: &Prepared,
        licenses: &[License],
        now: u64,
    ) -> Result<Checked, Problem> {
        let answer = self.service.handle(&request.bytes, now);
        check(&answer, request, licenses, &self.service).inspect(|checked| computer.know(&checked.receipt))
    }
}

pub fn open(dir: &TempDir, issuers: Vec<Verified<Card>>, policy: Policy) -> Service {
    let config = ServiceConfig {
        dir: dir.path().to_owned(),
        name: "Northwind Licenses".into(),
        url: "http://127.0.0.1:7710".into(),
        issuers,
        policy,
    };
    Service::open(config).unwrap()
}

pub fn rights(actions: &[&str]) -> Rights {
    let right = |action: &&str| Right {
        action: Text::new("right", *action).unwrap(),
        limits: Limits::default(),
    };
    Rights::new(actions.iter().map(right).collect()).unwrap()
}

/// What a computer makes of an answer.
pub fn check(
    answer: &[u8],
    request: &Prepared,
    licenses: &[License],
    service: &Service,
) -> Result<Checked, Problem> {
    let grants: Vec<_> = licenses.iter().map(|(grant, _)| grant.clone()).collect();
    check_answer(
        answer,
        &request.bytes,
        &grants,
        service.card(),
        request.one_time.as_ref(),
    )
    .unwrap()
}

impl Computer {
    pub fn new(name: &str) -> Self {
        let signing = SigningSecret::generate().unwrap();
        let seal = KemSecret::generate().unwrap();
        let key = |usage, key| CardKey {
            usage,
            key,
            not_before: NOW,
            not_after: None,
        };
        let card = Card {
            kind: CardKind::Computer,
            name: Text::new("name", name).unwrap(),
            root: PublicKey::Ed25519(signing.public()),
            keys: vec![
                key(KeyUse::Sign, PublicKey::Ed25519(signing.public())),
                key(KeyUse::Seal, PublicKey::XWing(seal.public().unwrap())),
            ],
            urls: vec![],
            serial: 1,
        };
        let card = card.sign(&signing).unwrap();
        Self {
            signing,
            card,
            last: None,
        }
    }

    pub fn id(&self) -> ComputerId {
        self.card.thumbprint()
    }

    pub fn individualize(&self, service: &Service) -> Prepared {
        let body = Individualize {
            card: self.card.as_bytes().to_vec(),
            consent: NOW,
        };
        self.prepare(service, kind::INDIVIDUALIZE, random().unwrap(), &body)
    }

    pub fn restore(&self, service: &Service, licenses: &[License]) -> Prepared {
        self.restore_in(service, licenses, random().unwrap())
    }

    pub fn restore_in(&self, service: &Service, licenses: &[License], operation: OperationId) -> Prepared {
        self.prepare(service, kind::RESTORE, operation, &body(service, licenses))
    }

    pub fn plan(&self, service: &Service, licenses: &[License], as_new: bool) -> Prepared {
        let body = Restore {
            as_new: as_new.then_some(true),
            ..body(service, licenses)
        };
        self.prepare(service, kind::PLAN, random().unwrap(), &body)
    }

    pub fn release(&self, service: &Service, licenses: &[License]) -> Prepared {
        let items = licenses.iter().map(|(grant, _)| ReleaseItem::of(grant)).collect();
        self.prepare(service, kind::RELEASE, random().unwrap(), &Release { items })
    }

    pub fn prepare<B: minicbor::Encode<()>>(
        &self,
        service: &Service,
        kind: &str,
        operation: OperationId,
        body: &B,
    ) -> Prepared {
        let root = service.card().thumbprint();
        Request::prepare(&self.signing, root, operation, self.last, kind, body).unwrap()
    }

    /// Remembers the receipt in an answer.
    pub fn hear(&mut self, answer: &[u8], service: &Service) {
        let receipt = Answer::decode(answer).unwrap().receipt.expect("a receipt");
        self.know(&Receipt::verify(&receipt, service.card()).unwrap());
    }

    pub fn know(&mut self, receipt: &Receipt) {
        self.last = Some(LastReceipt {
            request: receipt.request,
            time: receipt.time,
        });
    }
}

/// Licenses with their keys sealed for the service, as a backup holds them.
pub fn body(service: &Service, licenses: &[License]) -> Restore {
    let (enc, sealer) = Sealer::escrow(service.card().seal_key(NOW).unwrap()).unwrap();
    let item = |(grant, key): &License| Item {
        grant: grant.as_bytes().to_vec(),
        escrow: sealer.seal(grant, key).unwrap(),
    };
    Restore::new(enc, licenses.iter().map(item).collect())
}
