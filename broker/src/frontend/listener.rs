//! A listening port: it accepts, bounds and drains connections, and hands their requests to a router.
//!
//! This file does I/O. Every connection is a task of its own, and its handshake runs inside it under a deadline,
//! so that a silent client stops nobody else.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    room::{Place, Room},
    shed::Shed,
};

/// What a listener allows its clients.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for a whole TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for the head of a request to arrive, and for an idle connection to say something.
    pub header_timeout: Duration,
    /// After this a connection takes no further requests; `None` lets it live as long as its client wants.
    pub lifetime: Option<Duration>,
    /// Time for running requests once a connection takes no further ones.
    pub grace: Duration,
    /// Connections at once, over all addresses of the listener, handshakes included.
    pub max_connections: usize,
    /// Likewise of one client: an IPv4 address, or a /64 of IPv6.
    pub max_connections_per_address: usize,
    /// Octets of the head of a request.
    pub max_head: usize,
}

/// What a connection speaks.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Plain HTTP/1.1, for the status page.
    Plain,
    /// HTTP/1.1 or HTTP/2 over TLS, as the client prefers.
    Tls(watch::Receiver<TlsGeneration>),
    /// HTTP/2 over TLS and nothing else.
    TlsHttp2(watch::Receiver<TlsGeneration>),
}

/// TLS settings, until a reload replaces them.
///
/// Connections made under settings that were replaced finish their running requests and close, so that their
/// clients come back and are judged by the new ones.
#[derive(Clone, Debug)]
pub struct TlsGeneration {
    /// The settings.
    pub config: Arc<ServerConfig>,
    /// Cancelled when they are replaced.
    pub retired: CancellationToken,
}

/// Who is at the other end; in the extensions of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address of the connection.
    pub address: SocketAddr,
    /// What the peer presented in its handshake, its own certificate first; nothing if it presented none.
    pub certificates: Option<Arc<[CertificateDer<'static>]>>,
}

/// A listener on one or more addresses.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<(TcpListener, SocketAddr)>,
    context: Context,
}

impl Listener {
    /// Opens all addresses.
    ///
    /// # Errors
    /// One of them cannot be listened on.
    pub async fn bind(
        name: &'static str,
        addresses: &[SocketAddr],
        transport: Transport,
        limits: Limits,
    ) -> Result<Self, BindError> {
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            let failed = |source| BindError { name, address: *address, source };
            let socket = TcpListener::bind(address).await.map_err(failed)?;
            let local = socket.local_addr().map_err(failed)?;
            sockets.push((socket, local));
        }
        let room = Room::new(limits.max_connections, limits.max_connections_per_address);
        let shed = Arc::new(Shed::new(name));
        Ok(Self { sockets, context: Context { name, transport, limits, room, shed } })
    }

    /// The addresses that were really opened: with their ports, where port 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|(_, address)| *address).collect()
    }

    /// Serves connections until `drain`, then lets each finish what it is doing. All tasks belong to `tasks`.
    pub fn serve(self, app: &Router, drain: &CancellationToken, tasks: &TaskTracker) {
        for (socket, _) in self.sockets {
            let accepting = accept(socket, self.context.clone(), app.clone(), drain.clone(), tasks.clone());
            tasks.spawn(accepting);
        }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("the {name} listener cannot listen on {address}")]
pub struct BindError {
    name: &'static str,
    address: SocketAddr,
    source: io::Error,
}

#[derive(Clone, Debug)]
struct Context {
    name: &'static str,
    transport: Transport,
    limits: Limits,
    room: Arc<Room>,
    shed: Arc<Shed>,
}

async fn accept(
    socket: TcpListener,
    context: Context,
    app: Router,
    drain: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or memory: the queue keeps the clients while others leave.
                context.shed.accept_failed(&error, crate::clock::instant());
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = match context.room.enter(address.ip()) {
            Ok(place) => place,
            Err(full) => {
                context.shed.connection(address, full, crate::clock::instant());
                continue;
            }
        };
        tasks.spawn(connection(stream, address, context.clone(), app.clone(), drain.clone(), place));
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    context: Context,
    app: Router,
    drain: CancellationToken,
    _place: Place,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(listener = context.name, peer = %address, %error, "connection lost");
        return;
    }
    let (generations, only_http2) = match &context.transport {
        Transport::Plain => {
            let peer = Peer { address, certificates: None };
            let end = End { drain, retired: CancellationToken::new() };
            return requests(stream, Protocol::Http1, peer, &context, app, end).await;
        }
        Transport::Tls(generations) => (generations, false),
        Transport::TlsHttp2(generations) => (generations, true),
    };
    let TlsGeneration { config, retired } = generations.borrow().clone();
    let handshake = timeout(context.limits.handshake_timeout, TlsAcceptor::from(config).accept(stream));
    let stream = tokio::select! {
        biased;
        () = drain.cancelled() => return,
        result = handshake => match result {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!(listener = context.name, peer = %address, %error, "handshake failed");
                return;
            }
            Err(_) => {
                tracing::info!(listener = context.name, peer = %address, "handshake took too long");
                return;
            }
        },
    };
    let (_, session) = stream.get_ref();
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ if only_http2 => {
            tracing::info!(listener = context.name, peer = %address, "client does not offer http/2");
            return;
        }
        _ => Protocol::Http1,
    };
    let certificates = session
        .peer_certificates()
        .map(|chain| chain.iter().map(|certificate| certificate.clone().into_owned()).collect());
    requests(stream, protocol, Peer { address, certificates }, &context, app, End { drain, retired }).await;
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// What ends a connection from our side.
struct End {
    drain: CancellationToken,
    retired: CancellationToken,
}

/// Serves the requests of one connection until either side ends it.
async fn requests<S>(stream: S, protocol: Protocol, peer: Peer, context: &Context, app: Router, end: End)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (name, address) = (context.name, peer.address);
    let app = app.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.map(Body::new)
    });
    let app = tower::ServiceBuilder::new().map_err(|never: Infallible| match never {}).service(app);
    let http = http(protocol, &context.limits);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    tokio::pin!(served);
    let lifetime = async {
        match context.limits.lifetime {
            Some(lifetime) => sleep(lifetime).await,
            None => std::future::pending().await,
        }
    };
    let result = tokio::select! {
        result = served.as_mut() => Some(result),
        () = end.drain.cancelled() => None,
        () = end.retired.cancelled() => None,
        () = lifetime => None,
    };
    let result = match result {
        Some(result) => result,
        None => {
            served.as_mut().graceful_shutdown();
            let Ok(result) = timeout(context.limits.grace, served).await else {
                tracing::debug!(listener = name, peer = %address, "connection closed with a request running");
                return;
            };
            result
        }
    };
    if let Err(error) = result {
        tracing::debug!(listener = name, peer = %address, %error, "connection lost");
    }
}

fn http(protocol: Protocol, limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.max_head)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(limits.header_timeout)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.max_head).unwrap_or(u32::MAX))
        .max_send_buf_size(MAX_SEND_BUFFER);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}

/// How long nothing is accepted after the system refused to accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long an HTTP/2 connection may be silent before it is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The head of a request that carries no certificates. No request of ours comes near it.
pub const MAX_HEAD: usize = 16 * 1024;

/// The head of a request that carries a chain, several times as long as any real one.
pub const MAX_HEAD_WITH_CHAIN: usize = 96 * 1024;

/// The further bounds of a request's head and of a connection's streams.
const MAX_HEADERS: usize = 64;
const MAX_STREAMS: u32 = 64;
const MAX_SEND_BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests;
