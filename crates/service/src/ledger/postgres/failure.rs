//! What ends a try on PostgreSQL: whether it passes, whether it spoils the connection, and what people are told.

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::error::Error;

/// What ended a try.
pub(super) enum Failure {
    /// The database said so, or the way to it.
    Sql(tokio_postgres::Error),
    /// No connection was to be had.
    NoConnection(PoolError),
    /// It took too long.
    TooSlow,
    /// Others were faster too many times.
    Contended,
    /// It holds what this program never wrote.
    Damaged(&'static str),
    /// A number that the database can't hold.
    TooLarge,
    /// Its tables are newer than the program.
    TooNew { found: u32, known: u32 },
    /// Its tables were prepared so that the limit would not hold.
    Unfit(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure::Sql(error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        Failure::NoConnection(error)
    }
}

impl Failure {
    /// Is it worth trying again?
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Failure::Sql(error) => error.code().is_none_or(passes),
            Failure::NoConnection(PoolError::Backend(error)) => error.code().is_none_or(passes),
            Failure::NoConnection(_) | Failure::Contended => true,
            _ => false,
        }
    }

    /// May the connection not be used again?
    pub(super) fn spoils(&self) -> bool {
        match self {
            Failure::Sql(error) => error.code().is_none_or(|code| !is_statements(code)),
            Failure::TooSlow => true,
            _ => false,
        }
    }

    pub(super) fn told(&self) -> String {
        match self {
            Failure::Sql(error)
            | Failure::NoConnection(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) => told(error),
            Failure::NoConnection(PoolError::Timeout(_)) | Failure::TooSlow => "it doesn't answer".into(),
            Failure::NoConnection(error) => error.to_string(),
            Failure::Contended => "other processes were faster, many times".into(),
            Failure::Damaged(what) => (*what).into(),
            Failure::TooLarge => "a number is larger than the database can hold".into(),
            Failure::TooNew { .. } => "its tables are newer than this program".into(),
            Failure::Unfit(why) => why.clone(),
        }
    }

    pub(super) fn named(self, action: &'static str) -> Error {
        match self {
            Failure::Damaged(what) => Error::LedgerDamaged(what),
            Failure::TooNew { found, known } => Error::LedgerTooNew { found, known },
            Failure::Unfit(why) => Error::Config { field: "ledger", why },
            failure => Error::Ledger {
                action,
                why: failure.told(),
            },
        }
    }
}

/// Passes by itself: the server starts, stops, follows another now, or two were in each other's way.
fn passes(code: &SqlState) -> bool {
    let class = code.code().get(..2);
    let others = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::CANNOT_CONNECT_NOW,
        &SqlState::READ_ONLY_SQL_TRANSACTION,
        &SqlState::TOO_MANY_CONNECTIONS,
    ];
    matches!(class, Some("08" | "40")) || others.contains(&code)
}

/// Concerns the statement and not the connection: the data, a rule, a deadlock, the statement's text, want of room.
fn is_statements(code: &SqlState) -> bool {
    let class = code.code().get(..2);
    matches!(class, Some("22" | "23" | "40" | "42" | "53"))
}

/// What the driver's error says, with its causes.
pub(in crate::ledger) fn told(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    told
}
