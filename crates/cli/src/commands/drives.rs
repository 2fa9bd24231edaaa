//! `keyferry drives`: removable volumes as places for backups, and the question which one to take.

use std::path::PathBuf;

use keyferry::{BACKUP_PATH, Drive, drives, volumes};

use crate::context::{Context, now};
use crate::event::Event;
use crate::failed::Result;
use crate::output::{Line, Output};
use crate::words;

/// Lists them.
pub fn run(context: &Context) -> Result<()> {
    let (output, found) = (&context.output, there(context)?);
    output.summarize("drives", found.len());
    for drive in &found {
        drive_line(output, drive, now());
    }
    if found.is_empty() {
        output.note("there is no removable volume; any other folder can take a backup too");
    }
    Ok(())
}

/// The folder for a backup, asked for on the terminal.
pub fn asked(context: &Context) -> Result<PathBuf> {
    // Who can't be shown what is there can still type a folder.
    let found = there(context).unwrap_or_default();
    let answer = context.ask_text(&question(&found, now()))?;
    chosen(&found, &answer)
}

fn there(context: &Context) -> Result<Vec<Drive>> {
    let own = context.existing_store().map(|store| store.id());
    Ok(drives(&volumes()?, own.as_ref()))
}

fn question(drives: &[Drive], now: u64) -> String {
    if drives.is_empty() {
        return "there is no removable volume; which folder takes the backup?".into();
    }
    let lines = drives.iter().zip(1..);
    let lines: String = lines
        .map(|(drive, number)| format!("{number}: {}\n", said(drive, now)))
        .collect();
    format!("{lines}which one takes the backup? a number, or a folder:")
}

/// By its number, or else a folder as it was typed; nothing typed is nothing said. A drive that has a backup of this
/// computer takes the next one into the same folder.
fn chosen(drives: &[Drive], answer: &str) -> Result<PathBuf> {
    let answer = answer.trim();
    if answer.is_empty() {
        let property = BACKUP_PATH;
        return Err(keyferry::Error::NoPath { property }.into());
    }
    let number = answer
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_sub(1));
    let Some(drive) = number.and_then(|number| drives.get(number)) else {
        return Ok(PathBuf::from(answer));
    };
    let own = drive.last.as_ref().filter(|last| last.is_own);
    let folder = own.and_then(|last| last.path.parent());
    Ok(folder.unwrap_or(&drive.volume.path).to_owned())
}

fn drive_line(output: &Output, drive: &Drive, now: u64) {
    output.text(said(drive, now));
    let (volume, last) = (&drive.volume, drive.last.as_ref());
    output.item(
        &Line::new(Event::Drive)
            .with("name", volume.name.as_str())
            .with("path", volume.path.display().to_string())
            .with("file_system", volume.file_system.as_str())
            .with("bytes", volume.total)
            .with("bytes_free", volume.free)
            .with("read_only", volume.is_read_only)
            .with("last_backup", last.map(|last| last.path.display().to_string()))
            .with("last_backup_id", last.map(|last| last.id.as_str()))
            .with("last_backup_own", last.map(|last| last.is_own))
            .with("last_backup_made", last.map(|last| last.made))
            .with("last_backup_age", last.map(|last| now.saturating_sub(last.made))),
    );
}

/// Name, place, kind, room, and the last backup on it.
fn said(drive: &Drive, now: u64) -> String {
    let volume = &drive.volume;
    let mut parts = vec![
        volume.name.clone(),
        words::path(&volume.path),
        volume.file_system.clone(),
        format!(
            "{} free of {}",
            words::size(volume.free),
            words::size(volume.total)
        ),
    ];
    if volume.is_read_only {
        parts.push("read-only".into());
    }
    parts.push(drive.last.as_ref().map_or_else(
        || "no backup on it".into(),
        |last| {
            let whose = match last.is_own {
                true => "of this computer".to_owned(),
                false => format!("of computer {}", last.id),
            };
            format!("last backup {whose}: {}", words::age(now, last.made))
        },
    ));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyferry::{LastBackup, Volume};
    use std::path::Path;

    fn drive(name: &str, own: Option<bool>) -> Drive {
        let path = PathBuf::from("/media/me").join(name);
        Drive {
            last: own.map(|is_own| LastBackup {
                path: path.join("backups/licenses-00c0ffee.keyferry"),
                id: "00c0ffee".into(),
                is_own,
                made: 1_790_000_000,
            }),
            volume: Volume {
                name: name.into(),
                path,
                file_system: "vfat".into(),
                is_removable: true,
                is_read_only: false,
                total: 16 << 30,
                free: 3 << 29,
            },
        }
    }

    #[test]
    fn a_drive_is_told_with_its_room_and_the_age_of_its_last_backup() {
        let now = 1_790_000_000 + 3 * 86_400;
        assert_eq!(
            said(&drive("STICK", Some(true)), now),
            "STICK  /media/me/STICK  vfat  1.5 GiB free of 16.0 GiB  last backup of this computer: 3 days ago"
        );
        assert!(
            said(&drive("B", Some(false)), now).ends_with("last backup of computer 00c0ffee: 3 days ago")
        );
        assert!(said(&drive("C", None), now).ends_with("no backup on it"));
    }

    #[test]
    fn a_number_or_a_folder_is_taken_and_silence_is_no_answer() {
        let drives = [drive("A", None), drive("B", Some(true)), drive("C", Some(false))];
        let folder = |answer: &str| chosen(&drives, answer).unwrap();
        assert_eq!(folder("1\n"), Path::new("/media/me/A"));
        // Where the last one is, the next one goes; beside another computer's it need not.
        assert_eq!(folder("2"), Path::new("/media/me/B/backups"));
        assert_eq!(folder("3"), Path::new("/media/me/C"));
        for other in ["0", "4", "backups", "/mnt/x"] {
            assert_eq!(folder(other), Path::new(other));
        }
        assert_eq!(chosen(&drives, " \n").unwrap_err().exit, 2);
        let asked = question(&drives, 1_790_000_000);
        assert!(asked.contains("2: B  /media/me/B  vfat") && asked.ends_with("a number, or a folder:"));
        assert!(question(&[], 0).starts_with("there is no removable volume"));
    }
}
