//! A slice of fuzzing that every test run repeats: the vectors, changed in thousands of ways that a seed decides.

use crate::bodies;
use crate::changes::{corpus as write, slice};
use crate::damage::frames;
use crate::raw::header_of;

const ROUNDS: usize = 2_000;

fn vectors() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/backup");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut paths: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "keyferry"))
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn plain() -> Vec<Vec<u8>> {
    let vectors = vectors().into_iter();
    vectors.filter(|file| !file.starts_with(b"age-")).collect()
}

/// The encrypted ones without their end, and some without their content.
fn heads() -> Vec<Vec<u8>> {
    let vectors = vectors().into_iter();
    let encrypted = vectors.filter(|file| file.starts_with(b"age-") && file.len() > 200);
    encrypted
        .flat_map(|file| [file[..file.len() - 64].to_vec(), file[..200].to_vec()])
        .collect()
}

/// The headers and records of those that are whole.
fn parts() -> Vec<Vec<u8>> {
    let vectors = plain().into_iter();
    let whole = vectors.filter(|file| crate::seen::read(file).is_ok_and(|seen| seen.is_whole()));
    whole
        .map(|file| bodies::join(&header_of(&file), &records(&file)))
        .collect()
}

fn records(file: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let unpacked = frames(file).into_iter().filter_map(|(start, end)| {
        let frame = file.get(start..end)?;
        let plain = zstd::bulk::decompress(&frame[68..], 1 << 20).ok()?;
        Some((frame[15], frame[19], plain))
    });
    unpacked.collect()
}

#[test]
fn plain_backups() {
    slice(1, &plain(), ROUNDS, bodies::backup);
}

#[test]
fn heads_of_encrypted_backups() {
    slice(2, &heads(), ROUNDS, bodies::encrypted);
}

#[test]
fn headers_and_records() {
    slice(3, &parts(), ROUNDS, bodies::backup_parts);
}

#[test]
fn the_parts_of_a_backup_make_it_again() {
    let (file, _) = crate::made::backup(&crate::made::header(1), 3, &[]);
    let joined = bodies::join(&header_of(&file), &records(&file));
    assert_eq!(bodies::build(&joined), Some(file));
}

/// With KEYFERRY_WRITE_CORPUS set, gives the fuzz targets their seeds.
#[test]
fn corpus() {
    for (target, seeds) in [
        ("backup", plain()),
        ("encrypted", heads()),
        ("backup_parts", parts()),
    ] {
        write(target, &seeds);
    }
}
