//! Clients that mean harm, by HTTP: each is refused by the bound that is meant for it, in words, and others are served.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keyferry_protocol::{Answer, MESSAGE_LIMIT, ProblemCode, REQUEST_TYPE};
use keyferry_service::Limits;
use minicbor::{Decoder, Encoder};
use socket2::SockRef;

use crate::metrics;
use crate::server::{Server, read_until_cut};
use crate::world::World;

/// A message of this size that begins so and goes on with this byte.
fn filled(begin: &[u8], byte: u8) -> Vec<u8> {
    let mut bytes = vec![byte; MESSAGE_LIMIT];
    bytes[..begin.len()].copy_from_slice(begin);
    bytes
}

/// A claim of 2^64 - 1 items, bytes or entries of this major type.
fn claim(major: u8) -> Vec<u8> {
    let mut bytes = vec![major << 5 | 27];
    bytes.extend([0xff; 8]);
    bytes
}

/// Documents that would cost a decoder its stack or its memory, each with its name.
fn documents() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let deep = [
        ("arrays", 0x81),
        ("arrays without end", 0x9f),
        ("maps", 0xa1),
        ("maps without end", 0xbf),
        ("tags", 0xc1),
        ("byte strings without end", 0x5f),
    ];
    for (name, byte) in deep {
        all.push((format!("16 MiB of {name}"), filled(&[], byte)));
    }
    for (name, major) in [
        ("byte string", 2),
        ("text", 3),
        ("array", 4),
        ("map", 5),
        ("tag", 6),
    ] {
        for byte in [0x00, 0x40, 0x81] {
            let name = format!("{name} that claims 2^64 - 1, and then {byte:#x}");
            all.push((name, filled(&claim(major), byte)));
        }
        all.push((format!("{name} that claims 2^64 - 1 and ends"), claim(major)));
    }
    all
}

/// This request with another payload.
fn with_payload(request: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut signed = Decoder::new(request);
    let tag = signed.tag();
    if tag.is_err() {
        signed.set_position(0);
    }
    assert_eq!(signed.array().unwrap(), Some(4));
    let protected = signed.bytes().unwrap();
    assert_eq!(signed.map().unwrap(), Some(0));
    signed.bytes().unwrap();
    let signature = signed.bytes().unwrap();
    let mut changed = Encoder::new(Vec::new());
    if let Ok(tag) = tag {
        changed.tag(tag).unwrap();
    }
    changed
        .array(4)
        .unwrap()
        .bytes(protected)
        .unwrap()
        .map(0)
        .unwrap();
    changed.bytes(payload).unwrap().bytes(signature).unwrap();
    changed.into_writer()
}

#[test]
fn documents_that_nest_or_claim_too_much_are_refused_in_a_sentence() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let server = Server::start(world.service);
    let request = origin.restore(&server.service, &licenses).bytes;
    let mut sentences = Vec::new();
    for (name, document) in documents() {
        // As the request, and as what is signed in one.
        let inside = &document[..document.len().min(MESSAGE_LIMIT - 1024)];
        for sent in [&document[..], &with_payload(&request, inside)] {
            let response = server.post(REQUEST_TYPE, sent);
            assert_eq!(response.status, 400, "{name}");
            let problem = Answer::decode(&response.body).unwrap().problem.unwrap();
            assert_eq!(problem.code, ProblemCode::BadRequest, "{name}");
            let said = problem.message.to_string();
            assert!(
                said.len() < 200 && said.contains(' ') && said.is_ascii(),
                "{name}: {said}"
            );
            sentences.push(said);
        }
    }
    let deep = "is nested deeper than 8 levels";
    assert!(sentences.iter().any(|said| said.contains(deep)), "{sentences:?}");
    assert_eq!(
        server.post(REQUEST_TYPE, &request).status,
        200,
        "and the request itself is answered"
    );
}

/// The status of the last head in what came; 0 without any.
fn last_status(bytes: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(bytes);
    let status = text.rsplit("HTTP/1.1 ").next().and_then(|rest| rest.get(..3));
    status.and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn heads_that_are_too_long_or_have_too_many_lines_are_refused() {
    let server = Server::start(World::new().service);
    let begin = "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(64 * 1024));
    let address = format!("GET /{} HTTP/1.1\r\nhost: a\r\n", "x".repeat(64 * 1024));
    for (head, status) in [
        (format!("{begin}{many}\r\n"), 431),
        (format!("{begin}{long}\r\n"), 431),
        (format!("{address}\r\n"), 431),
        (format!("{begin}{}\r\n", "x: y\r\n".repeat(50)), 200),
    ] {
        assert_eq!(server.send(head.as_bytes()).status, status, "{}", &head[..80]);
    }
}

#[test]
fn a_body_in_tiny_pieces_is_refused() {
    let server = Server::start(World::new().service);
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-type: {REQUEST_TYPE}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let sent = [head.as_bytes(), &b"1\r\nx\r\n".repeat(2000)].concat();
    let response = server.send(&sent);
    assert_eq!(
        (response.status, response.problem()),
        (400, ProblemCode::BadRequest)
    );
    let said = Answer::decode(&response.body)
        .unwrap()
        .problem
        .unwrap()
        .message
        .to_string();
    assert!(said.contains("too many small pieces"), "{said}");
    // As many bytes in fewer pieces are judged.
    let sent = [head.as_bytes(), b"7d\r\n", &[0x81; 125], b"\r\n0\r\n\r\n"].concat();
    let response = server.send(&sent);
    let said = Answer::decode(&response.body)
        .unwrap()
        .problem
        .unwrap()
        .message
        .to_string();
    assert!(!said.contains("pieces"), "{said}");
}

#[test]
fn who_asks_whether_to_go_on_and_does_not_is_cut() {
    let server = Server::start(World::new().service);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-type: {REQUEST_TYPE}\r\ncontent-length: 1000\r\n\
         expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    assert_eq!(last_status(&read_until_cut(&mut stream)), 408);
    // Whoever announces too much is told so, and sends nothing.
    let mut stream = TcpStream::connect(server.address).unwrap();
    let huge = head.replace("content-length: 1000", "content-length: 1073741824");
    stream.write_all(huge.as_bytes()).unwrap();
    let answer = read_until_cut(&mut stream);
    assert!(
        answer.starts_with(b"HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer[..40])
    );
}

#[test]
fn requests_one_behind_the_other_are_counted_one_by_one() {
    let limits = Limits {
        address_requests: 1,
        spared: Vec::new(),
        ..Limits::default()
    };
    let server = Server::start_limited(World::new().service, limits);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let requests = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n".repeat(200);
    // The end of the connection may come before the end of the requests.
    let _ = stream.write_all(requests.as_bytes());
    let answers = String::from_utf8_lossy(&read_until_cut(&mut stream)).into_owned();
    let times = |status: &str| answers.matches(&format!("HTTP/1.1 {status} ")).count();
    assert!((10..15).contains(&times("200")), "{answers}");
    assert_eq!(times("429"), 1, "and that is the end");
}

#[test]
fn who_asks_and_asks_and_never_reads_is_cut_and_holds_little() {
    let (server, metrics) = metrics::start(World::new());
    let page = server.get("/").body.len() as u64;
    let mut stream = TcpStream::connect(server.address).unwrap();
    SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    let requests = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    let ended = loop {
        if let Err(error) = stream.write(requests.as_bytes()) {
            break error.kind();
        }
    };
    assert!(
        !matches!(ended, ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "it was not cut"
    );
    let counted = metrics::get(metrics, "/metrics");
    let number = |name: &str| -> u64 {
        let line = counted.text().lines().find_map(|line| line.strip_prefix(name));
        line.expect("it is counted").trim().parse().unwrap()
    };
    assert_eq!(number("keyferry_connections_cut_total{cause=\"slow-answer\"}"), 1);
    let answered = number("keyferry_http_requests_total{route=\"start\",status=\"200\"}") * page;
    // Elsewhere the system keeps as much as it likes.
    if cfg!(target_os = "linux") {
        assert!(answered < 1 << 20, "{answered} bytes were written to nobody");
    }
}
