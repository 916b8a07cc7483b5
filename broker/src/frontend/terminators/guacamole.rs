//! Apache Guacamole's terminators: `X-Client-Certificate`, one percent-encoded PEM, and `X-Client-Verified`.

use super::{Certificates, FormError, pem};

/// What the terminator says of a client whose certificate it took.
const VERIFIED: &str = "SUCCESS";
/// What it says of a client that showed none.
const NONE: &str = "NONE";

/// Both or neither. That the terminator took the certificate is needed and never enough.
pub(super) fn read(value: Option<&str>, verified: Option<&str>) -> Result<Option<Certificates>, FormError> {
    match (value, verified) {
        (None, None | Some(NONE)) => Ok(None),
        (None, Some(VERIFIED)) => Err(FormError::Empty),
        (Some(value), Some(VERIFIED)) => pem::one(&pem::unescaped(value)?).map(Some),
        (_, _) => Err(FormError::NotVerified),
    }
}
