//! Licenses a second through `Service::handle`, with valid signatures and a ledger on disk:
//! `cargo run --release -p keyferry-service --example throughput -- [LICENSES] [FOLDER]`.

use std::time::{Duration, Instant};

use keyferry_license::{
    BACKUP, Card, CardKey, CardKind, ComputerId, ContentKey, Error, Grant, IssuerKey, KemSecret, KeyId,
    KeyUse, LicenseId, Limits, PLAY, PublicKey, Right, Rights, Sealer, SigningSecret, Text, Thumbprint,
    Verified, random,
};
use keyferry_protocol::{Answer, Individualize, Item, MAX_ITEMS, Request, Restore, kind};
use keyferry_service::{Service, ServiceConfig, policy::Policy};

const NOW: u64 = 1_790_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let licenses: usize = arguments.next().map_or(Ok(50_000), |count| count.parse())?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let dir = parent.join(format!("keyferry-throughput-{}", std::process::id()));
    let issuer = IssuerKey::generate()?;
    let issuer_card = issuer.card("Issuer", &[], NOW)?;
    let service = Service::open(ServiceConfig {
        dir: dir.clone(),
        name: "Service".into(),
        url: "http://127.0.0.1:1".into(),
        issuers: vec![issuer_card.clone()],
        policy: Policy::default(),
    })?;
    let restored = run(&service, &issuer, issuer_card.thumbprint(), licenses);
    drop(service);
    std::fs::remove_dir_all(&dir)?;
    restored
}

fn run(
    service: &Service,
    issuer: &IssuerKey,
    root: Thumbprint,
    licenses: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let (signing, card) = computer()?;
    let body = Individualize {
        card: card.as_bytes().to_vec(),
        consent: NOW,
    };
    let to = service.card().thumbprint();
    let request = Request::prepare(&signing, to, random()?, None, kind::INDIVIDUALIZE, &body)?;
    service.handle(&request.bytes, NOW);
    let origin = KemSecret::generate()?;
    let origin = Thumbprint(*origin.seed().expose());
    let mut requests = Vec::new();
    let mut left = licenses;
    while left > 0 {
        let count = left.min(MAX_ITEMS);
        left -= count;
        let body = batch(service, issuer, root, origin, count)?;
        requests.push(Request::prepare(
            &signing,
            to,
            random()?,
            None,
            kind::RESTORE,
            &body,
        )?);
    }
    report("restore, new rows", service, &requests, licenses)?;
    report("the same again", service, &requests, licenses)?;
    Ok(())
}

fn report(
    what: &str,
    service: &Service,
    requests: &[keyferry_protocol::Prepared],
    licenses: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let (start, cpu) = (Instant::now(), processor_time());
    let mut delivered = 0;
    for request in requests {
        let answer = Answer::decode(&service.handle(&request.bytes, NOW))?;
        delivered += answer
            .delivery
            .map_or(0, |delivery| delivery.keys.iter().flatten().count());
    }
    let (elapsed, cpu) = (start.elapsed(), processor_time().saturating_sub(cpu));
    let rate = |time: Duration| delivered as f64 / time.as_secs_f64();
    println!(
        "{what}: {delivered} of {licenses} delivered in {elapsed:.2?}, {:.0}/s by the clock, {:.0}/s a core",
        rate(elapsed),
        rate(cpu)
    );
    Ok(())
}

fn batch(
    service: &Service,
    issuer: &IssuerKey,
    root: Thumbprint,
    origin: ComputerId,
    count: usize,
) -> Result<Restore, Error> {
    let (enc, sealer) = Sealer::escrow(service.card().seal_key(NOW)?)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        let (license, key) = (LicenseId::new_at(NOW, random()?), ContentKey::generate()?);
        let grant = Grant {
            license,
            issuer: root,
            service: service.card().thumbprint(),
            origin,
            key_id: KeyId(random()?),
            kind: Text::new("kind", "music")?,
            rights: Rights::new(vec![right(PLAY)?, right(BACKUP)?])?,
            computers: None,
            commitment: key.commitment(&license),
            title: Text::new("title", "A song with a title of usual length")?,
            priority: 0,
            subject: None,
            parent: None,
        };
        let grant = grant.sign(issuer.signing())?;
        let escrow = sealer.seal(&grant, &key)?;
        items.push(Item {
            grant: grant.as_bytes().to_vec(),
            escrow,
        });
    }
    Ok(Restore::new(enc, items))
}

fn right(action: &str) -> Result<Right, Error> {
    Ok(Right {
        action: Text::new("right", action)?,
        limits: Limits::default(),
    })
}

fn computer() -> Result<(SigningSecret, Verified<Card>), Error> {
    let signing = SigningSecret::generate()?;
    let key = CardKey {
        usage: KeyUse::Sign,
        key: PublicKey::Ed25519(signing.public()),
        not_before: NOW,
        not_after: None,
    };
    let card = Card {
        kind: CardKind::Computer,
        name: Text::new("name", "computer")?,
        root: PublicKey::Ed25519(signing.public()),
        keys: vec![key],
        urls: vec![],
        serial: 1,
    };
    let card = card.sign(&signing)?;
    Ok((signing, card))
}

/// Time that all threads of this process have run, where the system tells it: user and system ticks of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}
