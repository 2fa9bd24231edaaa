//! The client in C++: built once for all tests, run with the words of a scenario.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// This crate's folder.
pub fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo put the shared library for this build.
pub fn library_folder() -> PathBuf {
    let test = std::env::current_exe().expect("this test");
    let folder = test.parent().and_then(Path::parent).expect("target/debug");
    folder.to_owned()
}

/// Compiles with `compiler`, which sees the header and the library.
pub fn compile(compiler: &str, flags: &[&str], sources: &[PathBuf], program: &Path) {
    let libraries = library_folder();
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
        .arg(&libraries)
        .arg(format!("-Wl,-rpath,{}", libraries.display()))
        .args(["-lkeyferry_com", "-lpthread"]);
    let built = command.output().expect("the compiler runs");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{compiler} failed:\n{said}");
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-client");
        let folder = crate_folder().join("tests/client");
        let sources = ["client.cpp", "contract.cpp", "lifetime.cpp"].map(|name| folder.join(name));
        compile("c++", &["-std=c++11", "-g"], &sources, &program);
        program
    })
}

/// Runs a scenario to its end.
pub fn run(words: &[&str]) -> Output {
    let mut command = Command::new(program());
    // One arena for all threads, so that memory can be compared.
    command.args(words).env("MALLOC_ARENA_MAX", "1");
    command.output().expect("the client runs")
}

/// Runs a scenario that must succeed; what it printed, without the last line.
pub fn told(words: &[&str]) -> Vec<String> {
    let output = run(words);
    let (out, said) = (
        String::from_utf8(output.stdout).expect("text"),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{words:?} failed: {out}{said}");
    let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
    assert_eq!(lines.pop().as_deref(), Some("done"), "{words:?} came to its end");
    lines
}
