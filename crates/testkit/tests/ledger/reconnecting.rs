//! A handle outlives its server, and finds the one that can be written to.

use keyferry_service::ledger::LedgerUrl;
use keyferry_testkit::{NOW, Postgres};

use crate::cast::{asks_at, cases, rows, thumbprint};

#[test]
fn a_handle_outlives_its_server() {
    let Some(server) = Postgres::start() else { return };
    let url: LedgerUrl = server.create_database().parse().expect("a ledger's URL");
    let (ledger, cases) = (url.open(None).expect("it opens"), cases(2));
    let asks = || asks_at(thumbprint(), NOW);
    ledger.judge(asks(), cases.clone()).expect("judged");
    server.kill();
    let error = ledger
        .judge(asks(), cases.clone())
        .expect_err("no server, no answer");
    assert!(error.to_string().contains("can't write the decision"), "{error}");
    assert!(ledger.ready().is_err());
    server.start_again();
    ledger.ready().expect("it answers again");
    ledger.judge(asks(), cases.clone()).expect("judged");
    for case in &cases {
        let numbers: Vec<u64> = rows(&*ledger, case).iter().map(|row| row.seq).collect();
        assert_eq!(numbers, [1, 2]);
    }
}

#[test]
fn of_several_servers_the_one_is_used_that_can_be_written_to() {
    let (Some(standby), Some(primary)) = (Postgres::start(), Postgres::start()) else {
        return;
    };
    let database = |server: &Postgres| {
        let url = server.create_database();
        url.rsplit('/').next().expect("a name").to_owned()
    };
    let name = database(&standby);
    assert_eq!(name, database(&primary), "both have it");
    standby.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on");
    standby.sql("postgres", "SELECT pg_reload_conf()");
    let hosts = format!(
        "127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}",
        standby.port(),
        primary.port()
    );
    let url: LedgerUrl = format!("postgres://keyferry@{hosts}/{name}")
        .parse()
        .expect("a ledger's URL");
    let (ledger, cases) = (url.open(None).expect("it opens"), cases(1));
    ledger.judge(asks_at(thumbprint(), NOW), cases).expect("judged");
    assert_eq!(primary.sql(&name, "SELECT count(*) FROM licenses").trim(), "1");
}
