//! CRL files: DER, or PEM with one or several blocks (RFC 7468 section 6).

use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;

/// The CRLs of one file, DER each. Empty where a PEM file holds none or a block is broken.
pub(crate) fn split(file: Vec<u8>) -> Vec<Vec<u8>> {
    // A SEQUENCE; PEM may begin with any text.
    if file.first() == Some(&0x30) {
        return vec![file];
    }
    let blocks: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&file).collect();
    blocks.unwrap_or_default().into_iter().map(|crl| crl.as_ref().to_vec()).collect()
}
