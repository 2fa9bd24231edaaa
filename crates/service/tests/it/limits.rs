//! Limits by HTTP: who asks too much is told when to come back, others are served, and every refusal can be read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use keyferry_protocol::{Answer, POSTED_TYPE, Posted, ProblemCode, REQUEST_TYPE, REVOCATIONS_TYPE};
use keyferry_service::Limits;

use crate::server::{Response, Server, post_head, read, read_until_cut};
use crate::world::{World, check};

/// Limits that hold on loopback too.
fn strict() -> Limits {
    Limits {
        spared: Vec::new(),
        ..Limits::default()
    }
}

/// The seconds in the header and in the problem, which must be the same.
fn retry_after(response: &Response) -> u32 {
    let line = response
        .head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    let seconds = line.expect("retry-after").parse().unwrap();
    let problem = Answer::decode(&response.body).unwrap().problem.unwrap();
    assert_eq!(
        (problem.code, problem.retry_after),
        (ProblemCode::Busy, Some(seconds))
    );
    seconds
}

#[test]
fn an_address_that_asks_too_much_is_told_when_to_come_back() {
    let limits = Limits {
        address_requests: 1,
        ..strict()
    };
    let server = Server::start_limited(World::new().service, limits);
    let answers: Vec<Response> = (0..30).map(|_| server.post(REQUEST_TYPE, b"x")).collect();
    assert!(answers[..10].iter().all(|answer| answer.status == 400));
    let refused = answers
        .iter()
        .find(|answer| answer.status == 429)
        .expect("a refusal");
    assert!((1..=2).contains(&retry_after(refused)));
    let list = server.post_to("/v1/revocations", REVOCATIONS_TYPE, b"x");
    assert_eq!(list.status, 429);
    assert!(list.head.contains(POSTED_TYPE) && list.head.contains("retry-after: "));
    assert!(
        Posted::decode(&list.body)
            .unwrap()
            .problem
            .unwrap()
            .retry_after
            .is_some()
    );
    assert_eq!(server.get("/").status, 429);
}

#[test]
fn an_address_that_connects_over_and_over_is_sent_away() {
    let limits = Limits {
        address_requests: 1,
        ..strict()
    };
    let server = Server::start_limited(World::new().service, limits);
    let mut came: Vec<TcpStream> = Vec::new();
    for _ in 0..60 {
        came.push(TcpStream::connect(server.address).unwrap());
    }
    // Forty at once, and four a second.
    assert!(read_until_cut(came.last_mut().unwrap()).starts_with(b"HTTP/1.1 503 "));
    came[0]
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(read(&mut came[0]).status, 200, "who has a place keeps it");
}

#[test]
fn this_computer_itself_is_not_limited_by_address() {
    let limits = Limits {
        address_requests: 1,
        address_connections: 1,
        ..Limits::default()
    };
    let server = Server::start_limited(World::new().service, limits);
    assert!((0..30).all(|_| server.post(REQUEST_TYPE, b"x").status == 400));
}

#[test]
fn a_trusted_proxy_speaks_for_others_and_nobody_else_does() {
    let ask = |server: &Server, client: &str| {
        let request = format!(
            "GET /healthz HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 6.6.6.6, {client}\r\nconnection: close\r\n\r\n"
        );
        server.send(request.as_bytes()).status
    };
    let limits = Limits {
        address_requests: 1,
        trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
        ..strict()
    };
    let server = Server::start_limited(World::new().service, limits.clone());
    let first: Vec<u16> = (0..30).map(|_| ask(&server, "192.0.2.1")).collect();
    assert!(first.contains(&200) && first.contains(&429), "{first:?}");
    assert_eq!(ask(&server, "192.0.2.2"), 200);

    let trusting_nobody = Limits {
        trusted_proxies: Vec::new(),
        ..limits
    };
    let server = Server::start_limited(World::new().service, trusting_nobody);
    let all: Vec<u16> = (0..30).map(|n| ask(&server, &format!("192.0.2.{n}"))).collect();
    assert!(all.contains(&429), "{all:?}");
}

#[test]
fn a_computer_that_asks_too_much_spends_nothing_and_others_go_on() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses: Vec<_> = (0..30).map(|_| world.issue(origin.id())).collect();
    let (greedy, other) = (world.computer("greedy"), world.computer("other"));
    let limits = Limits {
        computer_licenses: 1,
        ..Limits::default()
    };
    let server = Server::start_limited(world.service, limits);
    let restore = |computer: &crate::world::Computer, from: usize, to: usize| {
        let request = computer.restore(&server.service, &licenses[from..to]);
        (server.post(REQUEST_TYPE, &request.bytes), request)
    };
    // Twenty at once, and then one a second.
    assert_eq!(restore(&greedy, 0, 20).0.status, 200);
    let (refused, request) = restore(&greedy, 20, 30);
    assert_eq!(refused.status, 429);
    assert!((5..=10).contains(&retry_after(&refused)));
    let plan = other.plan(&server.service, &licenses[25..26], true);
    let answer = server.service.handle(&plan.bytes, crate::world::NOW);
    let checked = check(&answer, &plan, &licenses[25..26], &server.service).unwrap();
    let slot = crate::restore::outcome(&checked.items[0]).unwrap().1;
    assert_eq!(slot, 2, "nobody took a slot of it");
    assert_eq!(restore(&other, 20, 30).0.status, 200);
    // The same bytes are answered when the time has come.
    std::thread::sleep(Duration::from_secs(u64::from(retry_after(&refused)) + 1));
    assert_eq!(server.post(REQUEST_TYPE, &request.bytes).status, 200);
}

#[test]
fn requests_of_a_computer_are_counted_after_its_signature() {
    let world = World::new();
    let victim = world.computer("victim");
    let forger = crate::world::Computer::new("forger");
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let limits = Limits {
        computer_requests: 1,
        ..Limits::default()
    };
    let server = Server::start_limited(world.service, limits);
    let mut forged = victim.restore(&server.service, &licenses).bytes;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    for _ in 0..30 {
        assert_eq!(server.post(REQUEST_TYPE, &forged).status, 400);
    }
    let theirs = forger.restore(&server.service, &licenses).bytes;
    assert_eq!(server.post(REQUEST_TYPE, &theirs).status, 403);
    let own = victim.restore(&server.service, &licenses).bytes;
    let answers: Vec<u16> = (0..30).map(|_| server.post(REQUEST_TYPE, &own).status).collect();
    assert_eq!(answers[..10], [200; 10]);
    assert!(answers.contains(&429), "{answers:?}");
}

#[test]
fn a_full_house_lets_newcomers_in() {
    let limits = Limits {
        connections: 50,
        ..Limits::default()
    };
    let server = Server::start_limited(World::new().service, limits);
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..200 {
        idle.push(TcpStream::connect(server.address).unwrap());
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(read_until_cut(&mut idle[0]), b"");
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(read(last).status, 200);
}

#[test]
fn a_head_that_does_not_end_is_answered_408() {
    let server = Server::start(World::new().service);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"POST /v1/messages HTTP/1.1\r\nho").unwrap();
    let answer = read_until_cut(&mut stream);
    assert!(
        answer.starts_with(b"HTTP/1.1 408 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let mut silent = TcpStream::connect(server.address).unwrap();
    assert_eq!(
        read_until_cut(&mut silent),
        b"",
        "who said nothing is told nothing"
    );
}

#[test]
fn who_still_sends_hears_the_refusal() {
    let server = Server::start(World::new().service);
    for kind in [REQUEST_TYPE, "text/plain"] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(&post_head(kind, 1 << 30)).unwrap();
        for _ in 0..64 {
            if stream.write_all(&[0; 1 << 14]).is_err() {
                break;
            }
        }
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        let wanted: &[u8] = if kind == REQUEST_TYPE { b"413" } else { b"415" };
        assert_eq!(&head[9..], wanted);
    }
}

#[test]
fn bodies_that_hold_all_the_room_make_way() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let computer = world.computer("new-laptop");
    let server = Server::start(world.service);
    let large = vec![0; 15 << 20];
    let mut greedy: Vec<TcpStream> = Vec::new();
    for _ in 0..6 {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
            .write_all(&post_head(REQUEST_TYPE, large.len() + 1))
            .unwrap();
        // What isn't read any more can't be written.
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let _ = stream.write_all(&large);
        greedy.push(stream);
    }
    let request = computer.restore(&server.service, &licenses);
    let response = server.post(REQUEST_TYPE, &request.bytes);
    assert_eq!(response.status, 200);
    assert!(check(&response.body, &request, &licenses, &server.service).is_ok());
    let refused = greedy.iter_mut().map(|stream| {
        let mut head = [0; 12];
        stream
            .read_exact(&mut head)
            .map(|()| head[9..].to_vec())
            .unwrap_or_default()
    });
    let refused: Vec<Vec<u8>> = refused.collect();
    assert!(refused.contains(&b"503".to_vec()), "{refused:?}");
}
