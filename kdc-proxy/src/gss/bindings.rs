//! Channel bindings (RFC 2743 section 1.1.6, RFC 5929, RFC 9266).

use md5::{Digest, Md5};

/// Most octets of application data.
const MAX_APPLICATION_DATA: usize = 64 * 1024;

/// Why channel bindings were refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingsError {
    /// No application data at all: that would not bind anything.
    #[error("channel bindings are empty")]
    Empty,
    /// More application data than 64 KiB.
    #[error("channel bindings are too long")]
    TooLong,
    /// The hash has not the length of a SHA-2 hash.
    #[error("certificate hash has the length of no accepted hash function")]
    HashLength,
}

/// What ties a token to one channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelBindings {
    application_data: Vec<u8>,
}

impl ChannelBindings {
    /// Bindings with this application data, which begins with the prefix of its type, such as
    /// `tls-server-end-point:` or `tls-exporter:`.
    ///
    /// # Errors
    ///
    /// [`BindingsError::Empty`] and [`BindingsError::TooLong`].
    pub fn new(application_data: &[u8]) -> Result<Self, BindingsError> {
        match application_data.len() {
            0 => Err(BindingsError::Empty),
            length if length > MAX_APPLICATION_DATA => Err(BindingsError::TooLong),
            _ => Ok(Self { application_data: application_data.to_vec() }),
        }
    }

    /// `tls-server-end-point` (RFC 5929 section 4): `certificate_hash` is the hash of the server certificate's DER
    /// with the hash function of its signature algorithm, SHA-256 in the place of MD5 and SHA-1.
    ///
    /// # Errors
    ///
    /// [`BindingsError::HashLength`] unless it is 28, 32, 48 or 64 octets long.
    pub fn tls_server_end_point(certificate_hash: &[u8]) -> Result<Self, BindingsError> {
        if !matches!(certificate_hash.len(), 28 | 32 | 48 | 64) {
            return Err(BindingsError::HashLength);
        }
        Self::new(&[b"tls-server-end-point:", certificate_hash].concat())
    }

    /// `Bnd` of RFC 4121 section 4.1.1.2: MD5 over the bindings with both address types 0 and no addresses.
    pub(super) fn digest(&self) -> [u8; 16] {
        let length = u32::try_from(self.application_data.len()).unwrap_or(u32::MAX);
        Md5::new()
            .chain_update([0; 16])
            .chain_update(length.to_le_bytes())
            .chain_update(&self.application_data)
            .finalize()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of the octets "certificate-der".
    const HASH: &str = "03f48c90a8e6886eab083a748a07cdbbae80c034c57ae76a11635ad852d913e3";

    #[test]
    fn the_digest_of_an_end_point_binding_is_as_computed_elsewhere() {
        let bindings = ChannelBindings::tls_server_end_point(&hex::decode(HASH).unwrap()).unwrap();
        assert_eq!(hex::encode(bindings.digest()), "d1401a7a7d0c267ea5297c28066b2508");
    }

    #[test]
    fn the_same_application_data_given_raw_is_the_same_binding() {
        let hash = hex::decode(HASH).unwrap();
        let raw = ChannelBindings::new(&[b"tls-server-end-point:", &hash[..]].concat());
        assert_eq!(raw, ChannelBindings::tls_server_end_point(&hash));
    }

    #[test]
    fn bindings_that_bind_nothing_or_too_much_are_refused() {
        assert_eq!(ChannelBindings::new(&[]), Err(BindingsError::Empty));
        assert_eq!(ChannelBindings::new(&vec![1; 65_537]), Err(BindingsError::TooLong));
        for length in [0, 16, 20, 33] {
            let bindings = ChannelBindings::tls_server_end_point(&vec![1; length]);
            assert_eq!(bindings, Err(BindingsError::HashLength), "{length}");
        }
    }
}
