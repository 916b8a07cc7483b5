//! `PAC_CLIENT_INFO` (MS-PAC 2.7).

use super::PacError;
use super::container::buffer_type::CLIENT_INFO;
use crate::message::ndr::{Reader, utf16};

/// 100-nanosecond ticks in a second.
const TICKS: u64 = 10_000_000;
/// Seconds from 1601-01-01 to 1970-01-01.
const EPOCH: u64 = 11_644_473_600;

/// The client's name and the time of its initial authentication.
#[derive(Clone, Debug)]
pub(super) struct ClientInfo {
    /// Seconds since 1970, `None` for a time before that.
    pub(super) authtime: Option<u64>,
    /// Name components joined by `/`, without realm and without escapes.
    pub(super) name: String,
}

impl ClientInfo {
    pub(super) fn parse(buffer: &[u8]) -> Result<Self, PacError> {
        let mut reader = Reader::new(buffer);
        let malformed = |_| PacError::Malformed(CLIENT_INFO);
        let filetime = reader.u64().map_err(malformed)?;
        let length = reader.u16().map_err(malformed)?;
        let name = reader.take(usize::from(length)).and_then(utf16).map_err(malformed)?;
        Ok(Self { authtime: (filetime / TICKS).checked_sub(EPOCH), name })
    }
}
