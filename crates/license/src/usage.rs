//! What a computer remembers of a limited right, and whether it may be used now: pure functions of limits, state and
//! time.

use std::fmt;

use crate::right::Limits;

/// What was used of one right of one license. Without limits that need it, no state is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageState {
    /// Uses left of a counted right.
    pub left: u32,
    /// When it was first used (Unix seconds), for rights that end some time after that.
    pub first_use: Option<u64>,
}

impl UsageState {
    /// Of a license that was never used.
    pub fn fresh(limits: &Limits) -> Self {
        Self {
            left: limits.count.unwrap_or(0),
            first_use: None,
        }
    }

    /// Of a license that arrived by a restore: nothing is refreshed by that.
    pub fn spent() -> Self {
        Self {
            left: 0,
            first_use: Some(0),
        }
    }
}

/// Why an action is not allowed: the bits of the SDK's answer to "is this action allowed".
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Denied(pub u32);

impl Denied {
    /// No license for this key ID.
    pub const NO_LICENSE: u32 = 0x2;
    /// No license gives this right.
    pub const NO_RIGHT: u32 = 0x4;
    /// The count is used up.
    pub const EXHAUSTED: u32 = 0x8;
    /// Its time is over.
    pub const EXPIRED: u32 = 0x10;
    /// Its time has not begun.
    pub const NOT_STARTED: u32 = 0x20;
    /// The clock stands before the first use.
    pub const CLOCK: u32 = 0x400;
}

impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Denied({:#x}: {self})", self.0)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (Self::NO_LICENSE, "no license here"),
            (Self::NO_RIGHT, "the right is not given"),
            (Self::EXHAUSTED, "its count is used up"),
            (Self::EXPIRED, "its time is over"),
            (Self::NOT_STARTED, "its time has not begun"),
            (Self::CLOCK, "the clock of this computer was set back"),
        ];
        let said: Vec<_> = words
            .iter()
            .filter(|(bit, _)| self.0 & bit != 0)
            .map(|(_, word)| *word)
            .collect();
        f.write_str(&said.join(", "))
    }
}

/// May the right be used at `now`? Then the state after that use (None where none is kept).
pub fn use_once(limits: &Limits, state: Option<UsageState>, now: u64) -> Result<Option<UsageState>, Denied> {
    let mut denied = 0;
    if limits.from.is_some_and(|from| now < from) {
        denied |= Denied::NOT_STARTED;
    }
    if limits.until.is_some_and(|until| now >= until) {
        denied |= Denied::EXPIRED;
    }
    let mut state = if limits.keeps_state() {
        Some(state.unwrap_or(UsageState::fresh(limits)))
    } else {
        None
    };
    if let Some(state) = &mut state {
        if limits.count.is_some() {
            match state.left.checked_sub(1) {
                Some(left) => state.left = left,
                None => denied |= Denied::EXHAUSTED,
            }
        }
        if let Some(seconds) = limits.after_first_use {
            let first = *state.first_use.get_or_insert(now);
            if now < first {
                denied |= Denied::CLOCK;
            } else if now - first >= seconds {
                denied |= Denied::EXPIRED;
            }
        }
    }
    if denied == 0 {
        Ok(state)
    } else {
        Err(Denied(denied))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_two_allows_two() {
        let limits = Limits {
            count: Some(2),
            ..Limits::default()
        };
        let once = use_once(&limits, None, 5).unwrap();
        let twice = use_once(&limits, once, 6).unwrap();
        assert_eq!(
            twice,
            Some(UsageState {
                left: 0,
                first_use: None
            })
        );
        assert_eq!(use_once(&limits, twice, 7), Err(Denied(Denied::EXHAUSTED)));
    }

    #[test]
    fn dates_bound_it() {
        let limits = Limits {
            from: Some(10),
            until: Some(20),
            ..Limits::default()
        };
        assert_eq!(use_once(&limits, None, 9), Err(Denied(Denied::NOT_STARTED)));
        assert_eq!(use_once(&limits, None, 10), Ok(None));
        assert_eq!(use_once(&limits, None, 20), Err(Denied(Denied::EXPIRED)));
    }

    #[test]
    fn first_use_starts_the_clock_and_setting_it_back_does_not_help() {
        let limits = Limits {
            after_first_use: Some(100),
            ..Limits::default()
        };
        let state = use_once(&limits, None, 1000).unwrap();
        assert!(use_once(&limits, state, 1099).is_ok());
        assert_eq!(use_once(&limits, state, 1100), Err(Denied(Denied::EXPIRED)));
        assert_eq!(use_once(&limits, state, 999), Err(Denied(Denied::CLOCK)));
    }

    #[test]
    fn what_a_restore_brought_is_spent() {
        let limits = Limits {
            count: Some(3),
            after_first_use: Some(100),
            ..Limits::default()
        };
        let denied = use_once(&limits, Some(UsageState::spent()), 1_700_000_000).unwrap_err();
        assert_eq!(denied.0, Denied::EXHAUSTED | Denied::EXPIRED);
    }
}
