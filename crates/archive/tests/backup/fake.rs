//! A medium in memory that fails, or stops for good, at any step, and that knows what would be left after the power
//! went: through the trait that the real one implements.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Seek, SeekFrom, Write};
use std::rc::Rc;

use keyferry_archive::medium::{Medium, NewFile, ReadSeek};

/// What happens at the step that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This step fails, later ones work.
    Fails(ErrorKind),
    /// This step and all later ones fail: the process or the power is gone.
    Stops,
    /// Right before this step another program makes a file of the name of the backup, unless there is one.
    Appears,
}

/// What another program's file holds.
pub const FOREIGN: &[u8] = b"another program's";

/// When the first file was written (Unix seconds), as far as the medium knows.
pub const MODIFIED: u64 = 1_700_000_000;

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

type Names = BTreeMap<String, usize>;

#[derive(Default)]
struct Disk {
    files: Vec<File>,
    /// The folder after each change since it was last synced; the last is how it is now.
    names: Vec<Names>,
    locked: Vec<String>,
    steps: usize,
    fault: Option<(usize, Fault)>,
    stopped: bool,
    /// How often a file was read past the memory, at which time it gives another byte, and which, from its end.
    uncached: usize,
    lie: Option<(usize, usize)>,
}

/// The fake. With `links` it has hard links, as most file systems do; without, it is like FAT.
#[derive(Clone)]
pub struct FakeMedium {
    disk: Rc<RefCell<Disk>>,
    links: bool,
    current: String,
}

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

impl FakeMedium {
    pub fn new(links: bool, files: &Files) -> Self {
        let mut disk = Disk::default();
        let mut names = Names::new();
        for (name, bytes) in files {
            names.insert(name.clone(), disk.files.len());
            disk.files.push(File {
                bytes: bytes.clone(),
                synced: bytes.clone(),
            });
        }
        disk.names.push(names);
        Self {
            disk: Rc::new(RefCell::new(disk)),
            links,
            current: String::new(),
        }
    }

    /// The name that [`Fault::Appears`] takes.
    pub fn expecting(mut self, current: &str) -> Self {
        self.current = current.into();
        self
    }

    pub fn with_fault(self, step: usize, fault: Fault) -> Self {
        self.disk.borrow_mut().fault = Some((step, fault));
        self
    }

    /// The medium gives another byte than was written, so far from the end, when it is read back the `at`th time.
    pub fn lying(self, at: usize, from_end: usize) -> Self {
        self.disk.borrow_mut().lie = Some((at, from_end));
        self
    }

    /// Did the chosen step come?
    pub fn was_reached(&self) -> bool {
        let disk = self.disk.borrow();
        disk.fault.is_some_and(|(step, _)| disk.steps > step)
    }

    /// What another process sees now.
    pub fn now(&self) -> Files {
        let disk = self.disk.borrow();
        let names = disk.names.last().unwrap();
        names
            .iter()
            .map(|(name, file)| (name.clone(), disk.files[*file].bytes.clone()))
            .collect()
    }

    /// What may be left after the power went: the folder after any of its changes, files as they were last synced.
    pub fn after_power_cut(&self) -> Vec<Files> {
        let disk = self.disk.borrow();
        let content = |names: &Names| {
            let file = |(name, file): (&String, &usize)| (name.clone(), disk.files[*file].synced.clone());
            names.iter().map(file).collect()
        };
        disk.names.iter().map(content).collect()
    }

    fn step(&self) -> io::Result<std::cell::RefMut<'_, Disk>> {
        let mut disk = self.disk.borrow_mut();
        let step = disk.steps;
        disk.steps += 1;
        match disk.fault {
            _ if disk.stopped => Err(io::Error::other("stopped")),
            Some((at, Fault::Fails(kind))) if at == step => Err(kind.into()),
            Some((at, Fault::Appears)) if at == step => {
                let (file, mut names) = (disk.files.len(), disk.names.last().unwrap().clone());
                disk.files.push(File {
                    bytes: FOREIGN.to_vec(),
                    synced: FOREIGN.to_vec(),
                });
                names.entry(self.current.clone()).or_insert(file);
                disk.names.push(names);
                Ok(disk)
            }
            Some((at, Fault::Stops)) if at == step => {
                disk.stopped = true;
                Err(io::Error::other("stopped"))
            }
            _ => Ok(disk),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Names) -> io::Result<()>) -> io::Result<()> {
        let mut disk = self.step()?;
        let mut names = disk.names.last().unwrap().clone();
        change(&mut names)?;
        disk.names.push(names);
        Ok(())
    }
}

impl Medium for FakeMedium {
    fn folder(&self) -> String {
        "stick".into()
    }

    fn is_folder(&self) -> io::Result<bool> {
        self.step().map(|_| true)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.step()?.names.last().unwrap().keys().cloned().collect())
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(self.step()?.names.last().unwrap().contains_key(name))
    }

    fn modified(&self, name: &str) -> io::Result<u64> {
        let disk = self.step()?;
        let file = disk.names.last().unwrap().get(name).ok_or(ErrorKind::NotFound)?;
        // The clock ticks once for each file.
        Ok(MODIFIED + *file as u64)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn ReadSeek>> {
        let disk = self.step()?;
        let file = disk.names.last().unwrap().get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(disk.files[*file].bytes.clone())))
    }

    fn open_uncached(&self, name: &str) -> io::Result<Box<dyn ReadSeek>> {
        let mut disk = self.step()?;
        let file = disk.names.last().unwrap().get(name).ok_or(ErrorKind::NotFound)?;
        let mut bytes = disk.files[*file].bytes.clone();
        disk.uncached += 1;
        if let Some((_, from_end)) = disk.lie.filter(|(at, _)| *at == disk.uncached) {
            let at = bytes.len() - from_end;
            bytes[at] ^= 1;
        }
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn NewFile>> {
        let mut disk = self.step()?;
        if disk.locked.iter().any(|locked| locked == name) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let file = disk.files.len();
        disk.files.push(File::default());
        disk.locked.push(name.into());
        drop(disk);
        let made = Box::new(FakeFile {
            medium: self.clone(),
            name: name.into(),
            file,
            at: 0,
        });
        self.change(|names| {
            names.insert(name.into(), file);
            Ok(())
        })?;
        Ok(made)
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|names| {
            let file = *names.get(from).ok_or(ErrorKind::NotFound)?;
            if !self.links {
                return Err(ErrorKind::PermissionDenied.into());
            }
            if names.contains_key(to) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            names.insert(to.into(), file);
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(|names| {
            let file = *names.get(from).ok_or(ErrorKind::NotFound)?;
            // Without links a rename is no single step, so production code must not rename over anything there.
            assert!(self.links || !names.contains_key(to), "renamed over {to}");
            // POSIX: two names of one file stay both.
            if names.get(to) != Some(&file) {
                names.remove(from);
                names.insert(to.into(), file);
            }
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|names| {
            names.remove(name).ok_or(ErrorKind::NotFound)?;
            Ok(())
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut disk = self.step()?;
        let now = disk.names.pop().unwrap();
        disk.names = vec![now];
        Ok(())
    }
}

struct FakeFile {
    medium: FakeMedium,
    name: String,
    file: usize,
    at: usize,
}

impl FakeFile {
    fn put(&mut self, bytes: &[u8]) {
        let mut disk = self.medium.disk.borrow_mut();
        let file = &mut disk.files[self.file].bytes;
        let end = self.at + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }
}

impl Seek for FakeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else {
            return Err(ErrorKind::Unsupported.into());
        };
        self.at = at as usize;
        Ok(at)
    }
}

impl Write for FakeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A step that doesn't come to its end has written a part.
        let step = self.medium.step().map(drop);
        let len = if step.is_ok() {
            bytes.len()
        } else {
            bytes.len() / 2
        };
        self.put(&bytes[..len]);
        step.map(|()| len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for FakeFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.medium.step()?;
        let file = &mut disk.files[self.file];
        file.synced.clone_from(&file.bytes);
        Ok(())
    }

    fn is_in_place(&self) -> io::Result<bool> {
        let disk = self.medium.step()?;
        Ok(disk.names.last().unwrap().get(&self.name) == Some(&self.file))
    }
}

impl Drop for FakeFile {
    fn drop(&mut self) {
        self.medium
            .disk
            .borrow_mut()
            .locked
            .retain(|name| *name != self.name);
    }
}
