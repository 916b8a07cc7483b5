//! The netlogon ping over TCP (MS-ADTS 6.3.3): over UDP anybody could answer in a domain controller's place. Does I/O.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::message::request::{Request, Scope, SearchRequest};
use crate::message::response::{MAXIMUM_LENGTH, Response, ResultCode};
use crate::net::error::Fault;
use crate::net::ldap::read_message;
use crate::netlogon::{NetlogonError, NetlogonReply, filter};
use crate::schema::Attribute;

/// Most addresses of one host that are tried.
const MAXIMUM_ADDRESSES: usize = 4;

/// Why a domain controller's word on itself is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum PingError {
    /// It cannot be asked, or its answer is no message of the protocol.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It answers that it knows nothing of such a domain.
    #[error("the server does not know the domain ({0})")]
    UnknownDomain(ResultCode),
    /// Its answer cannot be read.
    #[error(transparent)]
    Netlogon(#[from] NetlogonError),
}

/// Asks the server at one of these addresses about the domain, all within `limit`; also says which of them answered.
pub(super) async fn ping(
    addresses: &[SocketAddr],
    domain: &str,
    limit: Duration,
) -> Result<(SocketAddr, NetlogonReply), PingError> {
    let asked = async {
        let (address, stream) = dial(addresses, limit).await?;
        Ok((address, ask(stream, domain).await?))
    };
    timeout(limit, asked).await.map_err(|_| Fault::Timeout)?
}

async fn dial(addresses: &[SocketAddr], limit: Duration) -> Result<(SocketAddr, TcpStream), Fault> {
    let tried = addresses.len().clamp(1, MAXIMUM_ADDRESSES);
    let share = limit / u32::try_from(tried).unwrap_or(1);
    let mut fault = Fault::Resolve;
    for address in addresses.iter().take(tried) {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((*address, stream)),
            Ok(Err(error)) => fault = Fault::Connect(error.kind()),
            Err(_) => fault = Fault::Timeout,
        }
    }
    Err(fault)
}

async fn ask(mut stream: TcpStream, domain: &str) -> Result<NetlogonReply, PingError> {
    let request = SearchRequest {
        base: "",
        scope: Scope::Base,
        filter: &filter(domain),
        attributes: &[Attribute::NETLOGON],
        chosen: &[],
        size_limit: 1,
        time_limit: 1,
    };
    let id = 1;
    let sent = stream.write_all(&Request::Search(&request).encode(id)).await;
    sent.map_err(|error| Fault::Broken(error.kind()))?;
    let mut received = Vec::new();
    let mut reply = None;
    loop {
        let message = read_message(&mut stream, &mut received, MAXIMUM_LENGTH).await?;
        match message.response {
            _ if message.id != id => return Err(Fault::Unexpected.into()),
            Response::Entry(entry) if reply.is_none() => {
                let value = entry.optional(Attribute::NETLOGON).ok().flatten().unwrap_or_default();
                reply = Some(NetlogonReply::decode(value)?);
            }
            Response::Done(result) => return reply.ok_or(PingError::UnknownDomain(result.code)),
            _ => return Err(Fault::Unexpected.into()),
        }
    }
}
