//! Who acts in the rules: computers that ask, licenses that are asked for, and what must be so of any license's rows.

use std::collections::HashMap;

use keyferry_license::{ComputerId, Digest, KeyId, LicenseId, Thumbprint, random};
use keyferry_protocol::{Change, LastReceipt, Row};
use keyferry_service::ledger::Ledger;
use keyferry_service::policy::{Asker, Case, Decision, Judgment, Return};
use keyferry_testkit::NOW;

/// How many computers may hold a license in most rules.
pub const LIMIT: u32 = 4;

/// A new computer, issuer or root.
pub fn thumbprint() -> Thumbprint {
    Thumbprint(random().expect("randomness"))
}

/// A license of a new issuer.
pub fn case() -> Case {
    case_of(thumbprint())
}

/// A license of this issuer, for four computers.
pub fn case_of(issuer: Thumbprint) -> Case {
    Case {
        issuer,
        license: LicenseId::new_at(NOW, random().expect("randomness")),
        origin: thumbprint(),
        key_id: KeyId(random().expect("randomness")),
        subject: None,
        limit: LIMIT,
        backup: true,
    }
}

/// As many of one issuer, in the order of the rows.
pub fn cases(count: usize) -> Vec<Case> {
    let issuer = thumbprint();
    let mut cases: Vec<Case> = (0..count).map(|_| case_of(issuer)).collect();
    cases.sort_by_key(|case| case.license);
    cases
}

/// A request of this computer that never heard a thing.
pub fn asks(computer: ComputerId) -> Asker {
    asks_at(computer, NOW)
}

/// The same at another time.
pub fn asks_at(computer: ComputerId, now: u64) -> Asker {
    Asker {
        computer: Some(computer),
        request: random().expect("randomness"),
        last_receipt: None,
        now,
        recovering: false,
    }
}

/// A request of the same computer that knows the answer to an earlier one.
pub fn asks_after(earlier: &Asker, now: u64) -> Asker {
    Asker {
        last_receipt: Some(LastReceipt {
            request: earlier.request,
            time: earlier.now,
        }),
        request: random().expect("randomness"),
        now,
        ..*earlier
    }
}

/// Judges one license.
pub fn judge(ledger: &dyn Ledger, asker: Asker, case: Case) -> Judgment {
    let mut judged = ledger.judge(asker, vec![case]).expect("judged");
    assert_eq!(judged.len(), 1);
    judged.remove(0)
}

/// What a computer gives back.
pub fn item(case: &Case, computer: ComputerId) -> Return {
    Return {
        issuer: case.issuer,
        license: case.license,
        origin: case.origin == computer,
    }
}

/// The rows of one license.
pub fn rows(ledger: &dyn Ledger, case: &Case) -> Vec<Row> {
    let mut rows = ledger.rows(&[(case.issuer, case.license)]).expect("rows");
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

/// What holds for the rows of any license: numbers without gaps, a whole chain, times that don't fall, no slot twice at
/// once and none beyond the limit. Gives who holds it in the end, by slot.
pub fn hold(case: &Case, rows: &[Row]) -> HashMap<u32, ComputerId> {
    let mut holders = HashMap::from([(1, case.origin)]);
    let (mut previous, mut time) = (Digest::default(), 0);
    for (row, seq) in rows.iter().zip(1..) {
        assert_eq!(
            (row.issuer, row.license, row.seq),
            (case.issuer, case.license, seq)
        );
        assert_eq!(row.previous, previous, "row {seq} names the one before it");
        assert!(row.time >= time, "row {seq} is not older than the one before it");
        match row.change {
            Change::Take => {
                assert!(
                    (1..=case.limit).contains(&row.slot),
                    "row {seq} takes slot {}",
                    row.slot
                );
                assert!(
                    !holders.values().any(|holder| *holder == row.computer),
                    "row {seq} takes a second slot"
                );
                assert_eq!(
                    holders.insert(row.slot, row.computer),
                    None,
                    "row {seq} takes a slot that is held"
                );
            }
            Change::Release => {
                assert_eq!(
                    holders.remove(&row.slot),
                    Some(row.computer),
                    "row {seq} frees another's slot"
                );
            }
            Change::Revoke => {}
        }
        (previous, time) = (row.hash(), row.time);
    }
    holders
}

/// Is it a yes?
pub fn is_yes(judgment: &Judgment) -> bool {
    !matches!(judgment.decision, Decision::Refused(_))
}
