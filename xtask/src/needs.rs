//! What the chores need beside Rust and a C compiler, where it comes from, and its installation.

use anyhow::Result;

use crate::run::Line;

/// A tool that a chore runs.
#[derive(Clone, Copy)]
pub struct Need {
    /// What people call it.
    pub name: &'static str,
    /// A command that succeeds when the tool is there.
    probe: &'static str,
    source: Source,
    /// What can't be done without it.
    what_for: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// A component of the Rust toolchain.
    Rustup,
    /// A toolchain of Rust.
    Toolchain,
    /// `cargo install`, with this version.
    Cargo(&'static str),
    /// A package of Debian and its relatives.
    Package(&'static str),
}

pub const RUSTFMT: Need = Need {
    name: "rustfmt",
    probe: "cargo fmt --version",
    source: Source::Rustup,
    what_for: "the format of the code",
};

pub const CLIPPY: Need = Need {
    name: "clippy",
    probe: "cargo clippy --version",
    source: Source::Rustup,
    what_for: "lints",
};

pub const CARGO_DENY: Need = Need {
    name: "cargo-deny",
    probe: "cargo deny --version",
    source: Source::Cargo("0.20.2"),
    what_for: "licenses and sources of the dependencies",
};

pub const CARGO_FUZZ: Need = Need {
    name: "cargo-fuzz",
    probe: "cargo fuzz --version",
    source: Source::Cargo("0.13.2"),
    what_for: "fuzz targets",
};

pub const NIGHTLY: Need = Need {
    name: "nightly",
    probe: "cargo +nightly --version",
    source: Source::Toolchain,
    what_for: "a library that is instrumented by sanitizers",
};

const UNSHARE: Need = Need {
    name: "unshare",
    probe: "unshare --version",
    source: Source::Package("util-linux"),
    what_for: "tests that need another machine or another network (namespaces)",
};

const AGE: Need = Need {
    name: "age",
    probe: "age --version",
    source: Source::Package("age"),
    what_for: "opening encrypted backups without this program",
};

const CXX: Need = Need {
    name: "c++",
    probe: "c++ --version",
    source: Source::Package("g++"),
    what_for: "programs in C and C++ that use the library",
};

const PYTHON: Need = Need {
    name: "python3",
    probe: "python3 --version",
    source: Source::Package("python3"),
    what_for: "the example in Python",
};

const PKG_CONFIG: Need = Need {
    name: "pkg-config",
    probe: "pkg-config --version",
    source: Source::Package("pkg-config"),
    what_for: "programs in C that find the installed library",
};

const VALGRIND: Need = Need {
    name: "valgrind",
    probe: "valgrind --version",
    source: Source::Package("valgrind"),
    what_for: "memory that programs in C++ lose by the library",
};

pub const STRACE: Need = Need {
    name: "strace",
    probe: "strace --version",
    source: Source::Package("strace"),
    what_for: "stopping and failing the program at its system calls",
};

const MKFS_FAT: Need = Need {
    name: "mkfs.vfat",
    probe: "mkfs.vfat --help",
    source: Source::Package("dosfstools"),
    what_for: "backups on FAT32",
};

const FUSE_FAT: Need = Need {
    name: "fusefat",
    probe: "test -x /usr/bin/fusefat",
    source: Source::Package("fusefat"),
    ..MKFS_FAT
};

const MKFS_EXFAT: Need = Need {
    name: "mkfs.exfat",
    probe: "test -x /usr/sbin/mkfs.exfat",
    source: Source::Package("exfatprogs"),
    what_for: "backups on exFAT",
};

const FUSE_EXFAT: Need = Need {
    name: "mount.exfat-fuse",
    probe: "mount.exfat-fuse -V",
    source: Source::Package("exfat-fuse"),
    ..MKFS_EXFAT
};

const POSTGRES: Need = Need {
    name: "PostgreSQL",
    // The programs of the server aren't in the PATH, and their folder names their version.
    probe: "sh -c ls${IFS}/usr/lib/postgresql/*/bin/initdb",
    source: Source::Package("postgresql"),
    what_for: "the ledger on PostgreSQL",
};

const FAKETIME: Need = Need {
    name: "faketime",
    probe: "faketime --version",
    source: Source::Package("faketime"),
    what_for: "a service whose clock is wrong",
};

const PATRONI: Need = Need {
    name: "Patroni",
    probe: "patroni --version",
    source: Source::Package("patroni"),
    what_for: "the ledger on PostgreSQL that fails over",
};

const ETCD: Need = Need {
    name: "etcd",
    probe: "etcd --version",
    source: Source::Package("etcd-server"),
    ..PATRONI
};

const DEBIAN_CARGO: Need = Need {
    name: "Debian's cargo",
    probe: "/usr/bin/cargo --version",
    source: Source::Package("cargo-web"),
    what_for: "the Windows stage",
};

const DEBIAN_RUST: Need = Need {
    name: "Debian's rustc",
    probe: "/usr/bin/rustc --version",
    source: Source::Package("rustc-web"),
    ..DEBIAN_CARGO
};

const RUST_SOURCES: Need = Need {
    name: "sources of Rust's standard library",
    probe: "test -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml",
    source: Source::Package("rust-web-src"),
    ..DEBIAN_CARGO
};

const MINGW_64: Need = Need {
    name: "x86_64-w64-mingw32-g++-posix",
    probe: "x86_64-w64-mingw32-g++-posix --version",
    source: Source::Package("g++-mingw-w64-x86-64-posix"),
    ..DEBIAN_CARGO
};

const MINGW_32: Need = Need {
    name: "i686-w64-mingw32-g++-posix",
    probe: "i686-w64-mingw32-g++-posix --version",
    source: Source::Package("g++-mingw-w64-i686-posix"),
    what_for: "the Windows stage for 32 bits",
};

const WINE: Need = Need {
    name: "wine64",
    probe: "test -x /usr/lib/wine/wine64",
    source: Source::Package("wine64"),
    ..DEBIAN_CARGO
};

const PEERS: &str = "a measurement beside other programs";

const RESTIC: Need = Need {
    name: "restic",
    probe: "restic version",
    source: Source::Package("restic"),
    what_for: PEERS,
};

const BORG: Need = Need {
    name: "borg",
    probe: "borg --version",
    source: Source::Package("borgbackup"),
    what_for: PEERS,
};

const ZSTD: Need = Need {
    name: "zstd",
    probe: "zstd --version",
    source: Source::Package("zstd"),
    what_for: PEERS,
};

const TIME: Need = Need {
    name: "GNU time",
    probe: "/usr/bin/time --version",
    source: Source::Package("time"),
    what_for: PEERS,
};

/// Everything that `cargo xtask bench --peers` needs.
pub const FOR_PEERS: &[Need] = &[RESTIC, BORG, ZSTD, TIME, AGE];

/// Everything that `cargo xtask windows` needs, the second stage.
pub const FOR_WINDOWS: &[Need] = &[DEBIAN_CARGO, DEBIAN_RUST, RUST_SOURCES, MINGW_64, WINE];

/// What it needs in addition for programs of 32 bits.
pub const FOR_WINDOWS_32: &[Need] = &[MINGW_32];

/// Everything that `cargo xtask test` needs for its first stage.
pub const FOR_TEST: &[Need] = &[
    RUSTFMT, CLIPPY, CARGO_DENY, UNSHARE, AGE, CXX, PYTHON, PKG_CONFIG, VALGRIND, STRACE, MKFS_FAT, FUSE_FAT,
    MKFS_EXFAT, FUSE_EXFAT, POSTGRES, FAKETIME, PATRONI, ETCD,
];

/// Everything that `cargo xtask soak ledger` needs.
pub const FOR_LEDGER: &[Need] = &[POSTGRES, FAKETIME, PATRONI, ETCD];

impl Need {
    pub fn is_there(&self) -> bool {
        Line::new(self.probe).output().is_some()
    }

    /// The command that installs it.
    fn installation(&self) -> Line {
        match self.source {
            Source::Rustup => Line::new(&format!("rustup component add {}", self.name)),
            Source::Toolchain => Line::new(&format!(
                "rustup toolchain install {} --profile minimal",
                self.name
            )),
            // The tool runs for a second; optimizing it would take minutes.
            Source::Cargo(version) => Line::new(&format!(
                "cargo install --locked --profile dev {}@{version}",
                self.name
            ))
            .env("CARGO_PROFILE_DEV_DEBUG", "0"),
            Source::Package(package) => Line::new(&format!(
                "apt-get install --yes --no-install-recommends {package}"
            ))
            .env("DEBIAN_FRONTEND", "noninteractive"),
        }
    }

    /// Whether this program may run [`Need::installation`].
    fn is_installable(&self, packages: bool) -> bool {
        match self.source {
            Source::Rustup | Source::Toolchain => Line::new("rustup --version").output().is_some(),
            Source::Cargo(_) => true,
            Source::Package(_) => packages,
        }
    }
}

/// Says what of `needs` is missing and what will be done about it, installs what it may, and returns a line for each
/// tool that is still missing.
pub fn provide(needs: &[Need]) -> Result<Vec<String>> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        println!("nothing to install: {} are there", names(needs));
        return Ok(Vec::new());
    }
    let packages = may_install_packages();
    let (installable, others): (Vec<&Need>, Vec<&Need>) = missing
        .iter()
        .copied()
        .partition(|need| need.is_installable(packages));
    for need in &installable {
        println!(
            "will install {} for {}: {}",
            need.name,
            need.what_for,
            need.installation()
        );
    }
    for need in &others {
        println!(
            "can't install {} for {}; do it by hand: {}",
            need.name,
            need.what_for,
            need.installation()
        );
    }
    if installable
        .iter()
        .any(|need| matches!(need.source, Source::Package(_)))
    {
        Line::new("apt-get update").run()?;
    }
    for need in &installable {
        need.installation().run()?;
    }
    Ok(missing
        .iter()
        .filter(|need| !need.is_there())
        .map(|need| format!("{}: {} is not installed", need.what_for, need.name))
        .collect())
}

fn names(needs: &[Need]) -> String {
    needs.iter().map(|need| need.name).collect::<Vec<_>>().join(", ")
}

/// Only on Debian and its relatives, and only as root: nobody is asked for a password.
fn may_install_packages() -> bool {
    let root = Line::new("id -u").output().is_some_and(|user| user.trim() == "0");
    root && Line::new("apt-get --version").output().is_some()
}

#[cfg(test)]
mod tests {
    use super::{CARGO_DENY, Need, Source, UNSHARE, provide};

    #[test]
    fn what_is_there_is_not_installed() {
        let cargo = Need {
            name: "cargo",
            probe: "cargo --version",
            source: Source::Cargo("0"),
            what_for: "tests",
        };
        assert!(cargo.is_there());
        assert_eq!(provide(&[cargo]).expect("nothing was run"), Vec::<String>::new());
    }

    #[test]
    fn what_can_not_be_installed_is_told() {
        let absent = Need {
            name: "no-such-tool",
            probe: "no-such-tool",
            source: Source::Rustup,
            ..UNSHARE
        };
        assert!(!absent.is_there());
        assert!(!UNSHARE.is_installable(false));
    }

    #[test]
    fn the_commands_are_those_of_the_package_managers() {
        assert_eq!(
            UNSHARE.installation().to_string(),
            "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends util-linux"
        );
        assert_eq!(
            CARGO_DENY.installation().to_string(),
            "CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --profile dev cargo-deny@0.20.2"
        );
    }
}
