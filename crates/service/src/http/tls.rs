//! The service's certificate: PEM files in, a configuration for https out.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto};
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A certificate with its key, ready to serve with: TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads a certificate chain, the service's own first, and its private key (PKCS #8, PKCS #1 or SEC 1), both PEM.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self> {
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
        let text = Zeroizing::new(fs::read(key).map_err(Error::file("read", key))?);
        let secret = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| wrong(key, format!("not a private key in PEM: {error}")))?;
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(chain, secret));
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
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}
