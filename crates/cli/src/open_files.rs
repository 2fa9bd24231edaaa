//! How many files this process may have open: each connection of a service takes one.

/// Raises the limit as far as it may be raised, and gives it; `None` where there is none that is known.
#[cfg(unix)]
pub fn raised() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let current = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => wanted.current,
        // Some systems allow less than they say.
        Err(_) => limit.current,
    };
    current.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// Raises the limit as far as it may be raised, and gives it; `None` where there is none that is known.
#[cfg(not(unix))]
pub fn raised() -> Option<usize> {
    None
}
