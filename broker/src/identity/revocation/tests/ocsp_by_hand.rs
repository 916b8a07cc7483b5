//! OCSP responses written by hand, for tests that decide what a responder says.

use std::sync::Arc;

use aws_lc_rs::digest;
use der::Encode as _;
use rcgen::SigningKey as _;

use crate::identity::certificate::ParsedCertificate;
use crate::identity::revocation::{CertIdHash, CertificateKey, OcspResponse, certificate_key};
use crate::identity::testing::{Authority, tlv};
use rustls_pki_types::CertificateDer;

const ECDSA_WITH_SHA256: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const BASIC: [u8; 9] = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
const NONCE: [u8; 9] = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];

/// What a responder says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word {
    Good,
    Revoked,
    Unknown,
}

/// One answer about one certificate, from 2025-12-31 unless said otherwise.
pub(crate) struct Answer<'a> {
    pub(crate) word: Word,
    pub(crate) this_update: &'a [u8; 15],
    pub(crate) next_update: Option<&'a [u8; 15]>,
    pub(crate) nonce: Option<Vec<u8>>,
    /// Whether the certificate of whoever signs it goes along.
    pub(crate) with_certificate: bool,
}

impl Answer<'_> {
    pub(crate) fn saying(word: Word) -> Self {
        let (this_update, next_update) = (b"20251231230000Z", Some(b"20260101010000Z"));
        Self { word, this_update, next_update, nonce: None, with_certificate: false }
    }

    /// The response about `card`, which `issuer` issued, signed by `issuer` itself.
    pub(crate) fn encoded(&self, card: &CertificateDer<'_>, issuer: &Authority) -> Vec<u8> {
        self.signed_by(card, issuer, issuer)
    }

    /// The same, signed by somebody else.
    pub(crate) fn signed_by(
        &self,
        card: &CertificateDer<'_>,
        issuer: &Authority,
        signer: &Authority,
    ) -> Vec<u8> {
        let signer_key = parsed(&signer.certificate);
        let key = signer_key.spki().subject_public_key.as_bytes().expect("a key");
        let key = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key);
        let status = match self.word {
            Word::Good => tlv(0x80, &[]),
            Word::Revoked => tlv(0xa1, &tlv(0x18, b"20251201000000Z")),
            Word::Unknown => tlv(0x82, &[]),
        };
        let next = self.next_update.map(|next| tlv(0xa0, &tlv(0x18, next))).unwrap_or_default();
        let id = certificate_key_of(card, issuer);
        let single = tlv(0x30, &[id.to_vec(), status, tlv(0x18, self.this_update), next].concat());
        let extensions = self.nonce.as_ref().map(|nonce| {
            let extension = tlv(0x30, &[tlv(6, &NONCE), tlv(4, &tlv(4, nonce))].concat());
            tlv(0xa1, &tlv(0x30, &extension))
        });
        let data = [
            tlv(0xa2, &tlv(4, key.as_ref())),
            tlv(0x18, self.this_update),
            tlv(0x30, &single),
            extensions.unwrap_or_default(),
        ];
        let data = tlv(0x30, &data.concat());
        let signature = signer.key.sign(&data).expect("a signature");
        let signature = tlv(3, &[vec![0], signature].concat());
        let brought = if self.with_certificate { signer.certificate.to_vec() } else { Vec::new() };
        let certificates = if brought.is_empty() { brought } else { tlv(0xa0, &tlv(0x30, &brought)) };
        let basic = tlv(0x30, &[data, ECDSA_WITH_SHA256.to_vec(), signature, certificates].concat());
        let bytes = tlv(0x30, &[tlv(6, &BASIC), tlv(4, &basic)].concat());
        tlv(0x30, &[tlv(0x0a, &[0]), tlv(0xa0, &bytes)].concat())
    }

    pub(crate) fn response(&self, card: &CertificateDer<'_>, issuer: &Authority) -> Arc<OcspResponse> {
        Arc::new(OcspResponse::parse(&self.encoded(card, issuer)).expect("a response"))
    }
}

fn parsed(certificate: &CertificateDer<'_>) -> ParsedCertificate {
    ParsedCertificate::parse(certificate).expect("a certificate")
}

pub(crate) fn certificate_key_of(card: &CertificateDer<'_>, issuer: &Authority) -> CertificateKey {
    let key = certificate_key(&parsed(card), &parsed(&issuer.certificate), CertIdHash::Sha1);
    key.expect("an issuer with a name")
}

#[test]
fn the_request_has_the_nonce_in_its_request_extensions_and_names_the_certificate() {
    use crate::identity::revocation::{OcspKey, OcspManner, OcspQuestion, OcspRequest};
    let root = Authority::root("Root");
    let certificate = certificate_key_of(&root.card(), &root);
    let key = OcspKey { certificate: Arc::clone(&certificate), url: "http://ocsp.example/".into() };
    let question = OcspQuestion { key, manner: OcspManner::default() };
    let OcspRequest::Post { body } = question.request(&[7; 32]) else { panic!("a POST") };
    let requests = tlv(0x30, &tlv(0x30, &certificate));
    let nonce = tlv(0x30, &[tlv(6, &NONCE), tlv(4, &tlv(4, &[7; 32]))].concat());
    let expected = tlv(0x30, &tlv(0x30, &[requests, tlv(0xa2, &tlv(0x30, &nonce))].concat()));
    assert_eq!(body, expected);
    assert!(certificate.to_vec().to_der().is_ok());
}

#[test]
fn a_short_question_goes_by_get_where_that_is_configured() {
    use crate::identity::revocation::{Nonce, OcspKey, OcspManner, OcspMethod, OcspQuestion, OcspRequest};
    let root = Authority::root("Root");
    let certificate = certificate_key_of(&root.card(), &root);
    let manner = OcspManner { method: OcspMethod::Get, nonce: Nonce::Off, ..OcspManner::default() };
    let asked = |url: &str| {
        let key = OcspKey { certificate: Arc::clone(&certificate), url: url.into() };
        OcspQuestion { key, manner }.request(&[])
    };
    let OcspRequest::Get { url } = asked("http://ocsp.example/at") else { panic!("short enough") };
    let path = url.strip_prefix("http://ocsp.example/at/").expect("below the responder's url");
    assert!(path.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'%'), "{path}");
    let long = format!("http://ocsp.example/{}", "x".repeat(200));
    assert!(matches!(asked(&long), OcspRequest::Post { .. }));
}
