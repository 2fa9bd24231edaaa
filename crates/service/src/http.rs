//! HTTP in front of the service (docs/protocol.md section 7): the only place that is async. Bodies, headers,
//! connections and the time that any of them may take are bounded; the work itself runs on blocking threads.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::service::Service;

mod body;
mod lists;
mod routes;
mod tls;
mod upload;

pub use tls::Tls;

/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// Headers must be there within this time, the next ones too: longer than clients keep a connection that rests.
const HEADER_TIME: Duration = Duration::from_secs(16);
/// A TLS handshake is finished within this time.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bytes of one connection's headers.
const HEADER_BYTES: usize = 16 * 1024;
/// What runs when the server is told to stop may take this long.
const GRACE: Duration = Duration::from_secs(30);

/// Tells a running server to stop; clones speak of the same server.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Shutdown {
    /// Stop: no new connections, what was begun is finished. May be called from any thread, more than once.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// Serves until `shutdown` is requested, and returns when what was begun is finished. Blocks.
///
/// The listener is bound by the caller, so that the address is known before the service's card is written.
pub fn serve(listener: TcpListener, service: Arc<Service>, shutdown: &Shutdown) -> Result<()> {
    run(listener, service, None, shutdown)
}

/// The same by https.
pub fn serve_tls(listener: TcpListener, service: Arc<Service>, tls: Tls, shutdown: &Shutdown) -> Result<()> {
    run(listener, service, Some(tls), shutdown)
}

fn run(listener: TcpListener, service: Arc<Service>, tls: Option<Tls>, shutdown: &Shutdown) -> Result<()> {
    let failed = |action| move |source| Error::Network { action, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(failed("start the server"))?;
    let stop = shutdown.0.subscribe();
    runtime.block_on(async {
        listener.set_nonblocking(true).map_err(failed("listen"))?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed("listen"))?;
        accept(listener, tls, router(service), stop).await;
        Ok(())
    })
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(routes::start))
        .route("/card", get(routes::card))
        .route("/healthz", get(routes::health))
        .route("/readyz", get(routes::ready))
        .route("/refusals/{page}", get(routes::refusal))
        .route("/authorize", get(upload::form).post(upload::authorize))
        .route("/v1/messages", post(routes::message))
        .route("/v1/revocations", post(lists::post))
        .fallback(routes::not_found)
        .with_state(routes::Desk::new(service))
}

async fn accept(
    listener: tokio::net::TcpListener,
    tls: Option<Tls>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = stopped(&mut stop) => break,
            permit = Arc::clone(&room).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
                    connections.spawn(welcome(stream, tls, router, stop, permit));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others have to end first.
                    tracing::warn!("can't accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("connections were cut that did not end in time");
    }
}

/// A connection takes its place from the start, so that handshakes are bounded in number as well as in time.
async fn welcome(
    stream: TcpStream,
    tls: Option<Tls>,
    router: Router,
    mut stop: watch::Receiver<bool>,
    _: OwnedSemaphorePermit,
) {
    // Answers are written at once; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return converse(stream, router, stop).await;
    };
    let shaken = tokio::select! {
        () = stopped(&mut stop) => return,
        shaken = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => converse(stream, router, stop).await,
        Ok(Err(error)) => tracing::debug!("no TLS connection: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("connection ended: {error}");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could ask for it: then it runs on until the process ends.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}
