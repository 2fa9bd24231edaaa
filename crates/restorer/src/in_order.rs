//! Work on as many threads as the machine has cores and as it is worth, given and taken in one order, and never more of it
//! under way than two pieces for each thread: so memory doesn't grow with what there is to do.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::{Error, Result};

/// Pieces that wait for a thread or for the caller, for each thread.
const WAITING: usize = 2;

/// The threads, as the caller sees them.
pub(crate) struct Workers<J, D> {
    lanes: Vec<(SyncSender<J>, Receiver<D>)>,
    given: usize,
    taken: usize,
}

/// Starts the threads, `most` at most, which do `work`, and ends them when `run` is done with them.
pub(crate) fn in_order<J: Send, D: Send, T>(
    most: usize,
    work: impl Fn(J) -> D + Sync,
    run: impl FnOnce(&mut Workers<J, D>) -> Result<T>,
) -> Result<T> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = &work;
    thread::scope(|scope| {
        let mut lanes = Vec::new();
        for _ in 0..cores.min(most) {
            let (give, given) = sync_channel::<J>(WAITING);
            let (done, take) = sync_channel::<D>(WAITING);
            let thread = thread::Builder::new().name("keyferry-worker".into());
            let spawned = thread.spawn_scoped(scope, move || {
                for job in given {
                    if done.send(work(job)).is_err() {
                        break;
                    }
                }
            });
            spawned.map_err(|error| Error::Internal(format!("a thread can't be started: {error}")))?;
            lanes.push((give, take));
        }
        run(&mut Workers {
            lanes,
            given: 0,
            taken: 0,
        })
    })
}

impl<J, D> Workers<J, D> {
    /// Gives one more piece; the oldest that is done comes back when enough are under way.
    pub(crate) fn give(&mut self, job: J) -> Result<Option<D>> {
        let full = self.given - self.taken == WAITING * self.lanes.len();
        let done = if full { self.take()? } else { None };
        let lane = &self.lanes[self.given % self.lanes.len()];
        lane.0.send(job).map_err(|_| stopped())?;
        self.given += 1;
        Ok(done)
    }

    /// The oldest of those that are under way; nothing when all came back.
    pub(crate) fn take(&mut self) -> Result<Option<D>> {
        if self.taken == self.given {
            return Ok(None);
        }
        let lane = &self.lanes[self.taken % self.lanes.len()];
        self.taken += 1;
        lane.1.recv().map(Some).map_err(|_| stopped())
    }
}

fn stopped() -> Error {
    Error::Internal("a thread that works for another has stopped".to_owned())
}

#[cfg(test)]
mod tests {
    use super::in_order;
    use crate::error::Error;

    #[test]
    fn pieces_come_back_in_their_order_and_all_of_them() {
        for pieces in [0, 1, 2, 1000] {
            let mut came = Vec::new();
            let done = in_order(
                8,
                |piece: u32| piece * 2,
                |workers| {
                    for piece in 0..pieces {
                        came.extend(workers.give(piece)?);
                    }
                    while let Some(piece) = workers.take()? {
                        came.push(piece);
                    }
                    Ok(())
                },
            );
            done.expect("no thread stopped");
            assert_eq!(came, (0..pieces).map(|piece| piece * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_the_threads_with_work_under_way() {
        let failed = in_order(
            8,
            |piece: u32| piece,
            |workers| {
                for piece in 0..3 {
                    workers.give(piece)?;
                }
                Err::<(), _>(Error::Canceled)
            },
        );
        assert!(matches!(failed, Err(Error::Canceled)));
    }
}
