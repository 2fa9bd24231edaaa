//! Arguments of `service`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{LedgerArgs, SealArgs, UnlockArgs};
use crate::rights;

/// The commands of `service`.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Prove by the ledger, and by receipts of computers, that no license has too many and nothing was changed
    Check(CheckArgs),
    /// Give the service new keys; what the old ones signed still verifies, what was sealed for them still opens
    Rotate(RotateArgs),
    /// Save the service's keys, its card and its ledger in one encrypted file, also while it runs
    Backup(ServiceBackupArgs),
    /// Make a new folder of such a file; its ledger is in recovery until `recovered`
    Restore(ServiceRestoreArgs),
    /// Say how far the recovery of a ledger has come, or start one
    Recovery(RecoveryArgs),
    /// End the recovery: from then on slots are given again
    Recovered(RecoveredArgs),
}

/// Arguments of `service rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The service's folder
    #[arg(long)]
    pub dir: PathBuf,
    /// Change this key only [default: both]
    #[arg(long = "use", value_name = "USE")]
    pub usage: Option<Usage>,
    /// The new key begins at this date or time, and the old one ends then [default: now]
    #[arg(long, value_name = "TIME", value_parser = rights::time)]
    pub not_before: Option<u64>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Usage {
    /// Signs receipts
    Sign,
    /// Backups are sealed for it
    Seal,
}

/// Arguments of `service backup`.
#[derive(Debug, Args)]
pub struct ServiceBackupArgs {
    /// The service's folder
    #[arg(long)]
    pub dir: PathBuf,
    /// The file to be written
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Replace the file
    #[arg(long)]
    pub overwrite: bool,
    /// Leave the ledger out: it is in another database, and backed up there
    #[arg(long)]
    pub keys_only: bool,
    #[command(flatten)]
    pub seal: SealArgs,
}

/// Arguments of `service restore`.
#[derive(Debug, Args)]
pub struct ServiceRestoreArgs {
    /// The file that `service backup` wrote
    pub file: PathBuf,
    /// The folder to be made; one that holds anything is left alone
    #[arg(long)]
    pub dir: PathBuf,
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `service recovery`.
#[derive(Debug, Args)]
pub struct RecoveryArgs {
    /// The service's folder
    #[arg(long)]
    pub dir: PathBuf,
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Start a recovery: the ledger was restored by other means, and may lack its newest rows
    #[arg(long, requires = "since")]
    pub start: bool,
    /// A date or time up to which nothing is missing
    #[arg(long, value_name = "TIME", requires = "start", value_parser = rights::time)]
    pub since: Option<u64>,
}

/// Arguments of `service recovered`.
#[derive(Debug, Args)]
pub struct RecoveredArgs {
    /// The service's folder
    #[arg(long)]
    pub dir: PathBuf,
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// Arguments of `service check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The service's folder: its card and, unless it is elsewhere, its ledger
    #[arg(long)]
    pub dir: PathBuf,
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Files that `keyferry receipts --to` wrote, or folders with such files
    #[arg(value_name = "RECEIPTS")]
    pub receipts: Vec<PathBuf>,
}
