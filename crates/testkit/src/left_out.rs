//! How a test says that it could not do its work here. It is not a way to skip what is slow or broken: a test leaves
//! itself out only for want of something that the machine has to give (a tool, a permission).

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

/// Names the file to which left out work is appended, one line each. `cargo xtask test` sets it and lists the lines at
/// its end.
pub const LEFT_OUT: &str = "KEYFERRY_LEFT_OUT";

/// Says that the work named by `what` was left out and for want of what: `"copied home: unshare -m is not permitted"`.
/// The line goes to the file that [`LEFT_OUT`] names, and to standard error where the variable isn't set.
///
/// # Panics
///
/// When the file can't be written: work must not be left out in silence.
pub fn left_out(what: &str) {
    match std::env::var_os(LEFT_OUT) {
        Some(file) => {
            if let Err(error) = append(Path::new(&file), what) {
                panic!(
                    "could not note in {} that this was left out: {what}: {error}",
                    file.display()
                );
            }
        }
        None => eprintln!("left out: {what}"),
    }
}

/// One write a line, so that the lines of tests that run at the same time don't mix.
fn append(file: &Path, what: &str) -> io::Result<()> {
    let line = format!("{}\n", what.replace('\n', " "));
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?
        .write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn each_call_adds_one_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("left-out");
        append(&file, "first: no strace").expect("appended");
        append(&file, "second:\nno unshare").expect("appended");
        let text = std::fs::read_to_string(&file).expect("the file is there");
        assert_eq!(text, "first: no strace\nsecond: no unshare\n");
    }
}
