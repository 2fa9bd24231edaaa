//! Where requests are read and judged, each within its room and when it is its turn.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use tokio::time::timeout;

use super::body::{Held, Room, Unread};
use super::gate;
use super::turns::Turns;
use crate::metrics::{Cut, Rejected};
use crate::service::Service;

/// How long a message may wait for its turn.
const TURN_TIME: Duration = Duration::from_secs(30);
/// Bodies up to this many bytes, which say so before, have room and turns of their own: whoever asks for little doesn't
/// wait for those who ask for much.
const SMALL: u64 = 64 * 1024;
/// KiB that all small bodies take together, and all others.
const SMALL_ROOM: usize = 16 * 1024;
const LARGE_ROOM: usize = 64 * 1024;

/// What the routes share.
#[derive(Clone)]
pub(super) struct Desk {
    service: Arc<Service>,
    small: Lane,
    large: Lane,
}

/// Requests of one size.
#[derive(Clone)]
struct Lane {
    room: Arc<Room>,
    turns: Arc<Turns>,
}

/// The body of a request, with the room that it takes, and where it is handled.
pub(super) struct Taken {
    pub(super) held: Held,
    bytes: usize,
    lane: Lane,
}

impl Lane {
    fn new(kib: usize, turns: usize) -> Self {
        Self {
            room: Arc::new(Room::new(kib)),
            turns: Turns::new(turns),
        }
    }
}

impl Desk {
    pub(super) fn new(service: Arc<Service>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            service,
            // While one batch waits for the ledger, another is verified or sealed.
            small: Lane::new(SMALL_ROOM, 2 * cores),
            large: Lane::new(LARGE_ROOM, 2 * cores),
        }
    }

    /// Reads a body within its bounds; one that announces more is not begun.
    pub(super) async fn read(&self, headers: &HeaderMap, body: Body, limit: usize) -> Result<Taken, Unread> {
        let claimed = claimed(headers);
        let lane = match claimed {
            Some(0..=SMALL) => &self.small,
            _ => &self.large,
        };
        let held = match claimed.is_some_and(|claimed| claimed > limit as u64) {
            true => Err(Unread::TooLarge),
            false => lane.room.read(body, limit).await,
        };
        let metrics = self.service.metrics();
        match &held {
            Err(Unread::TooLarge) => metrics.rejected(Rejected::Size),
            Err(Unread::TooSlow) => metrics.cut(Cut::SlowBody),
            Err(Unread::NoRoom) => metrics.rejected(Rejected::Room),
            Err(Unread::TooManyPieces | Unread::Broken | Unread::Failed) | Ok(_) => {}
        }
        let lane = lane.clone();
        held.map(|held| Taken {
            bytes: held.bytes.len(),
            held,
            lane,
        })
    }

    /// What is served.
    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// Runs blocking work on a body when it is its turn; the room that it takes is held until then.
    pub(super) async fn judge<T: Send + 'static>(
        &self,
        taken: Taken,
        work: impl FnOnce(&Service, Held) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let Taken { held, bytes, lane } = taken;
        self.take_turn(&lane, bytes, move |service| work(service, held))
            .await
    }

    /// Runs other blocking work when it is its turn.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        self.take_turn(&self.small, 0, work).await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        lane: &Lane,
        bytes: usize,
        work: impl FnOnce(&Service) -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let who = gate::works();
        let Ok(turn) = timeout(TURN_TIME, lane.turns.take(who, bytes)).await else {
            self.service.metrics().rejected(Rejected::Turn);
            return Err(Unread::NoRoom);
        };
        let (service, span) = (Arc::clone(&self.service), tracing::Span::current());
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            span.in_scope(|| work(&service))
        });
        done.await.map_err(|error| {
            tracing::error!("a request was not finished: {error}");
            Unread::Failed
        })
    }
}

/// How long a body is, as its header announces it.
fn claimed(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::RwLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::policy::Policy;
    use crate::service::ServiceConfig;

    async fn read(desk: &Desk, bytes: u64) -> Taken {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, bytes.into());
        let body = Body::from(vec![0; bytes as usize]);
        desk.read(&headers, body, 1 << 20).await.ok().unwrap()
    }

    #[test]
    fn whoever_asks_for_little_does_not_wait_for_those_who_ask_for_much() {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::open(ServiceConfig {
            dir: folder.path().join("svc"),
            name: "Northwind Licenses".into(),
            url: "http://127.0.0.1:1".into(),
            issuers: Vec::new(),
            policy: Policy::default(),
        });
        let desk = Desk::new(Arc::new(service.unwrap()));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let (shut, begun) = (Arc::new(RwLock::new(())), Arc::new(AtomicUsize::new(0)));
        let closed = shut.write().unwrap();
        runtime.unwrap().block_on(async {
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            let mut large = tokio::task::JoinSet::new();
            for _ in 0..5 * cores {
                let (desk, shut, begun) = (desk.clone(), Arc::clone(&shut), Arc::clone(&begun));
                large.spawn(async move {
                    let taken = read(&desk, SMALL + 1).await;
                    let work = move |_: &Service, _: Held| {
                        begun.fetch_add(1, Ordering::Relaxed);
                        drop(shut.read());
                    };
                    desk.judge(taken, work).await
                });
            }
            while begun.load(Ordering::Relaxed) < 2 * cores {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let taken = read(&desk, SMALL).await;
            assert_eq!(
                desk.judge(taken, |_, held| held.bytes.len()).await,
                Ok(SMALL as usize)
            );
            assert_eq!(begun.load(Ordering::Relaxed), 2 * cores);
            drop(closed);
            while let Some(done) = large.join_next().await {
                assert_eq!(done.unwrap(), Ok(()));
            }
        });
        assert!(begun.load(Ordering::Relaxed) > 0);
    }
}
