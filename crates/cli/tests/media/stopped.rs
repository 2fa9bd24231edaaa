//! The program, stopped after one of its system calls until somebody lets it go on.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, Ran};

/// Nothing here runs for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that was stopped, or has ended before.
pub struct Stopped {
    child: Child,
    trace: PathBuf,
    said: PathBuf,
    /// Nothing if it never made that call.
    process: Option<String>,
}

/// Can programs be traced here? Where not, the work is noted as left out.
pub fn is_possible(what: &str) -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let possible = tried.is_ok_and(|tried| tried.status.success());
    if !possible {
        keyferry_testkit::left_out(&format!("{what}: strace is not permitted"));
    }
    possible
}

impl Stopped {
    /// Starts the program; it stops after the `number`th call of this name, from 1.
    pub fn after(place: &Place, call: &str, number: usize, args: &[&str]) -> Self {
        let (trace, said) = (place.path("trace"), place.path("said"));
        let _ = fs::remove_file(&trace);
        let file = || fs::File::create(&said).expect("a file");
        let program = place.command(args);
        let child = Command::new("strace")
            .args(["-f", "-o"])
            .arg(&trace)
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:signal=SIGSTOP:when={number}")])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(place.path(""))
            .env("HOME", place.path("person"))
            .env_remove("KEYFERRY_HOME")
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file())
            .spawn()
            .expect("strace runs");
        let mut stopped = Self {
            child,
            trace,
            said,
            process: None,
        };
        stopped.process = stopped.wait_for_the_stop();
        stopped
    }

    fn wait_for_the_stop(&mut self) -> Option<String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let ended = self.child.try_wait().expect("a status").is_some();
            let trace = fs::read_to_string(&self.trace).unwrap_or_default();
            let stop = trace.lines().find(|line| line.contains("stopped by SIGSTOP"));
            if let Some(stop) = stop {
                return stop.split(' ').next().map(str::to_owned);
            }
            if ended {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("it neither stopped nor ended");
    }

    /// Did it come so far?
    pub fn was_reached(&self) -> bool {
        self.process.is_some()
    }

    /// Lets it go on, and gives how it ended.
    pub fn goes_on(mut self) -> Ran {
        if let Some(process) = &self.process {
            let told = Command::new("kill").args(["-CONT", process]).status();
            assert!(told.is_ok_and(|told| told.success()), "it goes on");
        }
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it doesn't end");
            std::thread::sleep(Duration::from_millis(2));
        };
        Ran {
            exit: status.code().unwrap_or(-1),
            stdout: String::new(),
            stderr: fs::read_to_string(&self.said).expect("what it said"),
        }
    }
}
