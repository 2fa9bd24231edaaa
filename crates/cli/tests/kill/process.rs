//! A command that runs beside the test, so that somebody else can end it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Nothing here runs for so long; a command that does hangs.
const LONGEST: Duration = Duration::from_secs(300);

/// The command, with all that it writes in a file.
pub struct Process {
    child: Mutex<Child>,
    output: PathBuf,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing if it was killed.
    pub exit: Option<i32>,
    pub output: String,
}

impl Process {
    /// Starts the command; `output` is made anew.
    pub fn start(mut command: Command, output: PathBuf) -> Self {
        let file = File::create(&output).expect("a file for the output");
        let stderr = file.try_clone().expect("the same file");
        let child = command.stdout(file).stderr(stderr).spawn();
        Self {
            child: Mutex::new(child.expect("the program starts")),
            output,
        }
    }

    /// SIGKILL, and nothing if it has ended; waits for the end. Says whether it still ran.
    pub fn kill(&self) -> bool {
        let mut child = self.child();
        let ran = child.try_wait().expect("a status").is_none();
        child.kill().expect("killed");
        child.wait().expect("it ends");
        ran
    }

    /// Waits for the end. The lock is free in between, for whoever kills it.
    pub fn wait(&self) -> Ended {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child().try_wait().expect("a status") {
                return Ended {
                    exit: status.code(),
                    output: std::fs::read_to_string(&self.output).expect("what it wrote"),
                };
            }
            if begun.elapsed() > LONGEST {
                self.kill();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
