//! Publishing over a medium that fails or stops at each step in turn: the old backup or the new one is there and
//! whole, at every instant, and the next run needs no help.

use std::io::ErrorKind;

use keyferry_archive::medium::{BackupName, Medium, Published, choose, publish};
use keyferry_archive::{BackupId, Error, Parity, Reader};

use crate::fake::{FOREIGN, FakeMedium, Fault, Files};
use crate::made::{backup, header, protected};

struct Story {
    name: BackupName,
    old: Vec<u8>,
    new: Vec<u8>,
    /// How much of the new one is written before it is published, and what is added then.
    inner_len: usize,
    parity: Parity,
}

impl Story {
    fn new() -> Self {
        let computer = header(1).computer.thumbprint();
        Self {
            name: BackupName::current(&computer),
            old: backup(&header(1), 2, &[]).0,
            new: backup(&header(2), 3, &[]).0,
            inner_len: usize::MAX,
            parity: Parity::None,
        }
    }

    /// The same with parity.
    fn protected() -> Self {
        let plain = Self::new();
        let inner_len = plain.new.len() - 64;
        Self {
            new: protected(&plain.new[..inner_len], Parity::Five),
            inner_len,
            parity: Parity::Five,
            ..plain
        }
    }

    fn files(&self, with_old: bool) -> Files {
        let old = with_old.then(|| (self.name.to_string(), self.old.clone()));
        old.into_iter().collect()
    }

    fn publish(&self, medium: &FakeMedium, overwrite: bool) -> Result<(), Error> {
        publish(
            medium,
            &self.name.to_string(),
            overwrite,
            self.parity,
            |out| {
                for piece in self.new[..self.inner_len.min(self.new.len())].chunks(2000) {
                    let error = |source| Error::Stream {
                        doing: "write",
                        at: 0,
                        source,
                    };
                    out.write_all(piece).map_err(error)?;
                }
                Ok(())
            },
            |file, ()| Reader::open(file)?.check_whole().map(drop),
        )
        .map(drop)
    }

    /// Which backup a reader takes from these files.
    fn chosen(&self, files: &Files) -> Option<BackupId> {
        let medium = FakeMedium::new(true, files);
        let found = choose(&medium, self.name.computer()).unwrap()?;
        let mut reader = Reader::open(medium.open(&found.name.to_string()).unwrap()).unwrap();
        reader.check_whole().unwrap();
        Some(reader.header().backup)
    }

    /// The invariants of docs/backup.md section 10.
    fn check(&self, files: &Files, with_old: bool, links: bool) {
        if let Some(current) = files.get(&self.name.to_string()) {
            assert!(
                *current == self.old || *current == self.new,
                "a part bears the name"
            );
        }
        match self.chosen(files) {
            Some(BackupId([1, ..])) => assert!(with_old),
            Some(BackupId([2, ..])) => {}
            Some(other) => panic!("{other}"),
            None => assert!(!with_old, "the old backup is gone"),
        }
        let next = FakeMedium::new(links, files);
        self.publish(&next, true).unwrap();
        assert_eq!(next.now().keys().collect::<Vec<_>>(), [&self.name.to_string()]);
        assert_eq!(self.chosen(&next.now()), Some(BackupId([2; 16])));
    }
}

/// Runs once for each step until the chosen step is never reached, and says how many there were.
fn at_each_step(mut run: impl FnMut(usize) -> bool) {
    let steps = (0..300).take_while(|step| run(*step)).count();
    assert!((15..300).contains(&steps), "{steps} steps");
}

#[test]
fn stopped_at_any_step_the_old_or_the_new_backup_is_whole() {
    stop_everywhere(&Story::new());
}

#[test]
fn and_so_it_is_with_parity() {
    stop_everywhere(&Story::protected());
}

fn stop_everywhere(story: &Story) {
    for (links, with_old) in [(true, true), (true, false), (false, true), (false, false)] {
        at_each_step(|step| {
            let medium = FakeMedium::new(links, &story.files(with_old)).with_fault(step, Fault::Stops);
            let _ = story.publish(&medium, with_old);
            story.check(&medium.now(), with_old, links);
            for files in medium.after_power_cut() {
                story.check(&files, with_old, links);
            }
            medium.was_reached()
        });
    }
}

#[test]
fn a_failed_step_leaves_the_old_backup_and_no_litter() {
    fail_everywhere(&Story::new());
}

#[test]
fn and_so_it_does_with_parity() {
    fail_everywhere(&Story::protected());
}

fn fail_everywhere(story: &Story) {
    for kind in [
        ErrorKind::StorageFull,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::Other,
    ] {
        for (links, with_old) in [(true, true), (true, false), (false, true), (false, false)] {
            at_each_step(|step| {
                let medium =
                    FakeMedium::new(links, &story.files(with_old)).with_fault(step, Fault::Fails(kind));
                let result = story.publish(&medium, with_old);
                let mut left = medium.now();
                if result.is_ok() {
                    assert_eq!(left.get(&story.name.to_string()), Some(&story.new), "step {step}");
                } else if let Err(error) = result {
                    assert!(
                        matches!(
                            (kind, &error),
                            (ErrorKind::StorageFull, Error::Full { .. })
                                | (ErrorKind::ReadOnlyFilesystem, Error::ReadOnly { .. })
                                | (ErrorKind::Other, Error::Medium { .. })
                        ),
                        "step {step}: {error}"
                    );
                    assert_eq!(left, story.files(with_old), "step {step}: {error}");
                }
                // One name may stay behind when the step that failed was its own removal.
                left.remove(&story.name.to_string());
                assert!(left.len() <= 1, "step {step}");
                medium.was_reached()
            });
        }
    }
}

#[test]
fn an_existing_backup_is_not_touched_without_overwrite() {
    let story = Story::new();
    let medium = FakeMedium::new(true, &story.files(true));
    assert!(matches!(story.publish(&medium, false), Err(Error::Exists { .. })));
    assert_eq!(medium.now(), story.files(true));
}

#[test]
fn a_backup_set_aside_by_a_stopped_run_counts_as_existing() {
    let story = Story::new();
    let files: Files = [
        (format!("{}.old", story.name), story.old.clone()),
        (format!("{}.new", story.name), story.new[..100].to_vec()),
    ]
    .into();
    assert_eq!(story.chosen(&files), Some(BackupId([1; 16])));
    let medium = FakeMedium::new(false, &files);
    assert!(matches!(story.publish(&medium, false), Err(Error::Exists { .. })));
    assert_eq!(medium.now(), story.files(true));
}

#[test]
fn one_that_appears_while_another_is_written_is_not_replaced() {
    let story = Story::new();
    for links in [true, false] {
        let medium = FakeMedium::new(links, &Files::new());
        let other = medium.clone();
        let result: Result<Published<()>, Error> = publish(
            &medium,
            &story.name.to_string(),
            false,
            Parity::None,
            |out| {
                out.write_all(&story.new).unwrap();
                Ok(())
            },
            |_, ()| {
                other
                    .create(&story.name.to_string())
                    .unwrap()
                    .write_all(&story.old)
                    .unwrap();
                Ok(())
            },
        );
        assert!(matches!(result, Err(Error::Exists { .. })));
        assert_eq!(medium.now(), story.files(true));
    }
}

#[test]
fn a_foreign_file_that_takes_the_name_at_any_step_is_never_replaced() {
    let story = Story::new();
    let name = story.name.to_string();
    at_each_step(|step| {
        let medium = FakeMedium::new(true, &Files::new())
            .expecting(&name)
            .with_fault(step, Fault::Appears);
        let result = story.publish(&medium, false);
        let left = medium.now();
        if left[&name] == FOREIGN {
            assert!(matches!(result, Err(Error::Exists { .. })), "step {step}");
        } else {
            // It came too late, and found the name taken.
            assert_eq!(left[&name], story.new, "step {step}");
            result.unwrap();
        }
        assert_eq!(left.len(), 1);
        medium.was_reached()
    });
}

#[test]
fn a_cancel_and_a_failed_check_leave_nothing() {
    let story = Story::new();
    let cancel = || Error::Invalid {
        what: "test",
        why: "canceled",
    };
    for (write_ok, with_old) in [(true, true), (false, true), (true, false), (false, false)] {
        let medium = FakeMedium::new(true, &story.files(with_old));
        let result: Result<Published<()>, Error> = publish(
            &medium,
            &story.name.to_string(),
            with_old,
            Parity::None,
            |out| {
                out.write_all(&story.new[..50]).unwrap();
                if write_ok { Ok(()) } else { Err(cancel()) }
            },
            |_, ()| Err(cancel()),
        );
        assert!(matches!(result, Err(Error::Invalid { .. })));
        assert_eq!(medium.now(), story.files(with_old));
    }
}

#[test]
fn a_medium_that_gives_other_bytes_than_were_written_is_noticed() {
    for (story, openings) in [(Story::new(), 1), (Story::protected(), 2)] {
        for at in 1..=openings {
            // The trailer, a table, the parity, and what is protected.
            for from_end in [1, 70, 400, 1200, 4000] {
                let medium = FakeMedium::new(true, &story.files(true)).lying(at, from_end);
                let result = story.publish(&medium, true);
                // What is protected was compared before the protection was made.
                if at == 2 && from_end == 4000 {
                    continue;
                }
                assert!(
                    matches!(result, Err(Error::ReadBack { .. })),
                    "{at}, {from_end}: {result:?}"
                );
                assert_eq!(medium.now(), story.files(true));
            }
        }
    }
}
