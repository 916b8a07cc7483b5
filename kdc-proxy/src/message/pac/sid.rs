//! Security identifiers as a PAC carries them (MS-DTYP 2.4.2.2).

use std::fmt;

/// A security identifier in its binary form, the bytes that `objectSid` holds in the directory.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sid(Box<[u8]>);

impl Sid {
    /// Reads a binary SID that fills `bytes` exactly: revision 1 and at most 15 sub-authorities.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[revision, count, _, _, _, _, _, _], rest) = bytes.split_first_chunk()?;
        let fits = revision == 1 && count <= 15 && rest.len() == usize::from(count) * 4;
        fits.then(|| Self(bytes.into()))
    }

    /// The binary form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The last sub-authority: the relative identifier of an account or group.
    #[must_use]
    pub fn rid(&self) -> Option<u32> {
        self.sub_authorities().last()
    }

    /// The SID without its relative identifier, which is that of the domain.
    #[must_use]
    pub fn domain(&self) -> Option<Self> {
        let count = self.0.get(1)?.checked_sub(1)?;
        let end = self.0.len().checked_sub(4)?;
        let mut bytes: Vec<u8> = self.0.get(..end)?.to_vec();
        *bytes.get_mut(1)? = count;
        Some(Self(bytes.into()))
    }

    /// This domain's SID with a relative identifier appended; `None` when there is no room for one.
    #[must_use]
    pub fn with_rid(&self, rid: u32) -> Option<Self> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_add(4));
        bytes.extend_from_slice(&self.0);
        bytes.extend_from_slice(&rid.to_le_bytes());
        let count = bytes.get_mut(1)?;
        *count = count.checked_add(1)?;
        Self::parse(&bytes)
    }

    fn sub_authorities(&self) -> impl Iterator<Item = u32> {
        let (chunks, _) = self.0.get(8..).unwrap_or_default().as_chunks::<4>();
        chunks.iter().map(|chunk| u32::from_le_bytes(*chunk))
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority =
            self.0.iter().skip(2).take(6).fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
        // MS-DTYP 2.4.2.1: an authority that needs more than 32 bits is written in hexadecimal.
        if authority <= u64::from(u32::MAX) {
            write!(f, "S-1-{authority}")?;
        } else {
            write!(f, "S-1-0x{authority:012x}")?;
        }
        self.sub_authorities().try_for_each(|value| write!(f, "-{value}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMINISTRATOR: &str = "010500000000000515000000504ef407c1952743c6f27ad3f4010000";

    fn administrator() -> Sid {
        Sid::parse(&hex::decode(ADMINISTRATOR).unwrap()).unwrap()
    }

    #[test]
    fn a_sid_is_written_in_its_text_form() {
        assert_eq!(administrator().to_string(), "S-1-5-21-133451344-1126667713-3548050118-500");
    }

    #[test]
    fn an_authority_above_32_bits_is_written_in_hexadecimal() {
        let sid = Sid::parse(&[1, 1, 0x12, 0x34, 0, 0, 0, 5, 7, 0, 0, 0]).unwrap();
        assert_eq!(sid.to_string(), "S-1-0x123400000005-7");
    }

    #[test]
    fn domain_and_rid_make_the_sid_again() {
        let sid = administrator();
        let domain = sid.domain().unwrap();
        assert_eq!(domain.to_string(), "S-1-5-21-133451344-1126667713-3548050118");
        assert_eq!(domain.with_rid(sid.rid().unwrap()), Some(sid));
    }

    #[test]
    fn a_sid_of_another_revision_or_length_is_refused() {
        let good = hex::decode(ADMINISTRATOR).unwrap();
        let mut revision = good.clone();
        revision[0] = 2;
        let mut count = good.clone();
        count[1] = 255;
        for bad in [&revision[..], &count[..], &good[..good.len() - 1], &[]] {
            assert_eq!(Sid::parse(bad), None);
        }
    }

    #[test]
    fn a_sixteenth_sub_authority_has_no_room() {
        let mut bytes = vec![1, 15, 0, 0, 0, 0, 0, 5];
        bytes.extend_from_slice(&[0; 60]);
        assert_eq!(Sid::parse(&bytes).unwrap().with_rid(1), None);
    }
}
