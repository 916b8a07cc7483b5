//! Random passwords that a domain's policy accepts.

use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

/// Fewest characters that may be asked for: 72 bits.
pub const SHORTEST: usize = 12;
/// Most characters that may be asked for; what Active Directory accepts everywhere.
pub const LONGEST: usize = 127;

/// 64 characters, so that six random bits choose one without bias; none needs an escape in a file or a shell.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Shortest part of an account's name that a password must not contain where the policy asks for complexity.
const SHORTEST_NAME: usize = 3;

/// A random password of `length` characters with capitals, small letters and digits, which does not contain a part of the
/// account's name: a policy that asks for complexity would refuse it.
pub(super) fn random<R: RngCore + CryptoRng>(length: usize, account: &str, rng: &mut R) -> Zeroizing<String> {
    let parts: Vec<String> = account
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|part| part.len() >= SHORTEST_NAME)
        .map(str::to_ascii_lowercase)
        .collect();
    loop {
        let password = draw(length.clamp(SHORTEST, LONGEST), rng);
        let has = |kind: fn(&u8) -> bool| password.as_bytes().iter().any(kind);
        let kinds = [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit];
        let lower = Zeroizing::new(password.to_ascii_lowercase());
        if kinds.into_iter().all(has) && !parts.iter().any(|part| lower.contains(part)) {
            return password;
        }
    }
}

fn draw<R: RngCore + CryptoRng>(length: usize, rng: &mut R) -> Zeroizing<String> {
    let mut octets = Zeroizing::new(vec![0; length]);
    rng.fill_bytes(&mut octets);
    let mut password = Zeroizing::new(String::with_capacity(length));
    for octet in octets.iter() {
        password.extend(ALPHABET.get(usize::from(octet & 63)).copied().map(char::from));
    }
    password
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn a_password_has_the_length_asked_for_and_three_kinds_of_characters() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for length in SHORTEST..=LONGEST {
            let password = random(length, "svc-broker", &mut rng);
            assert_eq!(password.len(), length);
            for kind in [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit] {
                assert!(password.as_bytes().iter().any(kind));
            }
        }
    }

    #[test]
    fn a_password_holds_no_part_of_the_account_s_name() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let mut would_have = 0;
        for _ in 0..3000 {
            // Of 127 characters, one in some three hundred has "svc" in it.
            would_have += usize::from(draw(LONGEST, &mut rng).to_ascii_lowercase().contains("svc"));
            assert!(!random(LONGEST, "Svc-x$", &mut rng).to_ascii_lowercase().contains("svc"));
        }
        assert!(would_have > 0, "the check is not idle");
    }

    #[test]
    fn every_character_of_the_alphabet_comes_up_and_none_twice_in_it() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let mut seen: Vec<u8> = draw(100_000, &mut rng).bytes().collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), ALPHABET.len());
    }

    #[test]
    fn no_two_passwords_are_alike() {
        let mut rng = crate::entropy::system();
        assert_ne!(random(120, "svc", &mut rng), random(120, "svc", &mut rng));
    }
}
