//! Building a package of the workspace for Windows. The standard library is built along, from Debian's sources, since
//! Debian brings none for Windows.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::run::{Line, target};

/// A kind of Windows.
pub struct Triple {
    pub name: &'static str,
    /// What the names of MinGW's tools for it begin with.
    pub tools: &'static str,
    /// The variable with the flags of rustc for this triple alone.
    flags: &'static str,
    /// Does a C++ compiler ask its linker for `name@bytes`, as the `stdcall` of 32 bits has it?
    pub decorates: bool,
    /// Does the linker ask for the objects that begin and end each program (`rsbegin.o`, `rsend.o`)?
    begins_and_ends: bool,
}

pub const X86_64: Triple = Triple {
    name: "x86_64-pc-windows-gnu",
    tools: "x86_64-w64-mingw32",
    flags: "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS",
    decorates: false,
    begins_and_ends: false,
};

pub const I686: Triple = Triple {
    name: "i686-pc-windows-gnu",
    tools: "i686-w64-mingw32",
    flags: "CARGO_TARGET_I686_PC_WINDOWS_GNU_RUSTFLAGS",
    decorates: true,
    begins_and_ends: true,
};

/// Where Debian keeps the sources of the standard library.
const LIBRARY: &str = "/usr/lib/rustlib/src/rust/library";
/// The profile of the workspace that is quick to build.
const PROFILE: &str = "windows";

/// Builds the program and the library, both at once: one by one, what they share would be built twice. Returns the folder
/// with them, or nothing when something doesn't build, which the compiler has said by then.
pub fn program_and_library(triple: &Triple) -> Result<Option<PathBuf>> {
    cargo("--package keyferry-cli --package keyferry-com", triple)
}

/// The same for the package of this folder, which isn't part of the workspace.
pub fn program_apart(folder: &str, triple: &Triple) -> Result<Option<PathBuf>> {
    cargo(&format!("--manifest-path {folder}/Cargo.toml --locked"), triple)
}

fn cargo(what: &str, triple: &Triple) -> Result<Option<PathBuf>> {
    let line = format!(
        "/usr/bin/cargo build {what} --profile {PROFILE} -Zbuild-std=std,panic_unwind -Zwarnings --target {}",
        triple.name
    );
    // Cargo's own folder for all of it: another compiler built what lies in the usual one.
    let line = Line::new(&line)
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTDOC", "/usr/bin/rustdoc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", folder().display().to_string())
        .env("CARGO_BUILD_WARNINGS", "deny")
        .env(triple.flags, flags(triple)?);
    Ok(line.run()?.then(|| folder().join(triple.name).join(PROFILE)))
}

/// Builds a package for this system; returns the folder with its programs.
pub fn package_here(package: &str) -> Result<Option<PathBuf>> {
    let built = Line::new(&format!("cargo build --package {package}")).run()?;
    Ok(built.then(|| target().join("debug")))
}

/// Where all that is for Windows lies.
pub fn folder() -> PathBuf {
    target().join("windows")
}

fn flags(triple: &Triple) -> Result<String> {
    let mut flags = String::new();
    if triple.begins_and_ends {
        let folder = folder().join("rtstartup");
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        for name in ["rsbegin", "rsend"] {
            begin_or_end(name, triple, &folder)?;
        }
        // rustc looks for them where it looks for libraries.
        flags = format!("-Lnative={}", folder.display());
    }
    Ok(flags)
}

fn begin_or_end(name: &str, triple: &Triple, folder: &Path) -> Result<()> {
    let line = format!(
        "/usr/bin/rustc --target {} --emit=obj -O -o {} {LIBRARY}/rtstartup/{name}.rs",
        triple.name,
        folder.join(name).with_extension("o").display(),
    );
    let built = Line::new(&line).env("RUSTC_BOOTSTRAP", "1").run()?;
    ensure!(built, "{name}.o doesn't build");
    Ok(())
}
