//! The client under the sanitizers of the C++ compiler and under valgrind: a word of theirs fails the test. The library
//! of this build is not instrumented, but every block of memory that it takes and gives back is watched. `cargo xtask soak
//! sanitizers` asks for all scenarios of each, and brings a library that is instrumented itself, for which the client is
//! linked with the one runtime that Rust brings. `endurance` compares memory, which these tools use for themselves.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyferry_testkit::{Wanted, World, left_out};

use crate::agent::revocation;
use crate::client::{compile, crate_folder, finished, sources};

const SHORT: &[&str] = &["contract", "agent", "reentrance"];
const ALL: &[&str] = &[
    "contract",
    "agent",
    "reentrance",
    "threads",
    "backup",
    "restore",
    "revocation",
];

/// How a client is watched.
struct Watched {
    /// What runs first, up to the client.
    command: Vec<OsString>,
    options: Option<(&'static str, &'static str)>,
}

impl Watched {
    /// By a sanitizer that is compiled in.
    fn compiled(sanitizer: &str, options: (&'static str, &'static str)) -> Self {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-client-{sanitizer}"));
        let sanitize = format!("-fsanitize={sanitizer}");
        let flags = [
            "-std=c++11",
            "-g",
            &sanitize,
            // The library's objects are not of a class that this compiler knows.
            "-fno-sanitize=vptr",
            "-fno-sanitize-recover=all",
        ];
        compile("c++", &flags, &sources(), &program);
        Self {
            command: vec![program.into()],
            options: Some(options),
        }
    }

    /// By the runtime that lies beside an instrumented library, and by no other.
    fn instrumented(folder: &Path, sanitizer: &str, options: (&'static str, &'static str)) -> Self {
        let library = folder.join("libkeyferry_com.so");
        let wanted = printed(Command::new("nm").args(["-D", "--undefined-only"]).arg(&library));
        let prefix = if sanitizer == "thread" {
            "__tsan_"
        } else {
            "__asan_"
        };
        let calls = wanted.lines().filter(|line| line.contains(prefix)).count();
        assert!(calls > 10, "{} is not instrumented: {calls}", library.display());
        let program = folder.join("client");
        let objects = sources().map(|source| {
            let name = source.file_name().expect("a name");
            let object = folder.join(name).with_extension("o");
            let flags = ["-std=c++11", "-g", "-Wall", "-Wextra", "-Werror", "-c"];
            let mut command = Command::new("c++");
            command
                .args(flags)
                .arg(format!("-fsanitize={sanitizer}"))
                .arg("-I")
                .arg(crate_folder().join("include"));
            printed(command.arg(source).arg("-o").arg(&object));
            object
        });
        // The compiler's own runtime is not linked: it would be a second one.
        let mut command = Command::new("c++");
        command
            .args(objects)
            .args(["-rdynamic", "-Wl,--whole-archive"])
            .arg(folder.join("runtime.a"))
            .arg("-Wl,--no-whole-archive")
            .arg("-L")
            .arg(folder)
            // Cargo tells the loader of the library that isn't instrumented; this path comes first.
            .arg(format!("-Wl,--disable-new-dtags,-rpath,{}", folder.display()))
            .args(["-lkeyferry_com", "-lpthread", "-ldl", "-lrt", "-lm", "-lresolv"]);
        printed(command.arg("-o").arg(&program));
        let loaded = printed(Command::new("ldd").arg(&program));
        assert!(loaded.contains(&*folder.to_string_lossy()), "{loaded}");
        assert!(
            !loaded.contains("asan") && !loaded.contains("tsan"),
            "one runtime: {loaded}"
        );
        Self {
            command: vec![program.into()],
            options: Some(options),
        }
    }

    fn run(&self, words: &[&str]) -> Vec<String> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).args(words);
        finished(command.envs(self.options))
    }

    fn scenarios(&self, names: &[&str]) {
        for name in names {
            match *name {
                "backup" => self.backup(),
                "restore" => self.restore(),
                "revocation" => revocation(&|words| self.run(words)),
                name => {
                    let world = World::new();
                    let (home, stick) = (world.path("home"), world.folder("stick"));
                    self.run(&[name, &home.to_string_lossy(), &stick.to_string_lossy()]);
                }
            }
        }
    }

    /// One that is canceled, one that isn't and one that is encrypted, with names of other scripts and licenses that stay.
    fn backup(&self) {
        let (world, _hosted) = World::hosted();
        let old = world.computer_here("old laptop");
        world.issue(&old, &Wanted::many(4, Some(2)));
        let stick = world.folder("Stick für Müller 日本 🎵");
        let (store, path) = (
            format!("Keyferry.Store={}", old.home().display()),
            format!("BackupPath={}", stick.display()),
        );
        let backup = |flags: &str, cancel: &str, further: &str| {
            let words = ["backup", flags, cancel, "progress", &store, &path, further];
            self.run(&words).last().cloned().expect("it ends")
        };
        assert_eq!(
            backup("0", "31", "Keyferry.Keep=1"),
            "BACKUPRESTORE_END 27 C00D2768"
        );
        assert_eq!(
            backup("0", "-", "Keyferry.Keep=1"),
            "BACKUPRESTORE_END 27 00000000"
        );
        let secret = "Keyferry.Passphrase=correct horse";
        assert_eq!(backup("1", "-", secret), "BACKUPRESTORE_END 27 00000000");
    }

    /// Without consent, then up to the limit of computers and one further.
    fn restore(&self) {
        let (world, _hosted) = World::hosted();
        let old = world.computer_here("old laptop");
        world.issue(&old, &Wanted::many(4, Some(2)));
        let stick = world.folder("stick");
        world.back_up(&old, &stick);
        let path = format!("RestorePath={}", stick.display());
        let trust = format!("Keyferry.Trust={}", world.publisher.root());
        let restore = |name: &str, flags: &str| {
            let store = format!("Keyferry.Store={}", world.path(name).display());
            let told = self.run(&["restore", flags, "-", "progress", &store, &path, &trust]);
            told.last().cloned().expect("it ends")
        };
        assert_eq!(restore("second", "0"), "BACKUPRESTORE_END 27 C00D2728");
        for name in ["second", "third", "fourth"] {
            assert_eq!(restore(name, "2"), "BACKUPRESTORE_END 27 00000000");
        }
        assert_eq!(restore("fifth", "2"), "BACKUPRESTORE_END 27 C00D2753");
    }
}

/// What a tool prints, which must succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().expect("the tool is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where the soak has put a library that is instrumented by this sanitizer, and its runtime.
fn instrumented_library(sanitizer: &str) -> Option<PathBuf> {
    let folders = PathBuf::from(std::env::var_os("KEYFERRY_SANITIZED_LIBRARY")?);
    Some(folders.join(sanitizer))
}

/// All where the soak asks for all.
fn chosen(short: &'static [&'static str]) -> &'static [&'static str] {
    match std::env::var_os("KEYFERRY_SANITIZED_SCENARIOS") {
        Some(_) => ALL,
        None => short,
    }
}

#[test]
fn addresses_and_undefined_behavior_are_clean() {
    let options = ("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1");
    Watched::compiled("address,undefined", options).scenarios(ALL);
    if let Some(folder) = instrumented_library("address") {
        Watched::instrumented(&folder, "address", options).scenarios(ALL);
    }
}

#[test]
fn threads_are_clean() {
    // What the library does among its own threads is invisible, so that it is taken for races.
    let options = ("TSAN_OPTIONS", "ignore_noninstrumented_modules=1");
    Watched::compiled("thread", options).scenarios(chosen(SHORT));
    if let Some(folder) = instrumented_library("thread") {
        let options = ("TSAN_OPTIONS", "halt_on_error=1");
        Watched::instrumented(&folder, "thread", options).scenarios(ALL);
    }
}

#[test]
fn valgrind_finds_no_lost_memory() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        left_out("memory that programs lose by the library: no valgrind");
        return;
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-client-valgrind");
    compile("c++", &["-std=c++11", "-g"], &sources(), &program);
    let mut command: Vec<OsString> = [
        "valgrind",
        "--quiet",
        "--leak-check=full",
        "--show-leak-kinds=definite",
        "--errors-for-leak-kinds=definite",
        "--error-exitcode=9",
    ]
    .map(OsString::from)
    .into();
    command.push(program.into());
    let watched = Watched {
        command,
        options: None,
    };
    watched.scenarios(chosen(SHORT));
}
