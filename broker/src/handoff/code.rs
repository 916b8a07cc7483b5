//! One-time codes and session identifiers: random octets, base64url on the wire, only their digest kept.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;
use zeroize::Zeroizing;

/// Random octets that are worth something to whoever holds them: a one-time code (32) or a session identifier (16).
///
/// Wiped on drop; `Debug` prints the length only.
pub struct Token<const OCTETS: usize>(Zeroizing<[u8; OCTETS]>);

/// The text is not a token: not base64url (RFC 4648 section 5, no padding) of the right number of octets.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the text is not base64url of the right length")]
pub struct MalformedToken;

impl<const OCTETS: usize> Token<OCTETS> {
    /// Draws a new one.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut octets = Zeroizing::new([0; OCTETS]);
        rng.fill_bytes(octets.as_mut_slice());
        Self(octets)
    }

    /// Reads the text form, and only the one text form that [`Self::text`] writes.
    ///
    /// # Errors
    /// [`MalformedToken`].
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        // The length is judged first, so that a long text costs nothing.
        if base64::encoded_len(OCTETS, false) != Some(text.len()) {
            return Err(MalformedToken);
        }
        let octets = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedToken)?);
        let octets = octets.as_slice().try_into().map_err(|_| MalformedToken)?;
        Ok(Self(Zeroizing::new(octets)))
    }

    /// The text form: base64url without padding, 43 characters for 32 octets, 22 for 16.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    pub(super) fn digest(&self) -> Digest {
        let mut octets = [0; SHA256_OUTPUT_LEN];
        octets.copy_from_slice(digest(&SHA256, self.0.as_slice()).as_ref());
        Digest(octets)
    }
}

impl<const OCTETS: usize> fmt::Debug for Token<OCTETS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({OCTETS} octets)")
    }
}

/// SHA-256 of a token: all that is kept of it. Compared in constant time only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest([u8; SHA256_OUTPUT_LEN]);

impl Digest {
    /// The half by which a store finds its candidate. It is not secret-dependent in a useful way: nobody can steer the
    /// digest of a token he does not know. Whether the candidate is the right one is decided by `ct_eq` over the whole.
    pub(super) fn locator(&self) -> [u8; 16] {
        let (locator, _) = self.0.split_first_chunk().expect("a SHA-256 digest has 32 octets");
        *locator
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn token<const OCTETS: usize>(seed: u64) -> Token<OCTETS> {
        Token::draw(&mut ChaCha20Rng::seed_from_u64(seed))
    }

    #[test]
    fn the_text_form_reads_back_to_the_same_token() {
        let code = token::<32>(1);
        let text = code.text();
        assert_eq!(text.len(), 43);
        let read = Token::<32>::parse(&text).expect("its own text is a token");
        assert!(bool::from(read.digest().ct_eq(&code.digest())));
        assert_eq!(token::<16>(1).text().len(), 22);
    }

    #[test]
    fn two_draws_differ() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let (one, two) = (Token::<32>::draw(&mut rng), Token::<32>::draw(&mut rng));
        assert!(!bool::from(one.digest().ct_eq(&two.digest())));
    }

    #[test]
    fn a_token_has_only_one_text_form() {
        let text = token::<32>(3).text();
        // The last character of 43 carries two bits that must be zero.
        let last = text.chars().last().expect("the text is not empty");
        for twin in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            let mut forged = text.split_at(42).0.to_owned();
            forged.push(twin);
            let same = Token::<32>::parse(&forged)
                .is_ok_and(|read| bool::from(read.digest().ct_eq(&token::<32>(3).digest())));
            assert_eq!(same, twin == last, "{twin}");
        }
    }

    #[test]
    fn malformed_texts_are_refused() {
        let good = token::<32>(4).text();
        let longer = format!("{}A", *good);
        let padded = format!("{}=", good.split_at(42).0);
        let foreign = format!("{}+", good.split_at(42).0);
        for text in ["", "A", good.split_at(42).0, &longer, &padded, &foreign, &"A".repeat(1 << 20)] {
            assert_eq!(Token::<32>::parse(text).err(), Some(MalformedToken), "{} characters", text.len());
        }
    }

    #[test]
    fn debug_does_not_show_the_octets() {
        assert_eq!(format!("{:?}", token::<32>(5)), "Token(32 octets)");
    }
}
