//! The only place in the broker that makes a source of randomness.
//!
//! Everything else takes `&mut (impl RngCore + CryptoRng)`, so that a test can repeat a run byte for byte.

use rand_core::{CryptoRng, OsRng, RngCore, UnwrapErr};

/// The operating system's generator, asked anew for every value.
///
/// The kernel's generator does not fail once the machine has booted. Should it ever, the calling task stops:
/// a login that goes on without randomness would be worse than a login that ends.
#[must_use]
pub fn system() -> impl CryptoRng + Send + 'static {
    UnwrapErr(OsRng)
}

/// A name for one login that nobody else bears: 16 hexadecimal digits. It joins the lines of the log, and is no secret.
pub fn login_id(rng: &mut impl RngCore) -> String {
    format!("{:016x}", rng.next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_of_the_system_generator_differ() {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        system().fill_bytes(&mut one);
        system().fill_bytes(&mut two);
        assert_ne!(one, two);
    }
}
