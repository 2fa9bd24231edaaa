//! A file system in a file, mounted where only one test sees it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Is set in the process that runs inside.
const INSIDE: &str = "KEYFERRY_TEST_APART";
/// A file system is there sooner, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a medium is formatted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Fat32,
    ExFat,
    Tmpfs,
}

/// A medium, mounted until it is dropped.
pub struct Mounted {
    pub kind: Kind,
    image: PathBuf,
    pub folder: PathBuf,
    bytes: u64,
}

/// Runs a test of this name in mounts and processes of its own: the same test once more, which ends up in `body` with a
/// medium. All that it mounted and started ends with it.
pub fn on(kind: Kind, bytes: u64, name: &str, body: impl FnOnce(&mut Mounted)) {
    if std::env::var_os(INSIDE).is_some() {
        let place = tempfile();
        match Mounted::new(kind, place.path(), "stick", bytes) {
            Ok(mut medium) => body(&mut medium),
            Err(why) => keyferry_testkit::left_out(&format!("backups on {kind:?}: {why}")),
        }
        return;
    }
    let mut flags = vec!["--mount", "--propagation", "private"];
    flags.extend(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        flags.extend(["--user", "--map-root-user"]);
    }
    let tried = Command::new("unshare").args(&flags).arg("true").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        keyferry_testkit::left_out(&format!(
            "backups on {kind:?}: unshare {} is not permitted",
            flags.join(" ")
        ));
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let ran = Command::new("unshare")
        .args(&flags)
        .arg(this)
        .args(["--exact", name, "--test-threads", "1", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    eprint!("{}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "inside: {said}");
    assert!(said.contains("1 passed"), "no test has the name {name}: {said}");
}

fn tempfile() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

impl Mounted {
    /// Makes an image in `place`, and mounts it there under a name; says why that can't be.
    pub fn new(kind: Kind, place: &Path, name: &str, bytes: u64) -> Result<Self, String> {
        let medium = Self {
            kind,
            image: place.join(format!("{name}.image")),
            folder: place.join(name),
            bytes,
        };
        fs::create_dir(&medium.folder).expect("a folder");
        let file = File::create(&medium.image).expect("an image");
        file.set_len(bytes).expect("so long");
        let image = medium.image.to_str().expect("UTF-8");
        match kind {
            // So few clusters are too few for other tools, and enough for this one.
            Kind::Fat32 => tool("mkfs.vfat", &["-F", "32", "-s", "1", image])?,
            Kind::ExFat => tool("mkfs.exfat", &[image])?,
            Kind::Tmpfs => {}
        }
        medium.mount()?;
        Ok(medium)
    }

    /// Mounts it; a medium in memory is empty then.
    pub fn mount(&self) -> Result<(), String> {
        let (image, folder) = (self.image.to_str().expect("UTF-8"), self.folder());
        match self.kind {
            Kind::Fat32 => tool("fusefat", &["-o", "rw+", image, folder])?,
            Kind::ExFat => {
                let device = output("losetup", &["--find", "--show", image])?;
                let mounted = tool("mount.exfat-fuse", &[&device, folder]);
                // It goes when it is unmounted, and at once if it isn't mounted.
                tool("losetup", &["--detach", &device])?;
                mounted?;
            }
            Kind::Tmpfs => {
                let size = format!("size={}", self.bytes);
                tool("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", folder])?;
            }
        }
        let begun = Instant::now();
        while !self.is_mounted() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{:?} does not come", self.kind));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Takes it away as if it were pulled out: nobody is asked who uses it.
    pub fn unmount(&self) {
        tool("umount", &["--lazy", self.folder()]).expect("unmounted");
    }

    /// Takes it away in order, and puts it in again. What is in memory alone stays where it is.
    pub fn put_in_again(&self) {
        if self.kind == Kind::Tmpfs {
            return;
        }
        tool("umount", &[self.folder()]).expect("nobody uses it");
        self.wait_until_served();
        self.mount().expect("mounted again");
    }

    /// After it was pulled out: whoever served it may still write to the image.
    pub fn wait_until_served(&self) {
        let begun = Instant::now();
        while is_open(&self.image) && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Is to be found in another folder too.
    pub fn bind_to(&self, folder: &str) {
        tool("mount", &["--bind", self.folder(), folder]).expect("bound");
    }

    /// From now on nobody writes there.
    pub fn make_read_only(&self) {
        tool("mount", &["-o", "remount,bind,ro", self.folder()]).expect("read-only");
    }

    /// Fills it with a file, and leaves about so many bytes.
    pub fn fill_up_to(&self, left: u64) {
        use std::io::Write as _;
        let ballast = self.folder.join("ballast");
        let mut file = File::create(&ballast).expect("a file");
        let mut written = 0;
        while let Ok(more) = file.write(&[0xB5; 4096]) {
            written += more as u64;
        }
        file.set_len(written.saturating_sub(left)).expect("shortened");
        drop(file);
    }

    /// Makes room again.
    pub fn make_room(&self) {
        fs::remove_file(self.folder.join("ballast")).expect("removed");
    }

    /// Names in it, in their order.
    pub fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.folder).expect("a folder");
        let name = |file: std::io::Result<fs::DirEntry>| file.expect("a file").file_name();
        let mut names: Vec<String> = files
            .map(|file| name(file).into_string().expect("UTF-8"))
            .filter(|name| name != "ballast")
            .collect();
        names.sort();
        names
    }

    /// Where it is mounted.
    pub fn folder(&self) -> &str {
        self.folder.to_str().expect("UTF-8")
    }

    fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").expect("the mounts");
        mounts
            .lines()
            .any(|line| line.split(' ').nth(1) == Some(self.folder()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted() {
            let _ = tool("umount", &["--lazy", self.folder()]);
        }
    }
}

/// Has a process of this namespace, this one apart, the file open? A loop device counts for itself.
fn is_open(file: &Path) -> bool {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let open_in = |process: fs::DirEntry| {
        let files = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        files
            .into_iter()
            .any(|open| fs::read_link(open.path()).is_ok_and(|open| open == file))
    };
    processes.into_iter().any(open_in)
        || output("losetup", &["--associated", file.to_str().expect("UTF-8")])
            .is_ok_and(|loops| !loops.is_empty())
}

/// Runs a tool; an error is what it says of its failure, or that it isn't there.
fn tool(name: &str, args: &[&str]) -> Result<(), String> {
    output(name, args).map(drop)
}

/// The same, with what it printed. That goes into files: a pipe would stay open for as long as a file system is served.
fn output(name: &str, args: &[&str]) -> Result<String, String> {
    let said = tempfile();
    let (out, err) = (said.path().join("out"), said.path().join("err"));
    let ran = Command::new(name)
        .args(args)
        .stdin(Stdio::null())
        .stdout(File::create(&out).expect("a file"))
        .stderr(File::create(&err).expect("a file"))
        .status()
        .map_err(|error| format!("{name}: {error}"))?;
    let text = |path: &Path| {
        let bytes = fs::read(path).expect("readable");
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    if ran.success() {
        Ok(text(&out))
    } else {
        Err(format!("{name}: {}", text(&err)))
    }
}
