//! Arguments of `issuer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keyferry_license::{KeyId, LicenseId, Right};

use super::ContactArgs;
use crate::rights;

/// The commands of `issuer`.
#[derive(Debug, Subcommand)]
pub enum IssuerCommand {
    /// Make an issuer: its secret key and its card
    Init {
        /// The folder for issuer.key and issuer.card; made if absent
        dir: PathBuf,
        /// What people know the issuer by
        #[arg(long)]
        name: String,
        /// Where the issuer is to be found; may be given several times
        #[arg(long, value_name = "URL")]
        url: Vec<String>,
    },
    /// Print the issuer's card, for services and for people who accept it
    Card {
        /// The issuer's folder
        dir: PathBuf,
        /// Write to this file instead of stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Replace the file
        #[arg(long, requires = "output")]
        overwrite: bool,
    },
    /// Issue licenses to a computer; needs no network
    Issue(Box<IssueArgs>),
    /// Take licenses back: sign the next revocation list and send it to the service
    ///
    /// Each list is kept in the issuer's folder before it is sent, because lists are numbered without gaps. Without
    /// anything to revoke, lists that the service does not have are sent again. A list can't be taken back.
    Revoke(RevokeArgs),
}

/// Arguments of `issuer revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The issuer's folder
    pub dir: PathBuf,
    /// The card of the service that decides about the licenses
    #[arg(long, value_name = "CARD")]
    pub service: PathBuf,
    /// License IDs
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub license: Vec<LicenseId>,
    /// All licenses for these key IDs, issued before or later
    #[arg(long, value_name = "KEY_ID", num_args = 1..)]
    pub key_id: Vec<KeyId>,
    /// All licenses of these subjects, issued before or later
    #[arg(long, num_args = 1..)]
    pub subject: Vec<String>,
    /// All licenses of this issuer, issued before or later
    #[arg(long, conflicts_with_all = ["license", "key_id", "subject"])]
    pub all: bool,
    /// Write the signed list to this file too
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file
    #[arg(long, requires = "output")]
    pub overwrite: bool,
    #[command(flatten)]
    pub contact: ContactArgs,
}

/// Arguments of `issuer issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// The issuer's folder
    pub dir: PathBuf,
    /// The card of the computer that gets the licenses
    #[arg(long, value_name = "CARD")]
    pub computer: PathBuf,
    /// The card of the service that decides about moves
    #[arg(long, value_name = "CARD")]
    pub service: PathBuf,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file
    #[arg(long, requires = "output")]
    pub overwrite: bool,
    /// Write license ID, key ID and content key of each license to this file, which only you can read
    #[arg(long, value_name = "FILE")]
    pub keys_out: Option<PathBuf>,
    /// Issue many licenses: JSON Lines, an object for each license; - reads stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ONE_LICENSE)]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub one: OneArgs,
}

const ONE_LICENSE: [&str; 9] = [
    "title",
    "kind",
    "key_id",
    "rights",
    "computers",
    "subject",
    "priority",
    "parent",
    "key_file",
];

/// One license by flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "One license")]
pub struct OneArgs {
    /// What a person knows it by
    #[arg(long, required_unless_present = "from")]
    pub title: Option<String>,
    /// What it opens, in the issuer's word
    #[arg(long, default_value = crate::issue::DEFAULT_KIND)]
    pub kind: String,
    /// The key ID in the content's header, as base64 or as a UUID [default: a random one]
    #[arg(long, value_name = "KEY_ID")]
    pub key_id: Option<KeyId>,
    /// A right with its limits: Play, Play:count=3,portion=3, Play:from=2026-01-01,until=2027-01-01T00:00:00Z,
    /// com.example.Run:first-use=30d; may be given several times [default: Play]
    #[arg(long = "right", value_name = "SPEC", value_parser = rights::parse_spec)]
    pub rights: Vec<Right>,
    /// How many computers may hold it at a time, 1 to 4 [default: 4]
    #[arg(long, value_name = "N")]
    pub computers: Option<u8>,
    /// Whom it is given to, in the issuer's words
    #[arg(long)]
    pub subject: Option<String>,
    /// Among licenses for one key ID the highest is used first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub priority: u16,
    /// A license of this issuer that this one depends on
    #[arg(long, value_name = "LICENSE_ID")]
    pub parent: Option<LicenseId>,
    /// An existing content key: a file of 16 bytes, or of 32 hexadecimal digits [default: a random key]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}
