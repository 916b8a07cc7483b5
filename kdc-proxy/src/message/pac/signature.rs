//! `PAC_SIGNATURE_DATA` (MS-PAC 2.8).

use super::PacError;
use crate::message::ndr::Reader;

/// A checksum and its type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature<'a> {
    pub(super) kind: i32,
    pub(super) value: &'a [u8],
}

impl<'a> Signature<'a> {
    /// Reads a signature buffer; `buffer_type` only names it in errors.
    ///
    /// Of a type whose length is known the buffer holds the signature, and possibly the 16-bit identifier of a
    /// read-only domain controller, and nothing else. A type this crate cannot compute is kept as it is.
    pub(super) fn parse(buffer: &'a [u8], buffer_type: u32) -> Result<Self, PacError> {
        let mut reader = Reader::new(buffer);
        let kind = reader.i32().map_err(|_| PacError::Malformed(buffer_type))?;
        let rest = buffer.get(4..).unwrap_or_default();
        let Some(length) = signature_length(kind) else {
            return Ok(Self { kind, value: rest });
        };
        match rest.split_at_checked(length) {
            Some((value, rodc)) if rodc.is_empty() || rodc.len() == 2 => Ok(Self { kind, value }),
            _ => Err(PacError::SignatureLength { buffer: buffer_type, signature_type: kind }),
        }
    }
}

/// Length of the keyed checksums a KDC signs with (MS-PAC 2.8).
const fn signature_length(kind: i32) -> Option<usize> {
    match kind {
        15 | 16 => Some(12),
        19 | -138 => Some(16),
        20 => Some(24),
        _ => None,
    }
}
