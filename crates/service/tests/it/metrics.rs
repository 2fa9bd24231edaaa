//! The metrics, at an address of their own: what was done is counted, and nothing says who asked.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use keyferry_protocol::REQUEST_TYPE;

use crate::server::{Response, Server, read};
use crate::world::{License, World};

pub fn get(address: SocketAddr, path: &str) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    read(&mut stream)
}

pub fn start(world: World) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::run(world.service, |front| front.metrics = Some(listener));
    (server, address)
}

#[test]
fn restores_refusals_and_calls_are_counted() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let mut licenses: Vec<License> = (0..2).map(|_| world.issue(origin.id())).collect();
    licenses.push(world.issue_with(origin.id(), |grant| grant.computers = Some(1)));
    let computer = world.computer("new-laptop");
    let (server, address) = start(world);
    let request = computer.restore(&server.service, &licenses);
    for _ in 0..2 {
        assert_eq!(server.post(REQUEST_TYPE, &request.bytes).status, 200);
    }
    server.post(REQUEST_TYPE, b"garbage");
    server.post("text/plain", b"garbage");
    let response = get(address, "/metrics");
    assert_eq!(response.status, 200);
    assert!(
        response
            .head
            .contains("content-type: application/openmetrics-text")
    );
    for line in [
        "keyferry_licenses_total{kind=\"restore\",verdict=\"restored\",reason=\"\"} 4",
        "keyferry_licenses_total{kind=\"restore\",verdict=\"refused\",reason=\"limit\"} 2",
        "keyferry_requests_total{kind=\"restore\",result=\"ok\"} 2",
        "keyferry_requests_total{kind=\"unknown\",result=\"bad-request\"} 1",
        "keyferry_requests_total{kind=\"individualize\",result=\"ok\"} 2",
        "keyferry_http_requests_total{route=\"messages\",status=\"200\"} 2",
        "keyferry_http_requests_total{route=\"messages\",status=\"415\"} 1",
        "keyferry_ledger_call_seconds_count{call=\"judge\"} 2",
        "keyferry_request_seconds_count{kind=\"restore\"} 2",
        "keyferry_ledger_ready 1",
    ] {
        assert!(response.text().contains(line), "{line} in\n{}", response.text());
    }
    // Neither IDs nor names nor titles.
    for secret in [
        computer.id().to_string(),
        "new-laptop".into(),
        "Slow River".into(),
    ] {
        assert!(!response.text().contains(&secret), "{secret}");
    }
}

#[test]
fn the_metrics_stand_at_their_own_address_only() {
    let (server, address) = start(World::new());
    assert_eq!(server.get("/metrics").status, 404);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    for path in ["/", "/card", "/authorize", "/v1/messages"] {
        assert_eq!(get(address, path).status, 404, "{path}");
    }
}

#[test]
fn whoever_asks_makes_no_labels() {
    let (server, address) = start(World::new());
    let lines = |server: &Server| {
        for path in ["/x1", "/y2?z", "/refusals/0", "/v1/nothing"] {
            server.get(path);
        }
        get(address, "/metrics").text().lines().count()
    };
    // The second look sees the first one counted.
    lines(&server);
    let before = lines(&server);
    assert_eq!(lines(&server), before);
}

#[test]
fn connections_are_counted_in_and_out() {
    let (server, address) = start(World::new());
    let open: Vec<TcpStream> = (0..7)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    // They are accepted in their order, and this one after them.
    server.get("/healthz");
    let count = || {
        let text = get(address, "/metrics").text().to_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("keyferry_connections "));
        line.expect("the gauge").parse::<usize>().unwrap()
    };
    assert!(count() >= 8, "{}", count());
    drop(open);
    // A connection ends when its end was read, soon.
    let waited = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        count() == 1
    });
    assert!(waited, "{} are open", count());
}
