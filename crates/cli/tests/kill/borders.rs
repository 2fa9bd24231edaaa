//! Each side is killed at every message between the two: before a request is passed on, when its answer is there and was
//! not passed on, and when it was.

use crate::stage::Stage;
use crate::wire::{Blow, Point, Side};

/// Two batches, the last of one license (docs/protocol.md section 1: a request holds 1,000).
const LICENSES: usize = 1001;

/// What a person starts, and starts again.
#[derive(Debug, Clone, Copy)]
enum Work {
    Restore,
    Release,
}

/// The service's card, revocations, and a request for each batch; more if the service finds one stale.
const LEAST: usize = 4;
/// That, and individualize.
const LEAST_OF_A_NEW_COMPUTER: usize = 5;

#[test]
fn a_restore_ends_well_wherever_the_computer_is_killed() {
    every_message(Work::Restore, Side::Computer, LEAST_OF_A_NEW_COMPUTER);
}

#[test]
fn a_restore_ends_well_wherever_the_service_is_killed() {
    every_message(Work::Restore, Side::Service, LEAST_OF_A_NEW_COMPUTER);
}

#[test]
fn a_release_ends_well_wherever_the_computer_is_killed() {
    every_message(Work::Release, Side::Computer, LEAST);
}

#[test]
fn a_release_ends_well_wherever_the_service_is_killed() {
    every_message(Work::Release, Side::Service, LEAST);
}

/// Kills at one message after the other until there is none left. The points are tried side by side: each has a stage of
/// its own.
fn every_message(work: Work, side: Side, least: usize) {
    let trials = [Point::Asked, Point::Answered, Point::Told].map(|point| {
        std::thread::spawn(move || {
            let stage = match work {
                Work::Restore => Stage::new(LICENSES),
                Work::Release => Stage::restored(LICENSES),
            };
            let struck = |number: &usize| {
                let number = *number;
                one(&stage, work, Blow { side, point, number })
            };
            (1..).take_while(struck).count()
        })
    });
    for trial in trials {
        let messages = trial.join().expect("no trial failed");
        assert!(messages >= least, "{messages} messages");
    }
}

/// One kill and the run after it; says whether there was such a message.
fn one(stage: &Stage, work: Work, blow: Blow) -> bool {
    let when = format!("{work:?}, {blow:?}");
    let (before, args) = match work {
        Work::Restore => ("before", stage.restore()),
        Work::Release => ("restored", stage.release()),
    };
    stage.begin(before);
    stage.wire.arm(Some(blow));
    let computer = stage.start(&args);
    stage.wire.watch(computer.clone());
    let ended = computer.wait();
    let struck = stage.wire.has_struck();
    assert!(!ended.output.contains("panicked"), "{when}: {}", ended.output);
    if !struck {
        assert_eq!(ended.exit, Some(0), "{when}: {}", ended.output);
        return false;
    }
    match blow.side {
        Side::Computer => {
            // It may have been done before the signal came.
            let late = blow.point == Point::Told && ended.exit == Some(0);
            assert!(ended.exit.is_none() || late, "{when}: {ended:?}");
        }
        // All is done, some of it, or nothing.
        Side::Service => assert!(matches!(ended.exit, Some(0 | 3 | 6)), "{when}: {ended:?}"),
    }
    stage.serve();
    stage.wire.arm(None);
    stage.finish(&args);
    match work {
        Work::Restore => stage.is_restored(&when),
        Work::Release => stage.is_released(&when),
    }
    true
}
