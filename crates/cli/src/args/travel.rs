//! Arguments of `backup`, `restore`, `verify`, `repair`, `authorize` and `list`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use keyferry::Parity;
use keyferry_license::Thumbprint;

/// Arguments of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The folder that the backup goes into, such as a stick; it must be there
    pub dir: Option<PathBuf>,
    #[command(flatten)]
    pub encrypt: EncryptArgs,
    /// Percent that is added so that damage can be repaired: none, 5, 12 or 25
    #[arg(long, value_name = "PERCENT", default_value_t = Parity::default())]
    pub parity: Parity,
    /// Replace this computer's earlier backup in the folder
    #[arg(long)]
    pub overwrite: bool,
    /// Keep so many backups of this computer in the folder: the one that is there becomes an earlier generation, the oldest
    /// go [default: one; earlier generations are left alone]
    #[arg(long, value_name = "NUMBER")]
    pub keep: Option<NonZeroU32>,
    #[command(flatten)]
    pub only: OnlyArgs,
    /// Say what would be done, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub plan: PlanArgs,
}

/// Plans as documents.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Say what would be done, and write it into this new file; nothing else is done
    #[arg(long, value_name = "FILE")]
    pub plan_out: Option<PathBuf>,
    /// Do what this plan says, if nothing has changed since it was made with the same options
    #[arg(long = "plan", value_name = "FILE", conflicts_with_all = ["plan_out", "dry_run"])]
    pub file: Option<PathBuf>,
}

/// Which licenses and license documents.
#[derive(Debug, Args)]
pub struct OnlyArgs {
    /// Take only what fits a pattern such as 'title:North*', 'issuer:Harbor Books', 'id:…', 'key:…', 'document:*.lcpl', or any of
    /// these without its first word; may be given several times
    #[arg(long = "only", value_name = "PATTERN")]
    pub patterns: Vec<String>,
}

/// How a backup is encrypted. On a terminal a passphrase is asked for when none of these is given.
#[derive(Debug, Args)]
#[group(id = "encryption", multiple = true)]
pub struct EncryptArgs {
    #[command(flatten)]
    pub seal: SealArgs,
    /// Do not encrypt: whoever finds the backup can restore it, up to the limit of computers
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_command", "recipient", "recipients_file"])]
    pub unencrypted: bool,
}

/// What something is encrypted with. On a terminal a passphrase is asked for when none of these is given.
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

/// What opens an encrypted backup. On a terminal a passphrase is asked for when it is needed.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// The passphrase is in the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["passphrase_command", "identity"])]
    pub passphrase_file: Option<PathBuf>,
    /// The passphrase is in the first line that this shell command prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "identity")]
    pub passphrase_command: Option<String>,
    /// The age identities in this file; may be given several times
    #[arg(short, long, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
}

/// Whose certificates are believed when a service is called by https, and how long a busy one is waited for.
#[derive(Debug, Args)]
pub struct ContactArgs {
    /// Believe the root certificates in this PEM file too, beside the public ones, when a service is called by https; may
    /// be given several times, and is not remembered
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// Wait so long in all for a service that is busy, each time until it says to come back; 0: not at all
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT)]
    pub wait: u32,
}

/// Seconds that a busy service is waited for.
pub const WAIT: u32 = 120;

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A backup, or a folder with backups
    #[arg(value_name = "DIR|FILE")]
    pub path: Option<PathBuf>,
    /// Say what would be done, also what services that know this computer would; nothing is spent and nothing is stored
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub plan: PlanArgs,
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// Agree that this computer's public keys and its name are sent to the service, which certifies them
    #[arg(long)]
    pub individualize: bool,
    /// Accept this issuer, whose name and thumbprint you have compared; may be given several times
    #[arg(long, value_name = "THUMBPRINT")]
    pub trust: Vec<Thumbprint>,
    /// Of a folder with the backups of several computers: whose, by the start of its ID or by its name
    #[arg(long, value_name = "ID|NAME")]
    pub from: Option<String>,
    #[command(flatten)]
    pub only: OnlyArgs,
    #[command(flatten)]
    pub contact: ContactArgs,
    /// Without a network: write the requests to this new file, for `authorize` on a connected computer
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "plan_out"])]
    pub request_out: Option<PathBuf>,
    /// Without a network: take the answers that `authorize` wrote; no backup is named then
    #[arg(long, value_name = "FILE", conflicts_with_all = ["path", "dry_run", "individualize", "trust", "from", "patterns", "plan_out", "file", "request_out", "ca", "passphrase_file", "passphrase_command", "identity"])]
    pub answer: Option<PathBuf>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A backup, or a folder with backups
    #[arg(value_name = "DIR|FILE")]
    pub path: PathBuf,
    #[command(flatten)]
    pub unlock: UnlockArgs,
    /// Of a folder with the backups of several computers: whose, by the start of its ID or by its name
    #[arg(long, value_name = "ID|NAME")]
    pub from: Option<String>,
    /// Say the verdict on each license
    #[arg(long)]
    pub licenses: bool,
    /// Ask the services too what a restore would bring, to this computer and to one that holds none; nothing is spent
    #[arg(long)]
    pub rehearse: bool,
    /// Fail if the backup was made longer ago than this, such as 12h, 30d or 2w
    #[arg(long, value_name = "DURATION", value_parser = crate::rights::span)]
    pub max_age: Option<u64>,
    /// For a rehearsal: agree that this computer's public keys and its name are sent to the service, which certifies them
    #[arg(long, requires = "rehearse")]
    pub individualize: bool,
    #[command(flatten)]
    pub contact: ContactArgs,
}

/// Arguments of `repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// A backup, or a folder with backups
    #[arg(value_name = "DIR|FILE")]
    pub path: PathBuf,
    /// Of a folder with the backups of several computers: whose, by the start of its ID
    #[arg(long, value_name = "ID")]
    pub from: Option<String>,
    /// Write the whole backup to this new file [default: in place of the damaged one]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Leave the parity out: an encrypted backup is then a file that the age command opens
    #[arg(long, requires = "output")]
    pub plain: bool,
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
    #[command(flatten)]
    pub contact: ContactArgs,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List the backups in this folder, or this backup, instead of the licenses here
    #[arg(value_name = "DIR|FILE")]
    pub path: Option<PathBuf>,
    #[command(flatten)]
    pub unlock: UnlockArgs,
}
