//! `cargo xtask bench`: what is measured, beside the budgets. Nothing here passes or fails by a time; whoever reads the
//! table judges, and quotes medians from a quiet machine.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::run::{Line, target};

/// Sizes of the trip; the last is the one that the budgets speak of.
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];

/// Runs everything up to this many licenses and prints the table.
pub fn bench(largest: u64) -> Result<bool> {
    let built = Line::new("cargo build --release").run()?;
    ensure!(built, "the release build failed");
    let mut table = vec![row("what", "measured", "budget", "beside it")];
    let measured = Line::new(&format!(
        "cargo run --release --quiet --package keyferry-testkit --example measure -- {largest}"
    ));
    let text = measured.output().context("the measurements failed")?;
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [name, value, unit, beside] = fields.as_slice() {
            table.push(row(name, &format!("{value} {unit}"), budget(name), beside));
        }
    }
    let mut before: Option<Trip> = None;
    for licenses in SIZES.into_iter().filter(|size| *size <= largest) {
        let trip = Trip::run(licenses)?;
        table.extend(trip.rows(before.as_ref()));
        before = Some(trip);
    }
    println!();
    for line in table {
        println!("{line}");
    }
    Ok(true)
}

/// The service alone, with ledgers of up to this many rows.
pub fn service(rows: u64) -> Result<bool> {
    Line::new(&format!(
        "cargo run --release --quiet --package keyferry-testkit --example service -- {rows}"
    ))
    .run()
}

/// Restores beside so many hostile connections (`crates/cli/tests/flood`), one trial after the other.
pub fn load(connections: u64) -> Result<bool> {
    Line::new("cargo test --release -p keyferry-cli --test flood -- --nocapture --test-threads 1")
        .env("KEYFERRY_FLOOD_CONNECTIONS", connections.to_string())
        .run()
}

/// One demo, by its own account.
struct Trip {
    licenses: u64,
    summary: Value,
    import_seconds: f64,
}

impl Trip {
    fn run(licenses: u64) -> Result<Self> {
        let program = target().join("release/keyferry");
        let demo = Line::new(&format!(
            "{} --json demo --licenses {licenses}",
            program.display()
        ));
        println!("\n==> {demo}");
        let text = demo.output().context("the demo failed")?;
        let lines = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<Vec<Value>, _>>()?;
        let import = lines
            .iter()
            .find(|line| line["command"].as_str().is_some_and(|it| it.contains(" import ")));
        let import_seconds = import
            .and_then(|line| line["seconds"].as_f64())
            .context("no import")?;
        let summary = lines.last().cloned().context("the demo said nothing")?;
        Ok(Self {
            licenses,
            summary,
            import_seconds,
        })
    }

    fn rows(&self, before: Option<&Self>) -> Vec<String> {
        let n = self.licenses;
        let licenses = n as f64;
        let seconds = |field: &str| self.summary[field].as_f64().unwrap_or(f64::NAN);
        let bytes = self.summary["backup_bytes"].as_f64().unwrap_or(f64::NAN) / licenses;
        let growth = |field: &str| match before {
            Some(before) => {
                let per =
                    |trip: &Self| trip.summary[field].as_f64().unwrap_or(f64::NAN) / trip.licenses as f64;
                format!(
                    "{:.2} x the cost a license of {}",
                    per(self) / per(before),
                    before.licenses
                )
            }
            None => String::new(),
        };
        let mut rows = vec![
            row(
                &format!("imported, {n}"),
                &format!("{:.0}/s", licenses / self.import_seconds),
                "",
                "",
            ),
            row(
                &format!("backed up, {n}"),
                &format!(
                    "{:.2} s, {:.0}/s",
                    seconds("backup_seconds"),
                    licenses / seconds("backup_seconds")
                ),
                match n {
                    1_000_000 => "3 s",
                    100_000 => "0.33 s",
                    _ => "",
                },
                &growth("backup_seconds"),
            ),
            row(
                &format!("bytes a license, {n}"),
                &format!("{bytes:.0}"),
                "360",
                "",
            ),
            row(
                &format!("restored end to end, {n}"),
                &format!(
                    "{:.2} s, {:.0}/s",
                    seconds("restore_seconds"),
                    licenses / seconds("restore_seconds")
                ),
                "35,000/s",
                &growth("restore_seconds"),
            ),
        ];
        for process in ["import", "backup", "restore", "serve"] {
            if let Some(peak) = self.summary["peak_rss"][process].as_u64() {
                let budget = if matches!(process, "backup" | "restore" | "serve") {
                    "64 MiB"
                } else {
                    ""
                };
                rows.push(row(
                    &format!("peak of {process}, {n}"),
                    &format!("{} MiB", peak >> 20),
                    budget,
                    "",
                ));
            }
        }
        rows
    }
}

fn budget(name: &str) -> &'static str {
    if name.starts_with("key opened") {
        "15 us"
    } else {
        ""
    }
}

fn row(what: &str, measured: &str, budget: &str, beside: &str) -> String {
    format!("| {what:<36} | {measured:<24} | {budget:<9} | {beside} |")
}
