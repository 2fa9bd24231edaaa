//! Reading a request's body: bounded in bytes, in time, and in what all of them take together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// KiB that all bodies take together while they are read and judged.
const ROOM_KIB: u32 = 64 * 1024;
/// A body must be there within this time, and each piece of it within [`PIECE_TIME`].
const BODY_TIME: Duration = Duration::from_secs(60);
const PIECE_TIME: Duration = Duration::from_secs(10);

/// Room for bodies.
pub(super) struct Room(Arc<Semaphore>);

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

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_KIB as usize)))
    }

    /// Reads a whole body of at most `limit` bytes. Room is taken as its bytes come, so that a claim alone takes none.
    pub(super) async fn read(&self, mut body: Body, limit: usize) -> Result<Held, Unread> {
        let end = Instant::now() + BODY_TIME;
        let mut held = Held {
            bytes: Vec::new(),
            _room: Vec::new(),
        };
        loop {
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
            self.take(&mut held).await?;
        }
    }

    async fn take(&self, held: &mut Held) -> Result<(), Unread> {
        let needed = held.bytes.len().div_ceil(1024);
        let taken: usize = held._room.iter().map(OwnedSemaphorePermit::num_permits).sum();
        let Some(more) = needed.checked_sub(taken).filter(|more| *more > 0) else {
            return Ok(());
        };
        let room = Arc::clone(&self.0).acquire_many_owned(more as u32);
        let room = timeout(PIECE_TIME, room).await;
        let room = room.ok().and_then(Result::ok).ok_or(Unread::NoRoom)?;
        match held._room.first_mut() {
            Some(first) => first.merge(room),
            None => held._room.push(room),
        }
        Ok(())
    }
}
