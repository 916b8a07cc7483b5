//! The test PKI, made anew by each run: a root and an issuing authority for people's cards, one authority for the machines
//! (domain controller, broker, gateways), and a stranger nobody trusts.

mod card_request;
mod openssl_lists;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CustomExtension,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RevocationReason, RevokedCertParams,
    RsaKeySize, SerialNumber,
};

pub use card_request::CardRequest;
pub use openssl_lists::{ListRequest, OpensslLists};

/// One day.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// `id-pkix-ocsp-nocheck`.
const OCSP_NO_CHECK: [u64; 10] = [1, 3, 6, 1, 5, 5, 7, 48, 1, 5];

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the test PKI cannot make a certificate")]
pub struct PkiError(#[from] rcgen::Error);

/// The algorithm of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// RSA with 2048 bits, what most cards carry.
    Rsa2048,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
}

/// The authorities of one run.
#[derive(Debug)]
pub struct Pki {
    now: SystemTime,
    root: Authority,
    issuing: Authority,
    second: Authority,
    machines: Authority,
    stranger: Authority,
    serial: AtomicU64,
}

/// A certificate with its chain and, unless a token holds it, its key.
#[derive(Clone, Debug)]
pub struct Credential {
    der: Vec<u8>,
    chain_pem: String,
    key_pem: Option<String>,
    serial: u64,
}

impl Pki {
    /// Makes the authorities; their certificates are valid around `now`.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn new(now: SystemTime) -> Result<Self, PkiError> {
        let root =
            CertifiedIssuer::self_signed(authority("Corp Root CA", None, now), key(KeyKind::Rsa2048)?)?;
        let issuing_params = authority("Corp Issuing CA", Some(0), now);
        let issuing = CertifiedIssuer::signed_by(issuing_params, key(KeyKind::Rsa2048)?, &root)?;
        let second = authority("Corp Second Issuing CA", Some(0), now);
        let second = CertifiedIssuer::signed_by(second, key(KeyKind::P256)?, &root)?;
        let own = |name| -> Result<Authority, PkiError> {
            Ok(CertifiedIssuer::self_signed(authority(name, None, now), key(KeyKind::P256)?)?)
        };
        let (machines, stranger) = (own("Corp Machine CA")?, own("Other Issuing CA")?);
        Ok(Self { now, root, issuing, second, machines, stranger, serial: AtomicU64::new(0x1000) })
    }

    /// The lists of the cards' issuer as OpenSSL makes them, in a folder of its own.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn openssl_lists(&self) -> std::io::Result<OpensslLists> {
        OpensslLists::new(&self.issuing.pem(), &self.issuing.key().serialize_pem())
    }

    /// The authority that issues the cards, in DER.
    #[must_use]
    pub fn card_issuer_der(&self) -> &[u8] {
        self.issuing.der()
    }

    /// The root of the people's cards, in PEM.
    #[must_use]
    pub fn card_root_pem(&self) -> String {
        self.root.pem()
    }

    /// The authority below it that issues the cards, in PEM.
    #[must_use]
    pub fn card_issuer_pem(&self) -> String {
        self.issuing.pem()
    }

    /// The key of that authority (PKCS#8), in PEM, for a responder that answers with it.
    #[must_use]
    pub fn card_issuer_key_pem(&self) -> String {
        self.issuing.key().serialize_pem()
    }

    /// Another authority below the same root that issues cards, in PEM.
    #[must_use]
    pub fn second_issuer_pem(&self) -> String {
        self.second.pem()
    }

    /// An OCSP responder that the cards' issuer has certified (id-kp-OCSPSigning, id-pkix-ocsp-nocheck).
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn ocsp_responder(&self) -> Result<Credential, PkiError> {
        let mut params = self.signer("Corp OCSP Responder", ExtendedKeyUsagePurpose::OcspSigning);
        params.custom_extensions.push(CustomExtension::from_oid_content(&OCSP_NO_CHECK, vec![5, 0]));
        self.end_entity(params, &self.issuing)
    }

    /// A certificate of the cards' issuer that is for no OCSP responder.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn unauthorised_responder(&self) -> Result<Credential, PkiError> {
        let params = self.signer("Corp Mail Signer", ExtendedKeyUsagePurpose::EmailProtection);
        self.end_entity(params, &self.issuing)
    }

    fn signer(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.not_before = (self.now - 3 * DAY).into();
        params.not_after = (self.now + 365 * DAY).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params
    }

    /// The authority of servers and gateways, in PEM.
    #[must_use]
    pub fn machine_root_pem(&self) -> String {
        self.machines.pem()
    }

    /// The authority of servers and gateways, in DER.
    #[must_use]
    pub fn machine_root_der(&self) -> &[u8] {
        self.machines.der()
    }

    /// A server's certificate for its DNS names (serverAuth); the first one is its subject.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn server(&self, names: &[&str]) -> Result<Credential, PkiError> {
        self.machine(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A gateway's own certificate (clientAuth), known by its DNS name.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn gateway(&self, name: &str) -> Result<Credential, PkiError> {
        self.machine(&[name], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A card's certificate to be, for a user principal name; right in all respects until told otherwise.
    pub fn card(&self, upn: &str) -> CardRequest<'_> {
        CardRequest::new(self, upn)
    }

    /// The revocation lists, in PEM: that of the root (which revokes nothing) and that of the cards' issuer with `revoked`
    /// in it. They are valid for a week.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn crls(&self, revoked: &[&Credential]) -> Result<[String; 2], PkiError> {
        self.crls_until(self.now + 7 * DAY, revoked)
    }

    /// Like [`Pki::crls`], with the time of the next update: one in the past makes them stale.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn crls_until(&self, next: SystemTime, revoked: &[&Credential]) -> Result<[String; 2], PkiError> {
        Ok([self.crl(&self.root, next, &[])?, self.crl(&self.issuing, next, revoked)?])
    }

    fn crl(&self, by: &Authority, next: SystemTime, revoked: &[&Credential]) -> Result<String, PkiError> {
        let entry = |credential: &&Credential| RevokedCertParams {
            serial_number: SerialNumber::from(credential.serial),
            revocation_time: (self.now - DAY).into(),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (self.now.min(next) - DAY).into(),
            next_update: next.into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(by)?.pem()?)
    }

    /// A serial number that no certificate of this PKI has.
    fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    fn machine(&self, names: &[&str], usage: ExtendedKeyUsagePurpose) -> Result<Credential, PkiError> {
        let mut params =
            CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name = common_name(names.first().copied().unwrap_or_default());
        params.not_before = (self.now - DAY).into();
        params.not_after = (self.now + 365 * DAY).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        self.end_entity(params, &self.machines)
    }

    fn end_entity(&self, mut params: CertificateParams, issuer: &Authority) -> Result<Credential, PkiError> {
        params.use_authority_key_identifier_extension = true;
        let serial = self.next_serial();
        params.serial_number = Some(SerialNumber::from(serial));
        let key = key(KeyKind::Rsa2048)?;
        let certificate = params.signed_by(&key, issuer)?;
        Ok(Credential {
            der: certificate.der().to_vec(),
            chain_pem: certificate.pem(),
            key_pem: Some(key.serialize_pem()),
            serial,
        })
    }
}

impl Credential {
    /// The certificate, in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate and what stands between it and the root, in PEM, leaf first.
    #[must_use]
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The serial number.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The key (PKCS#8), in PEM; empty where a token holds it.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        self.key_pem.as_deref().unwrap_or_default()
    }
}

/// A new key.
pub(crate) fn key(kind: KeyKind) -> Result<KeyPair, rcgen::Error> {
    match kind {
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
    }
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn authority(name: &str, path_length: Option<u8>, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.distinguished_name.push(DnType::OrganizationName, "Corp");
    params.not_before = (now - 800 * DAY).into();
    params.not_after = (now + 800 * DAY).into();
    params.is_ca =
        IsCa::Ca(path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;
    use ldap_map::certificate::CertificateFacts;

    const SID: &str = "S-1-5-21-1-2-3-1104";

    #[test]
    fn a_card_says_what_was_asked_for() {
        let pki = Pki::new(wait::now()).unwrap();
        for kind in [KeyKind::Rsa2048, KeyKind::P256] {
            let card = pki.card("alice@corp.example").sid(SID).key(kind).issue().unwrap();
            let facts = CertificateFacts::parse(card.der()).unwrap();
            let upns: Vec<&str> = facts.upns().iter().map(|upn| upn.as_str()).collect();
            assert_eq!(upns, ["alice@corp.example"]);
            assert_eq!(facts.sid().unwrap().to_string(), SID);
            assert_eq!(card.chain_pem().matches("BEGIN CERTIFICATE").count(), 2);
        }
    }

    #[test]
    fn a_card_can_be_without_a_name_or_have_two() {
        let pki = Pki::new(wait::now()).unwrap();
        let upns = |card: &Credential| CertificateFacts::parse(card.der()).unwrap().upns().len();
        assert_eq!(upns(&pki.card("alice@corp.example").without_upn().issue().unwrap()), 0);
        assert_eq!(upns(&pki.card("alice@corp.example").another_upn("bob@corp.example").issue().unwrap()), 2);
    }

    #[test]
    fn a_revocation_list_holds_the_serial_of_the_card() {
        let pki = Pki::new(wait::now()).unwrap();
        let card = pki.card("alice@corp.example").issue().unwrap();
        let [root, issuing] = pki.crls(&[&card]).unwrap();
        let [empty_root, empty] = pki.crls(&[]).unwrap();
        assert!(issuing.len() > empty.len());
        assert_eq!(root.len(), empty_root.len());
    }
}
