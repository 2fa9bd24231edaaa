//! Arguments of `service`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{EncryptArgs, LedgerArgs, UnlockArgs};
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

/// How it is encrypted; never not at all. On a terminal a passphrase is asked for when none of these is given.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// Encrypt with the passphrase in the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["passphrase_command", "recipient", "recipients_file"])]
    pub passphrase_file: Option<PathBuf>,
    /// Encrypt with the passphrase in the first line that this shell command prints
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["recipient", "recipients_file"])]
    pub passphrase_command: Option<String>,
    /// Encrypt to this age recipient (age1…); may be given several times
    #[arg(short, long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,
    /// Encrypt to the age recipients in this file, one a line; may be given several times
    #[arg(short = 'R', long, value_name = "FILE")]
    pub recipients_file: Vec<PathBuf>,
}

impl SealArgs {
    /// The same as the arguments of `backup`.
    pub fn encrypt(&self) -> EncryptArgs {
        EncryptArgs {
            passphrase_file: self.passphrase_file.clone(),
            passphrase_command: self.passphrase_command.clone(),
            recipient: self.recipient.clone(),
            recipients_file: self.recipients_file.clone(),
            unencrypted: false,
        }
    }
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
