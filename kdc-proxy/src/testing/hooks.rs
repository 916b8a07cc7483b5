//! Where a test can make the KDC lie.

use crate::message::kdc_rep::{EncKdcRepPart, KdcRep};
use crate::message::krb_error::KrbError;
use crate::message::types::EncTicketPart;

type Change<T> = Option<Box<dyn Fn(&mut T) + Send>>;

/// Changes to a reply, in the order in which it is made.
#[derive(Default)]
pub(crate) struct Hooks {
    /// The buffers of the PAC beside the signatures, by type, before the PAC is signed.
    pub(crate) pac_buffers: Change<Vec<(u32, Vec<u8>)>>,
    /// The PAC after it was signed.
    pub(crate) pac: Change<Vec<u8>>,
    /// The ticket before it is encrypted.
    pub(crate) ticket: Change<EncTicketPart>,
    /// The same, as the octets that are encrypted.
    pub(crate) ticket_octets: Change<Vec<u8>>,
    /// The encrypted part before it is encrypted.
    pub(crate) part: Change<EncKdcRepPart>,
    /// The same, as the octets that are encrypted.
    pub(crate) part_octets: Change<Vec<u8>>,
    /// The reply around the encrypted part.
    pub(crate) reply: Change<KdcRep>,
    /// An error.
    pub(crate) error: Change<KrbError>,
    /// The message as it goes out.
    pub(crate) bytes: Change<Vec<u8>>,
}

impl Hooks {
    pub(super) fn bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        apply(&self.bytes, &mut bytes);
        bytes
    }
}

pub(super) fn apply<T>(change: &Change<T>, value: &mut T) {
    if let Some(change) = change {
        change(value);
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}
