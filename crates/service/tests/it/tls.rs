//! https on loopback with a self-made certificate: who trusts it is served, others aren't, and nobody waits for a
//! handshake that doesn't come.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyferry_protocol::REQUEST_TYPE;
use keyferry_service::{Error, Tls};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto};

use crate::server::{Server, post_head, read, read_until_cut};
use crate::world::{World, check};

struct Made {
    dir: TempDir,
    certificate: PathBuf,
    key: PathBuf,
    der: Vec<u8>,
}

fn made() -> Made {
    made_in(tempfile::tempdir().unwrap())
}

/// Makes a certificate in this folder, over one that is there.
fn made_in(dir: TempDir) -> Made {
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])
        .unwrap()
        .self_signed(&pair)
        .unwrap();
    let made = Made {
        certificate: dir.path().join("service.pem"),
        key: dir.path().join("service-key.pem"),
        der: certificate.der().to_vec(),
        dir,
    };
    std::fs::write(&made.certificate, certificate.pem()).unwrap();
    std::fs::write(&made.key, pair.serialize_pem()).unwrap();
    made
}

fn connect(server: &Server, trusted: Option<&Made>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    if let Some(made) = trusted {
        roots.add(made.der.clone().into()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    StreamOwned::new(connection, stream)
}

#[test]
fn a_restore_goes_by_https() {
    let made = made();
    let world = World::new();
    let origin = world.computer("old-laptop");
    let licenses = vec![world.issue(origin.id())];
    let computer = world.computer("new-laptop");
    let tls = Tls::from_files(&made.certificate, &made.key).unwrap();
    let server = Server::start_tls(world.service, tls);
    let request = computer.restore(&server.service, &licenses);
    let mut stream = connect(&server, Some(&made));
    stream
        .write_all(&post_head(REQUEST_TYPE, request.bytes.len()))
        .unwrap();
    stream.write_all(&request.bytes).unwrap();
    let response = read(&mut stream);
    assert_eq!(response.status, 200);
    let checked = check(&response.body, &request, &licenses, &server.service).unwrap();
    assert!(crate::restore::outcome(&checked.items[0]).is_ok());
}

#[test]
fn whoever_does_not_trust_the_certificate_sends_nothing() {
    let made = made();
    let tls = Tls::from_files(&made.certificate, &made.key).unwrap();
    let server = Server::start_tls(World::new().service, tls);
    let mut stream = connect(&server, None);
    let sent = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let shown = sent.unwrap_err().to_string();
    assert!(shown.contains("UnknownIssuer"), "{shown}");
    // Plain http gets no answer there.
    let mut plain = TcpStream::connect(server.address).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:02x?}");
}

#[test]
fn a_handshake_that_does_not_come_is_cut_and_others_are_served_meanwhile() {
    let made = made();
    let tls = Tls::from_files(&made.certificate, &made.key).unwrap();
    let server = Server::start_tls(World::new().service, tls);
    let mut slow: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(server.address).unwrap())
        .collect();
    for stream in slow.iter_mut().skip(10) {
        // The head of a record that never comes.
        stream.write_all(&[22, 3, 1, 2, 0]).unwrap();
    }
    let mut stream = connect(&server, Some(&made));
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(read(&mut stream).status, 200);
    for stream in &mut slow {
        assert!(read_until_cut(stream).is_empty());
    }
}

#[test]
fn a_server_that_stops_does_not_wait_for_handshakes() {
    let made = made();
    let tls = Tls::from_files(&made.certificate, &made.key).unwrap();
    let mut server = Server::start_tls(World::new().service, tls);
    let _slow = TcpStream::connect(server.address).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    server.shutdown.request();
    server.thread.take().unwrap().join().unwrap().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
}

#[test]
fn files_that_can_not_be_served_with_are_named() {
    let (made, other) = (made(), made());
    let written = |name: &str, text: &str| {
        let path = made.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let empty = written("empty.pem", "");
    let broken = written(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let cut = written("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let missing = made.dir.path().join("missing.pem");
    let fails = |certificate: &Path, key: &Path, named: &Path| {
        let error = Tls::from_files(certificate, key).unwrap_err();
        assert!(
            matches!(error, Error::Tls { .. } | Error::File { .. }),
            "{error:?}"
        );
        let shown = error.to_string();
        assert!(shown.contains(&named.display().to_string()), "{shown}");
        shown
    };
    fails(&missing, &made.key, &missing);
    fails(&made.certificate, &missing, &missing);
    assert!(fails(&empty, &made.key, &empty).contains("no certificate"));
    fails(&broken, &made.key, &broken);
    fails(&cut, &made.key, &cut);
    fails(&made.key, &made.key, &made.key);
    fails(&made.certificate, &empty, &empty);
    fails(&made.certificate, &made.certificate, &made.certificate);
    let shown = fails(&made.certificate, &other.key, &other.key);
    assert!(shown.contains("not the key of the certificate"), "{shown}");
}

/// Does this certificate stand behind what is served now?
fn serves(server: &Server, made: &Made) -> bool {
    let mut stream = connect(server, Some(made));
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .is_ok_and(|()| read(&mut stream).status == 200)
}

/// Asks on a connection that stays open.
fn is_healthy(stream: &mut (impl Read + Write)) -> bool {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"ok\n") {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => answer.extend(&piece[..length]),
            _ => return false,
        }
    }
    answer.starts_with(b"HTTP/1.1 200")
}

#[test]
fn a_certificate_is_renewed_while_others_are_served() {
    let old = made();
    let tls = Tls::from_files(&old.certificate, &old.key).unwrap();
    let metrics = TcpListener::bind("127.0.0.1:0").unwrap();
    let measured = metrics.local_addr().unwrap();
    let served = tls.clone();
    let server = Server::run(World::new().service, |front| {
        (front.tls, front.metrics) = (Some(served), Some(metrics));
    });
    let counted = |name: &str| {
        let response = crate::metrics::get(measured, "/metrics");
        let name = format!("keyferry_tls_certificate_{name} ");
        let line = response.text().lines().find_map(|line| line.strip_prefix(&name));
        line.expect("it is there").parse::<u64>().unwrap()
    };
    let mut open = connect(&server, Some(&old));
    assert!(is_healthy(&mut open));
    assert_eq!((counted("renewals_total"), counted("errors_total")), (0, 0));
    // Something that can't be served with leaves the old one.
    std::fs::write(&old.key, "no key").unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(serves(&server, &old));
    assert_eq!((counted("renewals_total"), counted("errors_total")), (0, 1));
    let Made { dir, der, .. } = old;
    let new = made_in(dir);
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(serves(&server, &new));
    let gone = Made {
        dir: tempfile::tempdir().unwrap(),
        certificate: new.certificate.clone(),
        key: new.key.clone(),
        der,
    };
    assert!(!serves(&server, &gone), "the old one is no longer shown");
    assert!(is_healthy(&mut open), "what was open goes on");
    assert_eq!((counted("renewals_total"), counted("errors_total")), (1, 1));
    // Asked to look, it looks, and counts what is another one.
    assert!(!tls.renew().unwrap());
    let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2097, 1, 1);
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(&new.certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
    assert!(tls.renew().is_err(), "its key is not there yet");
    std::fs::write(&new.key, pair.serialize_pem()).unwrap();
    assert!(tls.renew().unwrap());
    assert_eq!(tls.validity().map(|(_, until)| until), Some(4_007_836_800));
    assert_eq!((counted("renewals_total"), counted("errors_total")), (2, 2));
    assert_eq!(counted("not_after_seconds{}"), 4_007_836_800);
}
