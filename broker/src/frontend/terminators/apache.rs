//! Apache httpd: `RequestHeader set SSL-Client-Cert "%{SSL_CLIENT_CERT}s"`, one PEM whose line ends have become spaces.

use super::{Certificates, FormError, pem};

/// What httpd writes for a variable that is not set: the client showed no certificate.
pub(super) const ABSENT: &str = "(null)";

pub(super) fn read(value: &str) -> Result<Certificates, FormError> {
    pem::one(value)
}
