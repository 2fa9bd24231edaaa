//! The service: the program as operators run it, and what it tells about itself.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keyferry::Roots;
use keyferry_license::{Card, Verified, armor};
use keyferry_testkit::Publisher;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

/// A `keyferry serve` that ends when this is dropped.
pub struct Served {
    child: Child,
    pub address: SocketAddr,
    metrics: SocketAddr,
    pub card: Verified<Card>,
    pub publisher: Publisher,
    /// What its clients need to know where it speaks https.
    pub certificate: Roots,
}

impl Served {
    /// Starts it in a new folder, with an issuer.
    pub fn start(folder: &Path, flags: &[&str]) -> Self {
        let publisher = Publisher::new("Northwind Audio");
        let card = armor::write(armor::CARD, publisher.card().as_bytes()).expect("armored");
        fs::write(folder.join("issuer.card"), card).expect("a card");
        let certificate = certify(folder);
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyferry"))
            .args(["--json", "serve", "--dir", "svc", "--issuer", "issuer.card"])
            .args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
            .args(flags)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let listening: Value = serde_json::from_str(&line).expect("JSON");
        let address = |field: &str| {
            let text = listening[field].as_str();
            text.and_then(|text| text.parse().ok())
                .unwrap_or_else(|| panic!("{line}"))
        };
        let text = fs::read(folder.join("svc/service.card")).expect("its card");
        let card = armor::single(armor::CARD, &text).expect("armored");
        Self {
            address: address("address"),
            metrics: address("metrics"),
            card: Card::verify(&card).expect("a card"),
            publisher,
            certificate,
            child,
        }
    }

    /// The sum of a metric over all its labels.
    pub fn measured(&self, name: &str) -> u64 {
        let text = self.metrics();
        let lines = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{'])
                .then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())?
        });
        lines.sum()
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.metrics).expect("the metrics' address");
        let request = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the metrics");
        answer
    }

    /// The most bytes of memory that it has had so far, where the system tells.
    pub fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib << 10)
    }
}

/// Makes a certificate of its own, in `service.pem` and `service-key.pem`.
fn certify(folder: &Path) -> Roots {
    let pair = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".into()]).expect("a name");
    let pem = params.self_signed(&pair).expect("a certificate").pem();
    fs::write(folder.join("service.pem"), &pem).expect("written");
    fs::write(folder.join("service-key.pem"), pair.serialize_pem()).expect("written");
    Roots::from_pem(pem.as_bytes()).expect("a certificate")
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
