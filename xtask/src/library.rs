//! `cargo xtask library`: installs the shared library for programs in C and C++, as docs/abi.md describes it. It only
//! copies files: nothing outside the prefix is touched, and no cache of the loader is renewed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::run::{Line, root, target};

/// Of all crates: the library's version, and the file's.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The part of the version that programs are bound to.
const MAJOR: &str = env!("CARGO_PKG_VERSION_MAJOR");

#[derive(Debug, PartialEq)]
pub struct Options {
    /// Where it will be used, absolute: `/usr/local`, say.
    prefix: PathBuf,
    /// Before the prefix while it is installed, for those who make packages.
    destdir: Option<PathBuf>,
    /// A library that is built already; nothing for a release build now.
    built: Option<PathBuf>,
}

impl Options {
    pub fn parse(words: &[&str]) -> Result<Self> {
        let (mut prefix, mut destdir, mut built) = (None, None, None);
        for pair in words.chunks(2) {
            let value = || {
                pair.get(1)
                    .map(PathBuf::from)
                    .with_context(|| format!("{} takes a path", pair[0]))
            };
            match pair[0] {
                "--prefix" => prefix = Some(value()?),
                "--destdir" => destdir = Some(value()?),
                "--built" => built = Some(value()?),
                other => bail!("library doesn't know: {other}"),
            }
        }
        let prefix = prefix.context("--prefix DIR says where the library goes")?;
        if !prefix.is_absolute() {
            bail!("--prefix takes an absolute path, not {}", prefix.display());
        }
        Ok(Self {
            prefix,
            destdir,
            built,
        })
    }

    /// The folder that is written to.
    fn folder(&self) -> PathBuf {
        match &self.destdir {
            Some(destdir) => destdir.join(self.prefix.strip_prefix("/").unwrap_or(&self.prefix)),
            None => self.prefix.clone(),
        }
    }
}

/// `true` when it was built and installed.
pub fn library(options: &Options) -> Result<bool> {
    if !cfg!(target_os = "linux") {
        bail!("the library is installed on Linux only");
    }
    let built = match &options.built {
        Some(built) => built.clone(),
        None if Line::new("cargo build --release --locked --package keyferry-com").run()? => {
            target().join("release/libkeyferry_com.so")
        }
        None => return Ok(false),
    };
    install(&built, &options.folder())?;
    Ok(true)
}

fn install(built: &Path, folder: &Path) -> Result<()> {
    let lib = folder.join("lib");
    let full = format!("libkeyferry.so.{VERSION}");
    put(&lib.join(&full), &read(built)?)?;
    link(&full, &lib.join(format!("libkeyferry.so.{MAJOR}")))?;
    link(&full, &lib.join("libkeyferry.so"))?;
    let header = read(&root().join("crates/com/include/keyferry.h"))?;
    put(&folder.join("include/keyferry.h"), &header)?;
    put(&lib.join("pkgconfig/keyferry.pc"), package().as_bytes())
}

/// What pkg-config answers. The prefix is found from where the file is, so the folder may be moved.
fn package() -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: keyferry\n\
         Description: Backup restorer object for device-bound licenses, with the ABI of the Windows Media Format SDK\n\
         Version: {VERSION}\n\
         Cflags: -I${{includedir}}\n\
         Libs: -L${{libdir}} -lkeyferry\n"
    )
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("can't read {}", file.display()))
}

/// Writes beside it and renames, so that programs which have the old file loaded keep it.
fn put(file: &Path, bytes: &[u8]) -> Result<()> {
    let written = || {
        let folder = file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let beside = file.with_extension("new");
        fs::write(&beside, bytes)?;
        fs::rename(&beside, file)
    };
    written().with_context(|| format!("can't write {}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}

/// A link in the same folder as what it points to.
#[cfg(unix)]
fn link(to: &str, link: &Path) -> Result<()> {
    let beside = link.with_extension("link");
    let made = || {
        std::os::unix::fs::symlink(to, &beside)?;
        fs::rename(&beside, link)
    };
    made().with_context(|| format!("can't make {}", link.display()))?;
    println!("{} -> {to}", link.display());
    Ok(())
}

#[cfg(not(unix))]
fn link(_to: &str, link: &Path) -> Result<()> {
    bail!("can't make {}", link.display())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Options;

    #[test]
    fn the_destdir_stands_before_the_prefix() {
        let options = |words: &[&str]| Options::parse(words).expect("options");
        assert_eq!(
            options(&["--prefix", "/usr/local"]).folder(),
            PathBuf::from("/usr/local")
        );
        let staged = options(&["--prefix", "/usr", "--destdir", "/tmp/stage"]);
        assert_eq!(staged.folder(), PathBuf::from("/tmp/stage/usr"));
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for bad in [
            &[][..],
            &["--prefix"],
            &["--prefix", "usr"],
            &["--destdir", "/tmp/stage"],
            &["--prefix", "/usr", "--somewhere", "/"],
        ] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
