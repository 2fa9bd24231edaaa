//! Tables of the PostgreSQL ledger, and how older ones become these while older programs use them (docs/ledger.md).

use deadpool_postgres::{GenericClient, Object};

use super::failure::Failure;
use crate::ledger::LedgerFound;

/// Each step leads to the version of its position, from 1, with the oldest version of a program that works with it.
const STEPS: [(&str, u32); 1] = [(FIRST, 1)];
/// Number of the advisory lock of whoever brings the tables to another version.
const MIGRATION: i64 = 0x6b65_7966_6572_7279;
/// Partitions of a table that wasn't prepared.
const PARTITIONS: u32 = 16;

const IS_THERE: &str = "SELECT to_regclass('ledger_version') IS NOT NULL";

const VERSION: &str = "
    CREATE TABLE IF NOT EXISTS ledger_version (
        only_one boolean PRIMARY KEY CHECK (only_one),
        version  integer NOT NULL,
        oldest   integer NOT NULL
    )";

const LICENSES: &str = "
    CREATE TABLE licenses (
        license  uuid     NOT NULL,
        seq      bigint   NOT NULL CHECK (seq > 0),
        time     bigint   NOT NULL,
        lease    bigint   NOT NULL,
        slot     integer  NOT NULL,
        change   smallint NOT NULL,
        issuer   bytea    NOT NULL CHECK (octet_length(issuer) = 32),
        computer bytea    NOT NULL CHECK (octet_length(computer) = 32),
        request  bytea    NOT NULL CHECK (octet_length(request) = 32),
        previous bytea    NOT NULL CHECK (octet_length(previous) = 32),
        PRIMARY KEY (license, issuer, seq)
    ) PARTITION BY HASH (license)";

const FIRST: &str = "
    CREATE TABLE computers (
        id     bytea PRIMARY KEY CHECK (octet_length(id) = 32),
        key    bytea NOT NULL,
        card   bytea NOT NULL,
        serial bigint NOT NULL,
        name   text NOT NULL,
        since  bigint NOT NULL
    );
    CREATE TABLE issuers (
        root   bytea PRIMARY KEY CHECK (octet_length(root) = 32),
        serial bigint NOT NULL,
        card   bytea NOT NULL
    );
    CREATE TABLE refusals (
        page      bytea PRIMARY KEY,
        computer  bytea NOT NULL,
        operation bytea NOT NULL,
        reason    smallint NOT NULL,
        time      bigint NOT NULL,
        UNIQUE (computer, operation, reason)
    );
    CREATE INDEX refusals_by_time ON refusals (time);
    CREATE TABLE refusal_requests (
        page     bytea NOT NULL,
        request  bytea NOT NULL,
        licenses bigint NOT NULL,
        PRIMARY KEY (page, request)
    );
    CREATE TABLE refusal_licenses (
        page    bytea NOT NULL,
        number  bigint NOT NULL,
        issuer  bytea NOT NULL,
        license uuid NOT NULL,
        origin  bytea NOT NULL,
        allowed bigint NOT NULL,
        title   text NOT NULL,
        PRIMARY KEY (page, number)
    );
    CREATE TABLE revocation_lists (
        issuer bytea NOT NULL,
        number bigint NOT NULL CHECK (number > 0),
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        time   bigint NOT NULL,
        list   bytea NOT NULL,
        PRIMARY KEY (issuer, number)
    );
    CREATE TABLE revocations (
        issuer bytea NOT NULL,
        kind   smallint NOT NULL,
        value  bytea NOT NULL,
        number bigint NOT NULL,
        PRIMARY KEY (issuer, kind, value)
    );
    CREATE TABLE acknowledgements (
        issuer   bytea NOT NULL,
        number   bigint NOT NULL,
        computer bytea NOT NULL,
        request  bytea NOT NULL,
        time     bigint NOT NULL,
        PRIMARY KEY (issuer, number, computer)
    );
    CREATE TABLE recoveries (
        started bigint PRIMARY KEY,
        since   bigint NOT NULL,
        ended   bigint
    );
    CREATE TABLE recovered (
        license uuid NOT NULL,
        issuer  bytea NOT NULL,
        seq     bigint NOT NULL,
        started bigint NOT NULL,
        PRIMARY KEY (license, issuer, seq)
    );
    CREATE TABLE conflicts (
        license uuid NOT NULL,
        issuer  bytea NOT NULL,
        seq     bigint NOT NULL,
        hash    bytea NOT NULL CHECK (octet_length(hash) = 32),
        started bigint NOT NULL,
        row     bytea NOT NULL,
        PRIMARY KEY (license, issuer, seq, hash)
    );
    CREATE TABLE shown (
        started  bigint NOT NULL,
        computer bytea NOT NULL CHECK (octet_length(computer) = 32),
        PRIMARY KEY (started, computer)
    );";

/// Is there a ledger at all?
pub(super) async fn must_exist(client: &mut Object) -> Result<(), Failure> {
    let there = client.query_one(IS_THERE, &[]).await?;
    match there.try_get(0)? {
        true => Ok(()),
        false => Err(Failure::Unfit("there is no ledger in this database".into())),
    }
}

/// Brings the tables to this version, one program at a time.
pub(super) async fn migrate(client: &mut Object) -> Result<(), Failure> {
    let known = STEPS.len() as u32;
    let t = client.transaction().await?;
    t.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION])
        .await?;
    let found = version(&t, known).await?;
    if found >= known {
        return Ok(());
    }
    if found == 0 {
        t.batch_execute(VERSION).await?;
        make_licenses(&t).await?;
    }
    for (step, _) in STEPS.iter().skip(found as usize) {
        t.batch_execute(step).await?;
    }
    let oldest = STEPS.last().map_or(0, |(_, oldest)| *oldest);
    let keep = format!(
        "INSERT INTO ledger_version VALUES (true, {known}, {oldest})
         ON CONFLICT (only_one) DO UPDATE SET version = excluded.version, oldest = excluded.oldest"
    );
    t.batch_execute(&keep).await?;
    Ok(t.commit().await?)
}

/// The version of the tables, 0 where there are none; an error if they are too new for this program.
async fn version(client: &impl GenericClient, known: u32) -> Result<u32, Failure> {
    let there = client.query_one(IS_THERE, &[]).await?;
    if !there.try_get(0)? {
        return Ok(0);
    }
    let found = client
        .query_opt("SELECT version, oldest FROM ledger_version", &[])
        .await?;
    let (found, oldest) = match found {
        Some(row) => (number(&row, 0)?, number(&row, 1)?),
        None => (0, 0),
    };
    match oldest > known {
        true => Err(Failure::TooNew { found, known }),
        false => Ok(found),
    }
}

/// May tables be made here, and rows be added to those that are there?
const PERMITTED: &str = "
    SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
        coalesce(has_table_privilege(to_regclass('licenses'), 'SELECT')
            AND has_table_privilege(to_regclass('licenses'), 'INSERT'), true)";

/// What is there, and whether a program would open it. Nothing is changed.
pub(super) async fn look(client: &mut Object) -> Result<LedgerFound, Failure> {
    let known = STEPS.len() as u32;
    let t = client.build_transaction().read_only(true).start().await?;
    let version = version(&t, known).await?;
    let permitted = t.query_one(PERMITTED, &[]).await?;
    if version < known && !permitted.try_get(0)? {
        return Err(Failure::Unfit("its user may not make tables there".into()));
    }
    if !permitted.try_get(1)? {
        return Err(Failure::Unfit("its user may not write the table licenses".into()));
    }
    if version > 0 {
        check(&t).await?;
    }
    t.rollback().await?;
    Ok(LedgerFound { version, known })
}

/// The table of licenses, unless an operator prepared one.
async fn make_licenses(t: &impl GenericClient) -> Result<(), Failure> {
    let there = t
        .query_one("SELECT to_regclass('licenses') IS NOT NULL", &[])
        .await?;
    if there.try_get(0)? {
        return Ok(());
    }
    t.batch_execute(LICENSES).await?;
    for number in 0..PARTITIONS {
        let partition = format!(
            "CREATE TABLE licenses_{number:02} PARTITION OF licenses
             FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
        );
        t.batch_execute(&partition).await?;
    }
    Ok(())
}

/// How many partitions are on other servers; those of this server on which nothing keeps two from writing the same row;
/// and what the server does for what it has acknowledged.
const FITNESS: &str = "
    WITH leaves AS (
        SELECT c.oid, c.relname::text AS name, c.relkind
        FROM pg_partition_tree('licenses') p JOIN pg_class c ON c.oid = p.relid WHERE p.isleaf
    )
    SELECT
        (SELECT count(*) FROM leaves WHERE relkind = 'f'),
        (SELECT array_agg(name ORDER BY name) FROM leaves
         WHERE relkind <> 'f' AND NOT EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = leaves.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
              AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text)
                   FROM pg_attribute a
                   WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)) = '{issuer,license,seq}')),
        current_setting('fsync'),
        current_setting('full_page_writes')";

/// Would the limit hold on these tables, and would they outlive a loss of power?
pub(super) async fn check(client: &impl GenericClient) -> Result<(), Failure> {
    let row = client.query_one(FITNESS, &[]).await?;
    let elsewhere: i64 = row.try_get(0)?;
    let unfit: Option<Vec<String>> = row.try_get(1)?;
    if let Some(partition) = unfit.as_ref().and_then(|names| names.first()) {
        return Err(Failure::Unfit(format!(
            "the table {partition} has no unique index over license, issuer and seq, so no limit would hold; \
             ALTER TABLE {partition} ADD PRIMARY KEY (license, issuer, seq)"
        )));
    }
    if elsewhere > 0 {
        tracing::warn!(
            "{elsewhere} partitions are on other servers: each needs its primary key (license, issuer, seq) there"
        );
    }
    for (setting, column) in [("fsync", 2), ("full_page_writes", 3)] {
        if row.try_get::<_, &str>(column)? == "off" {
            tracing::warn!(
                "the database runs with {setting}=off: after a loss of power it may have forgotten slots"
            );
        }
    }
    Ok(())
}

/// Can it be written to?
pub(super) async fn writable(client: &mut Object) -> Result<(), Failure> {
    let t = client.transaction().await?;
    let locked = "SELECT version FROM ledger_version FOR UPDATE SKIP LOCKED";
    t.query_opt(locked, &[]).await?;
    t.rollback().await?;
    Ok(())
}

fn number(row: &tokio_postgres::Row, column: usize) -> Result<u32, Failure> {
    let number: i32 = row.try_get(column)?;
    u32::try_from(number).map_err(|_| Failure::Damaged("the version of the tables"))
}
