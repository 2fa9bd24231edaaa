//! A slice of fuzzing that every test run repeats: the vectors, changed in thousands of ways that a seed decides.

use keyferry_license::{Typ, armor};

use crate::bodies;
use crate::changes::slice;
use crate::vector::Vector;

const ROUNDS: usize = 20_000;

fn of_kind(kind: &str) -> Vec<Vec<u8>> {
    let of_kind = Vector::all()
        .into_iter()
        .filter(|vector| vector.need("kind") == kind);
    of_kind.map(|vector| vector.body).collect()
}

/// Payloads of the documents whose envelope is good: changes to these meet more than the signature.
fn payloads(kind: &str, typ: Typ) -> Vec<Vec<u8>> {
    let bodies = of_kind(kind);
    let decoded = bodies
        .iter()
        .filter_map(|body| keyferry_license::Sign1::decode(typ, body, 1 << 20).ok());
    decoded.map(|parts| parts.payload.to_vec()).collect()
}

fn blocks() -> Vec<Vec<u8>> {
    let files = of_kind("license-file");
    let read = |text: &Vec<u8>| armor::single(armor::LICENSE, text).ok();
    files.iter().filter_map(read).collect()
}

#[test]
fn cards() {
    slice(1, &of_kind("card"), ROUNDS, bodies::card);
}

#[test]
fn card_payloads() {
    slice(2, &payloads("card", Typ::Card), ROUNDS / 4, bodies::card_payload);
}

#[test]
fn grants() {
    slice(3, &of_kind("grant"), ROUNDS, bodies::grant);
}

#[test]
fn license_files() {
    slice(4, &blocks(), ROUNDS / 8, bodies::license_file);
}

#[test]
fn armor_of_any_kind() {
    let mut seeds = of_kind("card-file");
    seeds.extend(of_kind("license-file"));
    slice(5, &seeds, ROUNDS / 4, bodies::armored);
}

fn documents() -> Vec<Vec<u8>> {
    let folders = std::fs::read_dir(crate::vector::folder().join("../documents")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn documents_of_other_systems() {
    slice(6, &documents(), ROUNDS / 4, bodies::document);
}

/// With KEYFERRY_WRITE_CORPUS set, gives the fuzz targets their seeds.
#[test]
fn corpus() {
    let seeds = [
        ("card", [of_kind("card"), payloads("card", Typ::Card)].concat()),
        ("document", documents()),
        ("grant", of_kind("grant")),
        ("license_file", blocks()),
        ("armor", [of_kind("card-file"), of_kind("license-file")].concat()),
    ];
    for (target, seeds) in seeds {
        crate::changes::corpus(target, &seeds);
    }
}
