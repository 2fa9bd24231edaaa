//! What is counted and measured of a running service, in Prometheus' text format (docs/operations.md, Metrics). Every
//! value of a label is a word of this program: names and IDs of whoever asks can't become one.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use keyferry_protocol::Entry;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Counts<const N: usize> = Family<Labels<N>, Counter>;
type Times = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// The media type of what [`Metrics::text`] gives.
pub(crate) const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which limit something was refused by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    Connections,
    AddressConnections,
    AddressRequests,
    ComputerRequests,
    ComputerLicenses,
    Size,
    Room,
    Turn,
}

/// Why the server ended a connection that its client would have kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Room,
    Handshake,
    SlowHeader,
    SlowBody,
    SlowAnswer,
}

/// All counters and histograms of one service.
pub(crate) struct Metrics {
    registry: Registry,
    http: Counts<2>,
    http_time: Times,
    requests: Counts<2>,
    request_time: Times,
    licenses: Counts<3>,
    ledger_time: Times,
    ledger_errors: Counts<1>,
    ledger_ready: Gauge,
    connections: Gauge,
    accepted: Counter,
    cut: Counts<1>,
    rejected: Counts<1>,
    /// Not there where nothing is served by https.
    certificate: Family<Labels<0>, Gauge>,
    renewals: Counter,
    renewal_errors: Counter,
}

/// From a tenth of a millisecond to 30 seconds.
fn histogram() -> Histogram {
    Histogram::new([
        0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let times = || Times::new_with_constructor(histogram);
        let mut metrics = Self {
            registry: Registry::with_prefix("keyferry"),
            http: Family::default(),
            http_time: times(),
            requests: Family::default(),
            request_time: times(),
            licenses: Family::default(),
            ledger_time: times(),
            ledger_errors: Family::default(),
            ledger_ready: Gauge::default(),
            connections: Gauge::default(),
            accepted: Counter::default(),
            cut: Family::default(),
            rejected: Family::default(),
            certificate: Family::default(),
            renewals: Counter::default(),
            renewal_errors: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let build: Family<Labels<1>, Gauge<u64, AtomicU64>> = Family::default();
        build
            .get_or_create(&[("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        registry.register("build_info", "The version that runs", build);
        let name = "http_requests";
        registry.register(name, "Requests by HTTP, by address and status", self.http.clone());
        let name = "http_request";
        let help = "Time from the head of a request to its answer";
        registry.register_with_unit(name, help, Unit::Seconds, self.http_time.clone());
        let help = "Requests of computers, by kind and by what came of them";
        registry.register("requests", help, self.requests.clone());
        let help = "Time that judging a request took, its body being there";
        registry.register_with_unit("request", help, Unit::Seconds, self.request_time.clone());
        let help = "Licenses in receipts, by kind of request, verdict and reason";
        registry.register("licenses", help, self.licenses.clone());
        let help = "Time of calls of the ledger";
        registry.register_with_unit("ledger_call", help, Unit::Seconds, self.ledger_time.clone());
        let help = "Calls of the ledger that failed";
        registry.register("ledger_errors", help, self.ledger_errors.clone());
        let help = "1 if the last call of the ledger worked";
        registry.register("ledger_ready", help, self.ledger_ready.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        let help = "Connections that were given a place";
        registry.register("connections_accepted", help, self.accepted.clone());
        let help = "Connections that the service ended, by cause";
        registry.register("connections_cut", help, self.cut.clone());
        let help = "What was refused by a limit, by limit";
        registry.register("rejected", help, self.rejected.clone());
        let name = "tls_certificate_not_after";
        let help = "Until when the certificate is valid, Unix time";
        registry.register_with_unit(name, help, Unit::Seconds, self.certificate.clone());
        let help = "Certificates that were taken up while serving";
        registry.register("tls_certificate_renewals", help, self.renewals.clone());
        let help = "Renewed certificates that could not be served with";
        registry.register("tls_certificate_errors", help, self.renewal_errors.clone());
    }

    /// Everything, as Prometheus reads it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string doesn't fail.
            Err(_) => String::new(),
        }
    }

    pub(crate) fn http(&self, route: &'static str, status: u16, time: Duration) {
        let labels = [("route", route), ("status", status_word(status))];
        self.http.get_or_create(&labels).inc();
        let labels = [("route", route)];
        self.http_time.get_or_create(&labels).observe(time.as_secs_f64());
    }

    pub(crate) fn request(&self, kind: &'static str, result: &'static str, time: Duration) {
        let labels = [("kind", kind), ("result", result)];
        self.requests.get_or_create(&labels).inc();
        let labels = [("kind", kind)];
        self.request_time
            .get_or_create(&labels)
            .observe(time.as_secs_f64());
    }

    pub(crate) fn judged(&self, kind: &'static str, entries: &[Entry]) {
        // A batch has few outcomes: one look-up for each run of equal ones.
        for run in entries.chunk_by(|a, b| a.verdict == b.verdict && a.reason == b.reason) {
            let Some(entry) = run.first() else { continue };
            let labels = [
                ("kind", kind),
                ("verdict", entry.verdict.word()),
                ("reason", entry.reason.map_or("", |reason| reason.word())),
            ];
            self.licenses.get_or_create(&labels).inc_by(run.len() as u64);
        }
    }

    pub(crate) fn ledger(&self, call: &'static str, time: Duration, worked: bool) {
        let labels = [("call", call)];
        self.ledger_time
            .get_or_create(&labels)
            .observe(time.as_secs_f64());
        self.ledger_ready.set(i64::from(worked));
        if !worked {
            self.ledger_errors.get_or_create(&labels).inc();
        }
    }

    /// Until when the certificate is valid that is served with from now on (Unix seconds), if it says so.
    pub(crate) fn certificate(&self, not_after: Option<u64>) {
        match not_after.and_then(|time| i64::try_from(time).ok()) {
            Some(time) => drop(self.certificate.get_or_create(&[]).set(time)),
            None => drop(self.certificate.remove(&[])),
        }
    }

    pub(crate) fn renewed(&self) {
        self.renewals.inc();
    }

    pub(crate) fn not_renewed(&self) {
        self.renewal_errors.inc();
    }

    pub(crate) fn opened(&self) {
        self.accepted.inc();
        self.connections.inc();
    }

    pub(crate) fn closed(&self) {
        self.connections.dec();
    }

    pub(crate) fn cut(&self, cut: Cut) {
        let cause = match cut {
            Cut::Room => "room",
            Cut::Handshake => "handshake",
            Cut::SlowHeader => "slow-header",
            Cut::SlowBody => "slow-body",
            Cut::SlowAnswer => "slow-answer",
        };
        self.cut.get_or_create(&[("cause", cause)]).inc();
    }

    pub(crate) fn rejected(&self, rejected: Rejected) {
        let limit = match rejected {
            Rejected::Connections => "connections",
            Rejected::AddressConnections => "address-connections",
            Rejected::AddressRequests => "address-requests",
            Rejected::ComputerRequests => "computer-requests",
            Rejected::ComputerLicenses => "computer-licenses",
            Rejected::Size => "size",
            Rejected::Room => "room",
            Rejected::Turn => "turn",
        };
        self.rejected.get_or_create(&[("limit", limit)]).inc();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(..)")
    }
}

/// Statuses that this service gives; a word for each, so that nobody from outside makes labels.
fn status_word(status: u16) -> &'static str {
    match status {
        200 => "200",
        400 => "400",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.http("messages", 200, Duration::from_millis(2));
        metrics.rejected(Rejected::Room);
        let text = metrics.text();
        for line in [
            "# TYPE keyferry_http_requests counter",
            "keyferry_http_requests_total{route=\"messages\",status=\"200\"} 1",
            "keyferry_http_request_seconds_bucket{le=\"0.003\",route=\"messages\"} 1",
            "keyferry_rejected_total{limit=\"room\"} 1",
            "keyferry_build_info{version=\"",
            "keyferry_connections 0",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        // Without a certificate nobody is to be warned that it expired in 1970.
        let expiry = "keyferry_tls_certificate_not_after_seconds{} ";
        assert!(!text.contains(expiry), "{text}");
        metrics.certificate(Some(4_007_836_800));
        assert!(
            metrics.text().contains(&format!("{expiry}4007836800\n")),
            "{}",
            metrics.text()
        );
    }

    #[test]
    fn a_status_that_is_not_ours_has_no_label() {
        assert_eq!(status_word(418), "other");
        assert_eq!(status_word(503), "503");
    }
}
