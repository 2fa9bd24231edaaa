//! What has to hold under Wine, beside this system's own program.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::build;
use super::wine::{self, Program, Wine};

/// Where it is tried: the same program twice, and a folder.
pub struct Place<'a> {
    wine: &'a Wine,
    windows: Program,
    here: PathBuf,
    folder: PathBuf,
}

/// Fields of the demo's last line that differ from one run to the next.
const VARYING: [&str; 5] = [
    "backup_bytes",
    "backup_seconds",
    "restore_seconds",
    "refusal_url",
    "peak_rss",
];

/// The demo says the same as here, but for times, memory and random numbers.
pub fn demo(place: &Place<'_>) -> Result<()> {
    let here = succeed(place.here(), &["demo"])?;
    let windows = succeed(place.windows()?, &["demo"])?;
    let fields = |line: &Value| -> BTreeSet<String> {
        line.as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect()
    };
    ensure!(
        fields(&here) == fields(&windows),
        "the last lines have other fields: {here} and {windows}"
    );
    for field in fields(&here) {
        ensure!(
            VARYING.contains(&field.as_str()) || here[&field] == windows[&field],
            "{field} is {} here and {} there",
            here[&field],
            windows[&field]
        );
    }
    Ok(())
}

/// Backed up under Wine to the root of a drive, restored from there under Wine and here, with a service that runs here.
pub fn trip(place: &Place<'_>) -> Result<()> {
    let folder = place.new_folder("trip")?;
    let stick = folder.join("stick");
    fs::create_dir(&stick).context("can't make the stick")?;
    place.wine.drive('e', &stick)?;
    Trip {
        folder: folder.clone(),
        homes: folder,
        stick,
        stick_there: r"E:\".to_owned(),
    }
    .make(place)
}

/// The same with all folders under a path of more than 400 characters in several scripts.
pub fn names(place: &Place<'_>) -> Result<()> {
    Trip::under_long_names(&place.new_folder("names")?)?.make(place)
}

/// From an old computer under Wine to a new one under Wine, and to another one here.
pub struct Trip {
    /// Where issuer, service and documents lie.
    folder: PathBuf,
    /// Where the computers lie.
    pub homes: PathBuf,
    pub stick: PathBuf,
    /// The stick as Windows calls it.
    stick_there: String,
}

impl Trip {
    /// All in one folder, but for the stick.
    pub fn in_folder(folder: &Path, stick: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            homes: folder.to_owned(),
            stick: stick.to_owned(),
            stick_there: wine::path(stick),
        }
    }

    /// All that is under Wine lies under a path of more than 400 characters in several scripts.
    pub fn under_long_names(folder: &Path) -> Result<Self> {
        let mut homes = folder.to_owned();
        while homes.display().to_string().chars().count() <= 400 {
            homes.push("lange Namen und Umlaute äöüß, длинные имена, 長い名前 🎵");
        }
        let stick = homes.join("стик");
        fs::create_dir_all(&stick).context("can't make the stick")?;
        Ok(Self {
            folder: folder.to_owned(),
            homes,
            stick_there: wine::path(&stick),
            stick,
        })
    }

    fn make(&self, place: &Place<'_>) -> Result<()> {
        let issuer = self.open_issuer(place)?;
        let service = Serving::start(place.here(), &self.folder)?;
        let license = self.receive(place, &issuer)?;
        let (old, new) = (
            wine::path(&self.homes.join("old")),
            wine::path(&self.homes.join("new")),
        );
        let there = |args: &[&str]| succeed(place.windows()?, args);
        let passphrase = self.homes.join("pass phrase.txt");
        fs::write(&passphrase, "eight words, & a quote\r\n").context("can't write the passphrase")?;
        let command = format!("type \"{}\"", wine::path(&passphrase));
        let opened = ["--passphrase-command", &command];
        there(&[&["--home", &old, "backup", &self.stick_there], opened.as_slice()].concat())?;
        there(&[&["--home", &old, "verify", &self.stick_there], opened.as_slice()].concat())?;
        let restore = ["--individualize", "--trust", &issuer];
        there(
            &[
                &["--home", &new, "restore", &self.stick_there],
                opened.as_slice(),
                &restore,
            ]
            .concat(),
        )?;
        let key = self.homes.join("new.key");
        there(&["--home", &new, "use", &license.key_id, "-o", &wine::path(&key)])?;
        license.has(&key)?;
        let (here, stick) = (
            self.folder.join("here").display().to_string(),
            self.stick.display().to_string(),
        );
        let file = passphrase.display().to_string();
        let opened = ["--passphrase-file", &file];
        succeed(
            place.here(),
            &[&["--home", &here, "restore", &stick], opened.as_slice(), &restore].concat(),
        )?;
        let key = self.homes.join("here.key");
        succeed(
            place.here(),
            &[
                "--home",
                &here,
                "use",
                &license.key_id,
                "-o",
                &key.display().to_string(),
            ],
        )?;
        license.has(&key)?;
        drop(service);
        Ok(())
    }

    /// A new computer under Wine, `old`, with one license of this issuer; the service is there by now.
    pub fn receive(&self, place: &Place<'_>, issuer: &str) -> Result<Issued> {
        let old = wine::path(&self.homes.join("old"));
        let there = |args: &[&str]| succeed(place.windows()?, args);
        there(&["--home", &old, "computer", "name", "Altes Gerät, старый"])?;
        let card = self.homes.join("old.card");
        there(&["--home", &old, "computer", "card", "-o", &wine::path(&card)])?;
        let license = self.issue(place, &card)?;
        let issuer_card = wine::path(&self.folder.join("issuer/issuer.card"));
        there(&[
            "--home",
            &old,
            "trust",
            "add",
            &issuer_card,
            "--thumbprint",
            issuer,
        ])?;
        there(&[
            "--home",
            &old,
            "import",
            &wine::path(&self.folder.join("bought.license")),
        ])?;
        Ok(license)
    }

    /// Returns the issuer's thumbprint.
    pub fn open_issuer(&self, place: &Place<'_>) -> Result<String> {
        let folder = self.folder.join("issuer").display().to_string();
        succeed(
            place.here(),
            &["issuer", "init", &folder, "--name", "Harbor Books"],
        )?;
        let card = self.folder.join("issuer/issuer.card").display().to_string();
        let shown = lines(place.here(), &["show", &card])?;
        let thumbprint = shown.iter().find_map(|line| line["thumbprint"].as_str());
        Ok(thumbprint.context("show names no thumbprint")?.to_owned())
    }

    fn issue(&self, place: &Place<'_>, card: &Path) -> Result<Issued> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let (issuer, service, keys, license) = (
            file("issuer"),
            file("service/service.card"),
            file("keys.jsonl"),
            file("bought.license"),
        );
        let card = card.display().to_string();
        succeed(
            place.here(),
            &[
                "issuer",
                "issue",
                &issuer,
                "--computer",
                &card,
                "--service",
                &service,
                "--title",
                "Прилив, Flut",
                "--right",
                "Play",
                "--right",
                "Backup",
                "--keys-out",
                &keys,
                "-o",
                &license,
            ],
        )?;
        let line = fs::read_to_string(&keys).context("can't read the keys")?;
        let line: Value = serde_json::from_str(&line).context("the keys are no JSON")?;
        let field = |name: &str| {
            line[name]
                .as_str()
                .map(str::to_owned)
                .context("a key without its fields")
        };
        Ok(Issued {
            key_id: field("key_id")?,
            key: field("key")?,
        })
    }
}

/// A license as its issuer knows it.
pub struct Issued {
    key_id: String,
    key: String,
}

impl Issued {
    /// The file that `use` wrote holds this key, in a line that ends as it does everywhere.
    fn has(&self, file: &Path) -> Result<()> {
        let came = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        ensure!(
            came == format!("{}\n", self.key),
            "{} doesn't hold the key that was issued",
            file.display()
        );
        Ok(())
    }
}

/// A service; it ends when this is dropped.
pub struct Serving(Child);

impl Serving {
    pub fn start(mut program: Command, folder: &Path) -> Result<Self> {
        let file = |name: &str| folder.join(name).display().to_string();
        program
            .args([
                "--json",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--name",
                "Harbor Licenses",
            ])
            .args(["--dir", &file("service"), "--issuer", &file("issuer/issuer.card")])
            .stdout(Stdio::piped());
        let mut serving = Self(program.spawn().context("the service doesn't start")?);
        let stdout = serving.0.stdout.take().context("the service has no output")?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("the service says nothing")?;
        ensure!(
            line.contains("listening"),
            "the service didn't begin to listen: {line}"
        );
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'a> Place<'a> {
    /// The two programs.
    pub fn new(wine: &'a Wine, windows: Program, here: PathBuf) -> Result<Self> {
        let folder = build::folder().join("tries").join(windows.triple.name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("can't remove {}", folder.display()))?;
        }
        Ok(Self {
            wine,
            windows,
            here,
            folder,
        })
    }

    pub fn here(&self) -> Command {
        let mut command = Command::new(&self.here);
        command.env_remove("KEYFERRY_HOME").stdin(Stdio::null());
        command
    }

    pub fn windows(&self) -> Result<Command> {
        let mut command = self.wine.program(&self.windows)?;
        command.env_remove("KEYFERRY_HOME");
        Ok(command)
    }

    /// Another program for Windows.
    pub fn program(&self, program: &Program) -> Result<Command> {
        self.wine.program(program)
    }

    pub fn new_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        Ok(folder)
    }
}

/// Runs the program to its good end; returns its last line.
pub fn succeed(program: Command, args: &[&str]) -> Result<Value> {
    lines(program, args)?.pop().context("it said nothing")
}

/// All lines that it says.
fn lines(mut program: Command, args: &[&str]) -> Result<Vec<Value>> {
    let shown = args.join(" ");
    let output = program
        .arg("--json")
        .args(args)
        .output()
        .context("it doesn't start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "keyferry {shown} ended with {}: {said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = said.lines().map(serde_json::from_str);
    lines
        .collect::<std::result::Result<_, _>>()
        .with_context(|| format!("keyferry {shown} said what is no JSON: {said}"))
}
