//! The shared library under Wine: placed beside a program as `wmvcore.dll`, it is used by two clients: that in C++ of
//! `crates/com/tests/client`, compiled with MinGW's own `wmsdkidl.h`, and that in Rust of `crates/com/tests/windows-client`,
//! by the bindings of the `windows` crate.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::build::{self, Triple};
use super::tries::{Place, Serving, Trip, succeed};
use super::wine::{self, Program};
use crate::run::{Line, root};

/// The sources of the client.
const SOURCES: [&str; 5] = [
    "agent.cpp",
    "client.cpp",
    "contract.cpp",
    "forwards.cpp",
    "lifetime.cpp",
];

/// What the client finds in the library beside it, with the bytes of the arguments: programs of 32 bits ask their linker
/// for `name@bytes`, and the library for the name.
const IMPORTS: [(&str, usize); 4] = [
    ("WMCreateBackupRestorer", 8),
    ("WMCreateLicenseRevocationAgent", 8),
    ("WMCreateProfileManager", 4),
    ("WMCreateReader", 12),
];

/// Places the library that was built as `wmvcore.dll`; returns the folder, for clients.
pub fn place(built: &Path, triple: &Triple) -> Result<PathBuf> {
    let folder = build::folder().join("client").join(triple.name);
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    fs::copy(built.join("keyferry_com.dll"), folder.join("wmvcore.dll"))
        .context("can't place the library beside the clients")?;
    Ok(folder)
}

/// A program that uses the library beside it.
pub struct Client {
    program: Program,
    language: &'static str,
    /// What it can do without a service.
    scenarios: &'static [&'static str],
}

impl Client {
    /// The one that is tried on this system too.
    pub fn in_cpp(triple: &'static Triple, folder: &Path) -> Result<Self> {
        let import = folder.join("libwmvcore.dll.a");
        let crate_folder = root().join("crates/com");
        let definitions = folder.join("wmvcore.def");
        let names = IMPORTS.map(|(name, bytes)| match triple.decorates {
            true => format!("    {name}@{bytes}\n"),
            false => format!("    {name}\n"),
        });
        let text = format!("LIBRARY wmvcore.dll\nEXPORTS\n{}", names.concat());
        fs::write(&definitions, text).context("can't write the definitions")?;
        let line = format!(
            "{}-dlltool --kill-at -d {} -l {}",
            triple.tools,
            definitions.display(),
            import.display()
        );
        ensure!(Line::new(&line).run()?, "the import library isn't made");
        let path = folder.join("client.exe");
        let sources = SOURCES.map(|name| crate_folder.join("tests/client").join(name).display().to_string());
        let line = format!(
            "{}-g++-posix -std=c++11 -Wall -Wextra -Werror -static -I {} {} -o {} -L {} -l:libwmvcore.dll.a -luuid",
            triple.tools,
            crate_folder.join("include").display(),
            sources.join(" "),
            path.display(),
            folder.display()
        );
        ensure!(Line::new(&line).run()?, "the client in C++ doesn't build");
        Ok(Self {
            program: Program { path, triple },
            language: "C++",
            scenarios: &["contract", "agent", "reentrance", "threads", "forwards"],
        })
    }

    /// The one that knows the library by the bindings of the `windows` crate.
    pub fn in_rust(triple: &'static Triple, folder: &Path) -> Result<Self> {
        let built = build::program_apart("crates/com/tests/windows-client", triple)?;
        let built = built.context("the client in Rust doesn't build")?;
        let path = folder.join("windows-client.exe");
        fs::copy(built.join("windows-client.exe"), &path)
            .context("can't place the client beside the library")?;
        Ok(Self {
            program: Program { path, triple },
            language: "Rust",
            scenarios: &["contract"],
        })
    }

    /// Runs a scenario to its good end; returns what it printed before its last line.
    fn told(&self, place: &Place<'_>, words: &[&str]) -> Result<Vec<String>> {
        let output = place.program(&self.program)?.args(words).output();
        let output = output.context("the client doesn't start")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "{words:?} ended with {}: {said}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
        ensure!(
            lines.pop().as_deref() == Some("done"),
            "{words:?} broke off: {said}"
        );
        Ok(lines)
    }
}

/// What needs no service: identity, properties, wrong arguments, references, reentrance, threads.
pub fn contract(place: &Place<'_>, client: &Client) -> Result<()> {
    let folder = place.new_folder(&format!("contract in {}", client.language))?;
    for scenario in client.scenarios {
        let stick = folder.join(format!("stick of {scenario}"));
        fs::create_dir(&stick).context("can't make the stick")?;
        let home = wine::path(&folder.join(format!("home of {scenario}")));
        client.told(place, &[scenario, &home, &wine::path(&stick)])?;
    }
    Ok(())
}

/// Backed up and restored by the client, through a service that runs here: the golden transcripts.
pub fn transcripts(place: &Place<'_>, client: &Client) -> Result<()> {
    let folder = place.new_folder(&format!("transcripts in {}", client.language))?;
    let stick = folder.join("Stick für Müller 日本 🎵");
    fs::create_dir(&stick).context("can't make the stick")?;
    let trip = Trip::in_folder(&folder, &stick);
    let issuer = trip.open_issuer(place)?;
    let service = Serving::start(place.here(), &folder)?;
    trip.receive(place, &issuer)?;
    let backup = |flags: &str, cancel: &str| {
        let store = format!("Keyferry.Store={}", wine::path(&folder.join("old")));
        let path = format!("BackupPath={}", wine::path(&stick));
        client.told(place, &["backup", flags, cancel, "-", &store, &path])
    };
    let restore = |name: &str, flags: &str, cancel: &str| {
        let store = format!("Keyferry.Store={}", wine::path(&folder.join(name)));
        let (path, trust) = (
            format!("RestorePath={}", wine::path(&stick)),
            format!("Keyferry.Trust={issuer}"),
        );
        client.told(place, &["restore", flags, cancel, "-", &store, &path, &trust])
    };
    same(&backup("0", "21")?, "backup-canceled")?;
    same(&backup("0", "-")?, "backup")?;
    same(&backup("0", "-")?, "backup-exists")?;
    same(&restore("second", "0", "-")?, "restore-needs-consent")?;
    same(&restore("second", "2", "21")?, "restore-canceled")?;
    same(&restore("second", "0", "-")?, "restore-individualized-before")?;
    same(&restore("second", "0", "-")?, "restore-already-here")?;
    for name in ["third", "fourth"] {
        same(&restore(name, "2", "-")?, "restore-individualizes")?;
    }
    let refused = restore("fifth", "2", "-")?;
    same(&refused, "restore-limit")?;
    ensure!(
        refused.iter().any(|line| line.contains("/refusals/")),
        "the refusal has no page: {refused:?}"
    );
    drop(service);
    same(&restore("sixth", "2", "-")?, "restore-service-down")?;
    let shown = succeed(
        place.windows()?,
        &["--home", &wine::path(&folder.join("third")), "list"],
    )?;
    ensure!(
        shown["licenses"] == 1,
        "the third computer holds one license: {shown}"
    );
    Ok(())
}

/// A backup and a restore, with the folder of each computer and the stick under a path of more than 400 characters in
/// several scripts, which the object's properties name.
pub fn names(place: &Place<'_>, client: &Client) -> Result<()> {
    let folder = place.new_folder(&format!("names in {}", client.language))?;
    let trip = Trip::under_long_names(&folder)?;
    let issuer = trip.open_issuer(place)?;
    let service = Serving::start(place.here(), &folder)?;
    trip.receive(place, &issuer)?;
    let store = |name: &str| format!("Keyferry.Store={}", wine::path(&trip.homes.join(name)));
    let stick = wine::path(&trip.stick);
    let backup = [
        "backup",
        "0",
        "-",
        "-",
        &store("old"),
        &format!("BackupPath={stick}"),
    ];
    same(&client.told(place, &backup)?, "backup")?;
    let written = fs::read_dir(&trip.stick).context("can't look at the stick")?;
    ensure!(written.count() == 1, "the backup lies elsewhere");
    let restore = [
        "restore",
        "2",
        "-",
        "-",
        &store("neuer Computer"),
        &format!("RestorePath={stick}"),
        &format!("Keyferry.Trust={issuer}"),
    ];
    same(&client.told(place, &restore)?, "restore-individualizes")?;
    drop(service);
    Ok(())
}

/// Compares with a golden transcript: status, number and HRESULT of each line. The license here may leave, so what the
/// transcript says of those that stay is left out.
fn same(told: &[String], name: &str) -> Result<()> {
    let file = root().join(format!("testdata/events/{name}.txt"));
    let golden = fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
    let golden: Vec<String> = golden
        .lines()
        .filter(|line| {
            !["#", "exit ", "RESTRICTED_LICENSE"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .map(start)
        .collect();
    let told: Vec<String> = told.iter().map(|line| start(line)).collect();
    ensure!(told == golden, "{name}: it told {told:?} instead of {golden:?}");
    Ok(())
}

fn start(line: &str) -> String {
    line.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
