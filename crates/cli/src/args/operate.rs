//! Arguments of `serve`, `demo`, `completions` and `man`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Where a service remembers.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// Where it remembers: sqlite:PATH, or postgres://USER@HOST/DATABASE for any number of processes
    /// [default: ledger.sqlite in the folder]
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,
    /// A file whose first line is the database's password
    #[arg(long, value_name = "FILE", requires = "ledger")]
    pub ledger_password_file: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The service's folder: its keys, its card and its ledger; made if absent
    #[arg(long)]
    pub dir: PathBuf,
    /// Where it listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8467")]
    pub listen: SocketAddr,
    /// The address that its card names [default: http:// or https:// and where it listens]
    #[arg(long)]
    pub url: Option<String>,
    /// Serve https with this certificate, the chain in PEM; without it plain http, on this computer only
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// What people know the service by
    #[arg(long, default_value = "License management service")]
    pub name: String,
    /// Register the issuer of this card; may be given several times
    #[arg(long, value_name = "CARD")]
    pub issuer: Vec<PathBuf>,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many licenses travel
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub licenses: u32,
    /// Keep everything in this folder; made if absent [default: a temporary folder]
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command whose page is printed, such as `trust add`; none prints that of the whole program
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
    /// Write a page for each command into this folder, which must be there; pages that are there are replaced
    #[arg(long, value_name = "DIR", conflicts_with = "words")]
    pub to: Option<PathBuf>,
}
