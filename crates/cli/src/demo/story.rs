//! The story: a publisher, an old laptop that is lost, a new one, a third, a fourth, and a fifth that is one too many.

use std::net::TcpListener;
use std::path::Path;

use super::child::{Finished, Running, text};
use super::content;
use super::ending::Ending;
use super::stage::Stage;
use super::wishes::{self, stays};
use crate::failed::{Failed, Result};

const LICENSES: &str = "bought.license";
const STICK: &str = "stick";

/// Plays it.
pub fn tell(stage: &Stage<'_>, licenses: u32) -> Result<Ending> {
    let expected = (0..licenses).filter(|number| !stays(*number)).count() as u64;
    let mut ending = Ending {
        licenses: u64::from(licenses),
        expected,
        computers: 1,
        ..Ending::default()
    };
    stage.introduce();
    let service = open_shop(stage)?;
    let keys = issue(stage, licenses)?;
    move_in(stage)?;
    ending.opens = opens(stage, "old-laptop", &keys)?;
    back_up(stage, &mut ending)?;
    let mut ids = String::new();
    for (number, (key_id, _)) in keys.iter().enumerate() {
        if !stays(u32::try_from(number).unwrap_or(u32::MAX)) {
            ids.push_str(key_id);
            ids.push('\n');
        }
    }
    write(&stage.path("key-ids.txt"), &ids)?;
    new_laptop(stage, &keys, &mut ending)?;
    for (home, name, ordinal) in [("desktop", "Desktop", "third"), ("tablet", "Tablet", "fourth")] {
        stage.chapter(&format!("A {ordinal} computer may have them too."));
        let done = restore(stage, home, name, &issuer(stage)?)?;
        let came = done.number("restored");
        ending.restored = ending.restored.min(came);
        ending.keys_match &= keys_match(stage, home, &keys)?;
        ending.computers += u64::from(came == expected);
        stage.say(format_args!("    restored {}", rate(came, done.seconds)));
    }
    fifth(stage, &mut ending)?;
    stage.peaks().note("serve", service.peak());
    stage.peaks().note("demo", crate::memory::own_peak());
    service.stop()?;
    ending.peak_rss = stage.peaks().all();
    epilogue(stage, &ending);
    Ok(ending)
}

fn open_shop(stage: &Stage<'_>) -> Result<Running> {
    stage.chapter("A publisher opens, and a license management service with it.");
    stage.succeed(&["issuer", "init", "publisher", "--name", "Harbor Books"])?;
    let address = free_address()?;
    let serve = [
        "serve",
        "--dir",
        "service",
        "--listen",
        &address,
        "--name",
        "Harbor Licenses",
        "--issuer",
        "publisher/issuer.card",
    ];
    let mut service = stage.start(&serve)?;
    let listening = service.wait_for("listening")?;
    stage.say(format_args!(
        "    the service answers at {}",
        text(&listening, "url")
    ));
    Ok(service)
}

fn issue(stage: &Stage<'_>, licenses: u32) -> Result<Vec<(String, String)>> {
    stage.chapter(&format!(
        "It sells {licenses} licenses to an old laptop, bound to it."
    ));
    stage.succeed(&["--home", "old-laptop", "computer", "name", "Old laptop"])?;
    stage.succeed(&[
        "--home",
        "old-laptop",
        "computer",
        "card",
        "-o",
        "old-laptop.card",
    ])?;
    wishes::write(&stage.path("wishes.jsonl"), licenses)?;
    let issued = stage.succeed(&[
        "issuer",
        "issue",
        "publisher",
        "--computer",
        "old-laptop.card",
        "--service",
        "service/service.card",
        "--from",
        "wishes.jsonl",
        "--keys-out",
        "publisher/keys.jsonl",
        "-o",
        LICENSES,
    ])?;
    stage.say(format_args!(
        "    signed and sealed {}",
        rate(u64::from(licenses), issued.seconds)
    ));
    let keys = wishes::issued_keys(&stage.path("publisher/keys.jsonl"))?;
    if keys.len() != licenses as usize {
        return Err(Failed::other(format!(
            "{licenses} licenses were asked for, {} issued",
            keys.len()
        )));
    }
    let key = keys.first().and_then(|(_, key)| content::key_from_hex(key));
    let key = key.ok_or_else(|| Failed::other("the publisher wrote a key that is none"))?;
    let protected = content::crypt(&key, content::TEXT.as_bytes());
    let path = stage.path("book.enc");
    std::fs::write(&path, protected).map_err(|e| Failed::file("write", &path, &e))?;
    stage.say("    the first license opens book.enc, which it protects with AES-128 in counter mode");
    Ok(keys)
}

fn move_in(stage: &Stage<'_>) -> Result<()> {
    stage.chapter("The old laptop takes them in.");
    let issuer = issuer(stage)?;
    stage.succeed(&[
        "--home",
        "old-laptop",
        "trust",
        "add",
        "publisher/issuer.card",
        "--thumbprint",
        &issuer,
    ])?;
    let imported = stage.succeed(&["--home", "old-laptop", "import", LICENSES])?;
    let count = imported.number("restored");
    stage.say(format_args!(
        "    verified and stored {}",
        rate(count, imported.seconds)
    ));
    Ok(())
}

fn back_up(stage: &Stage<'_>, ending: &mut Ending) -> Result<()> {
    stage.chapter("A backup on a stick.");
    make_folder(&stage.path(STICK))?;
    let done = stage.succeed(&["--home", "old-laptop", "backup", STICK, "--unencrypted"])?;
    ending.backed_up = done.number("backed_up");
    ending.restricted = done.number("restricted");
    ending.backup_bytes = done.number("bytes");
    ending.backup_seconds = done.seconds;
    stage.say(format_args!(
        "    {} in {} bytes ({} a license); {} may not leave the computer and stay",
        rate(ending.backed_up, done.seconds),
        ending.backup_bytes,
        ending.backup_bytes / ending.backed_up.max(1),
        ending.restricted,
    ));
    stage.say(
        "    This one is not encrypted, so that you can look into it. Yours should be: whoever finds an open",
    );
    stage.say(
        "    backup can restore it through the service to a computer of their own, while a place is free.",
    );
    Ok(())
}

fn new_laptop(stage: &Stage<'_>, keys: &[(String, String)], ending: &mut Ending) -> Result<()> {
    stage.chapter("The old laptop falls into the harbor. There is a new one.");
    make_folder(&stage.path("harbor"))?;
    let (from, to) = (stage.path("old-laptop"), stage.path("harbor/old-laptop"));
    stage.say("  $ mv old-laptop harbor/");
    std::fs::rename(&from, &to).map_err(|e| Failed::file("move", &from, &e))?;
    let done = restore(stage, "new-laptop", "New laptop", &issuer(stage)?)?;
    ending.restored = done.number("restored");
    ending.restore_seconds = done.seconds;
    ending.computers += u64::from(ending.restored == ending.expected);
    stage.say(format_args!(
        "    restored {}",
        rate(ending.restored, done.seconds)
    ));
    ending.opens &= opens(stage, "new-laptop", keys)?;
    ending.keys_match = keys_match(stage, "new-laptop", keys)?;
    Ok(())
}

fn fifth(stage: &Stage<'_>, ending: &mut Ending) -> Result<()> {
    stage.chapter("And a fifth?");
    let issuer = issuer(stage)?;
    stage.succeed(&["--home", "neighbor", "computer", "name", "The neighbor's"])?;
    let done = stage.run(&[
        "--home",
        "neighbor",
        "restore",
        STICK,
        "--individualize",
        "--trust",
        &issuer,
    ])?;
    ending.fifth_exit = done.exit;
    ending.fifth = if done.exit == 7 { "refused" } else { "not refused" }.into();
    let page = done.statuses("ERROR_WITHURL").next();
    ending.refusal_url = page.map(|page| text(page, "url").to_owned()).unwrap_or_default();
    stage.say(format_args!(
        "    {}: {} (exit {})",
        ending.fifth,
        done.error(),
        done.exit
    ));
    stage.say(format_args!("    its page: {}", ending.refusal_url));
    Ok(())
}

fn restore(stage: &Stage<'_>, home: &str, name: &str, issuer: &str) -> Result<Finished> {
    stage.succeed(&["--home", home, "computer", "name", name])?;
    stage.succeed(&[
        "--home",
        home,
        "restore",
        STICK,
        "--individualize",
        "--trust",
        issuer,
    ])
}

/// Does the protected file open on this computer?
fn opens(stage: &Stage<'_>, home: &str, keys: &[(String, String)]) -> Result<bool> {
    let key_id = keys
        .first()
        .map(|(key_id, _)| key_id.as_str())
        .unwrap_or_default();
    let file = format!("{home}.key");
    stage.succeed(&[
        "--home", home, "use", key_id, "--action", "Play", "--format", "hex", "-o", &file,
    ])?;
    let key = content::key_from_hex(&read(&stage.path(&file))?);
    let path = stage.path("book.enc");
    let protected = std::fs::read(&path).map_err(|e| Failed::file("read", &path, &e))?;
    let plain = key
        .map(|key| content::crypt(&key, &protected))
        .unwrap_or_default();
    let opened = plain == content::TEXT.as_bytes();
    stage.say(format_args!(
        "  $ openssl enc -d -aes-128-ctr -K $(cat {file}) -iv 0 -in book.enc"
    ));
    let shown = String::from_utf8_lossy(&plain)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    stage.say(format_args!("    {}", keyferry_license::printable(&shown)));
    Ok(opened)
}

/// Compares each key that came with the one that the publisher issued.
fn keys_match(stage: &Stage<'_>, home: &str, keys: &[(String, String)]) -> Result<bool> {
    let file = format!("{home}.keys");
    let args = [
        "--home", home, "use", "-", "--action", "Play", "--format", "hex", "-o", &file,
    ];
    let used = stage.run_with(&args, Some("key-ids.txt"))?;
    if used.exit != 0 {
        return Err(Failed::other(format!(
            "the keys of {home} could not be read: {}",
            used.error()
        )));
    }
    let came = read(&stage.path(&file))?;
    let issued = keys
        .iter()
        .enumerate()
        .filter(|(n, _)| !stays(u32::try_from(*n).unwrap_or(u32::MAX)));
    let same = came.lines().eq(issued.map(|(_, (_, key))| key.as_str()));
    stage.say(if same {
        "    each key is the one that the publisher issued"
    } else {
        "    the keys DIFFER"
    });
    Ok(same)
}

fn epilogue(stage: &Stage<'_>, ending: &Ending) {
    stage.chapter("The end.");
    let peaks = ending
        .peak_rss
        .iter()
        .map(|(name, bytes)| format!("{name} {} MiB", bytes.div_ceil(1 << 20)));
    let peaks: Vec<String> = peaks.collect();
    if !peaks.is_empty() {
        stage.say(format_args!("    highest memory: {}", peaks.join(", ")));
    }
    stage.say(format_args!(
        "    {} licenses on {} computers, and on none more. Try it with your own: keyferry --help",
        ending.restored, ending.computers
    ));
}

fn issuer(stage: &Stage<'_>) -> Result<String> {
    let path = stage.path("publisher/issuer.card");
    let bytes = std::fs::read(&path).map_err(|e| Failed::file("read", &path, &e))?;
    let card = keyferry_license::armor::single(keyferry_license::armor::CARD, &bytes)?;
    Ok(keyferry_license::Card::verify(&card)?.thumbprint().to_string())
}

/// An address on loopback that was free a moment ago: a fixed one, so that `serve` can be repeated by hand.
fn free_address() -> Result<String> {
    let found = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let found = found.map_err(|e| Failed::other(format!("no free port on loopback: {e}")))?;
    Ok(found.to_string())
}

/// A number with its time and rate.
fn rate(count: u64, seconds: f64) -> String {
    format!(
        "{count} licenses in {seconds:.2} s ({:.0} a second)",
        count as f64 / seconds.max(1e-9)
    )
}

fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir(path).map_err(|e| Failed::file("make", path, &e))
}

fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).map_err(|e| Failed::file("write", path, &e))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Failed::file("read", path, &e))
}
