//! Time that processes have run, where the system tells it: user and system ticks of 10 ms.

use std::fs;

/// A moment, of this process or of all processes of one name.
pub struct Processor {
    name: Option<String>,
    ticks: u64,
}

impl Processor {
    pub fn own() -> Self {
        Self {
            name: None,
            ticks: ticks("self"),
        }
    }

    /// Of processes with this name, if there is one.
    pub fn of(name: Option<&str>) -> Self {
        Self {
            name: Some(name.unwrap_or_default().to_owned()),
            ticks: all(name.unwrap_or_default()),
        }
    }

    /// Seconds since then.
    pub fn since(&self) -> f64 {
        let now = match &self.name {
            None => ticks("self"),
            Some(name) => all(name),
        };
        now.saturating_sub(self.ticks) as f64 / 100.0
    }
}

fn all(name: &str) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0;
    };
    let of_name = |process: &String| {
        !name.is_empty()
            && fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    processes
        .flatten()
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .filter(of_name)
        .map(|process| ticks(&process))
        .sum()
}

fn ticks(process: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let fields = after_name.split(' ').skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
