//! The vectors of a service that lost rows, and of the receipts that it is shown.

use base64::prelude::*;
use keyferry_protocol::{Reason, Receipt, Receipts, Recovery, kind};

use crate::cast::*;
use crate::made::{bad, good, sign};
use crate::vector::Vector;

pub fn vectors() -> Vec<Vector> {
    let shown = |receipts: &[Receipt], more| {
        let receipts = receipts
            .iter()
            .map(|receipt| receipt.sign(&service_key()))
            .collect();
        request(kind::RECEIPTS, &Receipts { receipts, more })
    };
    let told = |recovery| Receipt {
        recovery: Some(recovery),
        ..receipt(vec![granted(1), refused(2, Reason::Recovery)])
    };
    let of = |name: &str, comment: &str, receipt: &Receipt| {
        let card = BASE64_STANDARD.encode(service_card().as_bytes());
        let bytes = receipt.sign(&service_key());
        Vector::new(&format!("receipt-{name}"), "receipt", "ok", comment, bytes).with("service", card)
    };
    let lasting = Recovery {
        started: NOW,
        since: NOW - 3600,
        ended: None,
    };
    let ended = Recovery {
        ended: Some(NOW),
        ..lasting
    };
    let others = Receipt {
        computer: issuer_key().public().thumbprint(),
        ..receipt(vec![granted(1)])
    };
    let plan = Receipt {
        kind: text(kind::PLAN),
        ..receipt(vec![granted(1)])
    };
    vec![
        good(
            "receipts",
            "one of a restore, and more to come",
            &shown(&[receipt(vec![granted(1)])], true),
        ),
        good("receipts-none", "nothing is kept", &shown(&[], false)),
        bad(
            "receipts-other-computer",
            "body",
            "Mismatch",
            "a receipt that another computer was given",
            sign(&shown(&[others], false)),
        ),
        bad(
            "receipts-plan",
            "body",
            "Mismatch",
            "a plan gave nothing",
            sign(&shown(&[plan], false)),
        ),
        of("recovery", "a service that lost rows since then", &told(lasting)),
        of("recovered", "and whose operator has ended that", &told(ended)),
    ]
}
