//! A server for tests, and the least of a client: plain sockets, or TLS over them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use keyferry_protocol::{ANSWER_TYPE, Answer, ProblemCode};
use keyferry_service::{Front, Limits, Service, Shutdown, Tls, serve_front};

/// A server on a free port of loopback; stopped when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub service: Arc<Service>,
    pub shutdown: Shutdown,
    pub thread: Option<JoinHandle<keyferry_service::Result<()>>>,
}

pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Server {
    pub fn start(service: Service) -> Self {
        Self::run(service, |_| {})
    }

    pub fn start_tls(service: Service, tls: Tls) -> Self {
        Self::run(service, |front| front.tls = Some(tls))
    }

    pub fn start_limited(service: Service, limits: Limits) -> Self {
        Self::run(service.limited(&limits), |front| front.limits = limits)
    }

    pub fn run(service: Service, change: impl FnOnce(&mut Front)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (service, shutdown) = (Arc::new(service), Shutdown::default());
        let mut front = Front::new(listener);
        change(&mut front);
        let (served, stop) = (Arc::clone(&service), shutdown.clone());
        let thread = Some(std::thread::spawn(move || serve_front(front, served, &stop)));
        Self {
            address,
            service,
            shutdown,
            thread,
        }
    }

    pub fn send(&self, request: &[u8]) -> Response {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The server may have answered and closed before it read everything.
        let _ = stream.write_all(request);
        read(&mut stream)
    }

    pub fn get(&self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
    }

    pub fn post(&self, content_type: &str, body: &[u8]) -> Response {
        self.post_to("/v1/messages", content_type, body)
    }

    pub fn post_to(&self, path: &str, content_type: &str, body: &[u8]) -> Response {
        let mut request = head(path, content_type, body.len());
        request.extend(body);
        self.send(&request)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.request();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn post_head(content_type: &str, length: usize) -> Vec<u8> {
    head("/v1/messages", content_type, length)
}

pub fn head(path: &str, content_type: &str, length: usize) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\n\r\n"
    )
    .into_bytes()
}

pub fn read(stream: &mut impl Read) -> Response {
    let mut bytes = Vec::new();
    // A connection that is reset after the answer has still answered.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("an answer")
        + 4;
    let head = String::from_utf8(bytes[..end].to_vec())
        .unwrap()
        .to_ascii_lowercase();
    Response {
        status: head[9..12].parse().unwrap(),
        head,
        body: bytes[end..].to_vec(),
    }
}

impl Response {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn problem(&self) -> ProblemCode {
        assert!(self.head.contains(ANSWER_TYPE), "{}", self.head);
        Answer::decode(&self.body).unwrap().problem.unwrap().code
    }
}

/// What comes before the server cuts the connection. One that is never cut ends the test, after longer than any time that
/// a server gives.
pub fn read_until_cut(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        let waits = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        assert!(!waits.contains(&error.kind()), "it was not cut");
    }
    bytes
}
