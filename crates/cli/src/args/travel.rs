//! Arguments of `backup`, `restore`, `authorize` and `list`.

use std::path::PathBuf;

use clap::Args;
use keyferry_license::Thumbprint;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The folder that the backup goes into, such as a stick; it must be there
    pub dir: Option<PathBuf>,
    /// Write the backup unencrypted: whoever finds it can restore it, up to the limit of computers
    #[arg(long)]
    pub unencrypted: bool,
    /// Replace this computer's earlier backup in the folder
    #[arg(long)]
    pub overwrite: bool,
    /// Say what would be done, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A backup, or a folder with backups
    #[arg(value_name = "DIR|FILE")]
    pub path: Option<PathBuf>,
    /// Say what would be done; nothing is sent and nothing is stored
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Agree that this computer's public keys and its name are sent to the service, which certifies them
    #[arg(long)]
    pub individualize: bool,
    /// Accept this issuer, whose name and thumbprint you have compared; may be given several times
    #[arg(long, value_name = "THUMBPRINT")]
    pub trust: Vec<Thumbprint>,
    /// Of a folder with the backups of several computers: whose, by the start of its ID or by its name
    #[arg(long, value_name = "ID|NAME")]
    pub from: Option<String>,
    /// Without a network: write the requests to this new file, for `authorize` on a connected computer
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub request_out: Option<PathBuf>,
    /// Without a network: take the answers that `authorize` wrote; no backup is named then
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "dry_run", "individualize", "trust", "from", "request_out"])]
    pub answer: Option<PathBuf>,
}

/// Arguments of `authorize`.
#[derive(Debug, Args)]
pub struct AuthorizeArgs {
    /// The file that `restore --request-out` wrote
    #[arg(value_name = "FILE")]
    pub requests: PathBuf,
    /// Where the answers go, a new file for `restore --answer`
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List the backups in this folder, or this backup, instead of the licenses here
    #[arg(value_name = "DIR|FILE")]
    pub path: Option<PathBuf>,
}
