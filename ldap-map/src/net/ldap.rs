//! One connection to one server, one request at a time.
//!
//! Every exchange is bounded in time, size and number of messages. After any [`Fault`], and when an exchange is
//! given up half-way, the connection must be dropped: what it would answer next is unknown.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::clock;
use super::error::Fault;
use super::server::LdapServer;
use super::servers::Servers;
use crate::entry::Entry;
use crate::guid::Guid;
use crate::message::request::{Request, SearchRequest};
use crate::message::response::{MAXIMUM_LENGTH, Message, Response, ResultCode};

/// Most references to other servers in one answer; they are counted and never followed.
const MAXIMUM_REFERENCES: usize = 64;
/// Most addresses of one server that are tried.
const MAXIMUM_ADDRESSES: usize = 8;
/// Octets read at once.
const CHUNK: usize = 16 * 1024;
/// Message identifiers run up to 2^31-1; a connection never gets near.
const MAXIMUM_MESSAGE_ID: u32 = 1 << 30;

/// A connection over TLS to a server whose name was verified.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    received: Vec<u8>,
    message_id: u32,
    /// Longest message that is read, in octets.
    longest: usize,
    server: LdapServer,
    servers: Arc<Servers>,
    opened: Instant,
    replica: Option<Replica>,
}

/// Which domain controller the connection leads to, by its `invocationId`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Replica {
    Known(Guid),
    /// It does not say.
    Hidden,
}

/// The outcome of a search.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entries: Vec<Entry>,
    pub(super) code: ResultCode,
}

impl Connection {
    /// Resolves, connects and shakes hands, all within `limit`.
    pub(super) async fn open(
        server: &LdapServer,
        tls: &TlsConnector,
        servers: &Arc<Servers>,
        limit: Duration,
    ) -> Result<Self, Fault> {
        let name = ServerName::try_from(server.name().to_owned()).map_err(|_| Fault::Resolve)?;
        let connecting = async {
            let tcp = dial(server, limit).await?;
            tls.connect(name, tcp).await.map_err(|error| handshake_fault(&error))
        };
        let stream = servers.wait(server, limit, connecting).await?;
        if let Some(domain) = server.domain() {
            is_of_domain(&stream, domain).map_err(Fault::Tls)?;
        }
        let (server, servers) = (server.clone(), Arc::clone(servers));
        let (received, longest, opened) = (Vec::new(), MAXIMUM_LENGTH, clock::now());
        Ok(Self { stream, received, message_id: 0, longest, server, servers, opened, replica: None })
    }

    pub(super) const fn server(&self) -> &LdapServer {
        &self.server
    }

    pub(super) const fn opened(&self) -> Instant {
        self.opened
    }

    /// Where it leads to, once that was asked.
    pub(super) const fn replica(&self) -> Option<Replica> {
        self.replica
    }

    /// Remembers where it leads to.
    pub(super) const fn leads_to(&mut self, replica: Replica) {
        self.replica = Some(replica);
    }

    /// Makes room for messages of this length; without one, for those that are usual.
    pub(super) fn expect_messages_of(&mut self, octets: Option<usize>) {
        self.longest = octets.unwrap_or(MAXIMUM_LENGTH);
        if octets.is_none() {
            self.received.shrink_to(CHUNK);
        }
    }

    /// Sends one request and waits for its one answer.
    pub(super) async fn exchange(
        &mut self,
        request: &Request<'_>,
        limit: Duration,
    ) -> Result<Response, Fault> {
        let (servers, server) = (Arc::clone(&self.servers), self.server.clone());
        let exchange = async {
            self.send(request).await?;
            self.receive().await
        };
        let response = servers.wait(&server, limit, exchange).await?;
        servers.answered(&server);
        Ok(response)
    }

    /// Sends a search and collects what is found, within `limit` altogether.
    pub(super) async fn search(
        &mut self,
        request: &SearchRequest<'_>,
        limit: Duration,
    ) -> Result<Found, Fault> {
        let (servers, server) = (Arc::clone(&self.servers), self.server.clone());
        let found = servers.wait(&server, limit, self.search_unbounded(request)).await?;
        servers.answered(&server);
        Ok(found)
    }

    async fn search_unbounded(&mut self, request: &SearchRequest<'_>) -> Result<Found, Fault> {
        let most = usize::try_from(request.size_limit).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        let mut references = 0;
        self.send(&Request::Search(request)).await?;
        loop {
            match self.receive().await? {
                Response::Entry(entry) if entries.len() < most => entries.push(entry),
                Response::Reference if references < MAXIMUM_REFERENCES => references += 1,
                Response::Done(result) => {
                    tracing::trace!(server = %self.server, entries = entries.len(), references, code = %result.code,
                        diagnostic = result.diagnostic, "search done");
                    return match result.code {
                        code @ (ResultCode::BUSY
                        | ResultCode::UNAVAILABLE
                        | ResultCode::TIME_LIMIT_EXCEEDED) => Err(Fault::Unable(code)),
                        code => Ok(Found { entries, code }),
                    };
                }
                _ => return Err(Fault::Unexpected),
            }
        }
    }

    /// Says goodbye as far as that takes no time worth mentioning.
    pub(super) async fn close(mut self) {
        const PATIENCE: Duration = Duration::from_millis(100);
        let goodbye = async {
            self.send(&Request::Unbind).await?;
            self.stream.shutdown().await.map_err(|error| Fault::Broken(error.kind()))
        };
        if !matches!(timeout(PATIENCE, goodbye).await, Ok(Ok(()))) {
            tracing::trace!(server = %self.server, "connection closed without goodbye");
        }
    }

    async fn send(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        if self.message_id >= MAXIMUM_MESSAGE_ID {
            return Err(Fault::Unexpected);
        }
        self.message_id += 1;
        let octets = request.encode(self.message_id);
        let broken = |error: std::io::Error| Fault::Broken(error.kind());
        self.stream.write_all(&octets).await.map_err(broken)?;
        self.stream.flush().await.map_err(broken)
    }

    /// The next message, which must answer the last request.
    async fn receive(&mut self) -> Result<Response, Fault> {
        let message = read_message(&mut self.stream, &mut self.received, self.longest).await?;
        match message.response {
            Response::Extended(result) if message.id == 0 => Err(Fault::Unable(result.code)),
            response if message.id == self.message_id => Ok(response),
            _ => Err(Fault::Unexpected),
        }
    }
}

/// The next whole message of a server, of at most `longest` octets. What is read beyond it stays in `received`, to be given again.
pub(super) async fn read_message(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
    longest: usize,
) -> Result<Message, Fault> {
    loop {
        if let Some(length) = Message::length_within(received, longest)?
            && let Some(octets) = received.get(..length)
        {
            let message = Message::decode(octets)?;
            received.drain(..length);
            return Ok(message);
        }
        received.reserve(CHUNK);
        let read = stream.read_buf(received).await;
        if read.map_err(|error| Fault::Broken(error.kind()))? == 0 {
            return Err(Fault::Closed);
        }
    }
}

/// Tries the addresses of the server one after another, each for its share of `within`, so that one that swallows
/// packets leaves time for the next.
async fn dial(server: &LdapServer, within: Duration) -> Result<TcpStream, Fault> {
    let addresses = server.addresses().await.map_err(|_| Fault::Resolve)?;
    let tried = addresses.len().min(MAXIMUM_ADDRESSES);
    let share = within / u32::try_from(tried).unwrap_or(u32::MAX).max(1);
    let mut fault = Fault::Resolve;
    for address in addresses.into_iter().take(MAXIMUM_ADDRESSES) {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| Fault::Connect(error.kind()))?;
                return Ok(stream);
            }
            Ok(Err(error)) => fault = Fault::Connect(error.kind()),
            Err(_) => fault = Fault::Timeout,
        }
    }
    Err(fault)
}

/// Whether the certificate of the other side, which has been verified for its host, has the name of the domain too.
fn is_of_domain(stream: &TlsStream<TcpStream>, domain: &str) -> Result<(), rustls::Error> {
    let (_, session) = stream.get_ref();
    let own =
        session.peer_certificates().and_then(<[_]>::first).ok_or(rustls::Error::NoCertificatesPresented)?;
    let domain = ServerName::try_from(domain)
        .map_err(|_| rustls::Error::General("the domain is not a DNS name".to_owned()))?;
    verify_server_name(&ParsedCertificate::try_from(own)?, &domain)
}

fn handshake_fault(error: &std::io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => Fault::Tls(error.clone()),
        None => Fault::Broken(error.kind()),
    }
}
