//! HTTP in front of the service (docs/protocol.md section 7): the only place that is async. Bodies, headers,
//! connections and the time that any of them may take are bounded; the work itself runs on blocking threads.

use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use socket2::SockRef;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::limits::{Limits, Neighborhood};
use crate::metrics::{Metrics, Rejected};
use crate::pace::Pace;
use crate::service::Service;

mod body;
mod client;
mod connection;
mod desk;
mod gate;
mod lists;
mod place;
mod routes;
mod tls;
mod turns;
mod upload;

use connection::{NO_PLACE, welcome};
use desk::Desk;
use gate::Gate;
use place::{House, Seat};
pub use tls::Tls;

/// What runs when the server is told to stop may take this long.
const GRACE: Duration = Duration::from_secs(30);
/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 4096;
/// Bytes of a connection's answers that the system keeps beside those that are on their way.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 * 1024;
/// Whoever doesn't take their answers is looked for so often.
const SWEEP: Duration = Duration::from_secs(1);
/// Paces of those who don't ask any more are forgotten after so many sweeps.
const FORGET: u32 = 60;
/// So many times as many connections of one address may begin as it may send requests.
const ARRIVALS: u32 = 4;
/// How long newcomers wait for those who are on their way out.
const LEAVE: Duration = Duration::from_millis(1);
/// Connections of those who read the metrics.
const METRICS_CONNECTIONS: usize = 64;

/// Where a server listens, and what it allows.
#[derive(Debug)]
pub struct Front {
    /// For computers and people.
    pub listener: TcpListener,
    /// With it they are served https, without it plain http.
    pub tls: Option<Tls>,
    /// For `/metrics`, which stands nowhere else, by plain http.
    pub metrics: Option<TcpListener>,
    /// What one of them, and all of them, may take.
    pub limits: Limits,
}

impl Front {
    /// Plain http, the usual limits, no metrics.
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            tls: None,
            metrics: None,
            limits: Limits::default(),
        }
    }
}

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
    serve_front(Front::new(listener), service, shutdown)
}

/// The same by https.
pub fn serve_tls(listener: TcpListener, service: Arc<Service>, tls: Tls, shutdown: &Shutdown) -> Result<()> {
    let front = Front {
        tls: Some(tls),
        ..Front::new(listener)
    };
    serve_front(front, service, shutdown)
}

/// The same with everything that can be chosen.
pub fn serve_front(front: Front, service: Arc<Service>, shutdown: &Shutdown) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(network("start the server"))?;
    let stop = shutdown.0.subscribe();
    runtime.block_on(async {
        let listener = listen(front.listener)?;
        let metrics = front.metrics.map(listen).transpose()?;
        if let Some(tls) = &front.tls {
            tls.measured(service.metrics());
        }
        let desk = Desk::new(Arc::clone(&service));
        let main = Door::new(router(desk.clone()), front.limits, &service);
        let main = main.accept(listener, front.tls, stop.clone());
        let Some(metrics) = metrics else {
            main.await;
            return Ok(());
        };
        let limits = Limits {
            connections: METRICS_CONNECTIONS,
            ..Limits::default()
        };
        let beside = Door::new(metrics_router(desk), limits, &service);
        tokio::join!(main, beside.accept(metrics, None, stop));
        Ok(())
    })
}

fn network(action: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Network { action, source }
}

fn listen(listener: TcpListener) -> Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true).map_err(network("listen"))?;
    // Many at once must not fill the system's queue: whoever isn't in it tries again a second later.
    SockRef::from(&listener)
        .listen(BACKLOG)
        .map_err(network("listen"))?;
    // Connections have it from their listener. Without it answers that nobody takes fill megabytes of the system's memory.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    SockRef::from(&listener)
        .set_tcp_notsent_lowat(UNSENT)
        .map_err(network("listen"))?;
    tokio::net::TcpListener::from_std(listener).map_err(network("listen"))
}

fn router(desk: Desk) -> Router {
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
        .with_state(desk)
}

fn metrics_router(desk: Desk) -> Router {
    Router::new()
        .route("/metrics", get(routes::metrics))
        .route("/healthz", get(routes::health))
        .route("/readyz", get(routes::ready))
        .fallback(routes::not_found)
        .with_state(desk)
}

/// A listener's places and the way in.
struct Door {
    limits: Limits,
    /// How fast newcomers of one address may come: a handshake is work before anything is asked.
    arrivals: Pace<Neighborhood>,
    metrics: Arc<Metrics>,
    house: Arc<House>,
    gate: Arc<Gate>,
    service: Arc<Service>,
}

impl Door {
    fn new(router: Router, limits: Limits, service: &Arc<Service>) -> Self {
        let metrics = service.metrics();
        Self {
            arrivals: Pace::new(limits.address_requests.saturating_mul(ARRIVALS), 10),
            metrics: Arc::clone(metrics),
            limits: limits.clone(),
            house: Arc::new(House::new(limits.clone(), Arc::clone(metrics))),
            gate: Arc::new(Gate::new(router, limits, Arc::clone(metrics))),
            service: Arc::clone(service),
        }
    }

    /// A place for somebody new, unless too many come from there.
    fn admit(&self, address: IpAddr) -> Option<Seat> {
        if !self.limits.spares(address) && self.arrivals.take(&address.into(), 1).is_err() {
            self.metrics.rejected(Rejected::AddressConnections);
            return None;
        }
        self.house.admit(address)
    }

    async fn accept(
        &self,
        listener: tokio::net::TcpListener,
        tls: Option<Tls>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut connections = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP);
        let mut sweeps = 0;
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                _ = sweep.tick() => {
                    sweeps += 1;
                    self.house.sweep();
                    if sweeps % FORGET == 0 {
                        self.gate.forget();
                        self.arrivals.forget();
                        self.service.tidy();
                    }
                }
                () = tokio::time::sleep(LEAVE), if self.house.crowded() => {}
                accepted = listener.accept(), if !self.house.crowded() => match accepted {
                    Ok((stream, peer)) => match self.admit(peer.ip()) {
                        Some(seat) => {
                            let (tls, gate, stop) = (tls.clone(), Arc::clone(&self.gate), stop.clone());
                            connections.spawn(welcome(stream, peer.ip(), tls, gate, stop, seat));
                        }
                        // In plain text there is a word for it, which a new connection always has room for.
                        None if tls.is_none() => drop(stream.try_write(NO_PLACE)),
                        None => {}
                    },
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
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could ask for it: then it runs on until the process ends.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}
