//! The one writer of the SQLite ledger. What waits for it is written in one transaction, so that many computers share a
//! commit; where that fails, each is written by itself, so that nobody fails for another's sake.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::Failure;
use crate::error::Result;

/// Jobs that share a commit, at most.
const TOGETHER: usize = 32;
/// How often a transaction that lost against another process is tried again.
const ATTEMPTS: usize = 8;

/// Something to be written, with somebody who waits for it.
pub(super) trait Job: Send {
    /// Does it, without a commit. May be called again after a transaction that came to nothing.
    fn attempt(&mut self, transaction: &Transaction<'_>) -> Result<(), Failure>;
    /// Tells whoever waits, after the commit.
    fn tell(self: Box<Self>);
    /// Does it in a transaction of its own, and tells.
    fn alone(self: Box<Self>, connection: &mut Connection);
}

/// A job that gives a value.
pub(super) struct Task<T, W> {
    action: &'static str,
    work: W,
    value: Option<T>,
    done: SyncSender<Result<T>>,
}

impl<T, W> Task<T, W>
where
    W: Fn(&Transaction<'_>) -> Result<T, Failure>,
{
    /// With the end at which its value comes out.
    pub(super) fn new(action: &'static str, work: W) -> (Self, Receiver<Result<T>>) {
        let (done, result) = sync_channel(1);
        let task = Self {
            action,
            work,
            value: None,
            done,
        };
        (task, result)
    }
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: Fn(&Transaction<'_>) -> Result<T, Failure> + Send,
{
    fn attempt(&mut self, transaction: &Transaction<'_>) -> Result<(), Failure> {
        self.value = Some((self.work)(transaction)?);
        Ok(())
    }

    fn tell(self: Box<Self>) {
        if let Some(value) = self.value {
            // Whoever asked may have given up; what was committed stays committed.
            let _ = self.done.send(Ok(value));
        }
    }

    fn alone(self: Box<Self>, connection: &mut Connection) {
        let mut attempt = 1;
        let result = loop {
            match once(connection, |transaction| (self.work)(transaction)) {
                Err(failure) if failure.is_conflict() && attempt < ATTEMPTS => attempt += 1,
                result => break result,
            }
        };
        let _ = self
            .done
            .send(result.map_err(|failure| failure.named(self.action)));
    }
}

/// Writes until nobody is left who could ask for it.
pub(super) fn run(connection: &mut Connection, queue: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        jobs.extend(queue.try_iter().take(TOGETHER - 1));
        if jobs.len() > 1 && together(connection, &mut jobs).is_ok() {
            jobs.into_iter().for_each(Job::tell);
        } else {
            jobs.into_iter().for_each(|job| job.alone(connection));
        }
    }
}

/// All of them, or none.
fn together(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    once(connection, |transaction| {
        jobs.iter_mut().try_for_each(|job| job.attempt(transaction))
    })
}

fn once<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Connection {
        let connection = Connection::open_in_memory().expect("a database");
        connection
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .expect("made");
        connection
    }

    fn count(connection: &Connection) -> u32 {
        connection
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .expect("counted")
    }

    #[test]
    fn what_waits_is_written_together_and_all_are_told() {
        let (jobs, queue) = sync_channel::<Box<dyn Job>>(100);
        let insert = |n: u32| move |t: &Transaction<'_>| Ok(t.execute("INSERT INTO t VALUES (?1)", [n])?);
        let results: Vec<_> = (0..70)
            .map(|n| {
                let (task, result) = Task::new("write", insert(n));
                jobs.send(Box::new(task)).expect("queued");
                result
            })
            .collect();
        drop(jobs);
        let mut connection = ledger();
        run(&mut connection, &queue);
        for result in results {
            assert_eq!(result.recv().expect("told").expect("written"), 1);
        }
        assert_eq!(count(&connection), 70);
    }

    #[test]
    fn one_that_fails_takes_nobody_along() {
        let (jobs, queue) = sync_channel::<Box<dyn Job>>(100);
        let results: Vec<_> = [1, 2, 1, 3]
            .into_iter()
            .map(|n| {
                let work = move |t: &Transaction<'_>| Ok(t.execute("INSERT INTO t VALUES (?1)", [n])?);
                let (task, result) = Task::new("write", work);
                jobs.send(Box::new(task)).expect("queued");
                result
            })
            .collect();
        drop(jobs);
        let mut connection = ledger();
        run(&mut connection, &queue);
        let told: Vec<bool> = results
            .iter()
            .map(|result| result.recv().expect("told").is_ok())
            .collect();
        assert_eq!(told, [true, true, false, true]);
        assert_eq!(count(&connection), 3);
    }
}
