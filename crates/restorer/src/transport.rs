//! How requests reach a service. The restorer sees only this trait; HTTP stands in [`crate::HttpTransport`], and tests
//! and programs with other ways bring their own.

/// Carries bytes to a service and its answer back.
pub trait Transport: Send + Sync {
    /// The service's newest card, signed, as it stands below its base address. Nothing about this computer is sent.
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError>;
    /// Sends one request; the same bytes may be sent again.
    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError>;
    /// Posts an issuer's signed revocation list; the same bytes may be posted again. A way that serves computers alone
    /// needn't carry lists.
    fn post_list(&self, base: &str, _list: &[u8]) -> Result<Vec<u8>, TransportError> {
        Err(TransportError::BadAddress {
            url: base.into(),
            why: "this way carries no revocation lists",
        })
    }
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nobody answers there, or the connection broke.
    #[error("{url} can't be reached: {why}")]
    Unreachable {
        /// Which address.
        url: String,
        /// What the network said.
        why: String,
    },
    /// The certificate of the address proves nothing: no request was sent there.
    #[error("{url} is not trusted: {problem}")]
    Untrusted {
        /// Which address.
        url: String,
        /// What is wrong with its certificate.
        problem: CertificateProblem,
    },
    /// Who answers there asks to come back later, and doesn't say so as a service: a proxy, or a server that is full.
    #[error("{url} asks to come back later")]
    Busy {
        /// Which address.
        url: String,
        /// After so many seconds, if it says.
        retry_after: Option<u32>,
    },
    /// Something answered that is not a license management service.
    #[error("{url} did not answer as a license management service: {why}")]
    NotAService {
        /// Which address.
        url: String,
        /// What came back.
        why: String,
    },
    /// The address is not one that may be contacted.
    #[error("{url:?} is not an address to send anything to: {why}")]
    BadAddress {
        /// Which address.
        url: String,
        /// Which rule it breaks.
        why: &'static str,
    },
}

/// What is wrong with a certificate of https, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// Neither a public root nor one that was added has issued it.
    #[error(
        "nobody who is known here issued its certificate; if whoever runs it has an own root certificate, add that with \
         --ca FILE"
    )]
    UnknownIssuer,
    /// It is the certificate of others.
    #[error(
        "its certificate is not for {host}, only for {}; whoever runs it has to give it one for this name, or another \
         address",
        listed(names)
    )]
    WrongHost {
        /// Who was called.
        host: String,
        /// Whom it is for, as it says.
        names: Vec<String>,
    },
    /// Its time is over, by this computer's clock.
    #[error(
        "its certificate has expired; whoever runs it has to renew it, unless this computer's clock is wrong"
    )]
    Expired,
    /// Its time has not come, by this computer's clock.
    #[error("its certificate is not valid yet; look whether this computer's clock is right")]
    NotYetValid,
    /// Something else.
    #[error("its certificate can't be used ({0}); whoever runs it has to give it another")]
    Unusable(String),
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names
        .iter()
        .take(4)
        .map(|name| keyferry_license::printable(name))
        .collect();
    match names.as_slice() {
        [] => "nobody".into(),
        names => names.join(", "),
    }
}
