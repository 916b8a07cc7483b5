//! `S4U_DELEGATION_INFO` (MS-PAC 2.9).

use crate::message::ndr::{NdrError, Reader};

/// Which services a ticket has been delegated through.
#[derive(Clone, Debug)]
pub struct DelegationInfo {
    proxy_target: String,
    transited_services: Vec<String>,
}

impl DelegationInfo {
    /// The service the last S4U2Proxy request was for.
    #[must_use]
    pub fn proxy_target(&self) -> &str {
        &self.proxy_target
    }

    /// The services the request came through, nearest last.
    #[must_use]
    pub fn transited_services(&self) -> &[String] {
        &self.transited_services
    }

    pub(super) fn parse(buffer: &[u8]) -> Result<Self, NdrError> {
        let mut reader = Reader::top_level(buffer)?;
        let proxy_target = reader.string_header()?;
        let count = reader.u32()?;
        let present = reader.pointer()?;
        if !present && count != 0 {
            return Err(NdrError::NullWithLength);
        }
        let proxy_target = reader.string(proxy_target)?;
        let mut headers = Vec::new();
        if present {
            let count = reader.conformance(count, 8)?;
            headers.reserve_exact(count);
            for _ in 0..count {
                headers.push(reader.string_header()?);
            }
        }
        let transited_services =
            headers.into_iter().map(|header| reader.string(header)).collect::<Result<_, _>>()?;
        Ok(Self { proxy_target, transited_services })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deferred(text: &str) -> Vec<u8> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let count = u32::try_from(units.len()).unwrap();
        let mut bytes = [count, 0, count].map(u32::to_le_bytes).concat();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn header(text: &str) -> Vec<u8> {
        let length = u16::try_from(text.len() * 2).unwrap().to_le_bytes();
        [&length[..], &length[..], &0x0002_0004_u32.to_le_bytes()].concat()
    }

    fn buffer(target: &str, transited: &str, count: u32) -> Vec<u8> {
        let mut body = 0x0002_0000_u32.to_le_bytes().to_vec();
        body.extend(header(target));
        body.extend(count.to_le_bytes());
        body.extend(0x0002_0008_u32.to_le_bytes());
        body.extend(deferred(target));
        body.extend(count.to_le_bytes());
        body.extend(header(transited));
        body.extend(deferred(transited));
        body.resize(body.len().next_multiple_of(8), 0);
        let mut bytes = vec![1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc];
        bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn target_and_transited_services_are_read() {
        let bytes = buffer("TERMSRV/desk1", "svc-broker@CORP.EXAMPLE", 1);
        let delegation = DelegationInfo::parse(&bytes).unwrap();
        assert_eq!(delegation.proxy_target(), "TERMSRV/desk1");
        assert_eq!(delegation.transited_services(), ["svc-broker@CORP.EXAMPLE"]);
    }

    #[test]
    fn a_list_longer_than_the_buffer_is_refused() {
        let bytes = buffer("TERMSRV/desk1", "svc-broker", 0x8000_0000);
        assert_eq!(DelegationInfo::parse(&bytes).unwrap_err(), NdrError::Truncated);
    }
}
