//! KDCs on loopback: one in memory behind any number of ports, and some that are broken.

use std::sync::{Arc, Mutex, MutexGuard};

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

/// The KDC in memory, shared by its ports.
#[derive(Clone)]
pub(super) struct SharedKdc(Arc<Mutex<Kdc>>);

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
        Port::open(move |request| {
            let reply = kdc.lock().answer(request, system::now(), &mut system::random());
            [&u32::try_from(reply.len()).unwrap().to_be_bytes()[..], &reply].concat()
        })
        .await
    }
}

impl Port {
    /// Opens a port that answers every request with these octets, framing included.
    pub(super) async fn open(answer: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap().into();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, answer.clone(), Arc::clone(&log)));
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
        KdcAddress::new("127.0.0.1", listener.local_addr().unwrap().port()).unwrap().into()
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

async fn serve(mut stream: TcpStream, answer: impl Fn(&[u8]) -> Vec<u8>, log: Arc<Mutex<Vec<u8>>>) {
    let length = stream.read_u32().await.unwrap();
    let mut request = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut request).await.unwrap();
    log.lock().unwrap().push(request[0]);
    let reply = answer(&request);
    stream.write_all(&reply).await.unwrap();
    // Nothing more is sent; wait until the client has closed.
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
}
