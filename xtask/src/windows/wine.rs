//! Programs for Windows under Wine: a prefix of our own, made afresh, and what Wine lacks beside the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::build::{self, Triple};
use crate::run::{Line, root};

/// Debian has it out of the way of other versions.
const WINE: &str = "/usr/lib/wine/wine64";
const SERVER: &str = "/usr/lib/wine/wineserver64";

/// Our own `wmvcore.dll` where it lies beside a program; Wine's by its full path alone. Nothing of .NET and of HTML, which Wine would offer to download.
const OVERRIDES: &str = "wmvcore=n,b;mscoree,mshtml=";

/// A Windows that Wine plays.
pub struct Wine {
    prefix: PathBuf,
    /// Libraries for programs of 32 bits.
    libraries: Option<PathBuf>,
}

/// A program for Windows.
pub struct Program {
    pub path: PathBuf,
    pub triple: &'static Triple,
}

impl Wine {
    /// Makes a new one; with `libraries` ([`super::wine32`]) it takes programs of 32 bits too.
    pub fn start(libraries: Option<PathBuf>) -> Result<Self> {
        let prefix = build::folder().join("prefix");
        if prefix.exists() {
            fs::remove_dir_all(&prefix).with_context(|| format!("can't remove {}", prefix.display()))?;
        }
        fs::create_dir_all(&prefix).with_context(|| format!("can't make {}", prefix.display()))?;
        let wine = Self { prefix, libraries };
        println!("\n==> making a Windows in {}", wine.prefix.display());
        let made = wine.wine().args(["wineboot", "--init"]).status();
        ensure!(made.context("can't run Wine")?.success(), "Wine made no Windows");
        // Nothing of it is on the disk before the server has ended.
        wine.settle()?;
        Ok(wine)
    }

    /// This program, ready to be given arguments. What Wine lacks is put beside it.
    pub fn program(&self, program: &Program) -> Result<Command> {
        let folder = program.path.parent().context("a program without a folder")?;
        provide_random_bytes(folder, program.triple)?;
        let mut command = self.wine();
        command.arg(&program.path);
        Ok(command)
    }

    /// Gives a folder of this system the letter of a drive: `Self::drive('e', folder)` is `E:\`.
    pub fn drive(&self, letter: char, folder: &Path) -> Result<()> {
        let link = self.prefix.join("dosdevices").join(format!("{letter}:"));
        let made = std::os::unix::fs::symlink(folder, &link);
        made.with_context(|| format!("can't make the drive {}", link.display()))
    }

    /// Waits until no program runs in it.
    fn settle(&self) -> Result<()> {
        let ended = self.with_environment(Command::new(SERVER)).arg("-w").status();
        ensure!(
            ended.context("can't run Wine's server")?.success(),
            "Wine's server didn't end"
        );
        Ok(())
    }

    fn wine(&self) -> Command {
        self.with_environment(Command::new(WINE))
    }

    fn with_environment(&self, mut command: Command) -> Command {
        command
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDLLOVERRIDES", OVERRIDES)
            .env("WINEDEBUG", "-all")
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
        if let Some(libraries) = &self.libraries {
            command.env("WINEDLLPATH", libraries);
        }
        command
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        // Programs that were left running end with it.
        let _ = self
            .with_environment(Command::new(SERVER))
            .args(["-k", "-w"])
            .status();
    }
}

/// How this system's path is called under Wine.
pub fn path(here: &Path) -> String {
    format!("Z:{}", here.display().to_string().replace('/', "\\"))
}

/// `bcryptprimitives.dll`, under the name that its function has in Windows, also where the compiler decorates it.
fn provide_random_bytes(folder: &Path, triple: &Triple) -> Result<()> {
    let dll = folder.join("bcryptprimitives.dll");
    if dll.exists() {
        return Ok(());
    }
    let source = root().join("xtask/src/windows/bcryptprimitives.c");
    let line = format!(
        "{}-gcc-posix -O2 -Wall -Werror -shared -static-libgcc -s -Wl,--kill-at -o {} {} -ladvapi32",
        triple.tools,
        dll.display(),
        source.display()
    );
    ensure!(Line::new(&line).run()?, "bcryptprimitives.dll doesn't build");
    Ok(())
}
