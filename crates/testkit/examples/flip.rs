//! Every byte of a backup altered, through the library and through the program; `cargo xtask soak flip` runs it. Prints what
//! was tried and ends with 1 if anything was not seen, not told where, or wrong.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyferry::{BackupOptions, Encryption, Identity, Parity, Silent, Unlock};
use keyferry_testkit::{Computer, Flips, Issued, Restoring, World, files_below, names_place};

/// Alters a byte in the first round, and in the second.
const MASKS: [fn(usize) -> u8; 2] = [|at| 1 << (at % 8), |_| 0xff];

struct Asked {
    program: PathBuf,
    every: usize,
    licenses: usize,
    bytes: usize,
    minutes: u64,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let program = words.next().map(PathBuf::from);
    let numbers: Vec<usize> = words.filter_map(|word| word.parse().ok()).collect();
    let (Some(program), [every, licenses, bytes, minutes]) = (program, &numbers[..]) else {
        eprintln!("usage: flip PROGRAM EVERY LICENSES BYTES MINUTES");
        return ExitCode::from(2);
    };
    let asked = Asked {
        program,
        every: *every,
        licenses: *licenses,
        bytes: *bytes,
        minutes: *minutes as u64,
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

impl Made {
    /// Name, file, and what opens it.
    fn backups(&self) -> [(&'static str, &Path, Unlock); 2] {
        let identities = Unlock::Identities(vec![self.identity.clone()]);
        [
            ("plain", &self.plain, Unlock::None),
            ("encrypted", &self.encrypted, identities),
        ]
    }

    fn restoring(&self, file: &Path, unlock: Unlock) -> Restoring<'_> {
        Restoring::new(&self.world, &self.computer, &self.issued, file.to_owned(), unlock)
    }
}

fn made(licenses: usize) -> Made {
    let world = World::new();
    let (computer, issued, _) = world.backed_up(licenses);
    let identity = Identity::generate();
    // Without parity, which would repair what is to be seen.
    let back_up = |name: &str, encryption| {
        let folder = world.folder(name);
        let options = BackupOptions {
            folder: Some(folder.clone()),
            encryption,
            parity: Parity::None,
            ..BackupOptions::default()
        };
        let running = computer
            .restorer(world.direct())
            .backup(options, Arc::new(Silent));
        running.and_then(|running| running.wait()).expect("backed up");
        folder
    };
    let stick = back_up("plain stick", Encryption::None);
    let other = back_up("other stick", Encryption::Recipients(vec![identity.recipient()]));
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

/// Does this for each byte, or for as many as there is time for; says how many and how long that took, and gives back how
/// often it was wrong.
fn each(
    what: &str,
    places: &[usize],
    until: Option<Instant>,
    mut check: impl FnMut(usize) -> Result<(), String>,
) -> usize {
    let started = Instant::now();
    let (mut tried, mut wrong) = (0, 0);
    for at in places {
        if until.is_some_and(|until| Instant::now() > until) {
            break;
        }
        tried += 1;
        if let Err(why) = check(*at) {
            wrong += 1;
            println!("  WRONG {why}");
        }
    }
    let (all, seconds) = (places.len(), started.elapsed().as_secs_f64());
    println!("{what}: {tried} of {all} bytes, {wrong} wrong, {seconds:.1} s");
    wrong
}

fn small(asked: &Asked) -> usize {
    let made = made(100);
    let mut wrong = 0;
    for (name, file, unlock) in made.backups() {
        let flips = Flips::new(std::fs::read(file).expect("readable"), unlock.clone());
        let places: Vec<usize> = (0..flips.whole.len()).step_by(asked.every).collect();
        let restoring = made.restoring(file, unlock);
        println!("100 licenses, {name}, {} bytes", flips.whole.len());
        for mask in MASKS {
            wrong += each("  verify, library", &places, None, |at| flips.check(at, mask(at)));
        }
        let mask = MASKS[0];
        wrong += each("  restore, library", &places, None, |at| {
            restoring.check(&flips, at, mask(at))
        });
        let program = Program::new(asked, &made, file, &flips);
        wrong += each("  verify, program", &places, None, |at| {
            program.verify(&flips, at, mask(at))
        });
    }
    wrong
}

/// A large backup, and what is done with it.
struct Large<'a> {
    name: &'static str,
    flips: Flips,
    places: Vec<usize>,
    program: Program<'a>,
}

impl Large<'_> {
    /// All its bytes: one by the library, the next by the program.
    fn verify(&self) -> usize {
        let mut by_program = false;
        each(&format!("  verify, {}", self.name), &self.places, None, |at| {
            by_program = !by_program;
            if by_program {
                self.program.verify(&self.flips, at, MASKS[0](at))
            } else {
                self.flips.check(at, MASKS[0](at))
            }
        })
    }
}

/// Random bytes of a large backup, plain and encrypted. Verification sees all of them, so does a restore of a selection; a
/// restore of everything as many as there is time for.
fn large(asked: &Asked) -> usize {
    let made = made(asked.licenses);
    let mut dice = seed();
    println!("{} licenses, seed {dice:#018x}", asked.licenses);
    let backups = made.backups().map(|(name, file, unlock)| {
        let flips = Flips::new(std::fs::read(file).expect("readable"), unlock);
        println!("  {name}, {} bytes", flips.whole.len());
        Large {
            name,
            places: random_places(&mut dice, asked.bytes, flips.whole.len()),
            program: Program::new(asked, &made, file, &flips),
            flips,
        }
    });
    // Verification takes one core for each.
    let verified: usize = std::thread::scope(|scope| {
        let threads = backups.each_ref().map(|large| scope.spawn(|| large.verify()));
        threads
            .map(|thread| thread.join().expect("it ended"))
            .iter()
            .sum()
    });
    let time = Duration::from_secs(60 * asked.minutes) / backups.len() as u32;
    let restored = backups
        .iter()
        .zip(made.backups())
        .map(|(large, (name, file, unlock))| {
            let restoring = made.restoring(file, unlock);
            let selection = format!("  restore a selection, {name}");
            let selected = each(&selection, &large.places, None, |at| {
                restoring.check_selection(&large.flips, at, MASKS[0](at), next(&mut dice))
            });
            let until = Instant::now() + time;
            let all = each(&format!("  restore, {name}"), &large.places, Some(until), |at| {
                restoring.check_promise(&large.flips, at, MASKS[0](at))
            });
            selected + all
        });
    verified + restored.sum::<usize>()
}

fn random_places(dice: &mut u64, count: usize, end: usize) -> Vec<usize> {
    (0..count).map(|_| next(dice) as usize % end).collect()
}

/// xorshift64*.
fn next(dice: &mut u64) -> u64 {
    *dice ^= *dice >> 12;
    *dice ^= *dice << 25;
    *dice ^= *dice >> 27;
    dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
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
    fn new(asked: &'a Asked, made: &Made, file: &Path, whole: &Flips) -> Self {
        let identity = (file == made.encrypted).then(|| {
            let path = made.world.path("identity");
            let text = made.identity.expose();
            std::fs::write(&path, text.as_bytes()).expect("written");
            path
        });
        let copy = file.with_extension("altered.keyferry");
        std::fs::write(&copy, &whole.whole).expect("written");
        Self {
            program: &asked.program,
            copy,
            identity,
        }
    }

    /// The exit code has to be that of damage, and the place has to be named.
    fn verify(&self, flips: &Flips, at: usize, mask: u8) -> Result<(), String> {
        self.write(at, flips.whole[at] ^ mask);
        let (exit, said) = self.run();
        self.write(at, flips.whole[at]);
        let version = flips.part(at) == "version";
        let exits: &[i32] = if version { &[1] } else { &[3, 5] };
        if exits.contains(&exit) && (version || names_place(&said, at)) {
            return Ok(());
        }
        let part = flips.part(at);
        Err(format!(
            "byte {at} ^ {mask:#04x} in the {part}: exit {exit}: {said}"
        ))
    }

    /// Into the copy, which is too long to be written anew for each byte.
    fn write(&self, at: usize, byte: u8) {
        let mut copy = OpenOptions::new().write(true).open(&self.copy).expect("the copy");
        copy.seek(SeekFrom::Start(at as u64)).expect("it is that long");
        copy.write_all(&[byte]).expect("written");
    }

    fn run(&self) -> (i32, String) {
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
        let exit = ran.status.code().unwrap_or(-1);
        (exit, String::from_utf8_lossy(&said).into_owned())
    }
}
