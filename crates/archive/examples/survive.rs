//! Damages a large backup and reads it: `survive FOLDER [N] [encrypted]`. Every contiguous tenth that is tried, scattered
//! sectors and a cut must give every license; a third of the file must not, and must say so. Prints how long each takes.

#![allow(missing_docs, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../tests/backup/made.rs"]
mod made;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use keyferry_archive::medium::{FolderMedium, publish};
use keyferry_archive::{Encryption, Error, Identity, Item, Parity, Reader, Record, Repair, Unlock, Writer};
use keyferry_license::SealedKey;
use made::{Dice, computer_secret, header, unsigned_license};

const NAME: &str = "licenses-00000000.keyferry";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let folder = args.get(1).expect("a folder to write to");
    let count: u64 = args.get(2).map_or(1_000_000, |n| n.parse().unwrap());
    let encryption = match args.get(3) {
        Some(_) => Encryption::Recipients(vec![Identity::generate().recipient()]),
        None => Encryption::None,
    };
    let start = Instant::now();
    let (unlock, len) = write(Path::new(folder), count, &encryption);
    println!(
        "{count} licenses, {len} bytes, {:.1} a license, written and read back in {:.2?}",
        len as f64 / count.max(1) as f64,
        start.elapsed()
    );
    let file = Path::new(folder).join(NAME);
    let whole = read(&file, &unlock);
    assert_eq!(whole.0, count);
    let (tenth, mut dice) = (len.div_ceil(10), Dice::new(7));
    let last = len - tenth;
    for start in [0, last / 7, last / 3, last / 2, last * 6 / 7, last] {
        let undo = noise(&file, std::slice::from_ref(&(start..start + tenth)), &mut dice);
        assert!(read(&file, &unlock) == whole, "from {start}");
        assert!(Repair::open(File::open(&file).unwrap()).is_ok());
        put_back(&file, undo);
    }
    println!("any contiguous tenth: all came");
    if len > 1 << 20 {
        let sectors = len / 4096;
        let scattered: Vec<_> = (0..sectors / 20)
            .map(|_| {
                let start = dice.below(sectors as usize) as u64 * 4096;
                start..start + 4096
            })
            .collect();
        let undo = noise(&file, &scattered, &mut dice);
        assert!(read(&file, &unlock) == whole, "scattered");
        put_back(&file, undo);
        println!("a twentieth of the sectors: all came");
    }
    let undo = noise(
        &file,
        std::slice::from_ref(&(len / 3..len / 3 + len / 3)),
        &mut dice,
    );
    let (came, _) = read(&file, &unlock);
    assert!(came < count);
    let refused = Repair::open(File::open(&file).unwrap()).err().unwrap();
    assert!(matches!(refused, Error::NotRepairable { .. }), "{refused}");
    put_back(&file, undo);
    println!("a third: {came} came, and it says that it can't be repaired");
    OpenOptions::new()
        .write(true)
        .open(&file)
        .unwrap()
        .set_len(last)
        .unwrap();
    assert!(read(&file, &unlock) == whole, "cut");
    println!("cut by a tenth: all came");
    std::fs::remove_file(&file).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("{peak}");
    }
}

fn write(folder: &Path, count: u64, encryption: &Encryption) -> (Unlock, u64) {
    let (header, mut dice) = (header(1), Dice::new(1));
    publish(
        &FolderMedium::new(folder),
        NAME,
        true,
        Parity::Twelve,
        |out| {
            let mut writer = Writer::encrypted(out, &header, encryption)?;
            let unlock = writer.unlock();
            for n in 0..count {
                let mut grant = Vec::new();
                unsigned_license(n, &header, &mut dice, &mut grant);
                let (escrow, returning) = (SealedKey(dice.bytes()), SealedKey(dice.bytes()));
                writer.push_license(&grant, &escrow, Some(&returning))?;
            }
            writer.finish_inner(&computer_secret())?;
            Ok::<_, Error>(unlock)
        },
        |_, _| Ok(()),
    )
    .map(|published| (published.value, published.bytes))
    .unwrap()
}

/// How many licenses come, and one value for all of them in their order. Whatever comes was written: made-up licenses
/// have no signature that would prove it, so the caller compares.
fn read(file: &Path, unlock: &Unlock) -> (u64, blake3::Hash) {
    let start = Instant::now();
    let source = BufReader::new(File::open(file).unwrap());
    let (mut came, mut hash) = (0, blake3::Hasher::new());
    let opened = Reader::open_with(source, |_| Ok::<_, Error>(unlock.clone()));
    if let Ok(mut reader) = opened {
        let mut records = reader.records().unwrap();
        while let Some(item) = records.next_item() {
            if let Item::Record(Record::License(license)) = item {
                came += 1;
                hash.update(license.grant).update(&license.escrow.0);
            }
        }
    }
    println!("  read in {:.2?}", start.elapsed());
    (came, hash.finalize())
}

type Undo = Vec<(u64, Vec<u8>)>;

/// Replaces these bytes; gives what was there.
fn noise(file: &Path, ranges: &[std::ops::Range<u64>], dice: &mut Dice) -> Undo {
    let mut file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let len = file.metadata().unwrap().len();
    let mut undo = Vec::new();
    for range in ranges {
        let mut old = vec![0; (range.end.min(len) - range.start) as usize];
        file.seek(SeekFrom::Start(range.start)).unwrap();
        file.read_exact(&mut old).unwrap();
        let new: Vec<u8> = old
            .iter()
            .map(|byte| byte ^ (1 + dice.below(255) as u8))
            .collect();
        file.seek(SeekFrom::Start(range.start)).unwrap();
        file.write_all(&new).unwrap();
        undo.push((range.start, old));
    }
    undo
}

fn put_back(file: &Path, undo: Undo) {
    let mut file = OpenOptions::new().write(true).open(file).unwrap();
    // What was written over twice is put back in the other order.
    for (start, bytes) in undo.into_iter().rev() {
        file.seek(SeekFrom::Start(start)).unwrap();
        file.write_all(&bytes).unwrap();
    }
}
