//! Arguments of the commands about what this computer holds and accepts.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use keyferry_license::Thumbprint;

use super::{ContactArgs, UnlockArgs};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// .license files, license documents of other systems (Readium LCP, Keygen), or folders with them; links in a
    /// folder are not followed
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Keep files that are not recognized too, byte for byte, as license documents
    #[arg(long = "as", value_enum, value_name = "KIND")]
    pub kind: Option<ImportKind>,
    /// Accept this issuer, whose name and thumbprint you have compared; may be given several times
    #[arg(long, value_name = "THUMBPRINT")]
    pub trust: Vec<Thumbprint>,
}

/// What a file is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportKind {
    /// A license document of another system
    Document,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// License documents by their digests, as `list` shows them; the first 8 digits are enough
    #[arg(required_unless_present = "all", value_name = "ID")]
    pub ids: Vec<String>,
    /// All license documents
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// The folder that the files go into; it must be there, and no file in it is written over
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A license ID or key ID of a license here, the digest of a license document, or a file: a card, a .license file,
    /// a backup, requests, answers, a revocation list or another signed document, a license document
    #[arg(value_name = "ID|FILE")]
    pub what: PathBuf,
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Arguments of `use`.
#[derive(Debug, Args)]
pub struct UseArgs {
    /// Key IDs, as base64 or as UUIDs; - reads them from stdin, one a line. Keys come in the same order, one a line;
    /// the line of one that is refused is empty
    #[arg(required = true, value_name = "KEY_ID")]
    pub key_ids: Vec<String>,
    /// Use licenses of this issuer only
    #[arg(long, value_name = "THUMBPRINT")]
    pub issuer: Option<Thumbprint>,
    /// What is to be done with the content; the limits of this right are obeyed
    #[arg(long, default_value = keyferry_license::PLAY, value_name = "ACTION")]
    pub action: String,
    /// How the key is written
    #[arg(long, value_enum, default_value_t = KeyFormat::Hex)]
    pub format: KeyFormat,
    /// Show the key on a terminal
    #[arg(long)]
    pub reveal: bool,
    /// Write to this file, which only you can read, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file
    #[arg(long, requires = "output")]
    pub overwrite: bool,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyFormat {
    /// 32 hexadecimal digits
    Hex,
    /// Base64 with the URL-safe alphabet, without padding
    Base64url,
    /// A JSON Web Key
    Jwk,
}

/// The commands of `trust`.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Accept an issuer after comparing its name and thumbprint
    Add {
        /// An issuer's card, a .license file or a backup
        file: PathBuf,
        /// The thumbprint that the issuer publishes; it must be the one in the file
        #[arg(long, value_name = "THUMBPRINT")]
        thumbprint: Option<Thumbprint>,
    },
    /// List the accepted issuers, in the order in which their licenses are used
    List,
    /// Stop accepting an issuer; its licenses are kept and no longer used
    Remove {
        /// The issuer's thumbprint
        thumbprint: Thumbprint,
    },
}

/// The commands of `computer`.
#[derive(Debug, Subcommand)]
pub enum ComputerCommand {
    /// Print this computer's card, which issuers need
    Card {
        /// Write to this file instead of stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace the file
        #[arg(long, requires = "output")]
        overwrite: bool,
    },
    /// Print this computer's name, or give it a new one
    Name {
        /// What people shall call it
        new: Option<String>,
    },
    /// Give licenses back: they leave this computer for good, and then their slots are free for another
    ///
    /// This computer forgets first what would bring them back without a service: no backup, no .license file and no
    /// copied store does that any more. Restoring a backup here takes a slot again. While a service can't be reached the
    /// licenses are gone here all the same, and it is told at the next contact, or by this command without a name.
    Release(ReleaseArgs),
}

/// Arguments of `computer release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// License IDs or key IDs; none sends what waits for its service
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// All licenses on this computer
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,
    /// Say what would be given back, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Agree that the services come to know this computer: without that they can't be told
    #[arg(long)]
    pub individualize: bool,
    #[command(flatten)]
    pub contact: ContactArgs,
}

/// Arguments of `receipts`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReceiptsArgs {
    /// Write them as they were signed into a file in this folder, which must be there: for `service check`
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<ReceiptsCommand>,
}

/// The commands of `receipts`.
#[derive(Debug, Subcommand)]
pub enum ReceiptsCommand {
    /// Check signatures and hashes of all receipts, without a network
    Verify,
}
