use std::io::{Read as _, Write as _};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};

use super::*;
use crate::identity::testing::{
    Authority, card_params, rsa_key, trusting, unknown_critical_extension, validator,
};

struct Server {
    root: Authority,
    config: Arc<ServerConfig>,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Server {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let root = Authority::root("Root");
        let hints = validator(trusting(&[&root])).ca_names();
        let mut params =
            rcgen::CertificateParams::new(vec!["broker.corp.example".to_owned()]).expect("a name");
        params.distinguished_name = crate::identity::testing::subject("Server");
        let key = rcgen::KeyPair::generate().expect("a key");
        let chain = vec![root.sign(&params, &key)];
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_client_cert_verifier(Arc::new(ProofOfPossession::new(provider(), hints)))
            .with_single_cert(chain, pkcs8(&key))
            .expect("a server certificate");
        Self { root, config: Arc::new(config) }
    }

    /// Runs a handshake and one byte each way; gives what the server saw.
    fn meet(&self, card: Option<Shows>) -> Result<usize, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.certificate.clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match card {
            Some(card) => builder.with_client_cert_resolver(Arc::new(card)),
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::try_from("broker.corp.example").expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut server = ServerConnection::new(Arc::clone(&self.config)).expect("a server");
        client.writer().write_all(b"?").expect("buffered");
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).expect("memory");
            feed(&wire, |bytes| server.read_tls(bytes));
            server.process_new_packets()?;
            let mut wire = Vec::new();
            server.write_tls(&mut wire).expect("memory");
            feed(&wire, |bytes| client.read_tls(bytes));
            client.process_new_packets()?;
        }
        let mut byte = [0];
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("memory");
        feed(&wire, |bytes| server.read_tls(bytes));
        server.process_new_packets()?;
        server.reader().read_exact(&mut byte).expect("the byte");
        Ok(server.peer_certificates().map_or(0, <[_]>::len))
    }
}

/// A client that shows its certificate whatever the hints say, and whether or not the key fits.
#[derive(Debug)]
struct Shows(Arc<rustls::sign::CertifiedKey>);

impl Shows {
    fn new(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> Self {
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).expect("a key");
        Self(Arc::new(rustls::sign::CertifiedKey::new(chain, key)))
    }
}

impl rustls::client::ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn feed(mut wire: &[u8], mut read: impl FnMut(&mut &[u8]) -> std::io::Result<usize>) {
    while !wire.is_empty() && read(&mut wire).expect("memory") > 0 {}
}

fn pkcs8(key: &rcgen::KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn p256_key() -> rcgen::KeyPair {
    rcgen::KeyPair::generate().expect("a key")
}

#[test]
fn a_p256_card_proves_possession_in_tls_1_2_and_1_3() {
    for version in [&TLS12, &TLS13] {
        let server = Server::new(version);
        let key = p256_key();
        let card = server.root.sign(&card_params(), &key);
        assert_eq!(server.meet(Some(Shows::new(vec![card], &pkcs8(&key)))), Ok(1));
    }
}

#[test]
fn an_rsa_card_proves_possession_in_tls_1_2_and_1_3() {
    for version in [&TLS12, &TLS13] {
        let server = Server::new(version);
        let key = rsa_key();
        let card = server.root.sign(&card_params(), &key);
        assert_eq!(server.meet(Some(Shows::new(vec![card], &pkcs8(&key)))), Ok(1));
    }
}

/// A key that cannot sign RSA-PSS, as on many cards.
#[derive(Debug)]
struct Pkcs1Only(Arc<dyn rustls::sign::SigningKey>);

impl rustls::sign::SigningKey for Pkcs1Only {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        offered
            .contains(&SignatureScheme::RSA_PKCS1_SHA256)
            .then(|| self.0.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]))?
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        rustls::SignatureAlgorithm::RSA
    }
}

#[test]
fn a_card_that_cannot_sign_pss_proves_possession_in_tls_1_2() {
    let server = Server::new(&TLS12);
    let key = rsa_key();
    let card = server.root.sign(&card_params(), &key);
    let mut shows = Shows::new(vec![card.clone()], &pkcs8(&key));
    shows.0 =
        Arc::new(rustls::sign::CertifiedKey::new(vec![card], Arc::new(Pkcs1Only(Arc::clone(&shows.0.key)))));
    assert_eq!(server.meet(Some(shows)), Ok(1));
}

#[test]
fn no_scheme_with_sha1_is_offered() {
    let schemes = ProofOfPossession::new(provider(), Vec::new()).supported_verify_schemes();
    assert!(!schemes.contains(&SignatureScheme::RSA_PKCS1_SHA1));
    assert!(!schemes.contains(&SignatureScheme::ECDSA_SHA1_Legacy));
}

#[test]
fn a_peer_without_a_card_is_let_in_to_be_refused_in_words() {
    for version in [&TLS12, &TLS13] {
        assert_eq!(Server::new(version).meet(None), Ok(0));
    }
}

#[test]
fn a_card_of_a_stranger_is_let_in_to_be_refused_in_words() {
    for version in [&TLS12, &TLS13] {
        let key = p256_key();
        let card = Authority::root("Rogue").sign(&card_params(), &key);
        assert_eq!(Server::new(version).meet(Some(Shows::new(vec![card], &pkcs8(&key)))), Ok(1));
    }
}

#[test]
fn a_card_with_an_unknown_critical_extension_is_let_in_to_be_refused_in_words() {
    for version in [&TLS12, &TLS13] {
        let server = Server::new(version);
        let key = p256_key();
        let mut params = card_params();
        params.custom_extensions.push(unknown_critical_extension());
        let card = server.root.sign(&params, &key);
        assert_eq!(server.meet(Some(Shows::new(vec![card], &pkcs8(&key)))), Ok(1));
    }
}

#[test]
fn a_card_without_its_key_is_refused_in_the_handshake() {
    for version in [&TLS12, &TLS13] {
        let server = Server::new(version);
        let impostor = Shows::new(vec![server.root.card()], &pkcs8(&p256_key()));
        let mut roots = RootCertStore::empty();
        roots.add(server.root.certificate.clone()).expect("a root");
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(impostor));
        let name = ServerName::try_from("broker.corp.example").expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        let mut connection = ServerConnection::new(Arc::clone(&server.config)).expect("a server");
        assert_eq!(until_refused(&mut client, &mut connection), Some(CertificateError::BadSignature));
    }
}

fn until_refused(client: &mut ClientConnection, server: &mut ServerConnection) -> Option<CertificateError> {
    for _ in 0..10 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("memory");
        feed(&wire, |bytes| server.read_tls(bytes));
        if let Err(Error::InvalidCertificate(refused)) = server.process_new_packets() {
            return Some(refused);
        }
        let mut wire = Vec::new();
        server.write_tls(&mut wire).expect("memory");
        feed(&wire, |bytes| client.read_tls(bytes));
        client.process_new_packets().expect("a good server");
    }
    None
}

#[test]
fn a_chain_beyond_the_bounds_is_refused_in_the_handshake() {
    let verifier = ProofOfPossession::new(provider(), Vec::new());
    let certificate = Authority::root("Root").certificate;
    let many = vec![certificate.clone(); 10];
    let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
    assert!(verifier.verify_client_cert(&certificate, &many[..9], time).is_ok());
    assert!(verifier.verify_client_cert(&certificate, &many, time).is_err());
}

#[test]
fn the_hints_are_the_names_of_the_cas() {
    let root = Authority::root("Root");
    let names = validator(trusting(&[&root])).ca_names();
    let verifier = ProofOfPossession::new(provider(), names.clone());
    let hints: Vec<&[u8]> = verifier.root_hint_subjects().iter().map(AsRef::as_ref).collect();
    assert_eq!(hints, names);
}

#[test]
fn hints_that_no_browser_would_read_are_left_out() {
    let verifier = ProofOfPossession::new(provider(), vec![vec![0x30; 100]; 200]);
    assert!(verifier.root_hint_subjects().is_empty());
}
