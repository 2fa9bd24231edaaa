//! Arguments of `serve`, `demo`, `completions` and `man`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use keyferry_service::Limits;

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
    /// Serve /metrics for Prometheus, and the probes, here: plain http, for the operator only
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// How the log is written, to stderr: for people, or a JSON object a line. -v says what is judged, -vv all
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Look at all that a start would need, say what is wrong with it, and end; nothing is changed
    #[arg(long)]
    pub check_config: bool,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For programs: a JSON object a line
    Json,
}

/// What clients of `serve` may take; 0 is no limit.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits (0: none)")]
pub struct LimitArgs {
    /// Believe this proxy, an address or a network such as 10.0.0.0/24, about whom it speaks for; may be given several
    /// times
    #[arg(long, value_name = "ADDRESS[/BITS]", value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,
    /// Connections at a time; one more closes those that rest longest
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, value_parser = one_or_more)]
    pub max_connections: usize,
    /// Connections of one address at a time
    #[arg(long, value_name = "N", default_value_t = Limits::default().address_connections)]
    pub address_connections: usize,
    /// Requests of one address a second; ten times as many may come at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().address_requests)]
    pub address_requests: u32,
    /// Requests of one computer a second; ten times as many may come at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().computer_requests)]
    pub computer_requests: u32,
    /// Licenses that one computer asks about a second; twenty times as many may come at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().computer_licenses)]
    pub computer_licenses: u32,
}

impl LimitArgs {
    /// As the service takes them.
    pub fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            address_connections: self.address_connections,
            address_requests: self.address_requests,
            computer_requests: self.computer_requests,
            computer_licenses: self.computer_licenses,
            trusted_proxies: self.trusted_proxy.clone(),
            ..Limits::default()
        }
    }
}

/// An address is a network of one.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
    let network = text.parse::<IpNet>().ok().or_else(address);
    network.ok_or_else(|| "it is neither an address nor a network such as 10.0.0.0/24".into())
}

fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("nobody could be served".into()),
        Ok(number) => Ok(number),
        Err(_) => Err("it is not a whole number".into()),
    }
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
