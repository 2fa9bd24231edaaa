//! One connection from its handshake to its end. It holds a place all the time, and the place says what it is doing.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::gate::Gate;
use super::place::{Place, Seat};
use super::tls::Tls;
use crate::metrics::Cut;

/// The first byte must be there within this time, and headers within as much again, the next ones too: longer than clients
/// keep a connection that rests.
const HEADER_TIME: Duration = Duration::from_secs(16);
/// A TLS handshake is finished within this time.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Bytes of one connection's headers.
const HEADER_BYTES: usize = 16 * 1024;
/// What comes after an answer that ends the connection is read for this long, and so much of it: whoever still sends
/// would otherwise lose the answer to a reset.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 4 * 1024 * 1024;

const SLOW_HEADER: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// For whom there is no place.
pub(super) const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\
    content-length: 0\r\n\r\n";

/// Serves one connection until it ends, or until its place is taken away.
pub(super) async fn welcome(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<Tls>,
    gate: Arc<Gate>,
    stop: watch::Receiver<bool>,
    seat: Seat,
) {
    // Answers are written at once; waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let place = Arc::clone(&seat.place);
    tokio::select! {
        () = place.cut() => {}
        () = shaken(stream, peer, tls, gate, stop, &place) => {}
    }
}

async fn shaken(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<Tls>,
    gate: Arc<Gate>,
    mut stop: watch::Receiver<bool>,
    place: &Arc<Place>,
) {
    // What a connection needs is made when something comes, so that silence costs next to nothing.
    let mut first = [0];
    let Some(tls) = tls else {
        let came = tokio::select! {
            () = super::stopped(&mut stop) => return,
            came = timeout(HEADER_TIME, stream.peek(&mut first)) => came,
        };
        if let Ok(Ok(1)) = came {
            Box::pin(converse(stream, peer, gate, stop, place)).await;
        }
        return;
    };
    let handshake = async {
        stream.peek(&mut first).await?;
        Box::pin(tls.accept(stream)).await
    };
    let shaken = tokio::select! {
        () = super::stopped(&mut stop) => return,
        shaken = timeout(HANDSHAKE_TIME, handshake) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => Box::pin(converse(stream, peer, gate, stop, place)).await,
        Ok(Err(error)) => tracing::debug!("no TLS connection: {error}"),
        Err(_) => {
            gate.metrics().cut(Cut::Handshake);
            tracing::debug!("a TLS handshake took too long");
        }
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: IpAddr,
    gate: Arc<Gate>,
    mut stop: watch::Receiver<bool>,
    place: &Arc<Place>,
) {
    let watched = Watched {
        stream,
        place: Arc::clone(place),
    };
    let (door, sits) = (Arc::clone(&gate), Arc::clone(place));
    let service = service_fn(move |request| {
        let (door, sits) = (Arc::clone(&door), Arc::clone(&sits));
        Box::pin(async move { door.pass(request, peer, sits).await })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(watched), service);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = std::future::poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            () = super::stopped(&mut stop), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let mut stream = connection.into_parts().io.into_inner().stream;
    if let Err(error) = ended {
        tracing::debug!("connection ended: {error}");
        if error.is_timeout() && place.heard() {
            gate.metrics().cut(Cut::SlowHeader);
            let _ = timeout(LINGER_TIME, stream.write_all(SLOW_HEADER)).await;
        }
    }
    let _ = timeout(LINGER_TIME, linger(stream)).await;
}

/// Ends the answers, and reads what was still on its way.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// A stream that tells its place what goes over it.
struct Watched<S> {
    stream: S,
    place: Arc<Place>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.place.hears();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.place.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
