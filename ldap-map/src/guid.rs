//! Globally unique identifiers in the order in which the directory stores them (MS-DTYP 2.3.4.2).

use std::fmt;

/// The sixteen octets of an `objectGUID`.
///
/// The text form is the usual `8-4-4-4-12`; its first three groups are little-endian in the octets.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Guid([u8; 16]);

impl Guid {
    /// Reads the binary form.
    ///
    /// # Errors
    /// [`GuidError`] when there are not sixteen octets.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GuidError> {
        bytes.try_into().map(Self).map_err(|_| GuidError { length: bytes.len() })
    }

    /// The binary form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, rest @ ..] = self.0;
        write!(f, "{:08x}", u32::from_le_bytes([a, b, c, d]))?;
        write!(f, "-{:04x}-{:04x}-", u16::from_le_bytes([e, g]), u16::from_le_bytes([h, i]))?;
        for (place, octet) in rest.into_iter().enumerate() {
            if place == 2 {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Octets that are not a GUID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a GUID has 16 octets, not {length}")]
pub struct GuidError {
    /// How many octets there were.
    pub length: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_groups_are_little_endian() {
        let guid = Guid::from_bytes(&hex::decode("33221100554477668899aabbccddeeff").unwrap()).unwrap();
        assert_eq!("00112233-4455-6677-8899-aabbccddeeff", guid.to_string());
    }

    #[test]
    fn another_length_is_refused() {
        assert_eq!(Err(GuidError { length: 15 }), Guid::from_bytes(&[0; 15]));
        assert_eq!(Err(GuidError { length: 17 }), Guid::from_bytes(&[0; 17]));
    }
}
