//! No content key, escrow or sealed key is in the ledger's files: looked for raw, in hexadecimal and in base64.

use std::path::Path;

use base64::prelude::*;
use keyferry_license::random;
use keyferry_protocol::{Answer, kind};

use crate::world::{License, NOW, World, body};

/// Where a secret stands in some bytes, in any of the notations that people and programs write it in.
fn find(haystack: &[u8], secret: &[u8]) -> Option<&'static str> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let upper = hex.to_uppercase();
    let contains = |needle: &[u8]| haystack.windows(needle.len()).any(|window| window == needle);
    if contains(secret) {
        return Some("raw");
    }
    if contains(hex.as_bytes()) || contains(upper.as_bytes()) {
        return Some("hexadecimal");
    }
    // In base64 the neighbors decide how a secret looks: three phases, without the characters that they share.
    for phase in 0..3 {
        for alphabet in [&BASE64_STANDARD_NO_PAD, &BASE64_URL_SAFE_NO_PAD] {
            let mut shifted = vec![0; phase];
            shifted.extend(secret);
            let text = alphabet.encode(&shifted);
            let from = [0, 2, 3][phase];
            let to = if shifted.len() % 3 == 0 {
                text.len()
            } else {
                text.len() - 1
            };
            if contains(&text.as_bytes()[from..to]) {
                return Some("base64");
            }
        }
    }
    None
}

/// All files of the service's folder but its own key, read while it runs.
fn ledger_files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("ledger"));
    files
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

#[test]
fn the_ledger_holds_no_secret() {
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses: Vec<License> = (0..5).map(|_| world.issue(origin.id())).collect();
    let mut secrets: Vec<Vec<u8>> = licenses.iter().map(|(_, key)| key.expose().to_vec()).collect();
    for _ in 0..4 {
        let computer = world.computer("new-laptop");
        let restore = body(&world.service, &licenses);
        let request = computer.prepare(&world.service, kind::RESTORE, random().unwrap(), &restore);
        let answer = Answer::decode(&world.service.handle(&request.bytes, NOW)).unwrap();
        secrets.extend(restore.items.iter().map(|item| item.escrow.0.to_vec()));
        secrets.push(restore.enc.as_bytes()[..32].to_vec());
        let delivered = answer.delivery.into_iter().flat_map(|delivery| delivery.keys);
        secrets.extend(delivered.flatten().map(|key| key.0.to_vec()));
        secrets.push(request.one_time.unwrap().seed().expose().to_vec());
    }
    assert!(secrets.len() >= 5 + 4 * 7);
    let files = ledger_files(world.dir.path());
    assert!(
        files
            .iter()
            .any(|(name, bytes)| name == "ledger.sqlite-wal" && !bytes.is_empty())
    );
    for (name, bytes) in &files {
        for secret in &secrets {
            assert_eq!(find(bytes, secret), None, "a secret in {name}");
        }
    }
    // What is there is found: the computers' names and the rows' requests.
    assert!(
        files
            .iter()
            .any(|(_, bytes)| find(bytes, origin.id().as_bytes()).is_some())
    );
}

#[test]
fn the_scanner_finds_what_is_planted() {
    let secret: [u8; 16] = random().unwrap();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    for phase in 0..3 {
        let mut around = vec![b'x'; phase];
        around.extend(secret);
        around.extend(b"yz");
        assert_eq!(find(&around, &secret), Some("raw"));
        let base64 = BASE64_STANDARD.encode(&around);
        assert_eq!(find(base64.as_bytes(), &secret), Some("base64"), "phase {phase}");
        let url_safe = BASE64_URL_SAFE_NO_PAD.encode(&around);
        assert_eq!(
            find(url_safe.as_bytes(), &secret),
            Some("base64"),
            "phase {phase}"
        );
    }
    assert_eq!(
        find(format!("key={hex}").as_bytes(), &secret),
        Some("hexadecimal")
    );
    assert_eq!(find(hex.to_uppercase().as_bytes(), &secret), Some("hexadecimal"));
    assert_eq!(find(&[0; 1000], &secret), None);
}
