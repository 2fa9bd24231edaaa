//! Ways to a service without a network: one that works and counts, and one that misbehaves as it is told.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use keyferry::{Clock, Transport, TransportError};
use keyferry_protocol::{Answer, SignedRequest, kind};
use keyferry_service::Service;

use crate::clock::SetClock;

/// How long a request that is to be overtaken waits for the other.
const PATIENCE: Duration = Duration::from_secs(30);

/// Calls services of this process, by their addresses.
pub struct Direct {
    services: Vec<Arc<Service>>,
    clock: Arc<SetClock>,
    traffic: Mutex<Traffic>,
}

/// What went over a way so far.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// How often the card was asked for.
    pub cards: usize,
    /// Requests with their answers, in order.
    pub exchanges: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Traffic {
    /// How often anything was asked; each time is a connection.
    pub fn connections(&self) -> usize {
        self.cards + self.exchanges.len()
    }

    /// Bytes that the computer sent.
    pub fn bytes_sent(&self) -> usize {
        self.exchanges.iter().map(|(request, _)| request.len()).sum()
    }

    /// Requests of this kind with their answers.
    pub fn of_kind(&self, kind: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.exchanges
            .iter()
            .filter(|(request, _)| kind_of(request) == kind)
            .cloned()
            .collect()
    }
}

impl Direct {
    /// A way to these services, whose time is told by this clock.
    pub fn new(services: Vec<Arc<Service>>, clock: Arc<SetClock>) -> Self {
        Self {
            services,
            clock,
            traffic: Mutex::default(),
        }
    }

    fn at(&self, base: &str) -> Result<&Service, TransportError> {
        let found = self.services.iter().find(|service| service.url() == base);
        found
            .map(|service| &**service)
            .ok_or_else(|| unreachable(base, "connection refused"))
    }

    /// What went over it so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Transport for Direct {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).cards += 1;
        Ok(self.at(base)?.card().as_bytes().to_vec())
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answer = self.at(base)?.handle(request, self.clock.now());
        let mut traffic = self.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.exchanges.push((request.to_vec(), answer.clone()));
        Ok(answer)
    }

    fn post_list(&self, base: &str, list: &[u8]) -> Result<Vec<u8>, TransportError> {
        Ok(self.at(base)?.take_list(list, self.clock.now()).encode())
    }
}

/// How a way misbehaves. What is said of a request concerns requests to restore; others pass.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nobody answers.
    Down,
    /// Nobody answers at this address; elsewhere all is well.
    DownAt(String),
    /// The card comes, and then nobody answers to anything.
    DownAfterCard,
    /// So many requests are answered, and then no more.
    DownAfter(usize),
    /// The service judged the request, but its answer is lost.
    ClosesAfterCommit,
    /// Every request gets this answer.
    Answers(Vec<u8>),
    /// Every request gets the answer to the first.
    FirstAnswer,
    /// Every answer is made from the honest one by this.
    Altered(fn(request: &[u8], answer: &[u8]) -> Vec<u8>),
    /// The second half of the answer is missing.
    Truncated,
    /// The first two sealed keys of the answer are exchanged.
    SwappedKeys,
    /// Each request is sent so often, and the last answer taken.
    Repeats(usize),
    /// The card is this one.
    Card(Vec<u8>),
    /// Each answer takes this long after the service judged.
    Slow(Duration),
    /// The first request is not even judged before the second was answered.
    Overtaken,
}

/// A way that misbehaves.
pub struct Bent {
    direct: Arc<Direct>,
    fault: Fault,
    restores: Mutex<usize>,
    first: OnceLock<Vec<u8>>,
    second_answered: (Mutex<bool>, Condvar),
}

impl Bent {
    /// Bends a way that works.
    pub fn new(direct: Arc<Direct>, fault: Fault) -> Self {
        Self {
            direct,
            fault,
            restores: Mutex::new(0),
            first: OnceLock::new(),
            second_answered: Default::default(),
        }
    }

    fn next_restore(&self) -> usize {
        let mut restores = self.restores.lock().unwrap_or_else(PoisonError::into_inner);
        *restores += 1;
        *restores
    }
}

impl Transport for Bent {
    fn card(&self, base: &str) -> Result<Vec<u8>, TransportError> {
        match &self.fault {
            Fault::Down => Err(unreachable(base, "connection refused")),
            Fault::DownAt(down) if down == base => Err(unreachable(base, "connection refused")),
            Fault::Card(card) => Ok(card.clone()),
            _ => self.direct.card(base),
        }
    }

    fn send(&self, base: &str, request: &[u8]) -> Result<Vec<u8>, TransportError> {
        if matches!(self.fault, Fault::Down | Fault::DownAfterCard) {
            return Err(unreachable(base, "connection refused"));
        }
        if kind_of(request) != kind::RESTORE {
            return self.direct.send(base, request);
        }
        let number = self.next_restore();
        match &self.fault {
            Fault::DownAfter(answered) if number > *answered => Err(unreachable(base, "connection refused")),
            Fault::ClosesAfterCommit => {
                self.direct.send(base, request)?;
                Err(unreachable(base, "connection reset"))
            }
            Fault::Answers(answer) => Ok(answer.clone()),
            Fault::FirstAnswer => {
                let answer = self.direct.send(base, request)?;
                Ok(self.first.get_or_init(|| answer).clone())
            }
            Fault::Altered(alter) => Ok(alter(request, &self.direct.send(base, request)?)),
            Fault::Truncated => {
                let mut answer = self.direct.send(base, request)?;
                answer.truncate(answer.len() / 2);
                Ok(answer)
            }
            Fault::SwappedKeys => Ok(swapped(&self.direct.send(base, request)?)),
            Fault::Repeats(times) => {
                for _ in 1..*times {
                    self.direct.send(base, request)?;
                }
                self.direct.send(base, request)
            }
            Fault::Slow(time) => {
                let answer = self.direct.send(base, request);
                std::thread::sleep(*time);
                answer
            }
            Fault::Overtaken if number == 1 => {
                let (answered, bell) = &self.second_answered;
                let answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = bell.wait_timeout_while(answered, PATIENCE, |answered| !*answered);
                match waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
                    true => Err(unreachable(base, "no second request came")),
                    false => self.direct.send(base, request),
                }
            }
            Fault::Overtaken if number == 2 => {
                let answer = self.direct.send(base, request);
                let (answered, bell) = &self.second_answered;
                *answered.lock().unwrap_or_else(PoisonError::into_inner) = true;
                bell.notify_all();
                answer
            }
            _ => self.direct.send(base, request),
        }
    }
}

/// The kind of a request.
pub fn kind_of(request: &[u8]) -> String {
    let request = SignedRequest::decode(request).expect("a request");
    request.claim().kind.to_string()
}

fn swapped(answer: &[u8]) -> Vec<u8> {
    let mut answer = Answer::decode(answer).expect("an answer");
    let delivery = answer.delivery.as_mut().expect("keys");
    delivery.keys.swap(0, 1);
    answer.encode()
}

fn unreachable(url: &str, why: &str) -> TransportError {
    TransportError::Unreachable {
        url: url.into(),
        why: why.into(),
    }
}
