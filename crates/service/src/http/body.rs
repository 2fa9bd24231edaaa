//! Reading a request's body: bounded in bytes, in time, in pieces, and in what all of them take together. Where that is
//! all taken, those go that come slowly, and then those that have held most for longest.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::place::{LONGEST, SLOWEST};

/// No piece of a body takes longer, and it comes at [`SLOWEST`] on the whole after so long.
const PIECE_TIME: Duration = Duration::from_secs(10);
/// Pieces that a body may come in, beside one for so many bytes. Each takes time of its own, however small it is.
const PIECES: u64 = 1024;
const PIECE: u64 = 64;
/// After so many bytes of a body it is the turn of others, however fast it comes.
const GULP: usize = 64 * 1024;
/// After so long a body is slow that came at less than so many bytes a second, and what it holds weighs more.
const SLOW_AFTER: Duration = Duration::from_secs(1);
const SLOW: u64 = 64 * 1024;
const SLOW_WEIGHT: u128 = 64;
/// Those that have to go make room for this much, if there is so much to be had: then it is a while until others have to.
const AT_ONCE: usize = 1 << 20;
/// How long one body waits for others to go before more have to.
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
    /// Those that were told to go and haven't yet.
    leaving: HashSet<u64>,
    /// When it was last looked for somebody who could go.
    looked: Option<Instant>,
}

/// A body that is being read.
struct Reader {
    since: Instant,
    bytes: AtomicUsize,
    out: Notify,
}

/// A body with the room that it takes.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

/// Why a request was not read, or not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    TooLarge,
    TooSlow,
    TooManyPieces,
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
    /// For so many KiB, which all bodies take together while they are read and judged.
    pub(super) fn new(kib: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(kib)),
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
        let (mut held, mut pieces, mut gulp) = (Held::default(), 0, 0);
        loop {
            let bytes = held.bytes.len() as u64;
            let enough = PIECE_TIME + Duration::from_secs(bytes / SLOWEST);
            let end = reading.reader.since + enough.min(LONGEST);
            let next = timeout_at(end, timeout(PIECE_TIME, body.frame())).await;
            let frame = match next {
                Err(_) | Ok(Err(_)) => return Err(Unread::TooSlow),
                Ok(Ok(None)) => return Ok(held),
                Ok(Ok(Some(Err(_)))) => return Err(Unread::Broken),
                Ok(Ok(Some(Ok(frame)))) => frame,
            };
            pieces += 1;
            if pieces > PIECES + bytes / PIECE {
                return Err(Unread::TooManyPieces);
            }
            let Ok(piece) = frame.into_data() else { continue };
            if piece.len() > limit - held.bytes.len() {
                return Err(Unread::TooLarge);
            }
            self.take(&mut held, piece.len(), limit, reading).await?;
            held.bytes.extend_from_slice(&piece);
            gulp += piece.len();
            if gulp >= GULP {
                gulp = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes room for so many more bytes, and makes it.
    async fn take(
        &self,
        held: &mut Held,
        more: usize,
        limit: usize,
        reading: &Reading<'_>,
    ) -> Result<(), Unread> {
        let taken = held.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * 1024;
        let needed = held.bytes.len() + more;
        if needed <= taken {
            return Ok(());
        }
        // A quarter more each time, so that what is there isn't moved for every piece.
        let wanted = needed.max((taken + taken / 4).min(limit)).next_multiple_of(1024);
        let kib = ((wanted - taken) / 1024) as u32;
        let mut room = std::pin::pin!(Arc::clone(&self.free).acquire_many_owned(kib));
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
        match &mut held.room {
            Some(first) => first.merge(room),
            none => *none = Some(room),
        }
        held.bytes.reserve_exact(wanted - held.bytes.len());
        reading.reader.bytes.store(wanted, Ordering::Relaxed);
        Ok(())
    }

    fn begin(&self) -> Reading<'_> {
        let reader = Arc::new(Reader {
            since: Instant::now(),
            bytes: AtomicUsize::new(0),
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

    /// Tells others to go, if there are any that have to go before the one who asks.
    fn evict(&self, asks: &Reading<'_>) {
        let mut readers = lock(&self.readers);
        let now = Instant::now();
        let just_looked = readers
            .looked
            .is_some_and(|looked| now < looked + EVICTION_TIME / 10);
        if !readers.leaving.is_empty() || just_looked {
            return;
        }
        readers.looked = Some(now);
        let own = asks.reader.weight(now);
        let heavier = readers.all.iter().filter_map(|(number, reader)| {
            let weight = reader.weight(now);
            (weight > own).then_some((weight, *number))
        });
        let mut heavier: Vec<(u128, u64)> = heavier.collect();
        heavier.sort_unstable_by(|one, other| other.cmp(one));
        let mut freed = 0;
        for (_, number) in heavier {
            let Some(reader) = readers.all.remove(&number) else {
                continue;
            };
            readers.leaving.insert(number);
            reader.out.notify_one();
            freed += reader.bytes.load(Ordering::Relaxed);
            if freed >= AT_ONCE {
                break;
            }
        }
    }
}

impl Reader {
    /// Who goes first: bytes times milliseconds, and more for those that come slowly.
    fn weight(&self, now: Instant) -> u128 {
        let (bytes, time) = (self.bytes.load(Ordering::Relaxed) as u128, now - self.since);
        let slow = time > SLOW_AFTER && bytes * 1000 < u128::from(SLOW) * time.as_millis();
        bytes * time.as_millis() * if slow { SLOW_WEIGHT } else { 1 }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut readers = lock(&self.room.readers);
        readers.all.remove(&self.number);
        readers.leaving.remove(&self.number);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
