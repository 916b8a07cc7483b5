//! A directory server in this process that answers as a test tells it to: for the cases that no real server can be
//! brought to show.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use crate::message::response::Message;
use crate::net::server::LdapServer;
use crate::sid::Sid;
use crate::testing::{DOMAIN_SID, Person};
use crate::tlv::{ENUMERATED, INTEGER, OCTET_STRING, Reader, Rules, SEQUENCE, SET, element};

/// What a client asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    Bind { name: String, password: String },
    ExternalBind { certificate: bool },
    Search { base: String, scope: u8, size_limit: u8, filter: Vec<u8> },
    Unbind,
}

impl Asked {
    pub(super) fn mentions(&self, octets: impl AsRef<[u8]>) -> bool {
        let octets = octets.as_ref();
        matches!(self, Self::Search { filter, .. } if filter.windows(octets.len()).any(|part| part == octets))
    }
}

/// What the server does.
pub(super) enum Answer {
    /// An object.
    Entry(Person),
    /// A reference to another server.
    Reference,
    /// The end of a search.
    Done(u8),
    /// The answer to a bind.
    Bound(u8, &'static str),
    /// The notice of disconnection.
    Notice(u8),
    /// A whole message for another request.
    OtherId,
    /// Any octets.
    Raw(Vec<u8>),
    /// So much time passes.
    Pause(Duration),
    /// The connection is closed.
    Close,
}

type Script = dyn Fn(&Asked) -> Vec<Answer> + Send + Sync;

/// A CA and what it issues.
pub(super) struct Ca {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(super) fn root(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(super) fn issue(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        self.issue_for(&[name])
    }

    fn issue_for(&self, names: &[&str]) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (certificate, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }
}

/// A running server; it ends with the test's runtime.
pub(super) struct Server {
    address: SocketAddr,
    name: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(super) async fn start(
        ca: &Ca,
        name: &str,
        script: impl Fn(&Asked) -> Vec<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with_names(ca, &[name], script).await
    }

    /// With all these names in its certificate; the first is the one that it is called by.
    pub(super) async fn start_with_names(
        ca: &Ca,
        names: &[&str],
        script: impl Fn(&Asked) -> Vec<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = acceptor(ca, names);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, log) = (acceptor.clone(), Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        converse(stream, &*script, &log).await;
                    }
                });
            }
        });
        Self { address, name: names[0].to_owned(), asked }
    }

    pub(super) fn place(&self) -> LdapServer {
        LdapServer::new(&self.name, 636).unwrap().at(self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn binds(&self) -> usize {
        let is_bind = |asked: &&Asked| matches!(asked, Asked::Bind { .. } | Asked::ExternalBind { .. });
        self.asked().iter().filter(is_bind).count()
    }
}

/// A directory of these objects, which answers as a real one.
pub(super) fn directory(
    people: Vec<Person>,
    groups: Vec<(Sid, &'static str)>,
) -> impl Fn(&Asked) -> Vec<Answer> {
    move |asked| match asked {
        Asked::Search { base, scope: 0, .. } if base.is_empty() => vec![
            Answer::Entry(
                Person::empty("")
                    .with("defaultNamingContext", &["DC=corp,DC=example"])
                    .with("currentTime", &["20261121000000.0Z"]),
            ),
            Answer::Done(0),
        ],
        Asked::Search { base, scope: 0, .. } => match people.iter().find(|person| person.dn == *base) {
            Some(person) => vec![Answer::Entry(person.clone()), Answer::Done(0)],
            None if base == "DC=corp,DC=example" => {
                vec![Answer::Entry(Person::empty(base).sid(DOMAIN_SID)), Answer::Done(0)]
            }
            None => vec![Answer::Done(32)],
        },
        Asked::Search { size_limit, .. } if asked.mentions("userPrincipalName") => {
            let limit = usize::from(*size_limit);
            let found = people.iter().take(limit).cloned().map(Answer::Entry);
            let end = Answer::Done(if people.len() > limit { 4 } else { 0 });
            found.chain([Answer::Reference, end]).collect()
        }
        Asked::Search { .. } => {
            let found = groups.iter().filter(|(sid, _)| asked.mentions(sid.as_bytes()));
            let entry = |(sid, name): &(Sid, &str)| {
                Person::empty(&format!("CN={name},DC=corp,DC=example"))
                    .with("objectSid", &[sid.as_bytes()])
                    .with("sAMAccountName", &[name])
            };
            found.map(entry).map(Answer::Entry).chain([Answer::Done(0)]).collect()
        }
        Asked::Bind { .. } | Asked::ExternalBind { .. } => vec![Answer::Bound(0, "")],
        Asked::Unbind => vec![Answer::Close],
    }
}

fn acceptor(ca: &Ca, names: &[&str]) -> TlsAcceptor {
    let (certificate, key) = ca.issue_for(names);
    let mut roots = RootCertStore::empty();
    roots.add(ca.root()).unwrap();
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn converse(mut stream: TlsStream<TcpStream>, script: &Script, log: &Mutex<Vec<Asked>>) {
    let certificate = stream.get_ref().1.peer_certificates().is_some();
    let mut received = Vec::new();
    loop {
        let length = Message::length(&received).unwrap().filter(|length| *length <= received.len());
        let Some(length) = length else {
            if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        let request: Vec<u8> = received.drain(..length).collect();
        let (id, asked) = read_request(&request, certificate);
        log.lock().unwrap().push(asked.clone());
        for answer in script(&asked) {
            if let Answer::Pause(time) = answer {
                tokio::time::sleep(time).await;
                continue;
            }
            let Some(octets) = encode(&id, answer) else {
                let _closed = stream.shutdown().await;
                return;
            };
            if stream.write_all(&octets).await.is_err() {
                return;
            }
        }
        if stream.flush().await.is_err() {
            return;
        }
    }
}

fn read_request(octets: &[u8], certificate: bool) -> (Vec<u8>, Asked) {
    let mut message = Reader::new(octets, Rules::Basic).enter(SEQUENCE).unwrap();
    let id = message.expect(INTEGER).unwrap().to_vec();
    let operation = message.any().unwrap();
    let mut fields = Reader::new(operation.value, Rules::Basic);
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let asked = match operation.tag {
        0x60 => {
            assert_eq!(&[3], fields.expect(INTEGER).unwrap());
            let name = text(fields.expect(OCTET_STRING).unwrap());
            let authentication = fields.any().unwrap();
            match authentication.tag {
                0x80 => Asked::Bind { name, password: text(authentication.value) },
                _ => Asked::ExternalBind { certificate },
            }
        }
        0x63 => {
            let base = text(fields.expect(OCTET_STRING).unwrap());
            let scope = fields.expect(ENUMERATED).unwrap()[0];
            fields.any().unwrap();
            let size_limit = fields.expect(INTEGER).unwrap()[0];
            let time_limit = fields.expect(INTEGER).unwrap();
            assert_ne!(&[0], time_limit);
            fields.any().unwrap();
            Asked::Search { base, scope, size_limit, filter: fields.any().unwrap().value.to_vec() }
        }
        _ => Asked::Unbind,
    };
    (id, asked)
}

fn encode(id: &[u8], answer: Answer) -> Option<Vec<u8>> {
    let message = |id: &[u8], operation: Zeroizing<Vec<u8>>| {
        element(SEQUENCE, &[element(INTEGER, &[id]), operation]).to_vec()
    };
    let result = |tag: u8, code: u8, words: &str| {
        let fields =
            [element(ENUMERATED, &[[code]]), element(OCTET_STRING, &[""]), element(OCTET_STRING, &[words])];
        element(tag, &fields)
    };
    Some(match answer {
        Answer::Entry(person) => message(id, entry(&person)),
        Answer::Reference => message(id, element(0x73, &[element(OCTET_STRING, &["ldap://other.example/"])])),
        Answer::Done(code) => message(id, result(0x65, code, "")),
        Answer::Bound(code, words) => message(id, result(0x61, code, words)),
        Answer::Notice(code) => message(&[0], result(0x78, code, "")),
        Answer::OtherId => message(&[0x7f], result(0x65, 0, "")),
        Answer::Raw(octets) => octets,
        Answer::Close | Answer::Pause(_) => return None,
    })
}

fn entry(person: &Person) -> Zeroizing<Vec<u8>> {
    let attribute = |(name, values): &(String, Vec<Vec<u8>>)| {
        let values: Vec<_> = values.iter().map(|value| element(OCTET_STRING, &[value])).collect();
        element(SEQUENCE, &[element(OCTET_STRING, &[name]), element(SET, &values)])
    };
    let attributes: Vec<_> = person.attributes.iter().map(attribute).collect();
    element(0x64, &[element(OCTET_STRING, &[&person.dn]), element(SEQUENCE, &attributes)])
}
