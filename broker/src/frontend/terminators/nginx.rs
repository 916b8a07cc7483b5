//! nginx: `proxy_set_header SSL-Client-Cert $ssl_client_escaped_cert`, one percent-encoded PEM.

use super::{Certificates, FormError, pem};

pub(super) fn read(value: &str) -> Result<Certificates, FormError> {
    pem::one(&pem::unescaped(value)?)
}
