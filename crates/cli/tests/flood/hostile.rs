//! The hostile clients, in a process of their own: whatever the service ends begins again, until the parent has enough.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Lines, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::kinds::{Kind, Set, Then};

/// Tells the process of the clients what it is: where the service is, and how many they are.
const CLIENTS: &str = "KEYFERRY_FLOOD_CLIENTS";
/// And where a large request is that the service would answer.
const REQUEST: &str = "KEYFERRY_FLOOD_REQUEST";
/// Before what the clients tell their parent; the test harness speaks on the same line.
const TOLD: &str = "flood: ";
/// How often they look around.
const TICK: Duration = Duration::from_millis(50);
/// Between two bytes of whoever sends slowly.
const SLOWLY: Duration = Duration::from_secs(1);
/// Whoever was ended begins again after so long.
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody answered within longer than the service ever gives.
const PATIENCE: Duration = Duration::from_secs(60);

/// How connections ended: kind, status and how often.
#[derive(Default)]
pub struct Ends(BTreeMap<(String, u16), usize>);

impl Ends {
    pub fn table(&self) -> String {
        let line = |((kind, status), times): (&(String, u16), &usize)| match status {
            0 => format!("  {kind:<20} cut off {times:>8} times"),
            _ => format!("  {kind:<20}     {status} {times:>8} times"),
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Everybody got what is meant for them. Where there is no room for all, anybody may be cut off.
    pub fn judge(&self, set: Set, room: bool) {
        for kind in set.kinds() {
            let seen = self.0.keys().filter(|(name, _)| name == kind.name);
            let seen: Vec<u16> = seen.map(|(_, status)| *status).collect();
            let right = |status: &u16| kind.right.contains(status) || (!room && *status == 0);
            assert!(
                !seen.is_empty() && seen.iter().all(right),
                "{}: {seen:?}",
                kind.name
            );
        }
    }
}

/// The process with the clients.
pub struct Crowd {
    child: Child,
    told: Lines<BufReader<ChildStdout>>,
}

impl Crowd {
    /// Starts it, and returns when all connections were made.
    pub fn start(service: SocketAddr, set: Set, connections: usize, request: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "ten_thousand_connections", "--nocapture"])
            .env(CLIENTS, format!("{service} {} {connections}", set.name()))
            .env(REQUEST, request)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the clients start");
        let told = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut crowd = Self { child, told };
        assert_eq!(crowd.hear().as_deref(), Some("open"));
        crowd
    }

    /// Ends it, and gives what they got.
    pub fn stop(mut self) -> Ends {
        drop(self.child.stdin.take());
        let mut ends = Ends::default();
        while let Some(line) = self.hear() {
            let words: Vec<&str> = line.split(' ').collect();
            let [kind, status, times] = words[..] else {
                panic!("{line}")
            };
            let (status, times) = (
                status.parse().expect("a status"),
                times.parse().expect("a number"),
            );
            ends.0.insert((kind.to_owned(), status), times);
        }
        assert!(self.child.wait().expect("it ends").success());
        ends
    }

    fn hear(&mut self) -> Option<String> {
        self.told.find_map(|line| {
            let line = line.expect("a line");
            line.split_once(TOLD).map(|(_, told)| told.to_owned())
        })
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is this the process of the clients?
pub fn is_wanted() -> bool {
    std::env::var_os(CLIENTS).is_some()
}

/// What the process of the clients does.
pub fn run() {
    let wanted = std::env::var(CLIENTS).expect("it is wanted");
    let words: Vec<&str> = wanted.split(' ').collect();
    let [service, set, connections] = words[..] else {
        panic!("{wanted}");
    };
    let (service, set) = (service.parse().expect("an address"), Set::named(set));
    let connections = connections.parse().expect("a number");
    let request = std::fs::read(std::env::var_os(REQUEST).expect("a path")).expect("a request");
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("open files");
    static ENOUGH: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        // The parent closes it when it has enough, or has ended.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ENOUGH.store(true, Ordering::Relaxed);
    });
    let mut clients: Vec<Client> = set
        .mixed(connections)
        .enumerate()
        .map(|(number, kind)| Client::new(kind, service, number, &request))
        .collect();
    println!("{TOLD}open");
    let mut ends: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    while !ENOUGH.load(Ordering::Relaxed) {
        std::thread::sleep(TICK);
        let ready = ready(&clients);
        for (number, client) in clients.iter_mut().enumerate() {
            match client.ended {
                Some(when) if when.elapsed() < PAUSE => {}
                Some(_) => *client = Client::new(client.kind, service, number, &request),
                None => {
                    client.speak();
                    if let Some(status) = ready[number].then(|| client.hear()).flatten() {
                        *ends.entry((client.kind.name, status)).or_default() += 1;
                        client.ended = Some(Instant::now());
                    }
                }
            }
        }
    }
    for ((kind, status), times) in ends {
        println!("{TOLD}{kind} {status} {times}");
    }
}

/// Which of them were answered or cut off.
fn ready(clients: &[Client]) -> Vec<bool> {
    let mut polled: Vec<PollFd<'_>> = clients
        .iter()
        .map(|client| PollFd::new(&client.stream, PollFlags::IN))
        .collect();
    let now = Default::default();
    poll(&mut polled, Some(&now)).expect("it can be polled");
    polled.iter().map(|one| !one.revents().is_empty()).collect()
}

/// One connection.
struct Client {
    kind: &'static Kind,
    stream: TcpStream,
    /// What isn't sent yet, from `sent` on.
    says: Vec<u8>,
    sent: usize,
    spoke: Instant,
    begun: Instant,
    answer: Vec<u8>,
    deaf: bool,
    ended: Option<Instant>,
}

impl Client {
    /// Connects from one of many addresses of loopback, where the system has them.
    fn new(kind: &'static Kind, service: SocketAddr, number: usize, request: &[u8]) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        if cfg!(target_os = "linux") {
            let [.., high, low] = (number as u32).to_be_bytes();
            let own = Ipv4Addr::new(127, 1, high, low);
            socket
                .bind(&SockAddr::from(SocketAddr::new(IpAddr::V4(own), 0)))
                .expect("an address");
        }
        socket
            .connect_timeout(&service.into(), PATIENCE)
            .expect("it is let in");
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(true).expect("non-blocking");
        let mut client = Self {
            kind,
            stream,
            says: (kind.says)(request),
            sent: 0,
            // Not all in the same moment.
            spoke: Instant::now() - TICK * (number as u32 % 20),
            begun: Instant::now(),
            answer: Vec::new(),
            deaf: false,
            ended: None,
        };
        client.speak();
        client
    }

    /// Sends what is to be sent now and fits.
    fn speak(&mut self) {
        if self.sent == self.says.len() && self.answer.is_empty() {
            match self.kind.then {
                Then::Trickle if self.spoke.elapsed() >= SLOWLY => self.say(b"x".to_vec()),
                Then::Leave if self.spoke.elapsed() >= TICK => return self.leave(),
                Then::Chunks => self.say([b"10000\r\n".as_slice(), &[0; 0x10000], b"\r\n"].concat()),
                _ => {}
            }
        }
        while self.sent < self.says.len() && !self.deaf {
            match self.stream.write(&self.says[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Whoever was refused may find that nobody takes the rest.
                Err(_) => self.deaf = true,
            }
        }
        assert!(self.begun.elapsed() < PATIENCE, "nobody ended {}", self.kind.name);
    }

    /// Goes, and comes again at once.
    fn leave(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    fn say(&mut self, bytes: Vec<u8>) {
        (self.says, self.sent, self.spoke) = (bytes, 0, Instant::now());
    }

    /// The status, once the service has ended the connection.
    fn hear(&mut self) -> Option<u16> {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(length @ 1..) => self.answer.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // A reset after the answer takes nothing of it back.
                Ok(_) | Err(_) => return Some(self.status()),
            }
        }
    }

    fn status(&self) -> u16 {
        let status = self
            .answer
            .strip_prefix(b"HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = status.and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        status.unwrap_or(0)
    }
}
