//! Files of CRLs and OCSP responses: DER, or PEM with one or several blocks (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;

/// The CRLs of one file, DER each. Empty where a PEM file holds none or a block is broken.
pub(crate) fn split(file: Vec<u8>) -> Vec<Vec<u8>> {
    if is_der(&file) {
        return vec![file];
    }
    let blocks: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&file).collect();
    blocks.unwrap_or_default().into_iter().map(|crl| crl.as_ref().to_vec()).collect()
}

/// The OCSP responses of one file, likewise.
pub(crate) fn split_ocsp(file: Vec<u8>) -> Vec<Vec<u8>> {
    if is_der(&file) {
        return vec![file];
    }
    let text = String::from_utf8(file).unwrap_or_default();
    let blocks = text.split("-----BEGIN OCSP RESPONSE-----").skip(1);
    let decoded = blocks.map(|block| {
        let (encoded, _) = block.split_once("-----END OCSP RESPONSE-----")?;
        let encoded: String = encoded.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        STANDARD.decode(encoded).ok()
    });
    decoded.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// A SEQUENCE; PEM may begin with any text.
fn is_der(file: &[u8]) -> bool {
    file.first() == Some(&0x30)
}
