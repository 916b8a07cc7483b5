//! `KRB-ERROR` (RFC 4120 section 5.9.1) and what Active Directory adds to it (MS-KILE section 2.2.1).
//!
//! Nothing here is authenticated. It chooses a retry or the words of a refusal, never an identity or a policy.

use rasn::prelude::*;

use super::padata::kind;
use super::types::{KerberosString, Malformed, PaData, WireName, decode};
use crate::error::{ErrorCode, KdcRefusal, NtStatus};
use crate::principal::Realm;
use crate::time::KerberosTime;

/// Most characters of `e-text` that are kept.
const MAX_TEXT: usize = 200;

/// `KRB-ERROR`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 30)))]
pub(crate) struct KrbError {
    #[rasn(tag(explicit(0)))]
    pub(crate) pvno: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) msg_type: i32,
    #[rasn(tag(explicit(2)))]
    pub(crate) ctime: Option<KerberosTime>,
    #[rasn(tag(explicit(3)))]
    pub(crate) cusec: Option<u32>,
    #[rasn(tag(explicit(4)))]
    pub(crate) stime: KerberosTime,
    #[rasn(tag(explicit(5)))]
    pub(crate) susec: u32,
    #[rasn(tag(explicit(6)))]
    pub(crate) error_code: i32,
    #[rasn(tag(explicit(7)))]
    pub(crate) crealm: Option<KerberosString>,
    #[rasn(tag(explicit(8)))]
    pub(crate) cname: Option<WireName>,
    #[rasn(tag(explicit(9)))]
    pub(crate) realm: KerberosString,
    #[rasn(tag(explicit(10)))]
    pub(crate) sname: WireName,
    #[rasn(tag(explicit(11)))]
    pub(crate) e_text: Option<KerberosString>,
    #[rasn(tag(explicit(12)))]
    pub(crate) e_data: Option<OctetString>,
}

/// `KERB-ERROR-DATA` of MS-KILE section 2.2.1.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
pub(crate) struct KerbErrorData {
    #[rasn(tag(explicit(1)))]
    pub(crate) data_type: i32,
    #[rasn(tag(explicit(2)))]
    pub(crate) data_value: Option<OctetString>,
}

/// `KERB-ERROR-DATA` that holds a KERB-EXT-ERROR.
const EXTENDED: i32 = 3;

impl KrbError {
    /// Reads an error and checks version and type.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let error: Self = decode(bytes)?;
        if error.pvno != 5 || error.msg_type != 30 || error.susec > 999_999 {
            return Err(Malformed);
        }
        Ok(error)
    }

    /// The code.
    pub(crate) const fn code(&self) -> ErrorCode {
        ErrorCode::new(self.error_code)
    }

    /// The KDC's time as it claims.
    pub(crate) fn kdc_time(&self) -> std::time::SystemTime {
        self.stime.to_system() + std::time::Duration::from_micros(u64::from(self.susec))
    }

    /// The `METHOD-DATA` of KDC_ERR_PREAUTH_REQUIRED.
    pub(crate) fn method_data(&self) -> Result<Vec<PaData>, Malformed> {
        decode(self.e_data.as_deref().ok_or(Malformed)?)
    }

    /// What is told to the caller, who asked a KDC of `realm`.
    pub(crate) fn refusal(&self, realm: &Realm) -> KdcRefusal {
        KdcRefusal {
            realm: realm.clone(),
            code: self.code(),
            status: self.e_data.as_deref().and_then(nt_status),
            text: self.e_text.as_ref().and_then(|text| printable(&text.0)),
        }
    }
}

/// The NTSTATUS of KERB-EXT-ERROR: 12 octets, little-endian status first. It stands in KERB-ERROR-DATA or, from
/// older KDCs, in a METHOD-DATA element of type 3. Anything else has no status.
fn nt_status(e_data: &[u8]) -> Option<NtStatus> {
    let value = match decode::<KerbErrorData>(e_data) {
        Ok(found) if found.data_type == EXTENDED => found.data_value?,
        Ok(_) => return None,
        Err(Malformed) => {
            let elements: Vec<PaData> = decode(e_data).ok()?;
            elements.into_iter().find(|element| element.padata_type == kind::PW_SALT)?.padata_value
        }
    };
    let extended: &[u8; 12] = value.as_ref().try_into().ok()?;
    let [a, b, c, d, ..] = *extended;
    Some(NtStatus::new(u32::from_le_bytes([a, b, c, d])))
}

/// The text without control characters and not longer than [`MAX_TEXT`]; `None` when nothing is left.
pub(super) fn printable(octets: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(octets)
        .chars()
        .filter(|character| !character.is_control() && !is_direction_mark(*character))
        .take(MAX_TEXT)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Characters that rearrange a line of text without showing.
const fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
