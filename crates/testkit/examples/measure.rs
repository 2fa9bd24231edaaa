//! Measures what no command shows: signatures checked one by one and together, and keys opened among many licenses. One
//! figure a line: name, value, unit, and what stands beside it in the same run. `cargo xtask bench` reads it.

use std::time::Instant;

use keyferry_license::{
    BACKUP, ContentKey, Grant, IssuerKey, KeyId, LicenseId, Limits, PLAY, Right, Rights, Text, Unverified,
    Verified, random,
};
use keyferry_store::{Arrival, FileGuard, MachineIdentity, NewLicense, Store};

type Failure = Box<dyn std::error::Error>;

const SIGNATURES: usize = 5_000;
const OPENED: usize = 20_000;
const BATCH: usize = 10_000;
const NOW: u64 = 1_800_000_000;

fn main() -> Result<(), Failure> {
    let licenses: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let issuer = IssuerKey::generate()?;
    let card = issuer.card("Harbor Books", &[], NOW)?;
    signatures(&issuer, &card)?;
    keys(&issuer, &card, licenses)
}

fn signatures(issuer: &IssuerKey, card: &Verified<keyferry_license::Card>) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(SIGNATURES);
    for number in 0..SIGNATURES {
        bytes.push(license(issuer, card, number)?.grant.as_bytes().to_vec());
    }
    let started = Instant::now();
    for grant in &bytes {
        Grant::parse(grant)?.verify_with(card)?;
    }
    let single = rate(SIGNATURES, started);
    let started = Instant::now();
    for batch in bytes.chunks(1000) {
        let parsed = batch
            .iter()
            .map(|grant| Grant::parse(grant))
            .collect::<Result<Vec<_>, _>>()?;
        for grant in Unverified::verify_batch(&parsed, card) {
            grant?;
        }
    }
    let together = rate(SIGNATURES, started);
    say("verified one by one", single, "grants/s", "");
    say(
        "verified in batches of 1,000",
        together,
        "grants/s",
        &format!("{:.1} x one by one", together / single),
    );
    Ok(())
}

fn keys(issuer: &IssuerKey, card: &Verified<keyferry_license::Card>, licenses: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let guard = FileGuard::new(MachineIdentity::from_bytes(b"a machine to measure on"));
    let store = Store::open(folder.path(), &guard)?;
    store.accept_root(card, None, NOW)?;
    let (mut ids, mut seconds) = (Vec::with_capacity(licenses), 0.0);
    for first in (0..licenses).step_by(BATCH) {
        let last = licenses.min(first + BATCH);
        let batch = (first..last)
            .map(|number| license(issuer, card, number))
            .collect::<Result<Vec<_>, _>>()?;
        ids.extend(
            batch
                .iter()
                .map(|license| (license.grant.key_id, license.grant.license)),
        );
        let started = Instant::now();
        store.insert(&batch)?;
        seconds += started.elapsed().as_secs_f64();
    }
    say(
        &format!("stored, up to {licenses}"),
        licenses as f64 / seconds,
        "licenses/s",
        "",
    );
    let chosen: Vec<_> = (0..OPENED.min(licenses))
        .map(|n| ids[n * 7919 % licenses])
        .collect();
    let read = median(&chosen, |(_, id)| {
        Ok(store.license(&card.thumbprint(), id)?.is_some())
    })?;
    let opened = median(&chosen, |(key_id, _)| {
        Ok(store.use_key(key_id, None, PLAY, NOW).is_ok())
    })?;
    say(&format!("read at {licenses}"), read, "us, median", "");
    let beside = format!("{:.1} x the read", opened / read);
    say(
        &format!("key opened for use at {licenses}"),
        opened,
        "us, median",
        &beside,
    );
    Ok(())
}

/// The median of how long each takes, in microseconds; each must say yes.
fn median<T>(items: &[T], mut work: impl FnMut(&T) -> Result<bool, Failure>) -> Result<f64, Failure> {
    let mut times = Vec::with_capacity(items.len());
    for item in items {
        let started = Instant::now();
        if !work(item)? {
            return Err("a license that was stored is not there".into());
        }
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn license(
    issuer: &IssuerKey,
    card: &Verified<keyferry_license::Card>,
    number: usize,
) -> Result<NewLicense, Failure> {
    let key = ContentKey::generate()?;
    let id = LicenseId::new_at(NOW + number as u64 / 1000, random()?);
    let right = |action: &str| {
        Ok::<_, keyferry_license::Error>(Right {
            action: Text::new("action", action)?,
            limits: Limits::default(),
        })
    };
    let grant = Grant {
        license: id,
        issuer: card.thumbprint(),
        service: card.thumbprint(),
        origin: card.thumbprint(),
        key_id: KeyId(random()?),
        kind: Text::new("kind", "app")?,
        rights: Rights::new(vec![right(PLAY)?, right(BACKUP)?])?,
        computers: None,
        commitment: key.commitment(&id),
        title: Text::new("title", format!("Charts for small boats, no. {number}"))?,
        priority: 0,
        subject: None,
        parent: None,
    };
    Ok(NewLicense {
        grant: grant.sign(issuer.signing())?,
        key,
        arrival: Arrival::Issued,
    })
}

fn rate(count: usize, started: Instant) -> f64 {
    count as f64 / started.elapsed().as_secs_f64()
}

fn say(name: &str, value: f64, unit: &str, beside: &str) {
    println!("{name}\t{value:.1}\t{unit}\t{beside}");
}
