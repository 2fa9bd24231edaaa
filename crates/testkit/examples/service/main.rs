//! The service alone, with ledgers of a hundred thousand rows and of millions, on SQLite and on PostgreSQL: licenses a
//! second by the clock and for each core, how long a batch takes, and the shares of its parts.
//! `cargo run --release -p keyferry-testkit --example service -- [ROWS]`

mod cast;
mod parts;
mod processor;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use keyferry_license::{Digest, KeyId, Thumbprint, random};
use keyferry_protocol::{Answer, Prepared};
use keyferry_service::ledger::{Ledger, LedgerUrl};
use keyferry_service::policy::{Asker, Case, Policy};
use keyferry_service::{Service, ServiceConfig};
use keyferry_testkit::Postgres;

use cast::{Cast, Order};
use processor::Processor;

/// Service time.
pub const NOW: u64 = 1_790_000_000;
/// Licenses of a request.
pub const BATCH: usize = 1_000;
/// Requests on their way at once.
const IN_FLIGHT: usize = 4;
/// Requests that are measured.
const MEASURED: usize = 40;
/// Rows of the smaller ledger.
const SMALL: usize = 100_000;

/// Whatever failed, it ends the measurement.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let rows: usize = std::env::args()
        .nth(1)
        .map_or(Ok(5_000_000), |rows| rows.parse())?;
    let cast = Cast::new()?;
    let folder = tempfile::tempdir()?;
    let sqlite: LedgerUrl = format!("sqlite:{}", folder.path().join("ledger.sqlite").display()).parse()?;
    measure("SQLite", &sqlite, &cast, rows, None)?;
    drop(folder);
    let settings =
        "shared_buffers = 1GB\nmax_wal_size = 8GB\ncheckpoint_timeout = 30min\nwal_compression = on\n";
    let folder = tempfile::tempdir()?;
    let Some(server) = Postgres::start_in(folder.path(), settings) else {
        println!("PostgreSQL can't be had here");
        return Ok(());
    };
    let url = server.create_database().parse()?;
    measure("PostgreSQL", &url, &cast, rows, Some("postgres"))
}

fn measure(name: &str, url: &LedgerUrl, cast: &Cast, rows: usize, server: Option<&str>) -> Result<()> {
    let ledger = url.open(None)?;
    let folder = tempfile::tempdir()?;
    let service = Service::with_ledger(
        ServiceConfig {
            dir: folder.path().join("svc"),
            name: "Service".into(),
            url: "http://127.0.0.1:1".into(),
            issuers: vec![cast.card.clone()],
            policy: Policy::default(),
        },
        Arc::clone(&ledger),
    )?;
    cast.individualize(&service)?;
    let mut filled = 0;
    let mut sizes = vec![SMALL.min(rows), rows];
    sizes.dedup();
    for size in sizes {
        fill(&*ledger, cast, size.saturating_sub(filled))?;
        filled = size;
        println!("{name}, {size} rows");
        for (order, told) in [(Order::Key, "in key order"), (Order::Random, "in random order")] {
            let alone = alone(&*ledger, cast, order)?;
            let requests = cast.requests(&service, MEASURED, order)?;
            let whole = restore(&service, &requests, server)?;
            report(told, &whole, alone, cast)?;
        }
    }
    Ok(())
}

/// What restoring took.
struct Whole {
    by_the_clock: f64,
    /// Licenses a second of this process' time, and of the database server's.
    a_core: f64,
    with_server: f64,
    p50: f64,
    p99: f64,
}

/// Sends the requests, some at a time.
fn restore(service: &Service, requests: &[Prepared], server: Option<&str>) -> Result<Whole> {
    let next = AtomicUsize::new(0);
    let (start, own, others) = (Instant::now(), Processor::own(), Processor::of(server));
    let worker = || -> Result<Vec<f64>> {
        let mut took = Vec::new();
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let answer = Answer::decode(&service.handle(&request.bytes, NOW))?;
            took.push(begun.elapsed().as_secs_f64() * 1e3);
            let keys = answer
                .delivery
                .map_or(0, |delivery| delivery.keys.iter().flatten().count());
            if keys != BATCH {
                return Err(format!("{keys} of {BATCH} licenses came").into());
            }
        }
        Ok(took)
    };
    let mut took = std::thread::scope(|scope| -> Result<Vec<f64>> {
        let workers: Vec<_> = (0..IN_FLIGHT).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| "a thread ended")??);
        }
        Ok(all)
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let (own, others) = (own.since(), others.since());
    took.sort_by(f64::total_cmp);
    let licenses = (requests.len() * BATCH) as f64;
    Ok(Whole {
        by_the_clock: licenses / seconds,
        a_core: licenses / own,
        with_server: licenses / (own + others),
        p50: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
    })
}

/// What the ledger takes by itself for a license, in microseconds.
struct Alone {
    by_the_clock: f64,
    /// Of this process.
    processor: f64,
}

/// The ledger alone, one batch after the other.
fn alone(ledger: &dyn Ledger, cast: &Cast, order: Order) -> Result<Alone> {
    let batches = (0..MEASURED)
        .map(|_| cases(cast, order))
        .collect::<Result<Vec<_>>>()?;
    let (start, own) = (Instant::now(), Processor::own());
    for cases in batches {
        ledger.judge(asker()?, cases)?;
    }
    let each = 1e6 / (MEASURED * BATCH) as f64;
    Ok(Alone {
        by_the_clock: start.elapsed().as_secs_f64() * each,
        processor: own.since() * each,
    })
}

/// Adds rows as requests do.
fn fill(ledger: &dyn Ledger, cast: &Cast, rows: usize) -> Result<()> {
    let left = AtomicUsize::new(rows / BATCH);
    let worker = || -> Result<()> {
        while left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
        {
            ledger.judge(asker()?, cases(cast, Order::Random)?)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..IN_FLIGHT).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            worker.join().map_err(|_| "a thread ended")??;
        }
        Ok(())
    })
}

fn cases(cast: &Cast, order: Order) -> Result<Vec<Case>> {
    let case = |_| -> Result<Case> {
        Ok(Case {
            issuer: cast.card.thumbprint(),
            license: cast::license(order)?,
            origin: Thumbprint([9; 32]),
            key_id: KeyId([0; 16]),
            subject: None,
            limit: 4,
            backup: true,
        })
    };
    let mut cases = (0..BATCH).map(case).collect::<Result<Vec<_>>>()?;
    cases.sort_unstable_by_key(|case| case.license);
    Ok(cases)
}

fn asker() -> Result<Asker> {
    Ok(Asker {
        computer: Some(Thumbprint(random()?)),
        request: Digest(random()?).0,
        last_receipt: None,
        now: NOW,
        recovering: false,
    })
}

fn report(order: &str, whole: &Whole, alone: Alone, cast: &Cast) -> Result<()> {
    let parts = parts::measure(cast)?;
    let each = 1e6 / whole.a_core;
    println!(
        "  {order}: {:.0}/s by the clock, {:.0}/s a core, {:.0}/s a core with the database's server; \
         a batch {:.0} ms, p99 {:.0} ms; the ledger alone {:.0}/s",
        whole.by_the_clock,
        whole.a_core,
        whole.with_server,
        whole.p50,
        whole.p99,
        1e6 / alone.by_the_clock
    );
    println!(
        "    of {each:.1} us of this process for a license: signatures {:.1}, escrows opened {:.1}, keys sealed {:.1}, ledger {:.1}, rest {:.1}; \
         the ledger alone takes {:.1} by the clock",
        parts.signatures,
        parts.opening,
        parts.sealing,
        alone.processor,
        each - parts.signatures - parts.opening - parts.sealing - alone.processor,
        alone.by_the_clock
    );
    Ok(())
}
