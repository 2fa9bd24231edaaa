//! Measures a backup of many licenses: `million FILE [N] [memory|time] [encrypted]`. With `memory` the licenses are made one by one,
//! so that the peak is the archive's own; without it they are made beforehand, so that the time is.

#![allow(missing_docs, clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../tests/backup/made.rs"]
mod made;

use std::fs::File;
use std::time::Instant;

use keyferry_archive::{Encryption, Error, Identity, Item, Reader, Record, Writer};
use keyferry_license::SealedKey;
use made::{Dice, computer_secret, header, unsigned_license};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let file = args.get(1).expect("a file to write");
    let count: u64 = args.get(2).map_or(1_000_000, |n| n.parse().unwrap());
    let by_one = args.get(3).is_some_and(|word| word == "memory");
    let header = header(1);
    let mut dice = Dice::new(1);
    let (mut grants, mut lens, mut seals) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..if by_one { 0 } else { count } {
        lens.push(unsigned_license(n, &header, &mut dice, &mut grants));
        seals.push((SealedKey(dice.bytes()), SealedKey(dice.bytes())));
    }
    let start = Instant::now();
    let encryption = match args.get(4) {
        Some(_) => Encryption::Recipients(vec![Identity::generate().recipient()]),
        None => Encryption::None,
    };
    let mut writer = Writer::encrypted(File::create(file).unwrap(), &header, &encryption).unwrap();
    let unlock = writer.unlock();
    let mut rest = &grants[..];
    for (len, (escrow, returning)) in lens.iter().zip(&seals) {
        let (grant, after) = rest.split_at(*len);
        rest = after;
        writer.push_license(grant, escrow, Some(returning)).unwrap();
    }
    for n in 0..if by_one { count } else { 0 } {
        let mut grant = Vec::new();
        unsigned_license(n, &header, &mut dice, &mut grant);
        let (escrow, returning) = (SealedKey(dice.bytes()), SealedKey(dice.bytes()));
        writer.push_license(&grant, &escrow, Some(&returning)).unwrap();
    }
    let (_, summary) = writer.finish(&computer_secret()).unwrap();
    let written = start.elapsed();
    let start = Instant::now();
    let source = File::open(file).unwrap();
    let mut reader = Reader::open_with(source, |_| Ok::<_, Error>(unlock)).unwrap();
    let mut records = reader.records().unwrap();
    let (mut licenses, mut bytes) = (0u64, 0);
    while let Some(item) = records.next_item() {
        let Item::Record(Record::License(license)) = item else {
            panic!("{item:?}");
        };
        licenses += 1;
        bytes += license.grant.len();
    }
    let read = start.elapsed();
    assert_eq!(licenses, count);
    let each = summary.bytes as f64 / count.max(1) as f64;
    println!("licenses {count}, bytes {}, per license {each:.1}", summary.bytes);
    println!(
        "grant bytes per license {:.1}",
        bytes as f64 / count.max(1) as f64
    );
    println!("written in {written:.2?}, read in {read:.2?}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find(|line| line.starts_with("VmHWM")) {
        println!("{peak}");
    }
}
