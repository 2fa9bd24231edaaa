//! The client in C++: built once for all tests, run with the words of a scenario.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// This crate's folder.
pub fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo put the shared library for this test: beside the test. One folder up is that of the last `cargo build`,
/// which may be older.
pub fn library_folder() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    test.parent().expect("target/debug/deps").to_owned()
}

/// The shared library of this build.
pub fn library() -> PathBuf {
    let (start, end) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    library_folder().join(format!("{start}keyferry_com{end}"))
}

/// Where cargo put the library; there it also has the name under which programs look for it.
fn loader_folder() -> PathBuf {
    let name = if cfg!(target_os = "macos") {
        "libkeyferry.0.dylib"
    } else {
        "libkeyferry.so.0"
    };
    let link = library_folder().join(name);
    #[cfg(unix)]
    if let Err(error) = std::os::unix::fs::symlink(library().file_name().expect("a name"), &link) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::AlreadyExists,
            "{}",
            link.display()
        );
    }
    library_folder()
}

/// Compiles with `compiler`, which sees the header and the library.
pub fn compile(compiler: &str, flags: &[&str], sources: &[PathBuf], program: &Path) {
    let mut command = Command::new(compiler);
    command
        .args(flags)
        .args(["-Wall", "-Wextra", "-Werror"])
        .arg("-I")
        .arg(crate_folder().join("include"))
        .args(sources)
        .arg("-o")
        .arg(program)
        .arg("-L")
        .arg(library_folder())
        .arg(format!("-Wl,-rpath,{}", loader_folder().display()))
        .args(["-lkeyferry_com", "-lpthread"]);
    let built = command.output().expect("the compiler runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{compiler} failed:\n{said}");
}

/// The client's sources.
pub fn sources() -> [PathBuf; 4] {
    ["agent.cpp", "client.cpp", "contract.cpp", "lifetime.cpp"]
        .map(|name| crate_folder().join("tests/client").join(name))
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-client");
        compile("c++", &["-std=c++11", "-g"], &sources(), &program);
        program
    })
}

/// Runs a scenario that must succeed; what it printed, without the last line.
pub fn told(words: &[&str]) -> Vec<String> {
    // One arena for all threads, so that memory can be compared.
    finished(Command::new(program()).args(words).env("MALLOC_ARENA_MAX", "1"))
}

/// Runs a client that must come to its end without a word about errors; what it printed, without the last line.
pub fn finished(command: &mut Command) -> Vec<String> {
    let output = command.output().expect("the client runs");
    let out = String::from_utf8(output.stdout).expect("text");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{command:?} failed: {out}{said}"
    );
    let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
    assert_eq!(
        lines.pop().as_deref(),
        Some("done"),
        "{command:?} came to its end"
    );
    lines
}
