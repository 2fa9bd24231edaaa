//! Wine's libraries for programs of 32 bits. wine64 runs such programs by itself and needs nothing else of the package for
//! i386, which can't be installed everywhere; so it is fetched and unpacked beside what is built here, with lists of
//! apt's own, and the system isn't changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::build;
use crate::run::Line;

/// Where Debian keeps the parts of wine64 that belong to this system, beside which Wine looks for libraries.
const UNIX: &str = "/usr/lib/x86_64-linux-gnu/wine/x86_64-unix";

/// The folder with the libraries of the same version as the installed Wine, for `WINEDLLPATH`; fetched when it isn't there,
/// nothing when it can't be had.
pub fn libraries() -> Result<Option<PathBuf>> {
    let Some(version) = Line::new("dpkg-query -W -f ${Version} libwine:amd64").output() else {
        return Ok(None);
    };
    let folder = build::folder().join(format!("libwine-i386-{version}"));
    let there = folder.exists() || fetch(&version, &folder)?;
    Ok(there.then_some(folder))
}

/// `false` when apt has no such package or can't reach it.
fn fetch(version: &str, folder: &Path) -> Result<bool> {
    let work = build::folder().join("fetching");
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("can't remove {}", work.display()))?;
    }
    for part in ["lists/partial", "archives/partial"] {
        let part = work.join(part);
        fs::create_dir_all(&part).with_context(|| format!("can't make {}", part.display()))?;
    }
    let apt = format!(
        "apt-get -o APT::Architecture=i386 -o APT::Architectures=i386 -o Dir::State::Lists={0}/lists -o Dir::Cache={0} \
         -o Dir::State::status=/dev/null",
        work.display()
    );
    // Sources that have nothing for i386 make it fail; what counts is whether the package comes.
    Line::new(&format!("{apt} update")).run()?;
    let package = format!("{apt} download libwine={version}");
    if !Line::new(&package).in_folder(&work).run()? {
        return Ok(false);
    }
    let found = fs::read_dir(&work).context("can't look for the package")?;
    let package = found
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .context("apt-get brought no package")?;
    let unpack = format!("dpkg-deb -x {} {}", package.display(), work.display());
    if !Line::new(&unpack).run()? {
        return Ok(false);
    }
    let libraries = work.join("usr/lib/i386-linux-gnu/wine");
    std::os::unix::fs::symlink(UNIX, libraries.join("x86_64-unix")).context("can't link Wine's own part")?;
    // Complete or not there.
    fs::rename(&libraries, folder).context("can't move the libraries to their place")?;
    fs::remove_dir_all(&work).with_context(|| format!("can't remove {}", work.display()))?;
    Ok(true)
}
