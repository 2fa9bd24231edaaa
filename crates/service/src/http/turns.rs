//! Whose turn it is to be judged: fair among addresses, by what they ask for. Whoever asks little, or hasn't asked for
//! long, doesn't stand behind everything that others wait for, and whoever waits gets its turn, however many newcomers there
//! are (self-clocked fair queueing: Golestani, INFOCOM 1994).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::limits::Neighborhood;

/// So many addresses are remembered before it is looked for those that needn't be.
const REMEMBERED: usize = 65_536;
/// What a request costs beside its bytes.
const COST: u64 = 4096;

/// So many at a time.
pub(super) struct Turns(Mutex<Queue>);

struct Queue {
    free: usize,
    all: usize,
    /// Where the one that began last ends: newcomers stand here. It never goes back, so whoever waits is reached.
    now: u64,
    next: u64,
    /// Where each stands after everything that it has asked for.
    ends: HashMap<Neighborhood, u64>,
    /// By where they end, and then in their order.
    waiting: BTreeMap<(u64, u64), Waiting>,
}

type Waiting = oneshot::Sender<Turn>;

/// A turn; dropped, it is the next one's.
pub(super) struct Turn(Option<Arc<Turns>>);

/// Waiting for a turn; dropped, it waits no more.
struct Place {
    turns: Arc<Turns>,
    key: (u64, u64),
}

impl Turns {
    pub(super) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue {
            free: all,
            all,
            now: 0,
            next: 0,
            ends: HashMap::new(),
            waiting: BTreeMap::new(),
        })))
    }

    /// Waits for a turn to judge so many bytes for somebody at this address.
    pub(super) async fn take(self: &Arc<Self>, who: Neighborhood, bytes: usize) -> Turn {
        let (granted, place) = match self.ask(who, bytes) {
            Ok(turn) => return turn,
            Err(waits) => waits,
        };
        let turn = granted.await;
        drop(place);
        // Whoever waits is granted a turn or stops waiting.
        turn.unwrap_or(Turn(None))
    }

    fn ask(
        self: &Arc<Self>,
        who: Neighborhood,
        bytes: usize,
    ) -> Result<Turn, (oneshot::Receiver<Turn>, Place)> {
        let mut queue = self.lock();
        if queue.ends.len() >= REMEMBERED {
            let now = queue.now;
            queue.ends.retain(|_, end| *end > now);
        }
        let start = queue.ends.get(&who).map_or(queue.now, |end| queue.now.max(*end));
        let end = start + COST + bytes as u64;
        queue.ends.insert(who, end);
        if queue.free > 0 {
            queue.free -= 1;
            queue.now = queue.now.max(end);
            return Ok(Turn(Some(Arc::clone(self))));
        }
        let (granted, waits) = oneshot::channel();
        let key = (end, queue.next);
        queue.next += 1;
        queue.waiting.insert(key, granted);
        let turns = Arc::clone(self);
        Err((waits, Place { turns, key }))
    }

    fn next(self: Arc<Self>) {
        let mut queue = self.lock();
        while let Some(((end, _), granted)) = queue.waiting.pop_first() {
            queue.now = queue.now.max(end);
            match granted.send(Turn(Some(Arc::clone(&self)))) {
                Ok(()) => return,
                // It has just stopped waiting; dropping the turn would come back here.
                Err(mut turn) => turn.0 = None,
            }
        }
        queue.free += 1;
        let (idle, now) = (queue.free == queue.all, queue.now);
        queue.ends.retain(|_, end| !idle && *end > now);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.next();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(address: &str) -> Neighborhood {
        address.parse::<std::net::IpAddr>().unwrap().into()
    }

    /// Gives the turn to whoever is next, again and again; the order in which those who wait get it.
    fn order(turn: Turn, mut waiting: Vec<(&'static str, oneshot::Receiver<Turn>)>) -> Vec<&'static str> {
        let (mut turn, mut order) = (Some(turn), Vec::new());
        while !waiting.is_empty() {
            drop(turn.take());
            let at = waiting.iter_mut().position(|(_, waits)| match waits.try_recv() {
                Ok(granted) => {
                    turn = Some(granted);
                    true
                }
                Err(_) => false,
            });
            order.push(waiting.remove(at.unwrap()).0);
        }
        order
    }

    #[test]
    fn whoever_asks_for_much_waits_behind_those_who_ask_for_little() {
        let turns = Turns::new(1);
        let [greedy, modest, third] = [who("10.0.0.1"), who("10.0.0.2"), who("10.0.0.3")];
        let first = turns.ask(greedy, 1 << 20).ok().unwrap();
        let mut places = Vec::new();
        let mut waiting = Vec::new();
        for (name, who, bytes) in [
            ("greedy, second", greedy, 1 << 20),
            ("greedy, third", greedy, 1 << 20),
            ("modest, first", modest, 5_000),
            ("modest, second", modest, 5_000),
            ("another, large", third, 1 << 20),
        ] {
            let (waits, place) = turns.ask(who, bytes).err().unwrap();
            waiting.push((name, waits));
            places.push(place);
        }
        let wanted = [
            "modest, first",
            "modest, second",
            "greedy, second",
            "another, large",
            "greedy, third",
        ];
        assert_eq!(order(first, waiting), wanted);
        assert_eq!(turns.lock().free, 1);
        assert!(
            turns.lock().ends.is_empty(),
            "nobody is remembered when nobody asks"
        );
    }

    #[test]
    fn newcomers_without_end_keep_nobody_waiting_and_are_not_all_remembered() {
        let turns = Turns::new(1);
        let mut newcomers = (0_u32..).map(|number| who(&std::net::Ipv4Addr::from(number).to_string()));
        let mut turn = turns.ask(newcomers.next().unwrap(), 0).ok();
        let (mut large, _place) = turns.ask(who("255.0.0.1"), 1 << 20).err().unwrap();
        let mut before = None;
        for number in 0..2 * REMEMBERED {
            let (mut waits, _place) = turns.ask(newcomers.next().unwrap(), 5_000).err().unwrap();
            drop(turn.take());
            if let Ok(granted) = large.try_recv() {
                before = Some(number);
                drop(granted);
            }
            turn = waits.try_recv().ok();
            assert!(turn.is_some(), "{number}");
        }
        assert!(
            before.is_some_and(|number| number < 1000),
            "{before:?} were served before it"
        );
        assert!(turns.lock().ends.len() <= REMEMBERED);
    }

    #[test]
    fn whoever_stops_waiting_is_passed_over() {
        let turns = Turns::new(1);
        let first = turns.ask(who("10.0.0.1"), 0).ok().unwrap();
        let (waits, place) = turns.ask(who("10.0.0.2"), 0).err().unwrap();
        let (gone, _place) = turns.ask(who("10.0.0.3"), 0).err().unwrap();
        let (mut last, _last) = turns.ask(who("10.0.0.4"), 0).err().unwrap();
        drop((waits, place));
        assert_eq!(turns.lock().waiting.len(), 2);
        drop(gone);
        drop(first);
        drop(last.try_recv().unwrap());
        assert_eq!(turns.lock().free, 1);
    }
}
