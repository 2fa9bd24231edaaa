//! Every byte of a backup altered, through the library and through the program; `cargo xtask soak flip` runs it. Prints what
//! was tried and ends with 1 if anything was not seen, not told where, or wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Instant;

use keyferry::{BackupOptions, Encryption, Identity, Silent, Unlock};
use keyferry_testkit::{Computer, Flips, Issued, Restoring, World, files_below, names_place};

/// Alters a byte in the first round, and in the second.
const MASKS: [fn(usize) -> u8; 2] = [|at| 1 << (at % 8), |_| 0xff];

struct Asked {
    program: PathBuf,
    every: usize,
    licenses: usize,
    bytes: usize,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let program = words.next().map(PathBuf::from);
    let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    let (Some(program), [every, licenses, bytes]) = (program, &numbers[..]) else {
        eprintln!("usage: flip PROGRAM EVERY LICENSES BYTES");
        return ExitCode::from(2);
    };
    let asked = Asked {
        program,
        every: *every,
        licenses: *licenses,
        bytes: *bytes,
    };
    let wrong = small(&asked) + large(&asked);
    println!("{wrong} wrong");
    if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A computer without its store, and its backups.
struct Made {
    world: World,
    computer: Computer,
    issued: Vec<Issued>,
    identity: Identity,
    plain: PathBuf,
    encrypted: PathBuf,
}

fn made(licenses: usize) -> Made {
    let world = World::new();
    let (computer, issued, stick) = world.backed_up(licenses);
    let (identity, other) = (Identity::generate(), world.folder("other stick"));
    let options = BackupOptions {
        folder: Some(other.clone()),
        encryption: Encryption::Recipients(vec![identity.recipient()]),
        ..BackupOptions::default()
    };
    let running = computer
        .restorer(world.direct())
        .backup(options, Arc::new(Silent));
    running.and_then(|running| running.wait()).expect("backed up");
    computer.lose_store();
    Made {
        plain: files_below(&stick).remove(0),
        encrypted: files_below(&other).remove(0),
        world,
        computer,
        issued,
        identity,
    }
}

/// Does this for each byte, says how long that took, and gives back how often it was wrong.
fn each(what: &str, places: &[usize], mut check: impl FnMut(usize) -> Result<(), String>) -> usize {
    let started = Instant::now();
    let mut wrong = 0;
    for at in places {
        if let Err(why) = check(*at) {
            wrong += 1;
            println!("  WRONG {why}");
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{what}: {} bytes, {wrong} wrong, {seconds:.1} s", places.len());
    wrong
}

fn small(asked: &Asked) -> usize {
    let made = made(100);
    let mut wrong = 0;
    for (name, file, unlock) in [
        ("plain", &made.plain, Unlock::None),
        (
            "encrypted",
            &made.encrypted,
            Unlock::Identities(vec![made.identity.clone()]),
        ),
    ] {
        let flips = Flips::new(std::fs::read(file).expect("readable"), unlock.clone());
        let places: Vec<usize> = (0..flips.whole.len()).step_by(asked.every).collect();
        let restoring = Restoring::new(&made.world, &made.computer, &made.issued, file.clone(), unlock);
        println!("100 licenses, {name}, {} bytes", flips.whole.len());
        for mask in MASKS {
            wrong += each("  verify, library", &places, |at| flips.check(at, mask(at)));
        }
        let mask = MASKS[0];
        wrong += each("  restore, library", &places, |at| {
            restoring.check(&flips, at, mask(at))
        });
        let program = Program::new(asked, &made, file, name);
        wrong += each("  verify, program", &places, |at| {
            program.verify(&flips, at, mask(at))
        });
    }
    wrong
}

fn large(asked: &Asked) -> usize {
    let made = made(asked.licenses);
    let flips = Flips::new(std::fs::read(&made.plain).expect("readable"), Unlock::None);
    let mut dice = seed();
    println!(
        "{} licenses, plain, {} bytes, seed {dice:#018x}",
        asked.licenses,
        flips.whole.len()
    );
    let places: Vec<usize> = (0..asked.bytes)
        .map(|_| {
            // xorshift64*
            dice ^= dice >> 12;
            dice ^= dice << 25;
            dice ^= dice >> 27;
            (dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) as usize % flips.whole.len()
        })
        .collect();
    let mask = MASKS[0];
    let program = Program::new(asked, &made, &made.plain, "large");
    let mut wrong = each("  verify, program", &places, |at| {
        program.verify(&flips, at, mask(at))
    });
    wrong += each("  verify, library", &places, |at| flips.check(at, mask(at)));
    let restoring = Restoring::new(
        &made.world,
        &made.computer,
        &made.issued,
        made.plain.clone(),
        Unlock::None,
    );
    // Each takes seconds: a tenth of them.
    let some: Vec<usize> = places.iter().copied().step_by(10).collect();
    wrong += each("  restore, library", &some, |at| {
        let (exit, told, came) = restoring.restore(&flips.flipped(at, mask(at)));
        let said = format!("byte {at}: exit {exit}, {came} came; {told}");
        let seen = names_place(&told, at)
            && (exit == 3 || exit == 0 && came == flips.len() || exit == 5 && came == 0);
        if seen { Ok(()) } else { Err(said) }
    });
    wrong
}

/// From the clock, so that each run takes other bytes.
fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| now.as_nanos() as u64 | 1)
}

/// The program, to which altered copies are given.
struct Program<'a> {
    program: &'a Path,
    copy: PathBuf,
    identity: Option<PathBuf>,
}

impl<'a> Program<'a> {
    fn new(asked: &'a Asked, made: &Made, file: &Path, name: &str) -> Self {
        let identity = (file == made.encrypted).then(|| {
            let path = made.world.path("identity");
            let text = made.identity.expose();
            std::fs::write(&path, text.as_bytes()).expect("written");
            path
        });
        Self {
            program: &asked.program,
            copy: made.world.path(&format!("{name}.keyferry")),
            identity,
        }
    }

    /// The exit code has to be that of damage, and the place has to be named.
    fn verify(&self, flips: &Flips, at: usize, mask: u8) -> Result<(), String> {
        std::fs::write(&self.copy, flips.flipped(at, mask)).expect("written");
        let mut command = Command::new(self.program);
        command.arg("verify").arg(&self.copy).stdin(Stdio::null());
        if let Some(identity) = &self.identity {
            command.arg("-i").arg(identity);
        }
        // A home that is not there: whose machine this is doesn't matter.
        let ran = command
            .env("KEYFERRY_HOME", self.copy.with_extension("home"))
            .output();
        let ran = ran.expect("the program runs");
        let said = [ran.stdout, ran.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let version = flips.part(at) == "version";
        let exits: &[i32] = if version { &[1] } else { &[3, 5] };
        let exit = ran.status.code().unwrap_or(-1);
        if exits.contains(&exit) && (version || names_place(&said, at)) {
            return Ok(());
        }
        Err(format!(
            "byte {at} ^ {mask:#04x} in the {}: {:?}: {said}",
            flips.part(at),
            ran.status.code()
        ))
    }
}
