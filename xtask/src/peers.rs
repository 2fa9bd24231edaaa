//! `cargo xtask bench --peers`: the same licenses, as files and as one store file, backed up and restored by this program
//! and by others in turn. Prints a table for docs/performance.md; it judges nothing.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::needs;
use crate::run::{Line, target};

/// How often each command runs; the table has medians.
const ROUNDS: usize = 3;

/// What is backed up.
const DATA: [&str; 2] = ["files", "store"];

/// A program that backs up and restores, as shell commands. `{data}` is the folder that is saved, `{to}` where the backup
/// goes, `{out}` where it is restored; all are in the folder in which the commands run.
struct Peer {
    name: &'static str,
    /// Makes a repository; not measured.
    prepare: &'static str,
    backup: &'static str,
    /// Not measured either.
    prepare_restore: &'static str,
    restore: &'static str,
}

const PEERS: [Peer; 4] = [
    Peer {
        name: "restic",
        prepare: "restic --quiet --no-cache --repo {to} --password-file password init",
        backup: "restic --quiet --no-cache --repo {to} --password-file password backup {data}",
        prepare_restore: "true",
        restore: "restic --quiet --no-cache --repo {to} --password-file password restore latest --target {out}",
    },
    Peer {
        name: "borg",
        prepare: "BORG_BASE_DIR=borg BORG_PASSCOMMAND='cat password' borg init --encryption repokey-blake2 {to}",
        backup: "BORG_BASE_DIR=borg BORG_PASSCOMMAND='cat password' borg create {to}::one {data}",
        prepare_restore: "mkdir {out}",
        restore: "cd {out} && BORG_BASE_DIR=$OLDPWD/borg BORG_PASSCOMMAND=\"cat $OLDPWD/password\" borg extract $OLDPWD/{to}::one",
    },
    Peer {
        name: "tar, zstd -1, age",
        prepare: "mkdir {to}",
        backup: "tar --create {data} | zstd --quiet -1 | age --encrypt --recipients-file recipient > {to}/all && sync {to}/all",
        prepare_restore: "mkdir {out}",
        restore: "age --decrypt --identity identity {to}/all | zstd --quiet --decompress | tar --extract --directory {out}",
    },
    Peer {
        name: "cp",
        prepare: "true",
        backup: "cp --archive {data} {to} && sync --file-system {to}",
        prepare_restore: "true",
        restore: "cp --archive {to} {out}",
    },
];

/// This program: from its own store, with parity, synced and read back, and into a store that was lost.
const KEYFERRY: Peer = Peer {
    name: "keyferry",
    prepare: "mkdir {to}",
    backup: "{keyferry} --quiet --home {data} backup {to} --recipients-file recipient",
    prepare_restore: "cp --archive {data} {out} && rm -f {out}/store.sqlite*",
    restore: "{keyferry} --quiet --home {out} restore {to} --identity identity",
};

/// Medians of what one command took.
#[derive(Clone, Copy, Default)]
struct Taken {
    wall: f64,
    cpu: f64,
    peak_mib: f64,
}

/// Runs all of it with so many licenses.
pub fn peers(licenses: u64) -> Result<bool> {
    if let [missing, ..] = needs::provide(needs::FOR_PEERS)?.as_slice() {
        bail!("{missing}");
    }
    let built = Line::new("cargo build --release --package keyferry-cli").run()?;
    ensure!(built, "the release build failed");
    let folder = tempfile::tempdir_in(target()).context("no temporary folder")?;
    let folder = folder.path();
    let made = Line::new(&format!(
        "cargo run --release --quiet --package keyferry-testkit --example peers -- {0}/store {0}/files {licenses}",
        folder.display()
    ));
    ensure!(made.run()?, "the licenses could not be made");
    shell(
        folder,
        "echo of no secret > password && age-keygen --output identity 2> age-keygen.txt && age-keygen -y identity > recipient",
    )?;
    let mut rows = Vec::new();
    for (data, peer) in DATA
        .iter()
        .flat_map(|data| PEERS.iter().map(move |peer| (*data, peer)))
        .chain([("store", &KEYFERRY)])
    {
        rows.push(Row::measure(folder, peer, data)?);
    }
    print(licenses, &rows);
    Ok(true)
}

struct Row {
    peer: &'static str,
    data: &'static str,
    backup: Taken,
    restore: Taken,
    bytes: f64,
}

impl Row {
    fn measure(folder: &Path, peer: &Peer, data: &'static str) -> Result<Self> {
        println!("\n==> {}, {data}", peer.name);
        let (mut backups, mut restores, mut bytes) = (Vec::new(), Vec::new(), 0.0);
        for round in 0..ROUNDS {
            let word: String = peer.name.chars().filter(char::is_ascii_alphanumeric).collect();
            let place = format!("{word}-{data}-{round}");
            let program = target().join("release/keyferry");
            let with = |command: &str| {
                command
                    .replace("{data}", data)
                    .replace("{to}", &format!("{place}-backup"))
                    .replace("{out}", &format!("{place}-out"))
                    .replace("{keyferry}", &program.display().to_string())
            };
            shell(folder, &with(peer.prepare))?;
            backups.push(timed(folder, &with(peer.backup))?);
            let size = Line::new(&format!("du --summarize --bytes {place}-backup"));
            let size = size.in_folder(folder).output().context("du failed")?;
            bytes = size
                .split_whitespace()
                .next()
                .and_then(|bytes| bytes.parse().ok())
                .context("du said nothing")?;
            shell(folder, &with(peer.prepare_restore))?;
            restores.push(timed(folder, &with(peer.restore))?);
        }
        Ok(Self {
            peer: peer.name,
            data,
            backup: median(&backups),
            restore: median(&restores),
            bytes,
        })
    }
}

fn shell(folder: &Path, command: &str) -> Result<()> {
    let ran = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .output()
        .context("no shell")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "failed: {command}\n{said}");
    Ok(())
}

/// GNU time writes down what the command and all that it started took; what is waiting to be written is written before.
fn timed(folder: &Path, command: &str) -> Result<Taken> {
    shell(folder, "sync")?;
    let script = folder.join("command");
    std::fs::write(&script, command)?;
    shell(
        folder,
        "/usr/bin/time --format '%e %U %S %M' --output took sh command",
    )?;
    let took = std::fs::read_to_string(folder.join("took"))?;
    let numbers = took
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<Vec<f64>, _>>()?;
    let [wall, user, system, kib] = numbers[..] else {
        bail!("GNU time said: {took}");
    };
    Ok(Taken {
        wall,
        cpu: user + system,
        peak_mib: kib / 1024.0,
    })
}

/// Each figure's own.
fn median(taken: &[Taken]) -> Taken {
    let of = |figure: fn(&Taken) -> f64| {
        let mut all: Vec<f64> = taken.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Taken {
        wall: of(|taken| taken.wall),
        cpu: of(|taken| taken.cpu),
        peak_mib: of(|taken| taken.peak_mib),
    }
}

fn print(licenses: u64, rows: &[Row]) {
    let own: BTreeMap<bool, f64> = rows
        .iter()
        .filter(|row| row.peer == KEYFERRY.name)
        .flat_map(|row| [(true, row.backup.wall), (false, row.restore.wall)])
        .collect();
    for (backs_up, what) in [(true, "Backup"), (false, "Restore")] {
        println!("\n{what} of {licenses} licenses, medians of {ROUNDS}:\n");
        println!("| program | of | wall, s | x keyferry | CPU, s | peak, MiB | backup, MiB |");
        println!("|---|---|---|---|---|---|---|");
        for row in rows {
            let taken = if backs_up { row.backup } else { row.restore };
            println!(
                "| {} | {} | {:.2} | {:.1} | {:.2} | {:.0} | {:.1} |",
                row.peer,
                row.data,
                taken.wall,
                taken.wall / own.get(&backs_up).copied().unwrap_or(f64::NAN),
                taken.cpu,
                taken.peak_mib,
                row.bytes / f64::from(1 << 20)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Taken, median, timed};

    #[test]
    fn each_figure_has_its_own_median() {
        let taken = |wall, cpu, peak_mib| Taken { wall, cpu, peak_mib };
        let middle = median(&[taken(3.0, 1.0, 5.0), taken(1.0, 2.0, 9.0), taken(2.0, 3.0, 7.0)]);
        assert_eq!((middle.wall, middle.cpu, middle.peak_mib), (2.0, 2.0, 7.0));
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(timed(folder.path(), "false").is_err());
    }
}
