//! Every statement that the PostgreSQL ledger runs, apart from those that make its tables.

/// Settles a new connection: flushed commits, bounded statements, and plans that look each license up by its key.
pub(super) const CONNECTION: &str = "
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '30s';
    SET plan_cache_mode = force_generic_plan;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET enable_seqscan = off;
    SET jit = off";

/// Rows of licenses, in the order in which the licenses are named.
pub(super) const READ: &str = "
    SELECT k.at, l.seq, l.computer, l.change, l.slot, l.lease, l.request, l.time, l.previous
    FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS k (license, issuer, at)
    JOIN licenses l ON l.license = k.license AND l.issuer = k.issuer
    ORDER BY k.at, l.seq";

/// Rows after this one, for whoever checks all of them: it goes along the key, partition beside partition.
pub(super) const WALK: &str = "
    SELECT l.license, l.seq, l.computer, l.change, l.slot, l.lease, l.request, l.time, l.previous, l.issuer
    FROM licenses l
    WHERE (l.license, l.issuer, l.seq) > ($1, $2, $3) ORDER BY l.license, l.issuer, l.seq LIMIT $4";

/// Adds a row to each of these licenses, and says to which.
pub(super) const ADD: &str = "
    INSERT INTO licenses (license, issuer, seq, slot, time, previous, computer, change, lease, request)
    SELECT k.license, k.issuer, k.seq, k.slot, k.time, k.previous, $7, $8, 0, $9
    FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::integer[], $5::bigint[], $6::bytea[])
        AS k (license, issuer, seq, slot, time, previous)
    ON CONFLICT DO NOTHING
    RETURNING license, issuer";

/// Adds rows that receipts prove, each with all that it says, and says which.
pub(super) const ADD_AGAIN: &str = "
    INSERT INTO licenses (license, issuer, seq, slot, time, previous, computer, change, lease, request)
    SELECT k.license, k.issuer, k.seq, k.slot, k.time, k.previous, k.computer, k.change, k.lease, k.request
    FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::integer[], $5::bigint[], $6::bytea[], $7::bytea[],
        $8::smallint[], $9::bigint[], $10::bytea[])
        AS k (license, issuer, seq, slot, time, previous, computer, change, lease, request)
    ON CONFLICT DO NOTHING
    RETURNING license, issuer, seq";

/// Whoever judges waits for whoever takes a list of the issuer, and the other way round.
pub(super) const SHARE_ISSUERS: &str =
    "SELECT count(pg_advisory_xact_lock_shared($1::integer, k)) FROM unnest($2::integer[]) AS k";
pub(super) const LOCK_ISSUER: &str = "SELECT count(pg_advisory_xact_lock($1::integer, $2::integer))";

/// The last kind of revocation of each of these issuers, in their order; kinds are in order, everything is the last.
pub(super) const EXTENTS: &str = "
    SELECT (SELECT r.kind FROM revocations r WHERE r.issuer = k.issuer ORDER BY r.kind DESC LIMIT 1)
    FROM unnest($1::bytea[]) WITH ORDINALITY AS k (issuer, at)
    ORDER BY k.at";
/// Which of these are named, by position.
pub(super) const NAMED: &str = "
    SELECT k.at
    FROM unnest($1::bytea[], $2::smallint[], $3::bytea[]) WITH ORDINALITY AS k (issuer, kind, value, at)
    JOIN revocations r ON r.issuer = k.issuer AND r.kind = k.kind AND r.value = k.value";
pub(super) const NEWEST: &str = "
    SELECT (SELECT coalesce(max(r.number), 0) FROM revocation_lists r WHERE r.issuer = k.issuer)
    FROM unnest($1::bytea[]) WITH ORDINALITY AS k (issuer, at)
    ORDER BY k.at";
pub(super) const KEPT_LIST: &str =
    "SELECT digest, time FROM revocation_lists WHERE issuer = $1 AND number = $2";
pub(super) const PUT_LIST: &str =
    "INSERT INTO revocation_lists (issuer, number, digest, time, list) VALUES ($1, $2, $3, $4, $5)";
/// What an earlier list named is named already.
pub(super) const PUT_REVOCATIONS: &str = "
    INSERT INTO revocations (issuer, kind, value, number)
    SELECT $1, k.kind, k.value, $4 FROM unnest($2::smallint[], $3::bytea[]) AS k (kind, value)
    ON CONFLICT DO NOTHING";
/// Sizes first, so that only what fits is fetched.
pub(super) const LIST_SIZES: &str = "
    SELECT number, octet_length(list) FROM revocation_lists
    WHERE issuer = $1 AND number > $2 ORDER BY number LIMIT $3";
pub(super) const LISTS: &str = "
    SELECT list FROM revocation_lists WHERE issuer = $1 AND number > $2 AND number <= $3 ORDER BY number";
pub(super) const ACKNOWLEDGE: &str = "
    INSERT INTO acknowledgements (issuer, number, computer, request, time)
    SELECT k.issuer, k.number, $3, $4, $5 FROM unnest($1::bytea[], $2::bigint[]) AS k (issuer, number)
    ON CONFLICT DO NOTHING";
pub(super) const ACKNOWLEDGEMENTS: &str = "
    SELECT computer, request, time FROM acknowledgements WHERE issuer = $1 AND number = $2 ORDER BY computer";

pub(super) const COMPUTER: &str = "SELECT key, card, serial, name, since FROM computers WHERE id = $1";
pub(super) const REGISTER: &str = "
    INSERT INTO computers AS known (id, key, card, serial, name, since) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET card = excluded.card, serial = excluded.serial, name = excluded.name
    WHERE excluded.serial > known.serial";
pub(super) const PUT_ISSUER: &str = "
    INSERT INTO issuers AS known (root, serial, card) VALUES ($1, $2, $3)
    ON CONFLICT (root) DO UPDATE SET serial = excluded.serial, card = excluded.card
    WHERE excluded.serial > known.serial";
pub(super) const ISSUERS: &str = "SELECT card FROM issuers ORDER BY root";

pub(super) const FIND_PAGE: &str = "
    SELECT page FROM refusals WHERE computer = $1 AND operation = $2 AND reason = $3 FOR UPDATE";
pub(super) const MAKE_PAGE: &str = "
    INSERT INTO refusals (page, computer, operation, reason, time) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING";
pub(super) const COUNT_REQUEST: &str = "
    INSERT INTO refusal_requests (page, request, licenses) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
pub(super) const COUNT_LISTED: &str = "SELECT count(*) FROM refusal_licenses WHERE page = $1";
pub(super) const LIST_REFUSED: &str = "
    INSERT INTO refusal_licenses (page, number, issuer, license, origin, allowed, title)
    SELECT $1, k.number, k.issuer, k.license, k.origin, k.allowed, k.title
    FROM unnest($2::bigint[], $3::bytea[], $4::uuid[], $5::bytea[], $6::bigint[], $7::text[])
        AS k (number, issuer, license, origin, allowed, title)";
pub(super) const PAGE: &str = "SELECT computer, reason, time FROM refusals WHERE page = $1";
pub(super) const PAGE_TOTAL: &str =
    "SELECT coalesce(sum(licenses), 0)::bigint FROM refusal_requests WHERE page = $1";
pub(super) const PAGE_LICENSES: &str =
    "SELECT issuer, license, origin, allowed, title FROM refusal_licenses WHERE page = $1 ORDER BY number";
pub(super) const RECOVERY: &str =
    "SELECT started, since, ended FROM recoveries ORDER BY started DESC LIMIT 1";
pub(super) const LOCK_RECOVERIES: &str = "LOCK TABLE recoveries IN EXCLUSIVE MODE";
pub(super) const START_RECOVERY: &str = "
    INSERT INTO recoveries (started, since) VALUES ($1, $2)
    ON CONFLICT (started) DO UPDATE SET since = excluded.since";
pub(super) const END_RECOVERY: &str =
    "UPDATE recoveries SET ended = greatest($1, started) WHERE ended IS NULL";
pub(super) const NOTE_RECOVERED: &str = "
    INSERT INTO recovered (license, issuer, seq, started)
    SELECT k.license, k.issuer, k.seq, $4
    FROM unnest($1::uuid[], $2::bytea[], $3::bigint[]) AS k (license, issuer, seq)
    ON CONFLICT DO NOTHING";
pub(super) const NOTE_CONFLICT: &str = "
    INSERT INTO conflicts (license, issuer, seq, hash, started, row) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT DO NOTHING";
pub(super) const SHOWN: &str = "INSERT INTO shown (started, computer) VALUES ($1, $2) ON CONFLICT DO NOTHING";
/// Licenses of which rows were made again, after this one, some at a time.
pub(super) const REMADE: &str = "
    SELECT DISTINCT license, issuer FROM recovered
    WHERE (license, issuer) > ($1, $2) ORDER BY license, issuer LIMIT 1000";
pub(super) const RECOVERED: &str = "
    SELECT (SELECT count(*) FROM recovered WHERE started = $1), (SELECT count(*) FROM shown WHERE started = $1),
        (SELECT count(*) FROM computers), (SELECT count(*) FROM conflicts)";
/// Of what is too old, the requests, the licenses, then the pages themselves.
pub(super) const FORGET: [&str; 3] = [
    "DELETE FROM refusal_requests WHERE page IN (SELECT page FROM refusals WHERE time < $1)",
    "DELETE FROM refusal_licenses WHERE page IN (SELECT page FROM refusals WHERE time < $1)",
    "DELETE FROM refusals WHERE time < $1",
];

#[cfg(test)]
mod tests {
    /// The statements of this file, as they stand in it.
    fn all() -> Vec<&'static str> {
        let source = include_str!("statements.rs");
        let product = source.split("#[cfg(test)]").next().unwrap_or_default();
        product.split('"').skip(1).step_by(2).collect()
    }

    /// Does one of these words stand before the table of licenses?
    fn before_licenses(statement: &str, words: &[&str]) -> bool {
        let all: Vec<&str> = statement.split_whitespace().collect();
        all.windows(2)
            .any(|pair| words.contains(&pair[0]) && pair[1] == "licenses")
    }

    #[test]
    fn every_statement_on_licenses_says_which() {
        let all = all();
        let touching = |statement: &&&str| before_licenses(statement, &["FROM", "JOIN", "INTO", "UPDATE"]);
        let found: Vec<&&str> = all.iter().filter(touching).collect();
        assert!(all.len() > 25 && found.len() == 4, "of {}: {found:?}", all.len());
        for statement in found {
            let by_key = statement.contains("ON l.license = k.license AND l.issuer = k.issuer");
            let adds = statement.contains("SELECT k.license, k.issuer, k.seq");
            let named = statement.contains("FROM unnest($1::uuid[], $2::bytea[]");
            let walks = statement.contains("(l.license, l.issuer, l.seq) > ($1, $2, $3)");
            assert!(walks || named && (by_key || adds), "{statement}");
        }
    }

    #[test]
    fn no_row_is_ever_changed_or_removed() {
        for statement in all() {
            let removed = statement.contains("DELETE FROM licenses") || statement.contains("TRUNCATE");
            assert!(
                !removed && !before_licenses(statement, &["UPDATE"]),
                "{statement}"
            );
        }
    }
}
