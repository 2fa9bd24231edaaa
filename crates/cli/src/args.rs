//! What can be typed: the command line as types. Nothing here reads a file or decides anything.

mod help;
mod issuer;
mod mine;
mod operate;
mod service;
mod travel;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use help::{ENVIRONMENT, EXIT_CODES, FILES, command, words};
pub use issuer::{IssueArgs, IssuerCommand, RevokeArgs};
pub use mine::{
    ComputerCommand, ExportArgs, ImportArgs, KeyFormat, ReceiptsArgs, ReleaseArgs, ShowArgs, TrustCommand,
    UseArgs,
};
pub use operate::{CompletionsArgs, DemoArgs, LedgerArgs, LogFormat, ManArgs, ServeArgs};
pub use service::{
    CheckArgs, RecoveredArgs, RecoveryArgs, RotateArgs, ServiceBackupArgs, ServiceCommand,
    ServiceRestoreArgs, Usage,
};
pub use travel::{
    AuthorizeArgs, BackupArgs, ContactArgs, EncryptArgs, ListArgs, OnlyArgs, PlanArgs, RepairArgs,
    RestoreArgs, SealArgs, UnlockArgs, VerifyArgs, WAIT,
};

/// Move device-bound licenses to a new computer, without letting them multiply.
#[derive(Debug, Parser)]
#[command(
    name = "keyferry",
    version,
    disable_help_subcommand = true,
    subcommand_required = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// The heading of the flags that every command takes.
pub const GLOBAL_HEADING: &str = "Global options";

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = GLOBAL_HEADING)]
pub struct Global {
    /// This computer's folder [default: KEYFERRY_HOME, else the platform's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Results as JSON Lines; the last line is a summary
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress and no notes on stderr
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// More on stderr; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Answer confirmations with yes; trust and consent are never answered by it
    #[arg(long, global = true)]
    pub yes: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Save this computer's licenses in a file
    Backup(BackupArgs),
    /// Bring licenses from a backup to this computer
    Restore(RestoreArgs),
    /// Check a backup as far as that goes without a service
    Verify(VerifyArgs),
    /// Write a damaged backup anew, whole
    Repair(RepairArgs),
    /// Carry the requests of a computer without a network to their service
    Authorize(AuthorizeArgs),
    /// List this computer's licenses and license documents, or the backups in a folder
    List(ListArgs),
    /// List the removable volumes, the room on them, and the last backup there
    Drives,
    /// Take licenses from .license files, and license documents of other systems
    Import(ImportArgs),
    /// Write license documents of other systems back into files
    Export(ExportArgs),
    /// Say everything about a license, a license document, a card, a backup, or another document or message
    Show(ShowArgs),
    /// Hand out content keys, as their rights allow
    Use(UseArgs),
    /// Say which issuers are accepted on this computer
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Show this computer's card, name it, or give its licenses back
    #[command(subcommand)]
    Computer(ComputerCommand),
    /// List what services have signed for this computer, or prove it
    Receipts(ReceiptsArgs),
    /// Make an issuer, issue licenses, and revoke them
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Run a license management service
    Serve(ServeArgs),
    /// Look after a service's folder and ledger
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Show the whole trip on this computer
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page of the program or of a command, or write all pages into a folder
    Man(ManArgs),
    /// Print the JSON Schema of the lines of --json
    Schema,
}
