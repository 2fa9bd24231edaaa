//! What every request passes on its way in and out: it gets a number, its address' pace is looked at, and it is counted.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use keyferry_protocol::{Answer, Posted, ProblemCode};
use tracing::Instrument;

use super::place::Place;
use super::{client, routes};
use crate::limits::{Limits, Neighborhood};
use crate::metrics::{Metrics, Rejected};
use crate::pace::Pace;

tokio::task_local! {
    /// The place of the connection that the request came over, and for whom it came.
    static GUEST: (Arc<Place>, Neighborhood);
}

/// From here on the request is being judged, and its connection is not cut. For whom it came.
pub(super) fn works() -> Neighborhood {
    let works = GUEST.try_with(|(place, who)| {
        place.works();
        *who
    });
    works.unwrap_or_else(|_| IpAddr::from([0; 4]).into())
}

/// The way in.
pub(super) struct Gate {
    router: Router,
    limits: Limits,
    pace: Pace<Neighborhood>,
    metrics: Arc<Metrics>,
}

impl Gate {
    pub(super) fn new(router: Router, limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            router,
            pace: Pace::new(limits.address_requests, 10),
            limits,
            metrics,
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// To be called now and then.
    pub(super) fn forget(&self) {
        self.pace.forget();
    }

    /// Answers a request that came over this place's connection.
    pub(super) async fn pass(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        place: Arc<Place>,
    ) -> Result<Response, Infallible> {
        let began = Instant::now();
        let route = route(request.uri().path());
        // At the highest level, so that errors too say in which request they came about.
        let span = tracing::error_span!("request", id = %number(), route);
        let address = client::of(peer, request.headers(), &self.limits.trusted_proxies);
        let allowed = match self.limits.spares(address) {
            true => Ok(()),
            false => self.pace.take(&address.into(), 1),
        };
        let response = match allowed {
            Ok(()) => {
                let answered = TowerToHyperService::new(self.router.clone()).call(request);
                let answered = answered.instrument(span.clone());
                GUEST
                    .scope((Arc::clone(&place), address.into()), answered)
                    .await?
            }
            Err(wait) => {
                self.metrics.rejected(Rejected::AddressRequests);
                too_many(route, wait)
            }
        };
        let (status, time) = (response.status().as_u16(), began.elapsed());
        self.metrics.http(route, status, time);
        span.in_scope(|| tracing::debug!(status, micros = time.as_micros() as u64, "answered"));
        place.answers(response.body().size_hint().lower());
        Ok(response)
    }
}

/// A number that stands in each line of the log about a request. It is random, and says nothing about it.
fn number() -> String {
    let number: [u8; 8] = keyferry_license::random().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(number))
}

/// The word for an address in metrics and logs.
fn route(path: &str) -> &'static str {
    match path {
        "/v1/messages" => "messages",
        "/v1/revocations" => "revocations",
        "/authorize" => "authorize",
        "/card" => "card",
        "/" => "start",
        "/healthz" => "healthz",
        "/readyz" => "readyz",
        "/metrics" => "metrics",
        _ if path.starts_with("/refusals/") => "refusals",
        _ => "other",
    }
}

/// In the form that each address answers in.
fn too_many(route: &str, wait: u32) -> Response {
    let (status, why) = (
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests from this address",
    );
    let response = match route {
        "messages" => {
            let answer = Answer::problem(ProblemCode::Busy, why, Some(wait));
            routes::bytes(
                status,
                keyferry_protocol::ANSWER_TYPE,
                Some(wait),
                answer.encode(),
            )
        }
        "revocations" => {
            let posted = Posted::busy(why, wait);
            routes::bytes(
                status,
                keyferry_protocol::POSTED_TYPE,
                Some(wait),
                posted.encode(),
            )
        }
        _ => routes::later(routes::text(status, format!("{why}\n")), wait),
    };
    routes::closing(response)
}
