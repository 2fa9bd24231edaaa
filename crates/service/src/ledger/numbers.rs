//! The numbers by which databases know changes and reasons; they never change.

use keyferry_protocol::{Change, Reason};

const REASONS: [Reason; 11] = [
    Reason::Limit,
    Reason::Revoked,
    Reason::Released,
    Reason::NoBackupRight,
    Reason::UnknownIssuer,
    Reason::OtherService,
    Reason::BadSignature,
    Reason::BadEscrow,
    Reason::Malformed,
    Reason::Twice,
    Reason::Recovery,
];

pub(super) fn of_change(change: Change) -> u8 {
    match change {
        Change::Take => 1,
        Change::Release => 2,
        Change::Revoke => 3,
    }
}

pub(super) fn change(number: u8) -> Option<Change> {
    match number {
        1 => Some(Change::Take),
        2 => Some(Change::Release),
        3 => Some(Change::Revoke),
        _ => None,
    }
}

pub(super) fn of_reason(reason: Reason) -> u8 {
    let at = REASONS.iter().position(|known| *known == reason);
    at.map_or(0, |at| at as u8 + 1)
}

pub(super) fn reason(number: u8) -> Option<Reason> {
    let at = usize::from(number).checked_sub(1)?;
    REASONS.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back() {
        for number in 1..=3 {
            assert_eq!(change(number).map(of_change), Some(number));
        }
        for number in 1..=11 {
            assert_eq!(reason(number).map(of_reason), Some(number));
        }
        assert_eq!(
            (change(0), change(4), reason(0), reason(12)),
            (None, None, None, None)
        );
    }
}
