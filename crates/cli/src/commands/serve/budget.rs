//! One budget of bytes over all requests that are held: while they come in, while they wait, until they are answered.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is counted in: bytes would not fit a semaphore's steps.
const UNIT_BYTES: usize = 1024;

/// Bytes that may be held.
#[derive(Clone)]
pub struct Budget(Arc<Semaphore>);

/// Bytes that one request holds; given back when it is dropped.
#[derive(Debug, Default)]
pub struct Share {
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// Of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Budget(Arc::new(Semaphore::new(units(bytes))))
    }

    /// Whether so many bytes could be had now.
    pub fn has(&self, bytes: usize) -> bool {
        self.0.available_permits() >= units(bytes)
    }

    /// Makes a share hold `bytes` at least; false if they are not there.
    pub fn grow(&self, share: &mut Share, bytes: usize) -> bool {
        let held = share.permit.as_ref().map_or(0, |held| held.num_permits());
        let Some(more) = units(bytes).checked_sub(held).filter(|more| *more > 0) else {
            return true;
        };
        let more = u32::try_from(more).ok();
        let more = more.and_then(|more| Arc::clone(&self.0).try_acquire_many_owned(more).ok());
        match (more, &mut share.permit) {
            (None, _) => false,
            (Some(more), Some(held)) => {
                held.merge(more);
                true
            }
            (more, none) => {
                *none = more;
                true
            }
        }
    }
}

impl Share {
    /// Gives back what is held beyond `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        if let Some(held) = &mut self.permit {
            let rest = held.num_permits().saturating_sub(units(bytes));
            drop(held.split(rest));
        }
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{Budget, Share};

    #[test]
    fn what_is_held_never_is_more_than_the_budget_and_comes_back() {
        let budget = Budget::new(10_000);
        let (mut one, mut two) = (Share::default(), Share::default());
        assert!(budget.grow(&mut one, 1) && budget.grow(&mut one, 6000));
        assert!(budget.grow(&mut two, 3000) && budget.has(1000) && !budget.has(1025));
        assert!(!budget.grow(&mut two, 5000) && budget.grow(&mut one, 5000));
        drop(one);
        assert!(budget.grow(&mut two, 10_000) && !budget.has(1));
        assert!(!budget.grow(&mut two, usize::MAX));
        two.shrink(5000);
        assert!(budget.has(5000) && !budget.has(6000));
        two.shrink(6000);
        assert!(budget.has(5000) && budget.grow(&mut two, 6000) && !budget.has(5000));
        drop(two);
        assert!(budget.has(10_000));
    }
}
