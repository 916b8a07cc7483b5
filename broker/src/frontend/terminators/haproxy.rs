//! HAProxy: `http-request set-header SSL-Client-Cert %[ssl_c_der,base64]`, one DER in base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Certificates, FormError, pem::single};

pub(super) fn read(value: &str) -> Result<Certificates, FormError> {
    if value.contains(',') {
        return Err(FormError::Several);
    }
    let octets = STANDARD.decode(value).map_err(|_| FormError::Malformed("base64"))?;
    Ok(vec![single(octets)?])
}
