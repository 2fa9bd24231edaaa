//! The HTTP client, the only place that speaks HTTP on the computer's side: https anywhere, plain http on loopback
//! only, no redirects, bounded answers.

use std::time::Duration;

use keyferry_protocol::{
    ANSWER_TYPE, MESSAGE_LIMIT, MESSAGES_PATH, POSTED_LIMIT, POSTED_TYPE, REQUEST_TYPE, REVOCATIONS_PATH,
    REVOCATIONS_TYPE,
};
use rustls::CertificateError;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::roots::Roots;
use crate::transport::{CertificateProblem, Transport, TransportError};

/// A card in armor is at most this many bytes long.
const CARD_LIMIT: u64 = 128 * 1024;

/// Speaks HTTP with services; https is checked against the public roots.
#[derive(Debug, Clone)]
pub struct HttpTransport(Agent);

impl Default for HttpTransport {
    fn default() -> Self {
        Self::with_roots(&Roots::default())
    }
}

impl HttpTransport {
    /// With these root certificates beside the public ones (those of Mozilla, as they were when this was built).
    pub fn with_roots(added: &Roots) -> Self {
        let roots = if added.is_empty() {
            RootCerts::WebPki
        } else {
            let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS
                .iter()
                .map(|root| root.as_ref());
            public
                .chain(added.der())
                .map(|root| Certificate::from_der(root).to_owned())
                .into()
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(120)))
            .timeout_send_body(Some(Duration::from_secs(120)))
            .timeout_recv_body(Some(Duration::from_secs(120)))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("keyferry/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(Agent::new_with_config(config))
    }
}

impl Transport for HttpTransport {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        let url = below(base, "card")?;
        let response = self.0.get(&url).call().map_err(|e| unreachable(&url, &e))?;
        if !response.status().is_success() {
            if let Some(busy) = busy(&url, &response) {
                return Err(busy);
            }
            return Err(not_a_service(&url, format!("it answered {}", response.status())));
        }
        read(response, &url, CARD_LIMIT)
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        let url = below(base, MESSAGES_PATH)?;
        self.post(&url, REQUEST_TYPE, request, ANSWER_TYPE, MESSAGE_LIMIT)
    }

    fn post_list(&self, base: &str, list: &[u8]) -> Result<Vec<u8>, TransportError> {
        let url = below(base, REVOCATIONS_PATH)?;
        self.post(&url, REVOCATIONS_TYPE, list, POSTED_TYPE, POSTED_LIMIT)
    }
}

impl HttpTransport {
    /// Posts a body of one type and reads the answer, which is of another with every status.
    fn post(
        &self,
        url: &str,
        sent: &str,
        body: &[u8],
        wanted: &str,
        limit: usize,
    ) -> Result<Vec<u8>, TransportError> {
        let response = self
            .0
            .post(url)
            .content_type(sent)
            .send(body)
            .map_err(|e| unreachable(url, &e))?;
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        if kind != wanted {
            if let Some(busy) = busy(url, &response) {
                return Err(busy);
            }
            return Err(not_a_service(
                url,
                format!("it answered {} of type {kind:?}", response.status()),
            ));
        }
        read(response, url, limit as u64)
    }
}

/// An address below a base address that may be contacted.
fn below(base: &str, path: &str) -> Result<String, TransportError> {
    check_address(base)?;
    Ok(format!("{}/{path}", base.trim_end_matches('/')))
}

/// https anywhere, http on loopback only; no user name in it.
pub(crate) fn check_address(url: &str) -> Result<Uri, TransportError> {
    let bad = |why| TransportError::BadAddress {
        url: keyferry_license::printable(url),
        why,
    };
    let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
    let host = uri.host().ok_or_else(|| bad("it names no host"))?;
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(bad("it carries a user name"));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_loopback(host) => Ok(uri),
        Some("http") => Err(bad("plain http is for services on this computer only")),
        _ => Err(bad("it is neither https nor http")),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A page of a refusal may be shown and opened if it has the origin of one of the service's addresses.
pub(crate) fn same_origin(page: &str, bases: impl Iterator<Item = impl AsRef<str>>) -> bool {
    let origin = |url: &str| {
        let uri = check_address(url).ok()?;
        Some((
            uri.scheme_str()?.to_owned(),
            uri.authority()?.as_str().to_ascii_lowercase(),
        ))
    };
    let page = origin(page);
    page.is_some() && bases.map(|base| origin(base.as_ref())).any(|base| base == page)
}

fn read(mut response: Response<Body>, url: &str, limit: u64) -> Result<Vec<u8>, TransportError> {
    let body = response.body_mut().with_config().limit(limit).read_to_vec();
    body.map_err(|e| TransportError::Unreachable {
        url: url.into(),
        why: e.to_string(),
    })
}

fn unreachable(url: &str, error: &ureq::Error) -> TransportError {
    if let Some(problem) = certificate_problem(url, error) {
        return TransportError::Untrusted {
            url: url.into(),
            problem,
        };
    }
    TransportError::Unreachable {
        url: url.into(),
        why: error.to_string(),
    }
}

/// What is wrong with the other side's certificate, if that is what ended the call.
fn certificate_problem(url: &str, error: &ureq::Error) -> Option<CertificateProblem> {
    let tls = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref()?,
        _ => return None,
    };
    let rustls::Error::InvalidCertificate(error) = tls else {
        return None;
    };
    let host = || {
        url.parse::<Uri>()
            .ok()
            .and_then(|uri| uri.host().map(str::to_owned))
            .unwrap_or_default()
    };
    Some(match error {
        // A root of the same name with another key is another root.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateProblem::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateProblem::NotYetValid
        }
        CertificateError::NotValidForNameContext { presented, .. } => CertificateProblem::WrongHost {
            host: host(),
            names: presented.iter().map(|name| bare(name).to_owned()).collect(),
        },
        CertificateError::NotValidForName => CertificateProblem::WrongHost {
            host: host(),
            names: Vec::new(),
        },
        other => CertificateProblem::Unusable(keyferry_license::printable(&other.to_string())),
    })
}

/// A name as people write it; rustls says `DnsName("example.org")` and `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.map_or(name, |inner| inner.trim_matches('"'))
}

/// 429 and 503 of whoever isn't a service, or can't speak as one at that moment.
fn busy(url: &str, response: &Response<Body>) -> Option<TransportError> {
    let later = matches!(response.status().as_u16(), 429 | 503);
    let named = response.headers().get("retry-after");
    let retry_after = named.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    later.then(|| TransportError::Busy {
        url: url.into(),
        retry_after,
    })
}

fn not_a_service(url: &str, why: String) -> TransportError {
    TransportError::NotAService {
        url: url.into(),
        why: keyferry_license::printable(&why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_loopback_are_contacted() {
        for good in [
            "https://example.org/a",
            "http://127.0.0.1:80",
            "http://[::1]:8080/x",
            "http://localhost:1/",
        ] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        let bad = [
            "http://example.org",
            "ftp://example.org",
            "example.org",
            "https://me@example.org",
            "http://0.0.0.0",
            "file:///etc/passwd",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "",
        ];
        for bad in bad {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_must_have_the_origin_of_its_service() {
        let bases = ["http://127.0.0.1:4000/base"];
        assert!(same_origin("http://127.0.0.1:4000/refusals/ab", bases.iter()));
        assert!(!same_origin("http://127.0.0.1:4001/refusals/ab", bases.iter()));
        assert!(!same_origin("https://127.0.0.1:4000/refusals/ab", bases.iter()));
        assert!(!same_origin("javascript:alert(1)", bases.iter()));
    }
}
