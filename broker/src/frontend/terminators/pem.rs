//! Certificates in PEM (RFC 7468), as strictly as a header needs: nothing stands before, between or after them but space.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use der::{Reader as _, SliceReader};
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;

use super::{Certificates, FormError};
use crate::identity::MAX_CERTIFICATES;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
const NOT_PEM: FormError = FormError::Malformed("PEM");

/// All certificates of a text, of which there is one at least. Lines may end in any space.
pub(super) fn all(text: &str) -> Result<Certificates, FormError> {
    let mut rest = text.trim_ascii();
    let mut certificates = Vec::new();
    while !rest.is_empty() {
        // One more than is allowed is enough to be refused as too many.
        if certificates.len() > MAX_CERTIFICATES {
            break;
        }
        let (body, after) = rest.strip_prefix(BEGIN).and_then(|body| body.split_once(END)).ok_or(NOT_PEM)?;
        let body: String = body.split_ascii_whitespace().collect();
        let octets = STANDARD.decode(body).map_err(|_| NOT_PEM)?;
        certificates.push(single(octets)?);
        rest = after.trim_ascii_start();
    }
    if certificates.is_empty() { Err(FormError::Empty) } else { Ok(certificates) }
}

/// The one certificate of a text.
pub(super) fn one(text: &str) -> Result<Certificates, FormError> {
    let certificates = all(text)?;
    if certificates.len() > 1 { Err(FormError::Several) } else { Ok(certificates) }
}

/// Undoes percent-encoding (RFC 3986 section 2.1); a plus sign is a plus sign.
pub(super) fn unescaped(value: &str) -> Result<String, FormError> {
    let text = percent_decode_str(value).decode_utf8().map_err(|_| NOT_PEM)?;
    Ok(text.into_owned())
}

/// Takes octets that are one DER element, and nothing after it.
pub(super) fn single(octets: Vec<u8>) -> Result<CertificateDer<'static>, FormError> {
    const NOT_DER: FormError = FormError::Malformed("a certificate in DER");
    if octets.is_empty() {
        return Err(FormError::Empty);
    }
    let mut reader = SliceReader::new(&octets).map_err(|_| NOT_DER)?;
    reader.tlv_bytes().map_err(|_| NOT_DER)?;
    if !reader.is_finished() {
        return Err(FormError::Several);
    }
    Ok(octets.into())
}
