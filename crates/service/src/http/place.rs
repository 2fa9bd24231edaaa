//! The places for connections: who holds one, what is being done there, and whose is taken when all are held. A full
//! house never shuts anybody out as long as somebody in it rests (docs/operations.md, Limits).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::limits::{Limits, Neighborhood};
use crate::metrics::{Cut, Metrics, Rejected};

/// At once this part of all places is made free, so that a flood doesn't look through all of them each time.
const PART: usize = 64;
/// So many may have lost their places and not be gone, before newcomers wait: each of them is an open file.
const LEAVING: usize = 256;
/// Whoever is answered takes the answer within this time, and then at least so many bytes a second.
const ANSWER_TIME: Duration = Duration::from_secs(10);
pub(super) const SLOWEST: u64 = 8 * 1024;
/// Nothing of one request takes longer.
pub(super) const LONGEST: Duration = Duration::from_secs(120);

/// All places of a server.
pub(super) struct House {
    connections: usize,
    each: usize,
    limits: Limits,
    metrics: Arc<Metrics>,
    guests: Mutex<Guests>,
    /// How many have lost their places and aren't gone.
    leaving: AtomicUsize,
}

#[derive(Default)]
struct Guests {
    next: u64,
    places: HashMap<u64, Arc<Place>>,
    held: HashMap<Neighborhood, usize>,
}

/// What is being done in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Waiting for a handshake, for a request or for the rest of it: whoever is waited for may be sent away.
    Waiting,
    /// A request is being judged: it is finished, whatever comes.
    Working,
    /// The answer is being taken, which may last so long.
    Answering(Duration),
}

/// One connection's place.
pub(super) struct Place {
    /// Who sits there; `None` if no limit by address holds for them.
    who: Option<Neighborhood>,
    doing: Mutex<(Doing, Instant)>,
    /// Did anything come since the last answer?
    heard: AtomicBool,
    cut: Notify,
}

/// Holding a place; dropped, it is free again.
pub(super) struct Seat {
    house: Arc<House>,
    number: u64,
    pub(super) place: Arc<Place>,
}

impl House {
    pub(super) fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        let each = match limits.address_connections {
            0 => limits.connections,
            each => each.min(limits.connections),
        };
        Self {
            connections: limits.connections.max(1),
            each,
            limits,
            metrics,
            guests: Mutex::default(),
            leaving: AtomicUsize::new(0),
        }
    }

    /// Are so many still on their way out that nobody else should come in?
    pub(super) fn crowded(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) > LEAVING
    }

    /// A place for who comes from this address. `None` only if all places that could be taken are at work.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let who = (!self.limits.spares(address)).then(|| address.into());
        let mut guests = lock(&self.guests);
        let own = who.map_or(0, |who| guests.held.get(&who).copied().unwrap_or(0));
        if who.is_some() && own >= self.each && !self.make_room(&mut guests, who) {
            self.metrics.rejected(Rejected::AddressConnections);
            return None;
        }
        if guests.places.len() >= self.connections && !self.make_room(&mut guests, None) {
            self.metrics.rejected(Rejected::Connections);
            return None;
        }
        let number = guests.next;
        guests.next += 1;
        let place = Arc::new(Place {
            who,
            doing: Mutex::new((Doing::Waiting, Instant::now())),
            heard: AtomicBool::new(false),
            cut: Notify::new(),
        });
        guests.places.insert(number, Arc::clone(&place));
        if let Some(who) = who {
            *guests.held.entry(who).or_default() += 1;
        }
        self.metrics.opened();
        Some(Seat {
            house: Arc::clone(self),
            number,
            place,
        })
    }

    /// Sends away whoever rests longest, of those who hold most: of one neighborhood, or of all.
    fn make_room(&self, guests: &mut Guests, of: Option<Neighborhood>) -> bool {
        let resting = guests.places.iter().filter_map(|(number, place)| {
            if of.is_some() && place.who != of {
                return None;
            }
            let (doing, since) = *lock(&place.doing);
            let held = place.who.and_then(|who| guests.held.get(&who)).copied();
            let rank = Reverse(held.unwrap_or(1).ilog2());
            (doing != Doing::Working).then_some((rank, since, *number))
        });
        let mut resting: Vec<_> = resting.collect();
        let all = if of.is_some() { self.each } else { self.connections };
        let wanted = (all / PART).max(1).min(resting.len());
        if wanted == 0 {
            return false;
        }
        if wanted < resting.len() {
            resting.select_nth_unstable(wanted - 1);
        }
        for (_, _, number) in &resting[..wanted] {
            if let Some(place) = guests.remove(*number) {
                self.metrics.cut(Cut::Room);
                self.leaving.fetch_add(1, Ordering::Relaxed);
                place.cut.notify_one();
            }
        }
        true
    }

    /// Cuts whoever doesn't take their answers. To be called every second or so.
    pub(super) fn sweep(&self) {
        let late = |place: &Arc<Place>| {
            let (doing, since) = *lock(&place.doing);
            matches!(doing, Doing::Answering(time) if since.elapsed() > time)
        };
        let late: Vec<Arc<Place>> = lock(&self.guests)
            .places
            .values()
            .filter(|place| late(place))
            .cloned()
            .collect();
        for place in late {
            self.metrics.cut(Cut::SlowAnswer);
            place.cut.notify_one();
        }
    }
}

impl Guests {
    fn remove(&mut self, number: u64) -> Option<Arc<Place>> {
        let place = self.places.remove(&number)?;
        if let Some(who) = place.who
            && let Some(held) = self.held.get_mut(&who)
        {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&who);
            }
        }
        Some(place)
    }
}

impl Place {
    /// Its request is there and is judged now.
    pub(super) fn works(&self) {
        *lock(&self.doing) = (Doing::Working, Instant::now());
    }

    /// An answer of so many bytes is on its way.
    pub(super) fn answers(&self, bytes: u64) {
        let time = ANSWER_TIME + Duration::from_secs(bytes / SLOWEST);
        *lock(&self.doing) = (Doing::Answering(time.min(LONGEST)), Instant::now());
    }

    /// All of the answer was taken, if there was one.
    pub(super) fn flushed(&self) {
        let mut doing = lock(&self.doing);
        if matches!(doing.0, Doing::Answering(_)) {
            *doing = (Doing::Waiting, Instant::now());
            self.heard.store(false, Ordering::Relaxed);
        }
    }

    /// Something came.
    pub(super) fn hears(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Did anything come that is not answered?
    pub(super) fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Returns when the place was taken away.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let had = lock(&self.house.guests).remove(self.number);
        if had.is_none() {
            self.house.leaving.fetch_sub(1, Ordering::Relaxed);
        }
        self.house.metrics.closed();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(connections: usize, each: usize) -> Arc<House> {
        let limits = Limits {
            connections,
            address_connections: each,
            spared: vec!["127.0.0.1/32".parse().unwrap()],
            ..Limits::default()
        };
        Arc::new(House::new(limits, Arc::default()))
    }

    fn come(house: &Arc<House>, address: &str) -> Option<Seat> {
        house.admit(address.parse().unwrap())
    }

    fn is_cut(seat: &Seat) -> bool {
        let waiting = std::pin::pin!(seat.place.cut());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        waiting.poll(&mut context).is_ready()
    }

    #[test]
    fn a_full_house_sends_away_who_rests_longest() {
        let house = house(3, 0);
        let seats: Vec<Seat> = (1..=3)
            .map(|n| come(&house, &format!("10.0.0.{n}")).unwrap())
            .collect();
        seats[0].place.works();
        let fourth = come(&house, "10.0.0.4").unwrap();
        assert_eq!(seats.iter().map(is_cut).collect::<Vec<_>>(), [false, true, false]);
        assert!(!is_cut(&fourth));
        assert_eq!(lock(&house.guests).places.len(), 3);
    }

    #[test]
    fn who_holds_many_goes_before_who_rests_longest() {
        let house = house(10, 0);
        let first = come(&house, "10.0.0.1").unwrap();
        let many: Vec<Seat> = (0..9).map(|_| come(&house, "10.0.0.2").unwrap()).collect();
        let _new = come(&house, "10.0.0.3").unwrap();
        assert!(!is_cut(&first) && is_cut(&many[0]));
    }

    #[test]
    fn newcomers_wait_while_many_are_on_their_way_out() {
        let places = PART - 1;
        let house = house(places, 0);
        let mut seats: Vec<Seat> = (0..places).map(|_| come(&house, "127.0.0.1").unwrap()).collect();
        for _ in 0..=LEAVING {
            assert!(!house.crowded());
            seats.push(come(&house, "127.0.0.1").unwrap());
        }
        assert!(house.crowded());
        drop(seats.remove(0));
        assert!(!house.crowded());
        drop(seats);
        assert_eq!(house.leaving.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_address_over_its_share_loses_its_own() {
        let house = house(100, 2);
        let other = come(&house, "10.0.0.9").unwrap();
        let own = [
            come(&house, "10.0.0.1").unwrap(),
            come(&house, "10.0.0.1").unwrap(),
        ];
        let third = come(&house, "10.0.0.1").unwrap();
        assert!(is_cut(&own[0]) && !is_cut(&own[1]) && !is_cut(&other) && !is_cut(&third));
        for seat in [&own[1], &third] {
            seat.place.works();
        }
        assert!(come(&house, "10.0.0.1").is_none());
        assert!(come(&house, "10.0.0.2").is_some());
        let spared: Vec<_> = (0..20).filter_map(|_| come(&house, "127.0.0.1")).collect();
        assert_eq!(spared.len(), 20);
    }

    #[test]
    fn work_is_never_cut_and_a_place_is_free_after_its_seat() {
        let house = house(2, 0);
        let seats = [
            come(&house, "10.0.0.1").unwrap(),
            come(&house, "10.0.0.2").unwrap(),
        ];
        for seat in &seats {
            seat.place.works();
        }
        assert!(come(&house, "10.0.0.3").is_none());
        assert!(!seats.iter().any(is_cut));
        drop(seats);
        assert!(come(&house, "10.0.0.3").is_some());
        assert!(lock(&house.guests).held.is_empty());
    }

    #[test]
    fn answers_that_are_not_taken_are_cut() {
        let house = house(2, 0);
        let seat = come(&house, "10.0.0.1").unwrap();
        seat.place.works();
        seat.place.answers(1000);
        house.sweep();
        assert!(!is_cut(&seat));
        lock(&seat.place.doing).0 = Doing::Answering(Duration::ZERO);
        house.sweep();
        assert!(is_cut(&seat));
        seat.place.flushed();
        assert_eq!(lock(&seat.place.doing).0, Doing::Waiting);
    }
}
