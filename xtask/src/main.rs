//! The chores of this repository, `cargo xtask`: this file reads the command line and owns the exit code; each chore has
//! a module of its own.

mod bench;
mod library;
mod needs;
mod peers;
mod run;
mod soak;
mod test;
mod windows;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <chore>

  test                        install what the suites need, then check and test everything
  windows                     build for Windows and test under Wine, as the second stage of `test` does
  bench [LICENSES]            measure the budgets with up to so many licenses (default 1000000)
  bench --peers [LICENSES]    back up and restore the same licenses with other programs too (default 100000)
  bench --service [ROWS]      measure the service alone, on SQLite and PostgreSQL, up to so many rows (default 5000000)
  bench --load [CONNECTIONS]  how long a restore waits alone, and beside so many hostile connections (default 11000)
  library --prefix DIR [--destdir DIR] [--built FILE]
                              install the shared library, its header and its entry for pkg-config (Linux)
  soak flip                   alter every byte of a backup, and verify and restore it; --every, --licenses, --bytes, --minutes
  soak fuzz [--seconds N] [TARGET...]
                              run these fuzz targets, or all, for N seconds each (default 60)
  soak kill [--minutes N] [--seed N]
                              kill commands at random moments for N minutes (default 5) and finish their work
  soak ledger [--seconds N] [--seed N]
                              64 computers share licenses for N seconds (default 60) while services and databases fail
  soak survive                damage backups of 1 to a million licenses, and read and repair them
  soak sanitizers             run the client in C++ under every sanitizer and valgrind, in all its scenarios
  soak syscalls               kill commands at every system call, let each write fail, and cut the power while they write
";

/// Exit code for a command line that can't be understood, as in the program itself.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::test(),
        ["windows"] => windows::windows(),
        ["bench"] => bench::bench(1_000_000),
        ["bench", "--peers"] => peers::peers(100_000),
        ["bench", "--peers", licenses] => match licenses.parse() {
            Ok(licenses) => peers::peers(licenses),
            Err(_) => return usage(&format!("not a number of licenses: {licenses}")),
        },
        ["bench", "--service"] => bench::service(5_000_000),
        ["bench", "--service", rows] => match rows.parse() {
            Ok(rows) => bench::service(rows),
            Err(_) => return usage(&format!("not a number of rows: {rows}")),
        },
        ["bench", "--load"] => bench::load(11_000),
        ["bench", "--load", connections] => match connections.parse() {
            Ok(connections) => bench::load(connections),
            Err(_) => return usage(&format!("not a number of connections: {connections}")),
        },
        ["bench", largest] => match largest.parse() {
            Ok(largest) => bench::bench(largest),
            Err(_) => return usage(&format!("not a number of licenses: {largest}")),
        },
        ["library", options @ ..] => match library::Options::parse(options) {
            Ok(options) => library::library(&options),
            Err(error) => return usage(&error.to_string()),
        },
        ["soak", mode @ ..] => match soak::parse(mode) {
            Ok(mode) => soak::soak(&mode),
            Err(error) => return usage(&error.to_string()),
        },
        ["-h" | "--help" | "help"] => {
            print!("{USAGE}");
            Ok(true)
        }
        [] => return usage("which chore?"),
        other => return usage(&format!("no such chore: {}", other.join(" "))),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage(error: &str) -> ExitCode {
    eprint!("xtask: error: {error}\n\n{USAGE}");
    ExitCode::from(USAGE_ERROR)
}
