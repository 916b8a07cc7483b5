//! One login, as a card's program makes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::LoadError;
use crate::broker_process::BROKER_NAME;
use crate::pki::Credential;

/// A little longer than the broker gives a login.
const LIMIT: Duration = Duration::from_secs(20);

/// The longest answer that is read, in octets.
const MAX_ANSWER: u64 = 64 * 1024;

/// What became of a login.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Answer {
    /// A code was handed out.
    Code,
    /// The broker refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable code.
        code: String,
        /// The step that refused.
        step: String,
    },
    /// The connection failed before an answer.
    Broken {
        /// The system's or TLS's words.
        why: String,
    },
    /// Nothing came in time.
    Late,
}

/// A card that is ready to log in.
#[derive(Clone, Debug)]
pub(super) struct Card {
    tls: Arc<ClientConfig>,
    request: Arc<[u8]>,
}

impl Card {
    /// A card with its key, which trusts the broker by the machines' authority (DER).
    pub(super) fn new(root: &[u8], credential: &Credential, target: &str) -> Result<Self, LoadError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(root.to_vec()))?;
        let chain = CertificateDer::pem_slice_iter(credential.chain_pem().as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(credential.key_pem().as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        // Every login proves the card anew.
        tls.resumption = Resumption::disabled();
        let body = serde_json::json!({"gateway": "gw1", "target": target}).to_string();
        let request = format!(
            "POST /v1/login HTTP/1.1\r\nhost: {BROKER_NAME}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { tls: Arc::new(tls), request: request.into_bytes().into() })
    }

    pub(super) async fn log_in(&self, broker: SocketAddr) -> Answer {
        match tokio::time::timeout(LIMIT, self.exchange(broker)).await {
            Ok(Ok(octets)) => answer(&octets),
            Ok(Err(error)) => Answer::Broken { why: error.to_string() },
            Err(_) => Answer::Late,
        }
    }

    async fn exchange(&self, broker: SocketAddr) -> std::io::Result<Vec<u8>> {
        let name = ServerName::try_from(BROKER_NAME).map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(broker).await?;
        stream.set_nodelay(true)?;
        let mut stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        stream.write_all(&self.request).await?;
        stream.flush().await?;
        let mut octets = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut octets).await?;
        Ok(octets)
    }
}

/// Reads a whole answer.
fn answer(octets: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(octets);
    let broken = || Answer::Broken { why: format!("no answer in {} octets", octets.len()) };
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return broken() };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (Some(status), Ok(body)) = (status, serde_json::from_str::<Value>(body)) else { return broken() };
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if status == 200 && !field("code").is_empty() {
        return Answer::Code;
    }
    Answer::Refused { status, code: field("code"), step: field("step") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_a_refusal_and_a_broken_answer_are_told_apart() {
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\na: b\r\n\r\n{\"code\": \"x\"}"), Answer::Code);
        let refused = answer(b"HTTP/1.1 503 X\r\n\r\n{\"code\": \"OVERLOADED\", \"step\": \"request\"}");
        let (code, step) = ("OVERLOADED".to_owned(), "request".to_owned());
        assert_eq!(refused, Answer::Refused { status: 503, code, step });
        for broken in [b"".as_slice(), b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n{\"code\": "] {
            assert!(matches!(answer(broken), Answer::Broken { .. }));
        }
        assert!(matches!(answer(b"HTTP/1.1 200 OK\r\n\r\n{}"), Answer::Refused { status: 200, .. }));
    }
}
