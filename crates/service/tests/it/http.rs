//! The service by HTTP on loopback, spoken to with plain sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keyferry_license::{Card, armor};
use keyferry_protocol::{ANSWER_TYPE, ProblemCode, REQUEST_TYPE, Reason};

use crate::server::{Server, post_head, read, read_until_cut};
use crate::world::{License, World, check};

fn world() -> (World, Vec<License>) {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue_with(origin.id(), |grant| grant.computers = Some(1))];
    (world, licenses)
}

#[test]
fn a_restore_is_refused_over_the_wire_and_its_page_opens() {
    let (world, licenses) = world();
    let computer = world.computer("new-laptop");
    let server = Server::start(world.service);
    let request = computer.restore(&server.service, &licenses);
    let response = server.post(REQUEST_TYPE, &request.bytes);
    assert_eq!(response.status, 200);
    assert!(response.head.contains(&format!("content-type: {ANSWER_TYPE}")));
    let checked = check(&response.body, &request, &licenses, &server.service).unwrap();
    let url = &checked.page(Reason::Limit).unwrap().url;
    let path = url.strip_prefix(server.service.url()).unwrap();
    let page = server.get(path);
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("Slow River") && page.text().contains("o•••••p"),
        "{}",
        page.text()
    );
    for header in [
        "content-security-policy: default-src 'none'",
        "cache-control: no-store",
        "x-robots-tag: noindex",
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
    ] {
        assert!(page.head.contains(header), "{header} in {}", page.head);
    }
    let (front, last) = path.split_at(path.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    for unknown in [
        format!("{front}{other}"),
        format!("{path}0"),
        path.to_uppercase(),
        "/refusals/".into(),
        "/x".into(),
    ] {
        assert_eq!(server.get(&unknown).status, 404, "{unknown}");
    }
}

#[test]
fn the_start_page_the_card_and_the_health_answer() {
    let (world, _) = world();
    let server = Server::start(world.service);
    let start = server.get("/");
    assert_eq!(start.status, 200);
    assert!(start.text().contains("Northwind Licenses"));
    let card = server.get("/card");
    let card = Card::verify(&armor::single(armor::CARD, &card.body).unwrap()).unwrap();
    assert_eq!(card.thumbprint(), server.service.card().thumbprint());
    assert_eq!(
        (server.get("/healthz").status, server.get("/readyz").status),
        (200, 200)
    );
}

#[test]
fn what_is_no_request_is_refused_with_a_fitting_status() {
    let (world, licenses) = world();
    let stranger = crate::world::Computer::new("stranger");
    let server = Server::start(world.service);
    let request = stranger.restore(&server.service, &licenses).bytes;
    let wrong_type = server.post("application/json", &request);
    assert_eq!(
        (wrong_type.status, wrong_type.problem()),
        (415, ProblemCode::BadRequest)
    );
    let unknown = server.post(REQUEST_TYPE, &request);
    assert_eq!(
        (unknown.status, unknown.problem()),
        (403, ProblemCode::NotIndividualized)
    );
    let garbage = server.post(REQUEST_TYPE, b"garbage");
    assert_eq!(
        (garbage.status, garbage.problem()),
        (400, ProblemCode::BadRequest)
    );
    let empty = server.post(REQUEST_TYPE, b"");
    assert_eq!((empty.status, empty.problem()), (400, ProblemCode::BadRequest));
    assert_eq!(server.get("/v1/messages").status, 405);
}

#[test]
fn a_body_that_is_too_large_is_refused_by_its_claim_and_by_its_bytes() {
    let (world, _) = world();
    let server = Server::start(world.service);
    let claimed = server.send(&post_head(REQUEST_TYPE, 17 * 1024 * 1024));
    assert_eq!(
        (claimed.status, claimed.problem()),
        (413, ProblemCode::BadRequest)
    );

    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-type: {REQUEST_TYPE}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let piece = vec![0; 1 << 20];
    for _ in 0..17 {
        if write!(stream, "{:x}\r\n", piece.len()).is_err() || stream.write_all(&piece).is_err() {
            break;
        }
        let _ = stream.write_all(b"\r\n");
    }
    let status = read_status(&mut stream);
    assert_eq!(status, 413);
}

/// The status alone: the connection may be reset with the body half read.
fn read_status(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

#[test]
fn slow_clients_are_cut_and_others_are_served_meanwhile() {
    let (world, _) = world();
    let server = Server::start(world.service);
    let mut slow: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    let (header, body) = slow.split_at_mut(25);
    for stream in header.iter_mut() {
        stream.write_all(b"POST /v1/messages HTTP/1.1\r\nho").unwrap();
    }
    for stream in body.iter_mut() {
        stream.write_all(&post_head(REQUEST_TYPE, 1_000_000)).unwrap();
        stream.write_all(b"only a little").unwrap();
    }
    assert_eq!(server.get("/healthz").status, 200);
    for stream in &mut slow {
        let bytes = read_until_cut(stream);
        assert!(
            bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 408"),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[test]
fn a_server_that_stops_ends_what_was_begun() {
    let (world, _) = world();
    let computer = world.computer("new-laptop");
    let origin = world.computer("old");
    let licenses = vec![world.issue(origin.id())];
    let mut server = Server::start(world.service);
    let request = computer.restore(&server.service, &licenses);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(&post_head(REQUEST_TYPE, request.bytes.len()))
        .unwrap();
    let (first, rest) = request.bytes.split_at(100);
    stream.write_all(first).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    server.shutdown.request();
    std::thread::sleep(Duration::from_millis(200));
    stream.write_all(rest).unwrap();
    let response = read(&mut stream);
    assert_eq!(response.status, 200);
    assert!(check(&response.body, &request, &licenses, &server.service).is_ok());
    server.thread.take().unwrap().join().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).is_err());
}
