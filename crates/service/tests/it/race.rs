//! Many at the same moment: the limit holds, whoever is first.

use std::sync::Barrier;

use keyferry_protocol::{Checked, Reason};

use crate::restore::outcome;
use crate::world::{Computer, NOW, World, check, open};

/// How many computers got each license.
fn winners(answers: &[Checked], licenses: usize) -> Vec<usize> {
    let won = |at: usize| {
        answers
            .iter()
            .filter(|checked| outcome(&checked.items[at]).is_ok())
            .count()
    };
    (0..licenses).map(won).collect()
}

#[test]
fn of_a_hundred_computers_exactly_three_get_each_license() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses: Vec<_> = (0..20).map(|_| world.issue(origin.id())).collect();
    let computers: Vec<Computer> = (0..100)
        .map(|n| world.computer(&format!("computer-{n}")))
        .collect();
    let start = Barrier::new(computers.len());
    let restore = |computer: &Computer| {
        let request = computer.restore(&world.service, &licenses);
        start.wait();
        let answer = world.service.handle(&request.bytes, NOW);
        check(&answer, &request, &licenses, &world.service).unwrap()
    };
    let answers: Vec<Checked> = std::thread::scope(|scope| {
        let restore = &restore;
        let threads: Vec<_> = computers
            .iter()
            .map(|computer| scope.spawn(move || restore(computer)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(winners(&answers, licenses.len()), vec![3; licenses.len()]);
    for checked in &answers {
        for item in &checked.items {
            assert!(matches!(outcome(item), Ok((_, 2..=4, 4)) | Err(Reason::Limit)));
        }
    }
}

#[test]
fn two_processes_on_one_ledger_keep_the_limit() {
    let world = World::new();
    let other = open(&world.dir, vec![], Default::default());
    let origin = world.computer("old-laptop");
    let licenses: Vec<_> = (0..50).map(|_| world.issue(origin.id())).collect();
    let computers: Vec<Computer> = (0..8).map(|n| world.computer(&format!("computer-{n}"))).collect();
    let start = Barrier::new(computers.len());
    let answers: Vec<Checked> = std::thread::scope(|scope| {
        let threads = computers.iter().enumerate().map(|(n, computer)| {
            let service = if n % 2 == 0 { &world.service } else { &other };
            let (licenses, start) = (&licenses, &start);
            scope.spawn(move || {
                let request = computer.restore(service, licenses);
                start.wait();
                check(&service.handle(&request.bytes, NOW), &request, licenses, service).unwrap()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(winners(&answers, licenses.len()), vec![3; licenses.len()]);
}
