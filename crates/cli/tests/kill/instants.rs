//! Commands are killed at random moments, not only between two messages. `cargo xtask soak kill` sets how long this goes
//! on and from which seed; without that each command is killed once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::process::Process;
use crate::stage::Stage;

/// For so many minutes.
const MINUTES: &str = "KEYFERRY_KILL_MINUTES";
/// The moments follow from this number and from how fast the machine is.
const SEED: &str = "KEYFERRY_KILL_SEED";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Work {
    Import,
    Backup,
    Restore,
    Release,
    Serve,
}

const ALL: [Work; 5] = [
    Work::Import,
    Work::Backup,
    Work::Restore,
    Work::Release,
    Work::Serve,
];

#[test]
fn commands_end_well_whenever_they_are_killed() {
    let minutes = number(MINUTES);
    let seed = number(SEED).unwrap_or(1);
    let licenses = if minutes.is_some() { 4000 } else { 1001 };
    let end = minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    println!("seed {seed}, {licenses} licenses");
    let stage = Stage::restored(licenses);
    let whole = ALL.map(|work| undisturbed(&stage, work));
    let mut dice = Dice(seed);
    let mut kills: BTreeMap<Work, (usize, usize)> = BTreeMap::new();
    for round in 0.. {
        let (work, whole) = (ALL[round % ALL.len()], whole[round % ALL.len()]);
        if round >= ALL.len() && end.is_none_or(|end| Instant::now() > end) {
            break;
        }
        let moment = whole.mul_f64(dice.fraction());
        let when = format!("seed {seed}, round {round}, {work:?} killed after {moment:?}");
        let ran = one(&stage, work, moment, &when);
        let (all, while_it_ran) = kills.entry(work).or_default();
        *all += 1;
        *while_it_ran += usize::from(ran);
    }
    for (work, (all, while_it_ran)) in &kills {
        println!("{work:?}: {all} runs, killed in {while_it_ran} of them before the work was done");
    }
    let (all, while_it_ran) = kills
        .values()
        .fold((0, 0), |sum, kills| (sum.0 + kills.0, sum.1 + kills.1));
    println!("{all} runs, {while_it_ran} kills, none failed");
    assert!(while_it_ran > 0, "nothing was killed");
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {value}")),
    )
}

/// The state that the work starts from, and its command.
fn begin(stage: &Stage, work: Work) -> Vec<&str> {
    let (state, args) = match work {
        Work::Import => ("new", stage.import()),
        Work::Backup => ("before", stage.backup()),
        Work::Restore | Work::Serve => ("before", stage.restore()),
        Work::Release => ("restored", stage.release()),
    };
    stage.begin(state);
    args
}

/// How long the work takes when nobody disturbs it.
fn undisturbed(stage: &Stage, work: Work) -> Duration {
    let args = begin(stage, work);
    let begun = Instant::now();
    stage.finish(&args);
    begun.elapsed()
}

/// One kill and the run after it; says whether something was left to do.
fn one(stage: &Stage, work: Work, moment: Duration, when: &str) -> bool {
    let args = begin(stage, work);
    let process = stage.start(&args);
    std::thread::sleep(moment);
    let left = match work {
        Work::Serve => service_dies(stage, &process, when),
        _ => process.kill(),
    };
    if work == Work::Backup {
        // The earlier one or the new one, and whole.
        assert_eq!(
            stage.finish(&["verify", "stick"]).summary()["licenses"],
            stage.licenses,
            "{when}"
        );
    }
    stage.finish(&args);
    match work {
        Work::Import => stage.is_imported(when),
        Work::Backup => stage.is_backed_up(when),
        Work::Restore | Work::Serve => stage.is_restored(when),
        Work::Release => stage.is_released(when),
    }
    left
}

fn service_dies(stage: &Stage, computer: &Arc<Process>, when: &str) -> bool {
    stage.wire.kill_service();
    let ended = computer.wait();
    assert!(!ended.output.contains("panicked"), "{when}: {}", ended.output);
    assert!(matches!(ended.exit, Some(0 | 3 | 6)), "{when}: {ended:?}");
    stage.serve();
    ended.exit != Some(0)
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same moments for the same seed.
struct Dice(u64);

impl Dice {
    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        f64::from(u32::try_from(mixed >> 32).expect("32 bits")) / 2f64.powi(32)
    }
}
