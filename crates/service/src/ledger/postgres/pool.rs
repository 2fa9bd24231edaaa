//! Connections to PostgreSQL: how they are made, kept and given up, and what is tried again.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use backon::{BlockingRetryable, ExponentialBuilder};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, RecyclingMethod, Runtime};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::statements;
use crate::error::{Error, Result};
use crate::ledger::url::PostgresUrl;

/// Connections of one process.
const CONNECTIONS: usize = 16;
/// How long a connection is waited for, made, or checked.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long one try may take.
const TRY_TIME: Duration = Duration::from_secs(15);
/// A server that no longer answers is noticed after this time.
const SILENCE: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Pool {
    /// Taken when the pool is dropped.
    runtime: Option<tokio::runtime::Runtime>,
    pool: deadpool_postgres::Pool,
}

impl Pool {
    pub(super) fn new(url: &PostgresUrl, password: Option<&Zeroizing<String>>) -> Result<Self> {
        let mut config = url.config()?;
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.tcp_user_timeout(SILENCE);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIME);
        }
        if config.get_application_name().is_none() {
            config.application_name("keyferry");
        }
        if let Some(password) = password {
            config.password(password.as_str());
        }
        let manager = Manager::from_config(
            config,
            MakeRustlsConnect::new(tls(url)?),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let prepare = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move {
                let prepared = client.batch_execute(statements::CONNECTION).await;
                prepared.map_err(HookError::Backend)
            })
        });
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIME))
            .create_timeout(Some(CONNECT_TIME))
            .recycle_timeout(Some(CONNECT_TIME))
            .post_create(prepare)
            .build()
            .map_err(|error| failed("be opened", error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ledger")
            .enable_all()
            .build()
            .map_err(|error| failed("start its driver", error.to_string()))?;
        Ok(Self {
            runtime: Some(runtime),
            pool,
        })
    }

    /// Runs work on a connection; what may pass is tried again, from the start.
    pub(super) fn run<T>(
        &self,
        action: &'static str,
        work: impl AsyncFn(&mut Object) -> Result<T, Failure>,
    ) -> Result<T> {
        let patience = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_factor(2.0)
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(6)
            .with_jitter();
        let again = |failure: &Failure, _| {
            tracing::warn!("the ledger can't {action}, trying again: {}", failure.told());
        };
        let attempt = || self.attempt(&work);
        let done = attempt
            .retry(patience)
            .when(Failure::may_pass)
            .notify(again)
            .call();
        done.map_err(|failure| failure.named(action))
    }

    fn attempt<T>(&self, work: &impl AsyncFn(&mut Object) -> Result<T, Failure>) -> Result<T, Failure> {
        let Some(runtime) = &self.runtime else {
            return Err(Failure::TooSlow);
        };
        runtime.block_on(async {
            let mut client = self.pool.get().await?;
            let done = tokio::time::timeout(TRY_TIME, work(&mut client)).await;
            let done = done.unwrap_or(Err(Failure::TooSlow));
            if done.as_ref().is_err_and(Failure::spoils) {
                // Nobody knows what state it is in, or on which server: the next try gets another.
                drop(Object::take(client));
            }
            done
        })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.pool.close();
        // The last owner may be a task of another runtime, where waiting is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn tls(url: &PostgresUrl) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &url.roots {
        None => {
            roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
        }
        Some(path) => {
            let wrong = |why: String| Error::Tls {
                path: path.clone(),
                why,
            };
            let text = fs::read(path).map_err(Error::file("read", path))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate =
                    certificate.map_err(|error| wrong(format!("not a certificate in PEM: {error}")))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("there is no certificate in it".into()));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("be opened", error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn failed(action: &'static str, why: String) -> Error {
    Error::Ledger { action, why }
}
