//! The golden transcripts of testdata/events, as a program in C++ sees them: the values of the contract, in its order.

use std::path::Path;

use keyferry_testkit::{Computer, Hosted, Issued, Wanted, World};

use crate::client::{crate_folder, told};

const OVERWRITE: &str = "1";
const INDIVIDUALIZE: &str = "2";
const NO_FLAGS: &str = "0";
const NEVER: &str = "-";
const AT_BEGIN: &str = "21";
const AT_RESTRICTED: &str = "31";

/// A world with a service that is reached over HTTP, and a computer of this machine with four licenses, of which every
/// second has to stay.
fn world() -> (World, Hosted, Computer, Vec<Issued>) {
    let (world, hosted) = World::hosted();
    let old = world.computer_here("old laptop");
    let issued = world.issue(&old, &Wanted::many(4, Some(2)));
    (world, hosted, old, issued)
}

fn backup(home: &Path, folder: &Path, flags: &str, cancel: &str) -> Vec<String> {
    let (home, folder) = (home.display(), folder.display());
    let (store, path) = (format!("Keyferry.Store={home}"), format!("BackupPath={folder}"));
    told(&["backup", flags, cancel, "-", &store, &path])
}

fn restore(world: &World, name: &str, folder: &Path, flags: &str, cancel: &str) -> Vec<String> {
    restore_as(&world.path(name), world, folder, flags, cancel, "-")
}

fn restore_as(
    home: &Path,
    world: &World,
    folder: &Path,
    flags: &str,
    cancel: &str,
    progress: &str,
) -> Vec<String> {
    let (store, path) = (
        format!("Keyferry.Store={}", home.display()),
        format!("RestorePath={}", folder.display()),
    );
    let trust = format!("Keyferry.Trust={}", world.publisher.root());
    told(&["restore", flags, cancel, progress, &store, &path, &trust])
}

/// The lines of a transcript; what differs from world to world is left out of both.
fn golden(name: &str) -> Vec<String> {
    let file = crate_folder().join(format!("../../testdata/events/{name}.txt"));
    let text = std::fs::read_to_string(&file).expect("a golden transcript");
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("exit "))
        .map(without_value)
        .collect()
}

/// Status, number and HRESULT, and the step of an individualization.
fn without_value(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let kept = if words[0] == "INDIVIDUALIZE" { 4 } else { 3 };
    words[..kept].join(" ")
}

#[track_caller]
fn same(told: &[String], name: &str) {
    let told: Vec<String> = told.iter().map(|line| without_value(line)).collect();
    assert_eq!(told, golden(name), "{name}");
}

#[test]
fn a_backup_tells_what_its_transcripts_say() {
    let (world, _hosted, old, issued) = world();
    let stick = world.folder("stick");
    let canceled = backup(old.home(), &stick, NO_FLAGS, AT_BEGIN);
    assert_eq!(
        canceled,
        ["BACKUPRESTORE_BEGIN 21 00000000", "BACKUPRESTORE_END 27 C00D2768"]
    );
    same(
        &backup(old.home(), &stick, NO_FLAGS, AT_RESTRICTED),
        "backup-canceled",
    );
    assert_eq!(std::fs::read_dir(&stick).expect("the stick").count(), 0);
    let told = backup(old.home(), &stick, NO_FLAGS, NEVER);
    same(&told, "backup");
    let restricted = told.iter().filter(|line| line.starts_with("RESTRICTED_LICENSE"));
    let shown: Vec<&str> = restricted.filter_map(|line| line.split(' ').nth(3)).collect();
    let stays = issued.iter().filter(|one| !one.grant.rights.may_be_backed_up());
    let expected: Vec<String> = stays.map(|one| one.grant.key_id.to_base64()).collect();
    assert_eq!(shown, expected, "key IDs in base64");
    same(&backup(old.home(), &stick, NO_FLAGS, NEVER), "backup-exists");
    assert_eq!(
        backup(old.home(), &stick, OVERWRITE, NEVER)
            .last()
            .map(String::as_str),
        Some("BACKUPRESTORE_END 27 00000000")
    );
    same(
        &backup(old.home(), &world.path("not there"), NO_FLAGS, NEVER),
        "backup-no-folder",
    );
}

#[test]
fn a_restore_tells_what_its_transcripts_say() {
    let (world, hosted, old, _) = world();
    let stick = world.folder("stick");
    backup(old.home(), &stick, NO_FLAGS, NEVER);
    same(
        &restore(&world, "second", &stick, NO_FLAGS, NEVER),
        "restore-needs-consent",
    );
    same(
        &restore(&world, "second", &stick, INDIVIDUALIZE, AT_BEGIN),
        "restore-canceled",
    );
    let again = restore(&world, "second", &stick, NO_FLAGS, NEVER);
    same(&again, "restore-individualized-before");
    same(
        &restore(&world, "second", &stick, NO_FLAGS, NEVER),
        "restore-already-here",
    );
    for name in ["third", "fourth"] {
        same(
            &restore(&world, name, &stick, INDIVIDUALIZE, NEVER),
            "restore-individualizes",
        );
    }
    let refused = restore(&world, "fifth", &stick, INDIVIDUALIZE, NEVER);
    same(&refused, "restore-limit");
    let url = refused
        .iter()
        .find_map(|line| line.strip_prefix("ERROR_WITHURL 30 C00D2753 "));
    let page = format!("{}/refusals/", world.service.url());
    assert!(url.is_some_and(|url| url.starts_with(&page)), "{refused:?}");
    old.lose_store();
    let home = old.home().to_owned();
    let back = restore_as(&home, &world, &stick, NO_FLAGS, NEVER, "progress");
    let (licenses, statuses): (Vec<_>, Vec<_>) =
        back.into_iter().partition(|line| line.starts_with("license "));
    same(&statuses, "restore-by-return-seals");
    assert_eq!(
        licenses,
        [
            "license 00000000 0/0 restored Song 1",
            "license 00000000 0/0 restored Song 3"
        ],
        "the progress interface tells of each"
    );
    drop(hosted);
    same(
        &restore(&world, "third", &stick, NO_FLAGS, NEVER),
        "restore-already-here",
    );
    same(
        &restore(&world, "sixth", &stick, INDIVIDUALIZE, NEVER),
        "restore-service-down",
    );
}

#[test]
fn slots_refusals_and_names_of_other_scripts_reach_the_program() {
    let (world, _hosted) = World::hosted();
    let old = world.computer_here("Ноутбук 💻");
    world.issue(&old, &[Wanted::plain("Grüße 日本 🎵")]);
    let stick = world.folder("Stick für Müller 日本 🎵");
    backup(old.home(), &stick, NO_FLAGS, NEVER);
    for (number, name) in ["zweiter", "третий", "四番目"].iter().enumerate() {
        let told = restore_as(
            &world.path(name),
            &world,
            &stick,
            INDIVIDUALIZE,
            NEVER,
            "progress",
        );
        let slot = format!("license 00000000 {}/4 restored Grüße 日本 🎵", number + 2);
        assert!(told.contains(&slot), "{told:?}");
    }
    let told = restore_as(
        &world.path("five"),
        &world,
        &stick,
        INDIVIDUALIZE,
        NEVER,
        "progress",
    );
    let refused = told.iter().find(|line| line.starts_with("license "));
    let refused = refused.expect("it is told");
    assert!(
        refused.starts_with("license C00D2753 0/0 limit Grüße"),
        "{refused}"
    );
}

#[test]
fn paths_of_four_hundred_characters_work_in_any_script() {
    let (world, hosted, old, _) = world();
    let ascii = world.path(&["p".repeat(200), "q".repeat(200)].join("/"));
    let scripts = world.path(&"длинный path 長い道 🎵 Müller/".repeat(20));
    // SQLite takes a home of 500 bytes at most (docs/windows.md).
    let home = world.path(&"длина ascii/".repeat(28));
    for path in [&ascii, &scripts, &home] {
        assert!(path.display().to_string().chars().count() > 350);
        std::fs::create_dir_all(path).expect("a deep folder");
    }
    same(&backup(old.home(), &ascii, NO_FLAGS, NEVER), "backup");
    same(
        &restore_as(&home, &world, &ascii, INDIVIDUALIZE, NEVER, "-"),
        "restore-individualizes",
    );
    let told = backup(&home, &scripts, NO_FLAGS, NEVER);
    assert_eq!(
        told,
        ["BACKUPRESTORE_BEGIN 21 00000000", "BACKUPRESTORE_END 27 00000000"]
    );
    assert_eq!(std::fs::read_dir(&scripts).expect("the folder").count(), 1);
    same(
        &restore(&world, "third", &scripts, INDIVIDUALIZE, NEVER),
        "restore-individualizes",
    );
    drop(hosted);
}

#[test]
fn an_encrypted_backup_opens_with_its_passphrase_or_identity_and_with_nothing_else() {
    let (world, _hosted, old, _) = world();
    let stick = world.folder("stick");
    let identity = keyferry::Identity::generate();
    let (store, path) = (
        format!("Keyferry.Store={}", old.home().display()),
        format!("BackupPath={}", stick.display()),
    );
    let reader = format!("Keyferry.Recipients={}", identity.recipient());
    same(
        &told(&["backup", NO_FLAGS, NEVER, "-", &store, &path, &reader]),
        "backup",
    );
    let both = [
        "backup",
        OVERWRITE,
        NEVER,
        "-",
        &store,
        &path,
        &reader,
        "Keyferry.Passphrase=x",
    ];
    assert_eq!(
        told(&both),
        ["returned 80070057"],
        "age opens by the one or by the others"
    );
    let closed = restore(&world, "second", &stick, INDIVIDUALIZE, NEVER);
    assert_eq!(closed, ["ERROR 0 C00D272D", "BACKUPRESTORE_END 27 C00D272D"]);
    let (home, from) = (
        format!("Keyferry.Store={}", world.path("second").display()),
        format!("RestorePath={}", stick.display()),
    );
    let trust = format!("Keyferry.Trust={}", world.publisher.root());
    let secret = format!("Keyferry.Identities={}", identity.expose().as_str());
    let opened = told(&[
        "restore",
        INDIVIDUALIZE,
        NEVER,
        "-",
        &home,
        &from,
        &trust,
        &secret,
    ]);
    same(&opened, "restore-individualizes");
}
