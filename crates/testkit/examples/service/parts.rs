//! What the parts of a batch take by themselves, one after the other on one core: the shares of the whole.

use std::time::Instant;

use keyferry_license::{Grant, KemSecret, SealedKey, Sealer, Thumbprint, Unverified};

use crate::cast::{Cast, Order};
use crate::{BATCH, Result};

/// Microseconds for each license.
pub struct Parts {
    pub signatures: f64,
    pub opening: f64,
    pub sealing: f64,
}

/// Medians of eleven batches.
pub fn measure(cast: &Cast) -> Result<Parts> {
    let licenses = (0..BATCH).map(|_| cast.license(Thumbprint([7; 32]), Order::Key));
    let licenses: Vec<_> = licenses.collect::<Result<_, _>>()?;
    let secret = KemSecret::generate()?;
    let public = secret.public()?;
    let (enc, sealer) = Sealer::escrow(&public)?;
    let sealed = licenses.iter().map(|(grant, key)| sealer.seal(grant, key));
    let sealed: Vec<SealedKey> = sealed.collect::<Result<_, _>>()?;
    let mut all: [Vec<f64>; 3] = Default::default();
    for _ in 0..11 {
        let start = Instant::now();
        let parsed: Vec<Unverified<Grant>> = licenses
            .iter()
            .map(|(grant, _)| Grant::parse(grant.as_bytes()))
            .collect::<Result<_, _>>()?;
        let verified = Unverified::verify_batch(&parsed, &cast.card);
        all[0].push(each(start));
        if verified.iter().any(Result::is_err) {
            return Err("a signature didn't hold".into());
        }
        let start = Instant::now();
        let opener = Sealer::open_escrow(&enc, &secret)?;
        let keys: Vec<_> = licenses
            .iter()
            .zip(&sealed)
            .map(|((grant, _), sealed)| opener.open(grant, sealed))
            .collect::<Result<_, _>>()?;
        all[1].push(each(start));
        let start = Instant::now();
        let (_, sealer) = Sealer::delivery(&public)?;
        for ((grant, _), key) in licenses.iter().zip(&keys) {
            sealer.seal(grant, key)?;
        }
        all[2].push(each(start));
    }
    let [signatures, opening, sealing] = all.map(median);
    Ok(Parts {
        signatures,
        opening,
        sealing,
    })
}

fn each(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6 / BATCH as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
