//! The library as it is installed on Linux: its files, its names, what it exports, and programs that find it by pkg-config.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use keyferry_testkit::{Wanted, World, left_out};

use crate::client::{crate_folder, library};
use crate::examples::{Example, as_property, example};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a command prints; it must succeed.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("the command runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// Installs the library of this build under `/opt/keyferry` in `destdir`; the folder.
fn install(destdir: &Path) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(
        Command::new(cargo)
            .current_dir(crate_folder())
            .args([
                "run",
                "--quiet",
                "--locked",
                "--package",
                "xtask",
                "--",
                "library",
            ])
            .args(["--prefix", "/opt/keyferry", "--destdir"])
            .arg(destdir)
            .arg("--built")
            .arg(library()),
    );
    destdir.join("opt/keyferry")
}

fn pkg_config(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", folder.join("lib/pkgconfig"));
    output(command.args(words).arg("keyferry"))
}

fn files(folder: &Path, start: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{start}{}", entry.file_name().display());
        match entry.path().read_link() {
            Ok(to) => found.push(format!("{name} -> {}", to.display())),
            Err(_) if entry.path().is_dir() => found.extend(files(&entry.path(), &(name + "/"))),
            Err(_) => found.push(name),
        }
    }
    found.sort();
    found
}

#[test]
fn the_installed_library_is_found_by_programs_wherever_it_is() {
    if Command::new("pkg-config").arg("--version").output().is_err() {
        left_out("the installed library: no pkg-config");
        return;
    }
    let (world, _hosted) = World::hosted();
    let first = install(&world.folder("stage"));
    assert_eq!(
        files(&first, ""),
        [
            "include/keyferry.h".to_owned(),
            format!("lib/libkeyferry.so -> libkeyferry.so.{VERSION}"),
            format!("lib/libkeyferry.so.0 -> libkeyferry.so.{VERSION}"),
            format!("lib/libkeyferry.so.{VERSION}"),
            "lib/pkgconfig/keyferry.pc".to_owned(),
        ]
    );
    // Again over itself, as an update does it; then it is moved.
    assert_eq!(install(&world.path("stage")), first);
    let folder = world.path("moved");
    std::fs::rename(&first, &folder).expect("moved");
    assert_eq!(pkg_config(&folder, &["--modversion"]).trim(), VERSION);

    let program = world.path("menu");
    let flags = pkg_config(&folder, &["--cflags", "--libs"]);
    output(
        Command::new("cc")
            .arg("-std=c11")
            .arg(example("c/menu.c"))
            .args(flags.split_whitespace())
            .arg("-lpthread")
            .arg("-o")
            .arg(&program),
    );
    let old = world.computer_here("old laptop");
    world.issue(&old, &Wanted::many(2, None));
    let installed = Example {
        program,
        words: Vec::new(),
        trust: as_property,
        library_path: Some(folder.join("lib")),
    };
    let mut menu = installed.start(old.home(), &world.folder("stick"), &world);
    assert_eq!(menu.says("b"), ["done"]);
    menu.quit();
}

#[test]
fn the_library_has_its_name_stays_loaded_and_exports_two_symbols() {
    let headers = output(Command::new("objdump").arg("-p").arg(library()));
    let soname = headers
        .lines()
        .find_map(|line| line.trim().strip_prefix("SONAME"));
    assert_eq!(soname.map(str::trim), Some("libkeyferry.so.0"));
    assert!(headers.contains("libc.so.6"), "it is read as a shared library");
    let defined = output(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let names: Vec<&str> = defined
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    assert_eq!(
        names,
        ["WMCreateBackupRestorer", "WMCreateLicenseRevocationAgent"]
    );
}

#[test]
fn an_operation_goes_on_when_the_program_unloads_the_library() {
    let world = World::new();
    let old = world.computer_here("old laptop");
    world.issue(&old, &Wanted::many(100, None));
    let program = world.path("unload");
    output(
        Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Wno-unused-const-variable", "-I"])
            .arg(crate_folder().join("include"))
            .arg(crate_folder().join("tests/client/unload.c"))
            .args(["-ldl", "-o"])
            .arg(&program),
    );
    let stick = world.folder("stick");
    let end = output(Command::new(program).arg(library()).arg(old.home()).arg(&stick));
    assert_eq!(end.trim(), "00000000");
    assert_eq!(std::fs::read_dir(&stick).expect("the stick").count(), 1);
}
