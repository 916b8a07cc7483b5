//! A public key infrastructure for tests: authorities, cards and CRLs, all made on the spot.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, OtherNameValue,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RevocationReason, RevokedCertParams, SanType, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::{PeerCertificates, Revocation, Settings, ValidatedIdentity, Validator};

pub(crate) const SMARTCARD_LOGON: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 2];
const UPN: [u64; 10] = [1, 3, 6, 1, 4, 1, 311, 20, 2, 3];

/// 2026-01-01T00:00:00Z, when all tests take place.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

pub(crate) fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

/// A CA: its parameters, key and certificate.
pub(crate) struct Authority {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Authority {
    /// A self-signed P-256 root.
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, &PKCS_ECDSA_P256_SHA256, |_| ())
    }

    pub(crate) fn root_with(
        name: &str,
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let certificate = params.self_signed(&key).expect("a root");
        Self { certificate: certificate.der().clone(), params, key }
    }

    /// A CA below this one, with a P-256 key.
    pub(crate) fn below(&self, name: &str) -> Self {
        self.below_with(name, |_| ())
    }

    pub(crate) fn below_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = self.sign(&params, &key);
        Self { params, key, certificate }
    }

    /// Certifies the name and key of another CA: a cross-certificate.
    pub(crate) fn cross(&self, other: &Self) -> CertificateDer<'static> {
        self.sign(&other.params, &other.key)
    }

    pub(crate) fn sign(&self, params: &CertificateParams, key: &KeyPair) -> CertificateDer<'static> {
        let mut params = params.clone();
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).expect("a certificate").der().clone()
    }

    /// A good card, serial 0x1001.
    pub(crate) fn card(&self) -> CertificateDer<'static> {
        self.card_with(|_| ())
    }

    pub(crate) fn card_with(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = card_params();
        change(&mut params);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        self.sign(&params, &key)
    }

    /// A fresh and empty CRL of this CA.
    pub(crate) fn crl(&self) -> Vec<u8> {
        self.crl_with(|_| ())
    }

    pub(crate) fn crl_with(&self, change: impl FnOnce(&mut CertificateRevocationListParams)) -> Vec<u8> {
        let mut params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 12, 25),
            next_update: date_time_ymd(2026, 1, 8),
            crl_number: SerialNumber::from(7),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut params);
        params.signed_by(&Issuer::from_params(&self.params, &self.key)).expect("a CRL").der().to_vec()
    }
}

/// The parameters of a CA named `name`.
pub(crate) fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The parameters of alice's card.
pub(crate) fn card_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("Alice");
    params.serial_number = Some(SerialNumber::from(0x1001));
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(SMARTCARD_LOGON.to_vec())];
    params.subject_alt_names =
        vec![SanType::OtherName((UPN.to_vec(), OtherNameValue::Utf8String("alice@corp.example".to_owned())))];
    params
}

pub(crate) fn subject(name: &str) -> DistinguishedName {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::OrganizationName, "Corp");
    distinguished_name.push(DnType::CommonName, name);
    distinguished_name
}

pub(crate) fn unknown_critical_extension() -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(true);
    extension
}

/// Says where the certificate of the issuer is: authorityInfoAccess, id-ad-caIssuers.
pub(crate) fn access(params: &mut CertificateParams, url: &str) {
    let method = tlv(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 2]);
    let description = tlv(0x30, &[method, tlv(0x86, url.as_bytes())].concat());
    let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], tlv(0x30, &description));
    params.custom_extensions.push(extension);
}

pub(crate) fn email(address: &str) -> SanType {
    SanType::Rfc822Name(Ia5String::try_from(address).expect("an ASCII address"))
}

/// An entry of a CRL.
pub(crate) fn revoked(serial: u64, reason: RevocationReason) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2025, 12, 1),
        reason_code: Some(reason),
        invalidity_date: None,
    }
}

pub(crate) fn rsa_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_RSA_SHA256).expect("an RSA key")
}

/// One DER element.
pub(crate) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = match u8::try_from(contents.len()) {
        Ok(short @ 0..=127) => vec![short],
        Ok(middle) => vec![0x81, middle],
        Err(_) => [&[0x82], u16::try_from(contents.len()).expect("small").to_be_bytes().as_slice()].concat(),
    };
    [vec![tag], length, contents.to_vec()].concat()
}

/// Settings that trust these roots and do not ask for revocation.
pub(crate) fn trusting(roots: &[&Authority]) -> Settings {
    let mut settings = Settings::new(roots.iter().map(|root| root.certificate.clone()).collect());
    settings.revocation = Revocation::Off;
    settings
}

pub(crate) fn validator(settings: Settings) -> Validator {
    Validator::new(settings, now()).expect("good settings")
}

pub(crate) fn peer(chain: &[&CertificateDer<'static>]) -> PeerCertificates {
    PeerCertificates::new(chain.iter().map(|one| (*one).clone()).collect()).expect("a small chain")
}

/// A validated identity of alice, for the tests of later steps.
pub(crate) fn identity() -> ValidatedIdentity {
    let root = Authority::root("Root");
    validator(trusting(&[&root])).judge(&peer(&[&root.card()]), now()).expect("a good card")
}
