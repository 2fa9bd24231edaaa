//! Arguments of `service`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The commands of `service`.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Prove by the ledger, and by receipts of computers, that no license has too many and nothing was changed
    Check(CheckArgs),
}

/// Arguments of `service check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The service's folder: its card and, unless it is elsewhere, its ledger
    #[arg(long)]
    pub dir: PathBuf,
    /// Files that `keyferry receipts --to` wrote, or folders with such files
    #[arg(value_name = "RECEIPTS")]
    pub receipts: Vec<PathBuf>,
}
