//! The service's certificate: PEM files in, a configuration for https out; and again when the files have changed, so that
//! a certificate is renewed while the service runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto};
use tokio_rustls::server::TlsStream;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// How often newcomers have the files looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A certificate with its key, ready to serve with: TLS 1.2 and 1.3. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Pair>);

/// The files, and what they held when they were sound.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
    metrics: OnceLock<Arc<Metrics>>,
}

struct State {
    served: Served,
    stamps: [Stamp; 2],
    looked: Instant,
}

/// What newcomers are served with.
struct Served {
    acceptor: TlsAcceptor,
    chain: Vec<CertificateDer<'static>>,
    validity: Option<(u64, u64)>,
}

/// What tells that a file has changed: length and time; none where it can't be read.
type Stamp = Option<(u64, SystemTime)>;

impl Tls {
    /// Reads a certificate chain, the service's own first, and its private key (PKCS #8, PKCS #1 or SEC 1), both PEM.
    /// When the files change, connections that come later are served with what is in them then, if it is sound.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self> {
        let stamps = [stamp(certificate), stamp(key)];
        Ok(Self(Arc::new(Pair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            state: Mutex::new(State {
                served: read(certificate, key)?,
                stamps,
                looked: Instant::now(),
            }),
            metrics: OnceLock::new(),
        })))
    }

    /// Reads the files now, whether they changed or not, and serves newcomers with what is in them; says whether that is
    /// another certificate. An error leaves what was.
    pub fn renew(&self) -> Result<bool> {
        let mut state = self.0.state();
        (state.stamps, state.looked) = (self.0.stamps(), Instant::now());
        self.0.take_up(&mut state)
    }

    /// What is served with now is valid from and until then (Unix seconds); `None` if the certificate doesn't say so in
    /// a way that is understood here.
    pub fn validity(&self) -> Option<(u64, u64)> {
        self.0.state().served.validity
    }

    /// Counts there from now on.
    pub(super) fn measured(&self, metrics: &Arc<Metrics>) {
        let state = self.0.state();
        metrics.certificate(state.served.until());
        // Who serves with one certificate at two services counts at the first.
        let _ = self.0.metrics.set(Arc::clone(metrics));
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = self.0.newest();
        acceptor.accept(stream).await
    }
}

impl Served {
    fn until(&self) -> Option<u64> {
        self.validity.map(|(_, until)| until)
    }
}

impl Pair {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What newcomers are served with. Files that can't be served with leave what was.
    fn newest(&self) -> TlsAcceptor {
        let mut state = self.state();
        if state.looked.elapsed() < LOOK {
            return state.served.acceptor.clone();
        }
        state.looked = Instant::now();
        let stamps = self.stamps();
        if stamps != state.stamps {
            state.stamps = stamps;
            // What it says of itself stands in the log.
            let _ = self.take_up(&mut state);
        }
        state.served.acceptor.clone()
    }

    fn stamps(&self) -> [Stamp; 2] {
        [stamp(&self.certificate), stamp(&self.key)]
    }

    /// Serves with what is in the files, if that can be; says whether it is another certificate.
    fn take_up(&self, state: &mut State) -> Result<bool> {
        let metrics = self.metrics.get();
        let served = read(&self.certificate, &self.key).inspect_err(|error| {
            tracing::error!("the certificate stays as it was: {error}");
            metrics.inspect(|metrics| metrics.not_renewed());
        })?;
        let renewed = served.chain != state.served.chain;
        state.served = served;
        if renewed {
            tracing::info!("the certificate was renewed");
            metrics.inspect(|metrics| metrics.renewed());
            metrics.inspect(|metrics| metrics.certificate(state.served.until()));
        }
        Ok(renewed)
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

fn read(certificate: &Path, key: &Path) -> Result<Served> {
    let wrong = |path: &Path, why: String| Error::Tls {
        path: path.to_owned(),
        why,
    };
    let text = fs::read(certificate).map_err(Error::file("read", certificate))?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(certificate, format!("not a certificate in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "there is no certificate in it".into()));
    }
    let validity = chain.first().and_then(validity);
    let text = Zeroizing::new(fs::read(key).map_err(Error::file("read", key))?);
    let secret = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| wrong(key, format!("not a private key in PEM: {error}")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain.clone(), secret));
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => wrong(
            key,
            format!(
                "it is not the key of the certificate in {}",
                certificate.display()
            ),
        ),
        rustls::Error::InvalidCertificate(_) => wrong(certificate, error.to_string()),
        error => wrong(key, error.to_string()),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Served {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        chain,
        validity,
    })
}

fn validity(certificate: &CertificateDer<'_>) -> Option<(u64, u64)> {
    let validity = Certificate::from_der(certificate).ok()?.tbs_certificate.validity;
    let [from, until] =
        [validity.not_before, validity.not_after].map(|time| time.to_unix_duration().as_secs());
    Some((from, until))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}
