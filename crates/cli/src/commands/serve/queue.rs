//! What waits for the engine, in order. Whoever goes away before its turn leaves its place, and what it held is freed.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs that wait.
pub struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
    most: usize,
}

struct Waiting<T> {
    jobs: VecDeque<(u64, T)>,
    /// Of the next job.
    number: u64,
    /// A job that was taken out is worked on.
    is_working: bool,
    is_closed: bool,
}

/// A job's place. Dropped, it is given up, unless its turn has come.
pub struct Ticket<T> {
    queue: Arc<Queue<T>>,
    number: u64,
    /// When it was put in, nothing else was worked on or waited.
    pub is_at_once: bool,
}

/// Why a job may not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// As many as may wait do.
    Full,
    /// The engine takes no more.
    Closed,
}

impl<T> Queue<T> {
    /// For `most` jobs.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Queue {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                number: 0,
                is_working: false,
                is_closed: false,
            }),
            changed: Condvar::new(),
            most,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end.
    ///
    /// # Errors
    /// [`NoPlace`]
    pub fn push(self: &Arc<Self>, job: T) -> Result<Ticket<T>, NoPlace> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(NoPlace::Closed);
        }
        if waiting.jobs.len() >= self.most {
            return Err(NoPlace::Full);
        }
        let number = waiting.number;
        let is_at_once = waiting.jobs.is_empty() && !waiting.is_working;
        waiting.number += 1;
        waiting.jobs.push_back((number, job));
        self.changed.notify_one();
        Ok(Ticket {
            queue: Arc::clone(self),
            number,
            is_at_once,
        })
    }

    /// The next job, for which this thread waits; none once the queue is closed. The one before it is done with.
    pub fn pop(&self) -> Option<T> {
        let mut waiting = self.lock();
        waiting.is_working = false;
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some((_, job)) = waiting.jobs.pop_front() {
                waiting.is_working = true;
                return Some(job);
            }
            let changed = self.changed.wait(waiting);
            waiting = changed.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Drops what waits, and takes no more.
    pub fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        waiting.jobs.clear();
        self.changed.notify_all();
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
        let place = waiting
            .jobs
            .iter()
            .position(|(number, _)| *number == self.number);
        let left = place.and_then(|place| waiting.jobs.remove(place));
        drop(waiting);
        if left.is_some() {
            eprintln!("a client went away before its turn");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NoPlace, Queue};

    #[test]
    fn whoever_goes_away_leaves_its_place() {
        let queue = Queue::new(2);
        let first = queue.push('a').ok();
        let second = queue.push('b').ok();
        assert_eq!(queue.push('c').err(), Some(NoPlace::Full));
        drop(first);
        let third = queue.push('c').ok();
        assert_eq!(queue.pop(), Some('b'));
        drop(second); // its turn has come, so nothing is left to give up
        assert_eq!(queue.pop(), Some('c'));
        drop(third);
        queue.close();
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.push('d').err(), Some(NoPlace::Closed));
    }

    #[test]
    fn a_job_knows_whether_it_waits_behind_another() {
        let queue = Queue::new(3);
        let is_at_once = |job| {
            queue.push(job).map(|ticket| {
                let is_at_once = ticket.is_at_once;
                std::mem::forget(ticket); // nobody goes away
                is_at_once
            })
        };
        assert_eq!((is_at_once('a'), is_at_once('b')), (Ok(true), Ok(false)));
        assert_eq!(queue.pop(), Some('a'));
        assert_eq!(queue.pop(), Some('b'));
        assert_eq!(is_at_once('c'), Ok(false)); // 'b' is worked on
        assert_eq!(queue.pop(), Some('c'));
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| queue.pop());
            while queue.lock().is_working {
                std::thread::yield_now();
            }
            assert_eq!(is_at_once('d'), Ok(true));
            assert_eq!(worker.join().expect("no panic"), Some('d'));
        });
    }

    #[test]
    fn closing_wakes_whoever_waits() {
        let queue = Queue::<char>::new(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.pop());
            queue.close();
            assert_eq!(waiting.join().expect("no panic"), None);
        });
    }
}
