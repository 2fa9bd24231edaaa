//! What lies between the computer and the service: each HTTP message is taken whole, counted and passed on, and at one of
//! them one side is killed.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::place::{Served, text};
use crate::process::Process;

/// Neither side thinks for so long about one message.
const LONGEST: Duration = Duration::from_secs(120);
/// The bound of a message, and more than its head.
const LARGEST: usize = 17 * 1024 * 1024;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Computer,
    Service,
}

/// When, in the life of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// It has left the computer and never reaches the service.
    Asked,
    /// The service has answered, and the answer never reaches the computer.
    Answered,
    /// The answer has been passed on.
    Told,
}

/// One kill: at this point of the request with this number, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blow {
    pub side: Side,
    pub point: Point,
    pub number: usize,
}

/// The way between the two, at an address that stays.
pub struct Wire {
    address: SocketAddr,
    ends: Arc<Mutex<Ends>>,
}

#[derive(Default)]
struct Ends {
    computer: Option<Arc<Process>>,
    service: Option<Served>,
    blow: Option<Blow>,
    struck: bool,
    counted: usize,
}

impl Wire {
    /// A wire without anybody at its ends.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let ends: Arc<Mutex<Ends>> = Arc::default();
        let shared = ends.clone();
        // The thread ends with the process; who is asked after the test has nobody behind it.
        std::thread::spawn(move || {
            for computer in listener.incoming().map_while(Result::ok) {
                let ends = shared.clone();
                // A connection that breaks is what this is about.
                std::thread::spawn(move || pass_on(computer, &ends));
            }
        });
        Self { address, ends }
    }

    /// What the service's card has to name.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this service is behind the wire.
    pub fn serve(&self, service: Served) {
        lock(&self.ends).service = Some(service);
    }

    /// Kills the service, if it lives.
    pub fn kill_service(&self) {
        lock(&self.ends).service = None;
    }

    /// Does a service live behind it?
    pub fn is_served(&self) -> bool {
        lock(&self.ends).service.is_some()
    }

    /// Counts from the start again, and strikes so, once.
    pub fn arm(&self, blow: Option<Blow>) {
        let mut ends = lock(&self.ends);
        (ends.blow, ends.struck, ends.counted) = (blow, false, 0);
    }

    /// Whom to kill as the computer.
    pub fn watch(&self, computer: Arc<Process>) {
        lock(&self.ends).computer = Some(computer);
    }

    /// Was it the time to strike?
    pub fn has_struck(&self) -> bool {
        lock(&self.ends).struck
    }
}

impl Ends {
    /// Kills, if this is the moment.
    fn strike(&mut self, number: usize, point: Point) -> bool {
        let Some(blow) = self
            .blow
            .filter(|blow| !self.struck && (blow.number, blow.point) == (number, point))
        else {
            return false;
        };
        self.struck = true;
        match blow.side {
            Side::Computer => _ = self.computer.as_ref().expect("a computer").kill(),
            Side::Service => self.service = None,
        }
        true
    }
}

fn lock(ends: &Mutex<Ends>) -> MutexGuard<'_, Ends> {
    ends.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Requests of one connection, one after the other.
fn pass_on(computer: TcpStream, ends: &Mutex<Ends>) -> io::Result<()> {
    let mut answers = computer.try_clone()?;
    let mut requests = BufReader::new(computer);
    while let Some(request) = message(&mut requests)? {
        let number = {
            let mut ends = lock(ends);
            ends.counted += 1;
            ends.counted
        };
        // The one that was killed hears no more, and neither does the other.
        if lock(ends).strike(number, Point::Asked) {
            return Ok(());
        }
        let answer = ask(&request, ends)?;
        if lock(ends).strike(number, Point::Answered) {
            return Ok(());
        }
        answers.write_all(&answer)?;
        lock(ends).strike(number, Point::Told);
    }
    Ok(())
}

/// The answer of the service that is behind the wire now.
fn ask(request: &[u8], ends: &Mutex<Ends>) -> io::Result<Vec<u8>> {
    let address = lock(ends)
        .service
        .as_ref()
        .map(|service| text(&service.listening, "address").to_owned());
    let mut service = TcpStream::connect(address.ok_or(ErrorKind::NotConnected)?)?;
    service.set_read_timeout(Some(LONGEST))?;
    service.write_all(request)?;
    message(&mut BufReader::new(service))?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// Head and body of a message as they came; nothing at the end of the connection. Both sides always say how long it is.
fn message(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let (mut whole, mut length) = (Vec::new(), 0);
    loop {
        let start = whole.len();
        if from.take(64 * 1024).read_until(b'\n', &mut whole)? == 0 {
            return if whole.is_empty() {
                Ok(None)
            } else {
                Err(ErrorKind::UnexpectedEof.into())
            };
        }
        let line = String::from_utf8_lossy(&whole[start..]).to_ascii_lowercase();
        if line.starts_with("transfer-encoding:") || whole.len() > LARGEST {
            return Err(ErrorKind::Unsupported.into());
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| ErrorKind::InvalidData)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let start = whole.len();
    if length > LARGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    whole.resize(start + length, 0);
    from.read_exact(&mut whole[start..])?;
    Ok(Some(whole))
}
