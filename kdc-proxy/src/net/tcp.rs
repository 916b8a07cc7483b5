//! One exchange with one KDC over TCP (RFC 4120 section 7.2.2). Does network I/O.
//!
//! Every exchange has a connection of its own: KDCs close idle ones, and a reply can then belong to no other request.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::locate::KdcAddress;
use super::transport::{Deadlines, TransportError};
use crate::message::MAX_MESSAGE_LENGTH;

/// Most addresses of one host that are tried.
const MAX_ADDRESSES: usize = 8;

/// Sends `request` to `kdc` and reads its reply.
///
/// Dropping the future closes the connection.
///
/// # Errors
///
/// [`TransportError`]. The announced length is judged before any memory is reserved for it.
pub(super) async fn exchange(
    kdc: &KdcAddress,
    request: &[u8],
    deadlines: Deadlines,
) -> Result<Vec<u8>, TransportError> {
    let connecting = timeout(deadlines.connect, connect(kdc, deadlines.connect));
    let stream = connecting.await.map_err(|_| TransportError::ConnectTimeout)??;
    let exchanging = timeout(deadlines.exchange, send_and_receive(stream, request));
    exchanging.await.map_err(|_| TransportError::ExchangeTimeout)?
}

/// Tries the addresses of the host one after another, each for its share of `within`, so that one that swallows
/// packets leaves time for the next.
pub(super) async fn connect(kdc: &KdcAddress, within: Duration) -> Result<TcpStream, TransportError> {
    let mut addresses: Vec<SocketAddr> =
        kdc.resolve().await.map_err(|error| TransportError::Resolve(error.kind()))?;
    addresses.truncate(MAX_ADDRESSES);
    let share = within / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = TransportError::Resolve(io::ErrorKind::NotFound);
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = TransportError::Connect(error.kind()),
            Err(_) => last = TransportError::ConnectTimeout,
        }
    }
    Err(last)
}

pub(super) async fn send_and_receive(
    mut stream: TcpStream,
    request: &[u8],
) -> Result<Vec<u8>, TransportError> {
    let broken = |error: io::Error| TransportError::Broken(error.kind());
    let length = u32::try_from(request.len()).map_err(|_| TransportError::RequestTooLong)?;
    // One write: some KDCs answer an incomplete frame at once with an error.
    let frame = [&length.to_be_bytes()[..], request].concat();
    stream.write_all(&frame).await.map_err(broken)?;
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.map_err(broken)?;
    let announced = u32::from_be_bytes(header);
    let length = match usize::try_from(announced) {
        Ok(length) if (1..=MAX_MESSAGE_LENGTH).contains(&length) => length,
        _ => return Err(TransportError::FrameLength(announced)),
    };
    let mut reply = vec![0; length];
    stream.read_exact(&mut reply).await.map_err(broken)?;
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const SECOND: Duration = Duration::from_secs(1);
    const SHORT: Deadlines = Deadlines { connect: SECOND, exchange: Duration::from_millis(100) };
    const LONG: Deadlines = Deadlines { connect: SECOND, exchange: Duration::from_secs(10) };

    /// A peer that reads a whole request, writes these octets and, if told to, keeps the connection open.
    async fn peer(answer: Vec<u8>, keep_open: bool) -> (KdcAddress, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let length = stream.read_u32().await.unwrap();
            let mut request = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            if keep_open {
                // Until the client closes.
                assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
            }
            request
        });
        (address, served)
    }

    fn framed(reply: &[u8]) -> Vec<u8> {
        [&u32::try_from(reply.len()).unwrap().to_be_bytes()[..], reply].concat()
    }

    #[tokio::test]
    async fn request_and_reply_travel_in_frames() {
        let (kdc, served) = peer(framed(b"reply"), false).await;
        assert_eq!(exchange(&kdc, b"request", LONG).await.unwrap(), b"reply");
        assert_eq!(served.await.unwrap(), b"request");
    }

    #[tokio::test]
    async fn a_frame_longer_than_128_kib_is_refused_before_it_is_read() {
        for announced in [131_073_u32, 0x8000_0010, u32::MAX, 0] {
            let (kdc, _) = peer(announced.to_be_bytes().to_vec(), true).await;
            let error = exchange(&kdc, b"request", LONG).await.unwrap_err();
            assert_eq!(error, TransportError::FrameLength(announced));
        }
    }

    #[tokio::test]
    async fn a_frame_of_exactly_128_kib_is_read() {
        let (kdc, _served) = peer(framed(&vec![7; 131_072]), false).await;
        assert_eq!(exchange(&kdc, b"request", LONG).await.unwrap().len(), 131_072);
    }

    #[tokio::test]
    async fn a_kdc_that_never_answers_costs_no_more_than_the_deadline() {
        let (kdc, _served) = peer(Vec::new(), true).await;
        assert_eq!(exchange(&kdc, b"request", SHORT).await.unwrap_err(), TransportError::ExchangeTimeout);
    }

    #[tokio::test]
    async fn a_reply_that_trickles_costs_no_more_than_the_deadline() {
        let (kdc, _served) = peer(framed(b"reply")[..6].to_vec(), true).await;
        assert_eq!(exchange(&kdc, b"request", SHORT).await.unwrap_err(), TransportError::ExchangeTimeout);
    }

    #[tokio::test]
    async fn a_connection_closed_in_the_middle_is_an_error() {
        let (kdc, _served) = peer(framed(b"reply")[..6].to_vec(), false).await;
        let error = exchange(&kdc, b"request", LONG).await.unwrap_err();
        assert_eq!(error, TransportError::Broken(io::ErrorKind::UnexpectedEof));
    }

    #[tokio::test]
    async fn a_closed_port_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kdc = KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap();
        drop(listener);
        let error = exchange(&kdc, b"request", LONG).await.unwrap_err();
        assert_eq!(error, TransportError::Connect(io::ErrorKind::ConnectionRefused));
    }
}
