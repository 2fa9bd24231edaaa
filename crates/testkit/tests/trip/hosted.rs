//! The same over real HTTP on loopback: the trip, and the page of the refusal as a browser would open it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use keyferry::{Failure, HttpTransport};
use keyferry_testkit::World;

/// Head and body of what a server answers to GET.
fn get(url: &str) -> (String, String) {
    let rest = url.strip_prefix("http://").expect("plain http on loopback");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("connected");
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn the_trip_over_http_and_the_page_of_the_fifth_computer() {
    let (world, _hosted) = World::hosted();
    let (old, issued, stick) = world.backed_up(3);
    for number in 2..=4 {
        let computer = world.computer(&format!("computer {number}"));
        let ended = computer.restore(world.agreed(&stick), Arc::new(HttpTransport::default()));
        assert_eq!((ended.failure(), computer.opens(&issued)), (None, 3));
    }
    let fifth = world.computer("fifth computer");
    let ended = fifth.restore(world.agreed(&stick), Arc::new(HttpTransport::default()));
    assert_eq!((ended.failure(), ended.exit_code()), (Some(Failure::Limit), 7));
    let pages = ended.events.pages();
    assert_eq!(pages.len(), 1);
    let (head, body) = get(&pages[0]);
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("content-type: text/html"), "{head}");
    let text = text_of(&body);
    assert!(
        text.contains("Song 1") && text.contains("Northwind Audio"),
        "{text}"
    );
    assert!(
        text.contains("hold each of them: 4 of 4"),
        "it names the count: {text}"
    );
    assert!(text.contains("fifth computer"), "its own name is shown: {text}");
    assert!(!text.contains("computer 3"), "those of others are masked: {text}");
    let (head, _) = get(&format!("{}0", &pages[0][..pages[0].len() - 1]));
    let other = if pages[0].ends_with('0') { "200" } else { "404" };
    assert!(
        head.starts_with(&format!("http/1.1 {other}")),
        "a page is found by its whole address: {head}"
    );
    old.lose_store();
    let back = old.restore(world.refused(&stick), Arc::new(HttpTransport::default()));
    assert_eq!((back.failure(), old.opens(&issued)), (None, 3));
}

/// The words of a page, its markup left out.
fn text_of(html: &str) -> String {
    let (_, body) = html.split_once("<body").expect("a body");
    let mut text = String::new();
    for part in body.split('<').skip(1) {
        text.push_str(part.split_once('>').map_or("", |(_, words)| words));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
