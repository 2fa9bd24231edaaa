//! Root certificates of https that a person or an application brings: they are added to the public ones. They say whom
//! this computer talks with; what is answered is proved by the service's own signature, under no certificate.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Certificates that may have issued a service's, or that are a service's own.
#[derive(Debug, Clone, Default)]
pub struct Roots(Vec<CertificateDer<'static>>);

/// Why a text can't be used as root certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRoots {
    /// It is not PEM (RFC 7468), or a block of it is broken.
    #[error("it is not PEM: {0}")]
    NotPem(String),
    /// There is no block `CERTIFICATE` in it.
    #[error("there is no certificate in it")]
    Empty,
    /// A block does not hold an X.509 certificate (RFC 5280).
    #[error("certificate {number} in it can't be used: {why}")]
    NotACertificate {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
}

impl Roots {
    /// The certificates of a PEM file, one or many. Blocks of other kinds, such as a key, are passed over. Each
    /// certificate has to be whole: none is left out silently.
    pub fn from_pem(text: &[u8]) -> Result<Self, NotRoots> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(text)
            .collect::<Result<_, _>>()
            .map_err(|error| NotRoots::NotPem(error.to_string()))?;
        if certificates.is_empty() {
            return Err(NotRoots::Empty);
        }
        for (at, certificate) in certificates.iter().enumerate() {
            let usable = RootCertStore::empty().add(certificate.clone());
            usable.map_err(|error| NotRoots::NotACertificate {
                number: at + 1,
                why: error.to_string(),
            })?;
        }
        Ok(Self(certificates))
    }

    /// These and those.
    pub fn and(mut self, more: Roots) -> Self {
        self.0.extend(more.0);
        self
    }

    /// None was added?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each in DER.
    pub(crate) fn der(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|certificate| certificate.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_root_is_named() {
        assert_eq!(Roots::from_pem(b"").unwrap_err(), NotRoots::Empty);
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(Roots::from_pem(key).unwrap_err(), NotRoots::Empty);
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(Roots::from_pem(cut), Err(NotRoots::NotPem(_))));
        let other = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            Roots::from_pem(other),
            Err(NotRoots::NotACertificate { number: 1, .. })
        ));
    }
}
