//! The highest memory that a process had (VmHWM), where the system tells: Linux.

/// Of this process, in bytes.
pub fn own_peak() -> Option<u64> {
    of("self")
}

/// Of another process, in bytes.
pub fn peak_of(process: u32) -> Option<u64> {
    of(&process.to_string())
}

fn of(process: &str) -> Option<u64> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    parse(&std::fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_high_water_mark() {
        assert_eq!(
            parse("Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"),
            Some(12345 * 1024)
        );
        assert_eq!(parse("Name:\tx\n"), None);
    }
}
