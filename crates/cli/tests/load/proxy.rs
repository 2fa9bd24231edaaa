//! What stands before the processes of a service: a connection goes to the next one that takes it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Listens on loopback for as long as the test runs.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    behind: Arc<Mutex<Vec<SocketAddr>>>,
    next: Arc<AtomicUsize>,
}

impl Proxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = Self {
            address: listener.local_addr().expect("an address"),
            behind: Arc::default(),
            next: Arc::default(),
        };
        let serving = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.carry(&stream));
            }
        });
        proxy
    }

    /// The address that stands in the service's card.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where processes listen now.
    pub fn set(&self, behind: Vec<SocketAddr>) {
        *self.behind.lock().unwrap_or_else(PoisonError::into_inner) = behind;
    }

    /// Both ways, until one side ends.
    fn carry(&self, client: &TcpStream) {
        if let Some(server) = self.connect() {
            let end = || {
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            };
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _ = io::copy(&mut &*client, &mut &server);
                    end();
                });
                let _ = io::copy(&mut &server, &mut &*client);
                end();
            });
        }
    }

    fn connect(&self) -> Option<TcpStream> {
        let behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..behind.len()).find_map(|at| TcpStream::connect(behind[(first + at) % behind.len()]).ok())
    }
}
