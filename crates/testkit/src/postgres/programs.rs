//! The programs of PostgreSQL on this machine, and the user that the server runs as: it refuses to be root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian and its relatives have the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder of the programs.
pub(crate) struct Programs {
    pub(crate) folder: PathBuf,
}

impl Programs {
    /// The newest version's, or those in the PATH; says where it looked.
    pub(crate) fn find() -> Result<Self, String> {
        let mut folders: Vec<(u32, PathBuf)> = fs::read_dir(VERSIONS)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                Some((
                    entry.file_name().to_str()?.parse().ok()?,
                    entry.path().join("bin"),
                ))
            })
            .collect();
        folders.sort();
        let newest = folders.into_iter().rev().map(|(_, folder)| folder);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let whole = |folder: &PathBuf| {
            ["initdb", "postgres", "psql"]
                .iter()
                .all(|name| folder.join(name).is_file())
        };
        newest
            .chain(std::env::split_paths(&path))
            .find(whole)
            .map(|folder| Self { folder })
            .ok_or_else(|| {
                format!("the programs of its server are neither in {VERSIONS}/*/bin nor in the PATH")
            })
    }

    /// Runs SQL, all of it or nothing.
    pub(crate) fn sql(&self, url: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(self.folder.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--dbname", url, "--command", sql])
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }
}

/// Who the server is where the tests are root.
#[derive(Clone, Copy)]
pub(crate) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// `None` where the tests aren't root, going by the owner of a folder that they made: then the server is who they
    /// are.
    pub(crate) fn for_server(made: &Path) -> io::Result<Option<Self>> {
        if fs::metadata(made)?.uid() != 0 {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let named = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2).map_while(|number| number.parse().ok());
            Some(Self {
                uid: numbers.next()?,
                gid: numbers.next()?,
            })
        };
        let found = named("postgres").or_else(|| named("nobody"));
        found
            .map(Some)
            .ok_or_else(|| io::Error::other("neither postgres nor nobody is a user here"))
    }

    /// Makes the folder this user's alone.
    pub(crate) fn give(&self, folder: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(folder, Some(self.uid), Some(self.gid))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
    }
}

/// A program as the server's user, in this folder, in a process group of its own: what a terminal's Ctrl-C ends is the
/// test.
pub(crate) fn command(program: &Path, user: Option<&User>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).process_group(0);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// Processes that this one started.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

/// Does it run, or wait for something? One that has ended and whose end nobody has asked for yet doesn't.
pub(crate) fn is_running(pid: u32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| state != 'Z')
}

fn parent_of(pid: u32) -> Option<u32> {
    state_and_parent(pid).map(|(_, parent)| parent)
}

fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses, and may have spaces in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut rest = rest.split_whitespace();
    Some((rest.next()?.parse().ok()?, rest.next()?.parse().ok()?))
}
