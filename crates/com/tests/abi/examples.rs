//! The programs of `examples`, typed at as a person would: they are compiled, and back up and restore with a live service.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use keyferry_testkit::{Computer, Wanted, World, left_out};

use crate::client::{compile, crate_folder, library, library_folder};

/// How long a line is waited for before the test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// One of the programs, and how it is told whose licenses to take.
pub struct Example {
    pub program: PathBuf,
    pub words: Vec<String>,
    pub trust: fn(&World) -> String,
    /// Where the loader looks first, unless the program knows.
    pub library_path: Option<PathBuf>,
}

impl Example {
    fn compiled(compiler: &str, standard: &str, source: &str) -> Self {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("menu-{compiler}"));
        compile(compiler, &[standard], &[example(source)], &program);
        Self {
            program,
            words: Vec::new(),
            trust: as_property,
            library_path: None,
        }
    }

    /// Starts it as the computer of this folder, with `stick` as the folder for backups.
    pub fn start(&self, home: &Path, stick: &Path, world: &World) -> Menu {
        let mut command = Command::new(&self.program);
        if let Some(folder) = &self.library_path {
            command.env("LD_LIBRARY_PATH", folder);
        }
        let mut child = command
            .args(&self.words)
            .arg(stick)
            .arg((self.trust)(world))
            .env("KEYFERRY_HOME", home)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let (told, lines) = channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    break;
                }
            }
        });
        Menu {
            typed: child.stdin.take().expect("piped"),
            child,
            lines,
        }
    }
}

pub fn example(path: &str) -> PathBuf {
    crate_folder().join("../../examples").join(path)
}

pub fn as_property(world: &World) -> String {
    format!("Keyferry.Trust={}", world.publisher.root())
}

/// A program that waits for commands.
pub struct Menu {
    child: Child,
    typed: ChildStdin,
    lines: Receiver<String>,
}

impl Menu {
    fn command(&mut self, letter: &str) {
        writeln!(self.typed, "{letter}").expect("typed");
    }

    fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .expect("the example says something")
    }

    /// Gives a command; what is said until an operation ended.
    pub fn says(&mut self, letter: &str) -> Vec<String> {
        self.command(letter);
        let ends = [
            "done",
            "canceled",
            "a backup",
            "the service",
            "failed",
            "not begun",
        ];
        let mut said = Vec::new();
        loop {
            said.push(self.line());
            let last = said
                .last()
                .is_some_and(|line| ends.iter().any(|end| line.starts_with(end)));
            if last {
                return said;
            }
        }
    }

    pub fn quit(mut self) {
        self.command("q");
        assert!(self.child.wait().expect("it ends").success());
        assert_eq!(self.lines.try_recv().ok(), None, "nothing more was said");
    }
}

/// A computer with four licenses, of which every second has to stay.
fn computer(world: &World) -> Computer {
    let old = world.computer_here("old laptop");
    world.issue(&old, &Wanted::many(4, Some(2)));
    old
}

/// Each command with a service that answers, up to its refusal.
fn works(example: &Example) {
    let (world, _hosted) = World::hosted();
    let old = computer(&world);
    let stick = world.folder("Stick für Müller 日本 🎵");
    let mut menu = example.start(old.home(), &stick, &world);
    let first = menu.says("b");
    assert_eq!(first.len(), 3, "{first:?}");
    assert!(
        first[0].starts_with("stays here: ") && first[0].ends_with("=="),
        "{first:?}"
    );
    assert_eq!(first[2], "done");
    assert_eq!(std::fs::read_dir(&stick).expect("the stick").count(), 1);
    assert_eq!(menu.says("b"), ["a backup is there, o replaces it"]);
    assert_eq!(menu.says("o").pop().as_deref(), Some("done"));
    menu.quit();
    for name in ["second", "third", "fourth"] {
        let mut menu = example.start(&world.path(name), &stick, &world);
        assert_eq!(
            menu.says("r"),
            ["the service wants to know this computer, y agrees"]
        );
        assert_eq!(menu.says("y"), ["asking the service", "done"], "{name}");
        menu.quit();
    }
    let mut menu = example.start(&world.path("fifth"), &stick, &world);
    let refused = menu.says("y");
    assert_eq!(refused.len(), 3, "{refused:?}");
    let page = format!("refused (C00D2753), see {}/refusals/", world.service.url());
    assert!(refused[1].starts_with(&page), "{refused:?}");
    assert_eq!(refused[2], "failed: C00D2753");
    menu.quit();
}

/// A restore whose service keeps silent is canceled; while it runs, nothing else begins.
fn cancels(example: &Example) {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let world = World::at(&format!("http://{}", silent.local_addr().expect("its address")));
    let old = computer(&world);
    let stick = world.folder("stick");
    let mut menu = example.start(old.home(), &stick, &world);
    assert_eq!(menu.says("b").pop().as_deref(), Some("done"));
    menu.quit();
    let mut menu = example.start(&world.path("second"), &stick, &world);
    menu.command("y");
    let _open = silent.accept().expect("it asks the service");
    assert_eq!(menu.line(), "asking the service");
    assert!(menu.says("b")[0].starts_with("not begun"));
    assert_eq!(menu.says("c"), ["canceled"]);
    menu.quit();
}

#[test]
fn the_example_in_cxx_works() {
    let example = Example::compiled("c++", "-std=c++11", "cpp/menu.cpp");
    works(&example);
    cancels(&example);
}

#[test]
fn the_example_in_c_works() {
    let example = Example::compiled("cc", "-std=c11", "c/menu.c");
    works(&example);
    cancels(&example);
}

#[test]
fn the_example_in_python_works() {
    if Command::new("python3").arg("--version").output().is_err() {
        left_out("the example in Python: no python3");
        return;
    }
    let example = Example {
        program: "python3".into(),
        words: vec![
            example("python/menu.py").display().to_string(),
            library().display().to_string(),
        ],
        trust: as_property,
        library_path: None,
    };
    works(&example);
    cancels(&example);
}

#[test]
fn the_example_in_rust_works() {
    let program = library_folder().join("../examples/menu");
    assert!(
        program.exists(),
        "`cargo test -p keyferry-com` builds {}",
        program.display()
    );
    let example = Example {
        program,
        words: Vec::new(),
        trust: |world| world.publisher.root().to_string(),
        library_path: None,
    };
    works(&example);
    cancels(&example);
}
