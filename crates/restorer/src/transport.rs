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
