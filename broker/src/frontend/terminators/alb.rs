//! AWS Application Load Balancer: percent-encoded PEM, with `+`, `=` and `/` left as they are.

use super::{Certificates, FormError, pem};

/// `X-Amzn-Mtls-Clientcert`: the whole chain, of a balancer that passes certificates through.
pub(super) fn read_chain(value: &str) -> Result<Certificates, FormError> {
    pem::all(&pem::unescaped(value)?)
}

/// `X-Amzn-Mtls-Clientcert-Leaf`: the client's certificate alone, of a balancer that verifies.
pub(super) fn read_leaf(value: &str) -> Result<Certificates, FormError> {
    pem::one(&pem::unescaped(value)?)
}
