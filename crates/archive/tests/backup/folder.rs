//! Publishing into real folders, and finding what is there.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use keyferry_archive::medium::{BackupName, FolderMedium, Medium, Stage, choose, find_backups, publish};
use keyferry_archive::{Error, Fault, Parity};
use keyferry_license::Thumbprint;

use crate::made::{backup, header};

fn name() -> BackupName {
    BackupName::current(&Thumbprint([0xab; 32]))
}

fn put(medium: &dyn Medium, overwrite: bool, bytes: &[u8]) -> Result<(), Error> {
    publish(
        medium,
        &name().to_string(),
        overwrite,
        Parity::None,
        |out| {
            out.write_all(bytes).map_err(|source| Error::Stream {
                doing: "write",
                at: 0,
                source,
            })
        },
        |_, ()| Ok(()),
    )
    .map(drop)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_backup_gets_its_name_and_nothing_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let medium = FolderMedium::new(folder.path());
    put(&medium, false, b"one").unwrap();
    assert_eq!(names(folder.path()), ["licenses-abababab.keyferry"]);
    assert!(matches!(put(&medium, false, b"two"), Err(Error::Exists { .. })));
    assert_eq!(
        fs::read(medium.path("licenses-abababab.keyferry")).unwrap(),
        b"one"
    );
    put(&medium, true, b"two").unwrap();
    assert_eq!(names(folder.path()), ["licenses-abababab.keyferry"]);
    assert_eq!(
        fs::read(medium.path("licenses-abababab.keyferry")).unwrap(),
        b"two"
    );
}

#[test]
fn no_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    for path in [folder.path().join("a/b"), file.clone(), file.join("below")] {
        let medium = FolderMedium::new(&path);
        for error in [
            put(&medium, true, b"x").unwrap_err(),
            find_backups(&medium).unwrap_err(),
        ] {
            assert!(matches!(error, Error::NoMedium { .. }), "{error}");
            assert!(error.to_string().contains(&path.display().to_string()));
            assert_eq!((error.fault(), error.hint().is_some()), (Fault::Medium, true));
        }
    }
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn the_second_of_two_writers_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let medium = FolderMedium::new(folder.path());
    let result = publish(
        &medium,
        &name().to_string(),
        false,
        Parity::None,
        |_| {
            let second = put(&FolderMedium::new(folder.path()), true, b"second");
            assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
            Ok::<_, Error>(())
        },
        |_, ()| Ok(()),
    );
    result.unwrap();
    assert_eq!(names(folder.path()), ["licenses-abababab.keyferry"]);
}

/// Not a test of its own: what [`a_killed_writer_blocks_nobody`] starts and kills.
#[test]
fn waits_as_a_child() {
    let Ok(folder) = std::env::var("KEYFERRY_TEST_WAITS_IN") else {
        return;
    };
    let _ = publish(
        &FolderMedium::new(folder),
        &name().to_string(),
        false,
        Parity::None,
        |out| {
            out.write_all(b"half of it").unwrap();
            println!("\nwriting");
            std::thread::sleep(std::time::Duration::from_secs(60));
            Ok::<_, Error>(())
        },
        |_, ()| Ok(()),
    );
}

#[test]
fn a_killed_writer_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let medium = FolderMedium::new(folder.path());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "folder::waits_as_a_child", "--nocapture"])
        .env("KEYFERRY_TEST_WAITS_IN", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "writing"));
    let busy = put(&medium, false, b"x");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    assert_eq!(names(folder.path()), ["licenses-abababab.keyferry.new"]);
    put(&medium, false, b"x").unwrap();
    assert_eq!(names(folder.path()), ["licenses-abababab.keyferry"]);
}

#[test]
fn a_full_medium_says_so() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    // The real folder, and for the file a device that is always full.
    struct Full(FolderMedium);
    struct FullFile(fs::File);
    impl Write for FullFile {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            self.0.flush()
        }
    }
    impl std::io::Seek for FullFile {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    impl keyferry_archive::medium::NewFile for FullFile {
        fn sync(&mut self) -> std::io::Result<()> {
            self.0.sync_all()
        }
        fn is_in_place(&self) -> std::io::Result<bool> {
            Ok(false)
        }
    }
    impl Medium for Full {
        fn create(&self, _: &str) -> std::io::Result<Box<dyn keyferry_archive::medium::NewFile>> {
            let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
            Ok(Box::new(FullFile(full)))
        }
        fn folder(&self) -> String {
            self.0.folder()
        }
        fn is_folder(&self) -> std::io::Result<bool> {
            self.0.is_folder()
        }
        fn list(&self) -> std::io::Result<Vec<String>> {
            self.0.list()
        }
        fn exists(&self, name: &str) -> std::io::Result<bool> {
            self.0.exists(name)
        }
        fn modified(&self, name: &str) -> std::io::Result<u64> {
            self.0.modified(name)
        }
        fn open(&self, name: &str) -> std::io::Result<Box<dyn keyferry_archive::medium::ReadSeek>> {
            self.0.open(name)
        }
        fn open_uncached(&self, name: &str) -> std::io::Result<Box<dyn keyferry_archive::medium::ReadSeek>> {
            self.0.open_uncached(name)
        }
        fn link(&self, from: &str, to: &str) -> std::io::Result<()> {
            self.0.link(from, to)
        }
        fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
            self.0.rename(from, to)
        }
        fn remove(&self, name: &str) -> std::io::Result<()> {
            self.0.remove(name)
        }
        fn sync_folder(&self) -> std::io::Result<()> {
            self.0.sync_folder()
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let medium = Full(FolderMedium::new(folder.path()));
    let error = put(&medium, false, b"x").unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
}

#[test]
fn backups_are_found_by_name_and_the_one_that_counts_is_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let medium = FolderMedium::new(folder.path());
    let (whole, _) = backup(&header(1), 1, &[]);
    for (name, bytes) in [
        ("licenses-00000001.keyferry", &b"broken"[..]),
        ("licenses-00000001.keyferry.old", &whole),
        ("licenses-00000002.keyferry.new", &whole[..500]),
        ("licenses-00000002.keyferry.old", &whole),
        ("licenses-00000003.keyferry.new", &whole[..500]),
        ("licenses-0000000G.keyferry", b""),
        ("licenses-00000004.keyferry.bak", b""),
        ("holiday.jpg", b""),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let found = find_backups(&medium).unwrap();
    assert_eq!(found.len(), 5);
    assert!(
        found
            .iter()
            .all(|found| BackupName::parse(&found.name.to_string()).as_ref() == Some(&found.name))
    );
    let stage = |computer| choose(&medium, computer).unwrap().map(|found| found.stage);
    // A current one that is damaged is restored from as far as it goes; another computer's is never taken instead.
    assert_eq!(stage("00000001"), Some(Stage::Current));
    assert_eq!(stage("00000002"), Some(Stage::Previous));
    assert_eq!(stage("00000003"), None);
    assert_eq!(stage("0000000f"), None);
}

#[cfg(unix)]
#[test]
fn another_medium_in_its_place_is_told_and_not_touched() {
    for (while_checked, has_same_names) in [(true, true), (true, false), (false, true), (false, false)] {
        let above = tempfile::tempdir().unwrap();
        let (stick, first) = (above.path().join("stick"), above.path().join("first"));
        fs::create_dir(&stick).unwrap();
        let medium = FolderMedium::new(&stick);
        put(&medium, false, b"old").unwrap();
        let (old, temporary) = (name().to_string(), name().at(Stage::Temporary).to_string());
        let swap = || {
            fs::rename(&stick, &first).unwrap();
            fs::create_dir(&stick).unwrap();
            if has_same_names {
                fs::write(stick.join(&old), b"other").unwrap();
                fs::write(stick.join(&temporary), b"unfinished").unwrap();
            }
        };
        let result: Result<_, Error> = publish(
            &medium,
            &old,
            true,
            Parity::None,
            |out| {
                out.write_all(b"new").unwrap();
                if !while_checked {
                    swap();
                }
                Ok(())
            },
            |_, ()| {
                if while_checked {
                    swap();
                }
                Ok(())
            },
        );
        assert!(
            matches!(result, Err(Error::Swapped { .. })),
            "{while_checked}: {result:?}"
        );
        assert_eq!(fs::read(first.join(&old)).unwrap(), b"old");
        assert_eq!(names(&stick).len(), if has_same_names { 2 } else { 0 });
        if has_same_names {
            assert_eq!(fs::read(stick.join(&old)).unwrap(), b"other");
            assert_eq!(fs::read(stick.join(&temporary)).unwrap(), b"unfinished");
        }
        // In its place again it takes the next one.
        fs::remove_dir_all(&stick).unwrap();
        fs::rename(&first, &stick).unwrap();
        put(&FolderMedium::new(&stick), true, b"next").unwrap();
        assert_eq!(names(&stick), [old]);
    }
}

/// What `repair -o` names is no backup's name, and what stands beside it is somebody else's.
#[test]
fn files_beside_a_name_of_the_callers_choice_stay() {
    let (whole, _) = backup(&header(1), 2, &[]);
    let written = |medium: &dyn Medium, overwrite: bool| {
        let write = |out: &mut dyn Write| out.write_all(b"it").map_err(|e| Error::System(e.to_string()));
        publish(medium, "x", overwrite, Parity::None, write, |_, ()| Ok(())).map(drop)
    };
    let in_the_way = |ended, which: &str| match ended {
        Err(Error::InTheWay { name }) => assert_eq!(name, which),
        other => panic!("{other:?}"),
    };
    for kept in [&b"letters"[..], &whole] {
        let folder = tempfile::tempdir().unwrap();
        let medium = FolderMedium::new(folder.path());
        fs::write(medium.path("x.old"), kept).unwrap();
        written(&medium, false).unwrap();
        assert_eq!(fs::read(medium.path("x")).unwrap(), b"it");
        in_the_way(written(&medium, true), "x.old");
        assert_eq!(fs::read(medium.path("x.old")).unwrap(), kept);
    }
    let folder = tempfile::tempdir().unwrap();
    let medium = FolderMedium::new(folder.path());
    fs::write(medium.path("x.new"), b"letters").unwrap();
    in_the_way(written(&medium, false), "x.new");
    assert_eq!(fs::read(medium.path("x.new")).unwrap(), b"letters");
    // What a writer that was stopped left is no obstacle.
    for leftover in [&b""[..], &whole[..200]] {
        fs::write(medium.path("x.new"), leftover).unwrap();
        written(&medium, true).unwrap();
        assert_eq!(names(folder.path()), ["x"]);
    }
}
