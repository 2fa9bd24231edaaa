//! What must be so in the end.

use std::collections::BTreeSet;

use keyferry_license::ComputerId;
use keyferry_service::check::Checker;
use keyferry_service::ledger::Ledger;
use keyferry_service::policy::{Policy, holders};
use keyferry_testkit::Computer;

use crate::crowd::Crowd;

/// Everybody, the computer that the licenses were issued to among them.
fn everybody(crowd: &Crowd) -> impl Iterator<Item = &Computer> {
    crowd.computers.iter().chain([&crowd.origin])
}

/// The checker is content with all receipts there are.
pub fn is_content(crowd: &Crowd, ledger: &dyn Ledger) {
    let (policy, mut findings) = (Policy::default(), Vec::new());
    let mut checker = Checker::new(ledger, &crowd.service, &policy);
    for computer in everybody(crowd) {
        let told = &mut |finding| findings.push(finding);
        let given = computer.store().for_each_receipt(None, |kept| {
            checker
                .receipt(&kept.bytes, told)
                .map_err(|error| panic!("{error}"))
        });
        given.unwrap_or_else(|error: keyferry_store::Error| panic!("{error}"));
    }
    let checked = checker
        .finish(&mut |finding| findings.push(finding))
        .expect("the ledger is read");
    println!("{checked:?}");
    findings.iter().for_each(|finding| println!("{finding}"));
    assert!(findings.is_empty(), "{} findings", findings.len());
    assert_eq!(checked.unproven, 0, "everybody's receipts are here");
}

/// The checker is content, every license has as many computers as it may, and they are those on which it opens.
pub fn check(crowd: &Crowd, ledger: &dyn Ledger) {
    is_content(crowd, ledger);
    let here: Vec<(ComputerId, BTreeSet<_>)> = everybody(crowd)
        .map(|computer| {
            let licenses = crowd
                .here(computer)
                .into_iter()
                .map(|license| license.grant.license);
            (computer.store().id(), licenses.collect())
        })
        .collect();
    for license in &crowd.licenses {
        let grant = &license.grant;
        let rows = ledger
            .rows(&[(grant.issuer, grant.license)])
            .expect("rows")
            .remove(0);
        let held: BTreeSet<ComputerId> = holders(grant.origin, &rows)
            .into_iter()
            .map(|(_, computer, _)| computer)
            .collect();
        let opens = here
            .iter()
            .filter(|(_, licenses)| licenses.contains(&grant.license));
        let opens: BTreeSet<ComputerId> = opens.map(|(computer, _)| *computer).collect();
        assert_eq!(opens, held, "license {} opens where it is held", grant.license);
        assert_eq!(
            held.len(),
            usize::from(grant.computers()),
            "and everybody who may has it"
        );
    }
}
