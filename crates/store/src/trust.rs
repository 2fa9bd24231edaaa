//! Whom this computer knows: accepted roots, cards, services with their certificates and consents, return keys.

use keyferry_license::{Card, CardKind, Secret32, Thumbprint, Verified};

use crate::computer::Root;
use crate::error::{Error, Result};
use crate::sql::records;
use crate::store::Store;

/// An issuer whose grants are used here.
#[derive(Debug, Clone)]
pub struct AcceptedRoot {
    /// The newest card that is known.
    pub card: Verified<Card>,
    /// The host that the person saw when accepting, if any.
    pub host: Option<String>,
    /// When it was accepted (Unix seconds).
    pub time: u64,
}

/// The last receipt of a service, as requests name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReceipt {
    /// ID of the request that it answered.
    pub request: [u8; 32],
    /// The service's time in it (Unix seconds).
    pub time: u64,
}

impl Store {
    /// Accepts an issuer's root; durable. One that is accepted keeps its place, time and host, and takes a newer card.
    pub fn accept_root(&self, card: &Verified<Card>, host: Option<&str>, now: u64) -> Result<()> {
        expect(card, &[CardKind::Issuer], "an issuer")?;
        let thumbprint = card.thumbprint();
        self.change(|body, _| {
            if body.roots.iter().any(|root| root.thumbprint == thumbprint) {
                return renew(&mut body.roots, card);
            }
            body.roots.push(Root {
                thumbprint,
                card: card.as_bytes().to_vec().into(),
                host: host.map(str::to_owned),
                time: now,
            });
            Ok(())
        })
    }

    /// Accepted roots in the order of acceptance.
    pub fn accepted_roots(&self) -> Result<Vec<AcceptedRoot>> {
        let accepted = |root: &Root| {
            Ok(AcceptedRoot {
                card: Card::verify(&root.card)?,
                host: root.host.clone(),
                time: root.time,
            })
        };
        self.with_body(|body| body.roots.iter().map(accepted).collect())
    }

    /// Is this root accepted?
    pub fn is_accepted(&self, root: &Thumbprint) -> Result<bool> {
        self.with_body(|body| Ok(body.roots.iter().any(|accepted| accepted.thumbprint == *root)))
    }

    /// No longer accepts a root; its licenses stay and are not used. Says whether it was accepted.
    pub fn remove_root(&self, root: &Thumbprint) -> Result<bool> {
        self.change(|body, _| {
            let before = body.roots.len();
            body.roots.retain(|accepted| accepted.thumbprint != *root);
            Ok(body.roots.len() < before)
        })
    }

    /// Keeps the card of an issuer or a service unless one with the same or a higher serial is here; an accepted root
    /// gets it too. Says whether it was news. It makes nobody trusted.
    pub fn put_card(&self, card: &Verified<Card>) -> Result<bool> {
        let kinds = [CardKind::Issuer, CardKind::Service];
        expect(card, &kinds, "an issuer or a service")?;
        let root = card.thumbprint();
        let stale = |root: &Root| Ok::<_, Error>(Card::verify(&root.card)?.serial < card.serial);
        let accepted = self.with_body(|body| {
            let accepted = body.roots.iter().find(|accepted| accepted.thumbprint == root);
            accepted.map(stale).transpose()
        })?;
        if accepted == Some(true) {
            self.change(|body, _| renew(&mut body.roots, card))?;
        }
        if self
            .kept_card(&root)?
            .is_some_and(|kept| kept.serial >= card.serial)
        {
            return Ok(false);
        }
        self.write(|db| {
            records::put_card(
                db,
                &self.path,
                &root,
                card.kind as u8,
                card.serial,
                card.as_bytes(),
            )
        })
    }

    /// The newest known card of an issuer, accepted or not.
    pub fn issuer_card(&self, root: &Thumbprint) -> Result<Option<Verified<Card>>> {
        let kept = self.kept_card(root)?.filter(|card| card.kind == CardKind::Issuer);
        let accepted = self.with_body(|body| {
            let accepted = body.roots.iter().find(|accepted| accepted.thumbprint == *root);
            Ok(accepted
                .map(|accepted| Card::verify(&accepted.card))
                .transpose()?)
        })?;
        Ok(kept.into_iter().chain(accepted).max_by_key(|card| card.serial))
    }

    /// The newest known card of a service.
    pub fn service_card(&self, root: &Thumbprint) -> Result<Option<Verified<Card>>> {
        Ok(self
            .kept_card(root)?
            .filter(|card| card.kind == CardKind::Service))
    }

    /// All known cards of issuers or of services.
    pub fn cards(&self, kind: CardKind) -> Result<Vec<Verified<Card>>> {
        let cards = records::cards(&self.db, &self.path, kind as u8)?;
        cards.iter().map(|bytes| self.verified(bytes)).collect()
    }

    /// The receipt by which a service certified this computer.
    pub fn certificate(&self, service: &Thumbprint) -> Result<Option<Vec<u8>>> {
        self.with_body(|body| {
            let certificate = body
                .service(service)
                .and_then(|service| service.certificate.as_ref());
            Ok(certificate.map(|bytes| bytes.to_vec()))
        })
    }

    /// Keeps that receipt; durable.
    pub fn put_certificate(&self, service: &Thumbprint, receipt: &[u8]) -> Result<()> {
        self.change(|body, _| {
            body.service_mut(service).certificate = Some(receipt.to_vec().into());
            Ok(())
        })
    }

    /// Records that the person agreed to have this computer certified by a service; durable.
    pub fn record_consent(&self, service: &Thumbprint, now: u64) -> Result<()> {
        self.change(|body, _| {
            body.service_mut(service).consent = Some(now);
            Ok(())
        })
    }

    /// When the person agreed (Unix seconds).
    pub fn consent(&self, service: &Thumbprint) -> Result<Option<u64>> {
        self.with_body(|body| Ok(body.service(service).and_then(|service| service.consent)))
    }

    /// The last receipt of a service.
    pub fn last_receipt(&self, service: &Thumbprint) -> Result<Option<LastReceipt>> {
        self.with_body(|body| {
            let service = body.service(service);
            let last = service.and_then(|service| Some((service.last_request?, service.last_time?)));
            Ok(last.map(|(request, time)| LastReceipt {
                request: *request,
                time,
            }))
        })
    }

    /// Keeps the last receipt of a service; durable.
    pub fn put_last_receipt(&self, service: &Thumbprint, last: &LastReceipt) -> Result<()> {
        self.change(|body, _| {
            let service = body.service_mut(service);
            service.last_request = Some(last.request.into());
            service.last_time = Some(last.time);
            Ok(())
        })
    }

    /// Keeps the return key of a backup, before the backup gets its name; durable when this returns. Beside it
    /// the sixteen newest are kept.
    pub fn add_return_key(&self, backup: [u8; 16], key: &Secret32) -> Result<()> {
        self.change(|body, _| {
            body.add_return_key(backup, key);
            Ok(())
        })
    }

    /// Takes back the return key of a backup that failed or was canceled; durable.
    pub fn take_back_return_key(&self, backup: &[u8; 16]) -> Result<()> {
        self.change(|body, _| {
            body.remove_return_key(backup);
            Ok(())
        })
    }

    /// The return key of a backup, unless it was forgotten.
    pub fn return_key(&self, backup: &[u8; 16]) -> Result<Option<Secret32>> {
        self.with_body(|body| Ok(body.return_key(backup)))
    }

    /// Forgets all return keys and bars what was ever taken; durable.
    pub fn forget_return_keys(&self) -> Result<()> {
        self.change(|body, marks| {
            body.forget_return_keys(marks);
            Ok(())
        })
    }

    fn kept_card(&self, root: &Thumbprint) -> Result<Option<Verified<Card>>> {
        let kept = records::card(&self.db, &self.path, root)?;
        let kept = kept.map(|bytes| self.verified(&bytes)).transpose()?;
        Ok(kept.filter(|card| card.thumbprint() == *root))
    }

    fn verified(&self, bytes: &[u8]) -> Result<Verified<Card>> {
        let altered = |_| {
            Error::damaged(
                &self.path,
                "a card in it was altered; delete it and restore a backup",
            )
        };
        Card::verify(bytes).map_err(altered)
    }
}

/// Gives an accepted root a newer card of its own.
fn renew(roots: &mut [Root], card: &Verified<Card>) -> Result<()> {
    for root in roots
        .iter_mut()
        .filter(|root| root.thumbprint == card.thumbprint())
    {
        if Card::verify(&root.card)?.serial < card.serial {
            root.card = card.as_bytes().to_vec().into();
        }
    }
    Ok(())
}

fn expect(card: &Verified<Card>, kinds: &[CardKind], expected: &'static str) -> Result<()> {
    if kinds.contains(&card.kind) {
        return Ok(());
    }
    let name = card.name.shown();
    Err(Error::WrongCard { name, expected })
}
