//! Reading a request's body: bounded in bytes, in time, and in what all of them take together. Where that is all taken,
//! the body that has held most for longest goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::place::{LONGEST, SLOWEST};

/// KiB that all bodies take together while they are read and judged.
const ROOM_KIB: u32 = 64 * 1024;
/// No piece of a body takes longer, and it comes at [`SLOWEST`] on the whole after so long.
const PIECE_TIME: Duration = Duration::from_secs(10);
/// How long one body waits for another to go before the next has to.
const EVICTION_TIME: Duration = Duration::from_millis(100);

/// Room for bodies.
pub(super) struct Room {
    free: Arc<Semaphore>,
    /// Those that are being read.
    readers: Mutex<Readers>,
}

#[derive(Default)]
struct Readers {
    next: u64,
    all: HashMap<u64, Arc<Reader>>,
}

/// A body that is being read.
struct Reader {
    since: Instant,
    bytes: Mutex<usize>,
    out: Notify,
}

/// A body with the room that it takes.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    _room: Vec<OwnedSemaphorePermit>,
}

/// Why a request was not read, or not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    TooSlow,
    NoRoom,
    Broken,
    Failed,
}

/// Registered while it is read.
struct Reading<'a> {
    room: &'a Room,
    number: u64,
    reader: Arc<Reader>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(ROOM_KIB as usize)),
            readers: Mutex::default(),
        }
    }

    /// Reads a whole body of at most `limit` bytes. Room is taken as its bytes come, so that a claim alone takes none.
    pub(super) async fn read(&self, body: Body, limit: usize) -> Result<Held, Unread> {
        let reading = self.begin();
        tokio::select! {
            () = reading.reader.out.notified() => Err(Unread::NoRoom),
            held = self.pieces(body, limit, &reading) => held,
        }
    }

    async fn pieces(&self, mut body: Body, limit: usize, reading: &Reading<'_>) -> Result<Held, Unread> {
        let mut held = Held {
            bytes: Vec::new(),
            _room: Vec::new(),
        };
        loop {
            let enough = PIECE_TIME + Duration::from_secs(held.bytes.len() as u64 / SLOWEST);
            let end = reading.reader.since + enough.min(LONGEST);
            let next = timeout_at(end, timeout(PIECE_TIME, body.frame())).await;
            let frame = match next {
                Err(_) | Ok(Err(_)) => return Err(Unread::TooSlow),
                Ok(Ok(None)) => return Ok(held),
                Ok(Ok(Some(Err(_)))) => return Err(Unread::Broken),
                Ok(Ok(Some(Ok(frame)))) => frame,
            };
            let Ok(piece) = frame.into_data() else { continue };
            if piece.len() > limit - held.bytes.len() {
                return Err(Unread::TooLarge);
            }
            held.bytes.extend_from_slice(&piece);
            *lock(&reading.reader.bytes) = held.bytes.len();
            self.take(&mut held, reading).await?;
        }
    }

    async fn take(&self, held: &mut Held, reading: &Reading<'_>) -> Result<(), Unread> {
        let needed = held.bytes.len().div_ceil(1024);
        let taken: usize = held._room.iter().map(OwnedSemaphorePermit::num_permits).sum();
        let Some(more) = needed.checked_sub(taken).filter(|more| *more > 0) else {
            return Ok(());
        };
        let mut room = std::pin::pin!(Arc::clone(&self.free).acquire_many_owned(more as u32));
        let end = Instant::now() + PIECE_TIME;
        let mut patience = Duration::ZERO;
        let room = loop {
            match timeout(patience, &mut room).await {
                Ok(room) => break room.map_err(|_| Unread::NoRoom)?,
                Err(_) if Instant::now() >= end => return Err(Unread::NoRoom),
                Err(_) => self.evict(reading),
            }
            patience = EVICTION_TIME;
        };
        match held._room.first_mut() {
            Some(first) => first.merge(room),
            None => held._room.push(room),
        }
        Ok(())
    }

    fn begin(&self) -> Reading<'_> {
        let reader = Arc::new(Reader {
            since: Instant::now(),
            bytes: Mutex::new(0),
            out: Notify::new(),
        });
        let mut readers = lock(&self.readers);
        let number = readers.next;
        readers.next += 1;
        readers.all.insert(number, Arc::clone(&reader));
        Reading {
            room: self,
            number,
            reader,
        }
    }

    /// Whoever has held most for longest goes, if that is more than the one who asks.
    fn evict(&self, asks: &Reading<'_>) {
        let mut readers = lock(&self.readers);
        let heaviest = readers.all.iter().max_by_key(|(_, reader)| reader.weight());
        let Some((&number, reader)) = heaviest else { return };
        if reader.weight() > asks.reader.weight() {
            reader.out.notify_one();
            readers.all.remove(&number);
        }
    }
}

impl Reader {
    /// Bytes times milliseconds.
    fn weight(&self) -> u128 {
        *lock(&self.bytes) as u128 * self.since.elapsed().as_millis()
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        lock(&self.room.readers).all.remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
