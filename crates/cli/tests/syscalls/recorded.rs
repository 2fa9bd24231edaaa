//! What a command writes to its home folder, in order, and what a power cut at any moment may leave of it: all that was
//! synced, and of the rest whatever part in whatever order, cut at sectors of 512 bytes (docs/store.md section 6).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::Place;

const SECTOR: usize = 512;

/// By which a home folder is changed, what is open where, and the way to a service.
const RECORDED: &str =
    "openat,close,read,write,pwrite64,lseek,fsync,fdatasync,ftruncate,rename,unlink,connect";

/// A file, whatever its name is at the time.
type Inode = usize;

/// One step of the command.
#[derive(Debug, Clone)]
enum Step {
    Write {
        file: Inode,
        at: usize,
        bytes: Vec<u8>,
    },
    Resize {
        file: Inode,
        len: usize,
    },
    Sync(Inode),
    Name {
        name: String,
        file: Inode,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove(String),
    SyncFolder,
    /// So many bytes to standard output.
    Say(usize),
    /// To a service.
    Connect,
}

/// A command, as it ran to its end.
pub struct Recorded {
    /// Before it ran.
    names: BTreeMap<String, Inode>,
    files: Vec<Vec<u8>>,
    steps: Vec<Step>,
    /// What it printed.
    pub said: String,
}

/// What a power cut leaves: files by name.
pub type Left = BTreeMap<String, Vec<u8>>;

impl Recorded {
    /// Runs the command in this home folder, with this file as its standard input; it must do its work.
    pub fn of(place: &Place, home: &Path, input: Option<&Path>, args: &[&str]) -> Self {
        let mut recorded = Self {
            names: BTreeMap::new(),
            files: Vec::new(),
            steps: Vec::new(),
            said: String::new(),
        };
        for entry in fs::read_dir(home).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().expect("UTF-8");
            recorded.names.insert(name, recorded.files.len());
            recorded.files.push(fs::read(entry.path()).expect("readable"));
        }
        let (trace, said) = (place.path("trace"), place.path("said"));
        let program = place.command(args);
        let mut command = Command::new("strace");
        command.args(["-f", "-xx", "-s", "10000000", "-e", &format!("trace={RECORDED}")]);
        command.arg("-o").arg(&trace);
        let stdin = input.map_or(Stdio::null(), |input| {
            File::open(input).expect("its input").into()
        });
        let status = command
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(place.path(""))
            .env("HOME", place.path("person"))
            .env_remove("KEYFERRY_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(stdin)
            .stdout(File::create(&said).expect("a file"))
            .status()
            .expect("strace runs");
        assert!(status.success(), "{args:?}");
        recorded.said = fs::read_to_string(&said).expect("what it said");
        let trace = fs::read_to_string(trace).expect("a trace");
        Reading::new(&mut recorded, home).all(&trace);
        recorded
    }

    /// How many moments there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Had it called a service before the step of this number?
    pub fn had_connected(&self, moment: usize) -> bool {
        self.steps[..moment]
            .iter()
            .any(|step| matches!(step, Step::Connect))
    }

    /// How much had been printed before the step of this number.
    pub fn said_before(&self, moment: usize) -> &str {
        let said = |step: &Step| match step {
            Step::Say(bytes) => *bytes,
            _ => 0,
        };
        &self.said[..self.steps[..moment].iter().map(said).sum()]
    }

    /// What is left if the power goes before the step of this number: with nothing that was not synced, or with what the
    /// dice choose of it.
    pub fn cut(&self, moment: usize, dice: Option<&mut Dice>) -> Left {
        let (mut files, mut names) = (self.files.clone(), self.names.clone());
        let (mut pending, mut renaming) = (Vec::new(), Vec::new());
        for step in &self.steps[..moment] {
            match step {
                Step::Write { .. } | Step::Resize { .. } => pending.push(step),
                Step::Name { file, .. } => {
                    grow(&mut files, *file);
                    renaming.push(step);
                }
                Step::Rename { .. } | Step::Remove(_) => renaming.push(step),
                Step::Sync(file) => pending.retain(|step| {
                    let synced = step.file() == Some(*file);
                    if synced {
                        step.apply(&mut files);
                    }
                    !synced
                }),
                Step::SyncFolder => renaming.drain(..).for_each(|step| step.give(&mut names)),
                Step::Say(_) | Step::Connect => {}
            }
        }
        if let Some(dice) = dice {
            let some = dice.below(renaming.len() + 1);
            renaming[..some].iter().for_each(|step| step.give(&mut names));
            dice.some_of(&pending, &mut files);
        }
        let content = |(name, file): (String, Inode)| (name, files[file].clone());
        names.into_iter().map(content).collect()
    }
}

fn grow(files: &mut Vec<Vec<u8>>, file: Inode) {
    if files.len() <= file {
        files.resize(file + 1, Vec::new());
    }
}

impl Step {
    fn file(&self) -> Option<Inode> {
        match self {
            Self::Write { file, .. } | Self::Resize { file, .. } => Some(*file),
            _ => None,
        }
    }

    /// To the content of files.
    fn apply(&self, files: &mut [Vec<u8>]) {
        match self {
            Self::Write { file, at, bytes } => write(&mut files[*file], *at, bytes),
            Self::Resize { file, len } => files[*file].resize(*len, 0),
            _ => {}
        }
    }

    /// To names.
    fn give(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Self::Name { name, file } => drop(names.insert(name.clone(), *file)),
            Self::Rename { from, to } => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => drop(names.remove(name)),
            _ => {}
        }
    }
}

fn write(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at..end].copy_from_slice(bytes);
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same choices for the same seed.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below this.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Drops, tears and shuffles what was not synced: the less of it is dropped the higher a number is thrown first.
    fn some_of(&mut self, pending: &[&Step], files: &mut [Vec<u8>]) {
        let share = self.below(5);
        let mut parts = Vec::new();
        for step in pending {
            match step {
                Step::Write { file, at, bytes } => {
                    let (mut at, mut left) = (*at, bytes.as_slice());
                    while !left.is_empty() {
                        let (sector, rest) = left.split_at((SECTOR - at % SECTOR).min(left.len()));
                        let bytes = sector.to_vec();
                        parts.push(Step::Write {
                            file: *file,
                            at,
                            bytes,
                        });
                        (at, left) = (at + sector.len(), rest);
                    }
                }
                other => parts.push((*other).clone()),
            }
        }
        parts.retain(|_| self.below(4) < share);
        for last in (1..parts.len()).rev() {
            parts.swap(last, self.below(last + 1));
        }
        parts.iter().for_each(|part| part.apply(files));
    }
}

/// Makes steps of the lines of a trace.
struct Reading<'r> {
    into: &'r mut Recorded,
    home: String,
    /// The names as the command sees them.
    names: BTreeMap<String, Inode>,
    next: Inode,
    /// What is open, and where it is read and written.
    open: BTreeMap<i64, (Opened, usize)>,
}

#[derive(Clone, Copy)]
enum Opened {
    File(Inode),
    Folder,
}

impl<'r> Reading<'r> {
    fn new(into: &'r mut Recorded, home: &Path) -> Self {
        Self {
            names: into.names.clone(),
            next: into.files.len(),
            into,
            home: home.to_str().expect("UTF-8").to_owned(),
            open: BTreeMap::new(),
        }
    }

    /// A call that another thread's interrupts in the trace stands on two lines.
    fn all(&mut self, trace: &str) {
        let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
        for line in trace.lines() {
            let Some((thread, rest)) = line.split_once(' ') else {
                continue;
            };
            let rest = rest.trim_start();
            if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
                begun.insert(thread, first);
            } else if let Some((_, second)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once('>'))
            {
                let first = begun.remove(thread).unwrap_or_default();
                self.call(&format!("{first}{}", second.replacen(" resumed", "", 1)));
            } else {
                self.call(rest);
            }
        }
    }

    fn call(&mut self, line: &str) {
        let Some((name, rest)) = line.split_once('(') else {
            return;
        };
        let Some((args, answer)) = rest.rsplit_once(" = ") else {
            return;
        };
        let args = args.trim_end().trim_end_matches(')');
        let answer = answer.split(' ').next().unwrap_or_default();
        let answer: i64 = answer.trim().parse().unwrap_or(-1);
        // One that doesn't wait for the connection fails at first.
        if name == "connect" && args.contains("AF_INET") {
            self.step(Step::Connect);
        }
        if answer < 0 {
            return;
        }
        let args: Vec<&str> = args.split(", ").collect();
        match name {
            "rename" => {
                let (from, to) = (self.name(args[0]), self.name(args[1]));
                if let (Some(from), Some(to)) = (from, to) {
                    self.step(Step::Rename { from, to });
                }
            }
            "unlink" => {
                if let Some(name) = self.name(args[0]) {
                    self.step(Step::Remove(name));
                }
            }
            "openat" => self.opened(&args, answer),
            _ => self.of_open(name, &args, answer as usize),
        }
    }

    fn opened(&mut self, args: &[&str], descriptor: i64) {
        let path = String::from_utf8(unquoted(args[1])).unwrap_or_default();
        if path == self.home {
            self.open.insert(descriptor, (Opened::Folder, 0));
        } else if let Some(name) = self.name(args[1]) {
            if !self.names.contains_key(&name) {
                let file = self.next;
                self.next += 1;
                self.step(Step::Name {
                    name: name.clone(),
                    file,
                });
            }
            let file = self.names[&name];
            if args[2].contains("O_TRUNC") {
                self.step(Step::Resize { file, len: 0 });
            }
            self.open.insert(descriptor, (Opened::File(file), 0));
        }
    }

    /// What is done with what is open.
    fn of_open(&mut self, name: &str, args: &[&str], answer: usize) {
        let Ok(number) = args[0].parse() else {
            return;
        };
        if name == "close" {
            self.open.remove(&number);
            return;
        }
        if number == 1 && name == "write" {
            self.step(Step::Say(answer));
            return;
        }
        let Some((opened, at)) = self.open.get_mut(&number) else {
            return;
        };
        let Opened::File(file) = *opened else {
            if name.ends_with("sync") {
                self.step(Step::SyncFolder);
            }
            return;
        };
        let place = *at;
        match name {
            "read" => *at += answer,
            "lseek" => *at = answer,
            "write" => *at += answer,
            _ => {}
        }
        let text = |argument: &str| unquoted(argument)[..answer].to_vec();
        let number = |argument: &str| argument.parse().expect("a number");
        match name {
            "write" => self.step(Step::Write {
                file,
                at: place,
                bytes: text(args[1]),
            }),
            "pwrite64" => self.step(Step::Write {
                file,
                at: number(args[3]),
                bytes: text(args[1]),
            }),
            "ftruncate" => self.step(Step::Resize {
                file,
                len: number(args[1]),
            }),
            "fsync" | "fdatasync" => self.step(Step::Sync(file)),
            _ => {}
        }
    }

    fn step(&mut self, step: Step) {
        step.give(&mut self.names);
        self.into.steps.push(step);
    }

    /// A name in the home folder.
    fn name(&self, quoted: &str) -> Option<String> {
        let path = String::from_utf8(unquoted(quoted)).ok()?;
        let name = path.strip_prefix(&self.home)?.strip_prefix('/')?;
        Some(name.to_owned())
    }
}

/// `"\x61\x62"` as bytes.
fn unquoted(quoted: &str) -> Vec<u8> {
    assert!(!quoted.ends_with("..."), "the trace is cut");
    let digits = quoted.trim_matches('"').split("\\x").skip(1);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).expect("a byte"))
        .collect()
}
