//! How fast one sender may ask: so much a second, and a multiple of it at once (GCRA, by the crate `governor`).

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// A pace for each key. Keys that have caught up are forgotten by [`Pace::forget`].
pub(crate) struct Pace<K: Hash + Eq + Clone>(Option<DefaultKeyedRateLimiter<K>>);

impl<K: Hash + Eq + Clone> Pace<K> {
    /// So much a second, and `burst` times as much at once; 0 is no limit.
    pub(crate) fn new(each_second: u32, burst: u32) -> Self {
        let quota = NonZeroU32::new(each_second).map(|rate| {
            let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
            Quota::per_second(rate).allow_burst(rate.saturating_mul(burst))
        });
        Self(quota.map(RateLimiter::keyed))
    }

    /// Takes `amount` of what `key` may have now, or says after how many whole seconds it may ask again. More than ever
    /// comes at once is taken as if it were all there is.
    pub(crate) fn take(&self, key: &K, amount: u32) -> Result<(), u32> {
        let (Some(pace), Some(amount)) = (&self.0, NonZeroU32::new(amount)) else {
            return Ok(());
        };
        match pace.check_key_n(key, amount) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(early)) => Err(seconds(early.wait_time_from(DefaultClock::default().now()))),
            Err(capacity) => match NonZeroU32::new(capacity.0).map(|all| pace.check_key_n(key, all)) {
                Some(Ok(Err(early))) => Err(seconds(early.wait_time_from(DefaultClock::default().now()))),
                _ => Ok(()),
            },
        }
    }

    /// Forgets those who could take everything now, so that memory follows the number of those who ask.
    pub(crate) fn forget(&self) {
        if let Some(pace) = &self.0 {
            pace.retain_recent();
            pace.shrink_to_fit();
        }
    }
}

fn seconds(wait: Duration) -> u32 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(whole.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_taken_all_waits_and_others_do_not() {
        let pace = Pace::new(1, 10);
        assert_eq!(pace.take(&"a", 10), Ok(()));
        let wait = pace.take(&"a", 10).unwrap_err();
        assert!((1..=10).contains(&wait), "{wait}");
        assert_eq!(pace.take(&"b", 10), Ok(()));
        assert_eq!(pace.take(&"b", 0), Ok(()));
    }

    #[test]
    fn more_than_ever_comes_at_once_is_not_refused_forever() {
        let pace = Pace::new(1, 10);
        assert_eq!(pace.take(&"a", 1000), Ok(()));
        assert!(pace.take(&"a", 1000).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let pace = Pace::new(0, 10);
        assert!((0..1000).all(|_| pace.take(&"a", u32::MAX) == Ok(())));
        pace.forget();
    }

    #[test]
    fn whole_seconds_are_rounded_up() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_millis(1001)), 2);
        assert_eq!(seconds(Duration::ZERO), 1);
    }
}
