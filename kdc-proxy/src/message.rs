//! The messages of RFC 4120 and MS-SFU, as they are on the wire.
//!
//! The types are derived from `rasn` and private to the crate: what leaves this module are principals, keys, times
//! and tickets. Everything is strict DER, bounded by [`MAX_MESSAGE_LENGTH`], and no input makes a reader panic.
//! Parts that a checksum covers are kept as the exact bytes and never encoded a second time.

pub(crate) mod ap_rep;
pub(crate) mod ap_req;
mod der;
pub mod kdc_proxy;
pub(crate) mod kdc_rep;
pub(crate) mod kdc_req;
pub(crate) mod kpasswd;
pub mod krb_cred;
pub(crate) mod krb_error;
pub(crate) mod krb_priv;
pub mod ndr;
pub(crate) mod negotiation;
pub mod pac;
pub(crate) mod padata;
pub(crate) mod transited;
pub(crate) mod types;

/// Longest message that is read, in octets; the KDC's framing must not announce more.
pub const MAX_MESSAGE_LENGTH: usize = 128 * 1024;

#[cfg(test)]
mod tests;
