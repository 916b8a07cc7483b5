//! KDCs on loopback: one in memory behind any number of ports, and some that are broken.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::net::locate::KdcAddress;
use crate::net::system;
use crate::net::transport::Endpoint;
use crate::testing::Kdc;

/// First octet of an AS-REQ and of a TGS-REQ.
pub(super) const AS_REQ: u8 = 0x6a;
pub(super) const TGS_REQ: u8 = 0x6c;

/// A port that answers; it closes when dropped.
pub(super) struct Port {
    pub(super) address: Endpoint,
    /// The first octet of every request that came.
    requests: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

/// A port whose host is stopped: the kernel takes connections and requests, and nobody ever reads them.
pub(super) struct Stopped {
    pub(super) address: Endpoint,
    _listener: TcpListener,
}

impl Stopped {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: endpoint(&listener), _listener: listener }
    }
}

/// The KDC in memory, shared by its ports.
#[derive(Clone)]
pub(super) struct SharedKdc(Arc<Mutex<Kdc>>);

/// What a port answers to a request, framing included, and whether it closes the connection then.
pub(super) struct Answer {
    pub(super) octets: Vec<u8>,
    pub(super) closes: bool,
}

impl From<Vec<u8>> for Answer {
    fn from(octets: Vec<u8>) -> Self {
        Self { octets, closes: false }
    }
}

/// A message after its length (RFC 4120 section 7.2.2).
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

impl SharedKdc {
    pub(super) fn new(kdc: Kdc) -> Self {
        Self(Arc::new(Mutex::new(kdc)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Kdc> {
        self.0.lock().unwrap()
    }

    /// Opens a port at which this KDC answers.
    pub(super) async fn port(&self) -> Port {
        let kdc = self.clone();
        Port::open(move |request| kdc.framed(request)).await
    }

    /// The KDC's answer as TCP carries it.
    pub(super) fn framed(&self, request: &[u8]) -> Vec<u8> {
        framed(&self.lock().answer(request, system::now(), &mut system::random()))
    }
}

impl Port {
    /// Opens a port that answers every request with these octets, framing included.
    pub(super) async fn open<A: Into<Answer> + Send + 'static>(
        answer: impl Fn(&[u8]) -> A + Clone + Send + 'static,
    ) -> Self {
        Self::slow(Duration::ZERO, answer).await
    }

    /// The same, each answer so much later.
    pub(super) async fn slow<A: Into<Answer> + Send + 'static>(
        delay: Duration,
        answer: impl Fn(&[u8]) -> A + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = endpoint(&listener);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, delay, answer.clone(), Arc::clone(&log)));
            }
        });
        Self { address, requests, task }
    }

    /// Opens a port that takes connections and requests and never answers.
    pub(super) async fn frozen() -> Self {
        Self::open(|_| Vec::new()).await
    }

    /// The address of a port that is closed.
    pub(super) async fn closed() -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        endpoint(&listener)
    }

    /// Waits until a request has come.
    pub(super) async fn asked(&self) {
        while self.requests.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many requests with this first octet came.
    pub(super) fn count(&self, first: u8) -> usize {
        self.requests.lock().unwrap().iter().filter(|octet| **octet == first).count()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<A: Into<Answer>>(
    mut stream: TcpStream,
    delay: Duration,
    answer: impl Fn(&[u8]) -> A,
    log: Arc<Mutex<Vec<u8>>>,
) {
    let length = stream.read_u32().await.unwrap();
    let mut request = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut request).await.unwrap();
    log.lock().unwrap().push(request[0]);
    let Answer { octets, closes } = answer(&request).into();
    tokio::time::sleep(delay).await;
    // A client that has read enough, or has turned to another KDC, may be gone already.
    let written = stream.write_all(&octets).await;
    if !closes && written.is_ok() {
        // Nothing more is sent; wait until the client has closed.
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
}

fn endpoint(listener: &TcpListener) -> Endpoint {
    KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap().into()
}
