//! Certificates and clients for the tests of the listeners; everything on loopback.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SignatureAlgorithm, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::ResolvesClientCert,
    sign::{CertifiedKey, Signer, SigningKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use zeroize::Zeroizing;

use super::{listener::Limits, tls::ServerCertificate};

/// A certification authority.
pub(super) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: CertificateDer<'static>,
}

/// A certificate with its key.
pub(super) struct Leaf {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

impl Ca {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A revocation list that revokes nobody, from 2020 until the beginning of that year.
    pub(super) fn crl(&self, until: i32) -> Vec<u8> {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    pub(super) fn leaf(&self, dns_name: &str) -> Leaf {
        self.leaf_for(dns_name, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(super) fn leaf_for(&self, dns_name: &str, algorithm: &'static SignatureAlgorithm) -> Leaf {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec![dns_name.to_owned()]).unwrap();
        Leaf { certificate: params.signed_by(&key, &self.issuer).unwrap().der().clone(), key }
    }

    pub(super) fn server(&self) -> ServerCertificate {
        let leaf = self.leaf("localhost");
        ServerCertificate::new(vec![leaf.certificate.clone()], Zeroizing::new(leaf.private())).unwrap()
    }
}

impl Leaf {
    pub(super) fn private(&self) -> PrivateKeyDer<'static> {
        self.key.serialize_der().try_into().unwrap()
    }

    /// The client's side, with a session cache that would resume if it could.
    pub(super) fn client(
        &self,
        trusted: &Ca,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        builder(trusted, versions)
            .with_client_auth_cert(vec![self.certificate.clone()], self.private())
            .unwrap()
    }

    /// A client whose key signs RSA PKCS#1 with SHA-256 and nothing else, as old cards do.
    pub(super) fn pkcs1_client(
        &self,
        trusted: &Ca,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&self.private()).unwrap();
        let certified = CertifiedKey::new(vec![self.certificate.clone()], Arc::new(Pkcs1Only(key)));
        builder(trusted, versions).with_client_cert_resolver(Arc::new(Always(Arc::new(certified))))
    }
}

pub(super) fn anonymous(trusted: &Ca, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    builder(trusted, versions).with_no_client_auth()
}

pub(super) fn builder(
    trusted: &Ca,
    versions: &[&'static SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.certificate.clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
}

pub(super) async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}

/// Sends one request by HTTP/1.1 and reads the whole answer, the connection staying open.
pub(super) async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).await?;
        answer.push_str(str::from_utf8(&piece[..count]).unwrap());
        let complete = answer.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            length.is_some_and(|length| length.parse() == Ok(body.len()))
        });
        if complete || count == 0 {
            return Ok(answer);
        }
    }
}

pub(super) fn limits() -> Limits {
    Limits {
        handshake_timeout: Duration::from_secs(5),
        header_timeout: Duration::from_secs(5),
        lifetime: None,
        grace: Duration::from_secs(5),
        max_connections: 16,
        max_connections_per_address: 16,
        max_head: super::listener::MAX_HEAD,
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Pkcs1Only(Arc<dyn SigningKey>);

impl SigningKey for Pkcs1Only {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let wanted = SignatureScheme::RSA_PKCS1_SHA256;
        offered.contains(&wanted).then(|| self.0.choose_scheme(&[wanted])).flatten()
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.0.algorithm()
    }
}
