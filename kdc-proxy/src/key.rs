//! Encryption types, keys and what is done with them (RFC 3961, 3962, 4757).
//!
//! The only file that names `kerberos_crypto`: that crate panics on a key of the wrong length, so a [`Key`] cannot
//! exist with one, and everything it returns is wrapped so that it wipes itself.

use std::fmt;

use kerberos_crypto::{AesSizes, aes_hmac_sha1, checksum_hmac_md5, checksum_sha_aes, rc4_hmac_md5};
use rand_core::{CryptoRng, RngCore};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// An encryption type this crate can use. DES and the types of RFC 8009 are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Etype {
    /// aes256-cts-hmac-sha1-96, 18.
    Aes256,
    /// aes128-cts-hmac-sha1-96, 17.
    Aes128,
    /// rc4-hmac, 23: refused everywhere unless configuration allows it by name.
    Rc4,
}

impl Etype {
    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Aes256 => 18,
            Self::Aes128 => 17,
            Self::Rc4 => 23,
        }
    }

    /// The type of a number from the wire.
    ///
    /// # Errors
    /// [`KeyError::UnsupportedEtype`] for every other number.
    pub const fn from_number(number: i32) -> Result<Self, KeyError> {
        match number {
            18 => Ok(Self::Aes256),
            17 => Ok(Self::Aes128),
            23 => Ok(Self::Rc4),
            other => Err(KeyError::UnsupportedEtype(other)),
        }
    }

    /// Octets in a key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes256 => 32,
            Self::Aes128 | Self::Rc4 => 16,
        }
    }

    /// The keyed checksum that belongs to the type: 16, 15, -138.
    pub const fn checksum_type(self) -> i32 {
        match self {
            Self::Aes256 => 16,
            Self::Aes128 => 15,
            Self::Rc4 => HMAC_MD5_CHECKSUM,
        }
    }

    const fn checksum_length(self) -> usize {
        match self {
            Self::Aes256 | Self::Aes128 => 12,
            Self::Rc4 => 16,
        }
    }

    const fn confounder_length(self) -> usize {
        match self {
            Self::Aes256 | Self::Aes128 => 16,
            Self::Rc4 => 8,
        }
    }
}

impl fmt::Display for Etype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes256 => "aes256-cts-hmac-sha1-96",
            Self::Aes128 => "aes128-cts-hmac-sha1-96",
            Self::Rc4 => "rc4-hmac",
        })
    }
}

/// The encryption types that may be asked for and accepted, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtypeList(&'static [Etype]);

impl EtypeList {
    /// AES-256, then AES-128.
    pub const AES: Self = Self(&[Etype::Aes256, Etype::Aes128]);
    /// The same and RC4 last, for directories that cannot do without.
    pub const AES_AND_RC4: Self = Self(&[Etype::Aes256, Etype::Aes128, Etype::Rc4]);

    /// The types, most preferred first.
    pub const fn as_slice(self) -> &'static [Etype] {
        self.0
    }

    /// True when `etype` is among them.
    pub fn contains(self, etype: Etype) -> bool {
        self.0.contains(&etype)
    }
}

/// hmac-md5 of RFC 4757, also the checksum of PA-FOR-USER whatever the type of the key.
pub const HMAC_MD5_CHECKSUM: i32 = -138;

/// What a key is used for (RFC 4120 section 7.5.1): the same bytes under another number do not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// PA-ENC-TIMESTAMP, with the client's key.
    pub const AS_REQ_TIMESTAMP: Self = Self(1);
    /// Encrypted part of a ticket, with the service's key.
    pub const TICKET: Self = Self(2);
    /// Encrypted part of an AS-REP, with the client's key.
    pub const AS_REP: Self = Self(3);
    /// Checksum in the authenticator of a TGS-REQ, with the session key.
    pub const TGS_REQ_CHECKSUM: Self = Self(6);
    /// Authenticator of a TGS-REQ, with the session key.
    pub const TGS_REQ_AUTHENTICATOR: Self = Self(7);
    /// Encrypted part of a TGS-REP, with the session key.
    pub const TGS_REP_SESSION_KEY: Self = Self(8);
    /// Encrypted part of a TGS-REP, with the authenticator's subkey.
    pub const TGS_REP_SUBKEY: Self = Self(9);
    /// Checksum in the authenticator of an AP-REQ.
    pub const AP_REQ_CHECKSUM: Self = Self(10);
    /// Authenticator of an AP-REQ.
    pub const AP_REQ_AUTHENTICATOR: Self = Self(11);
    /// Encrypted part of an AP-REP.
    pub const AP_REP: Self = Self(12);
    /// Encrypted part of a KRB-PRIV.
    pub const KRB_PRIV: Self = Self(13);
    /// Encrypted part of a KRB-CRED.
    pub const KRB_CRED: Self = Self(14);
    /// Checksums outside Kerberos proper: PA-FOR-USER and the signatures of a PAC.
    pub const NON_KERBEROS_CHECKSUM: Self = Self(17);
    /// GSS-API wrap tokens of an acceptor (RFC 4121 section 2).
    pub const ACCEPTOR_SEAL: Self = Self(22);
    /// GSS-API MIC tokens of an acceptor.
    pub const ACCEPTOR_SIGN: Self = Self(23);
    /// GSS-API wrap tokens of an initiator.
    pub const INITIATOR_SEAL: Self = Self(24);
    /// GSS-API MIC tokens of an initiator.
    pub const INITIATOR_SIGN: Self = Self(25);
    /// PA-S4U-X509-USER in a request (MS-SFU section 2.2.2).
    pub const S4U_X509_USER_REQUEST: Self = Self(26);
    /// PA-S4U-X509-USER in a reply.
    pub const S4U_X509_USER_REPLY: Self = Self(27);
    /// Checksum over the AS-REQ in PA-REQ-ENC-PA-REP (RFC 6806 section 11).
    pub const AS_REQ_CHECKSUM: Self = Self(56);

    /// A usage by its number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    fn number(self, etype: Etype) -> i32 {
        match (etype, self.0) {
            // RFC 4757 section 3 uses 8 for the encrypted part of an AS-REP.
            (Etype::Rc4, 3) => 8,
            (_, number) => i32::from(number),
        }
    }
}

/// Why a key could not be made or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not one of [`Etype`].
    #[error("encryption type {0} is not supported")]
    UnsupportedEtype(i32),
    /// The key has not the length of its type.
    #[error("key has the wrong length for its encryption type")]
    KeyLength,
    /// The ciphertext is shorter than its own framing, altered, or made with another key or for another usage.
    #[error("ciphertext does not decrypt under this key")]
    Integrity,
    /// The checksum is of a type this key does not make; unkeyed types are among these.
    #[error("checksum type {0} does not belong to the key")]
    ChecksumType(i32),
    /// The checksum does not match.
    #[error("checksum does not match")]
    ChecksumMismatch,
}

/// Why a password could not become a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StringToKeyError {
    /// The string-to-key parameters are not the four octets of RFC 3962 section 4.
    #[error("string-to-key parameters have an unknown form")]
    Parameters,
    /// An iteration count other than 4096: fewer would be a downgrade, and others are not supported.
    #[error("string-to-key iteration count {0} is not supported, only 4096 is")]
    IterationCount(u32),
    /// A salt of more than [`MAX_SALT_LENGTH`] octets.
    #[error("salt is too long")]
    SaltTooLong,
}

/// Longest salt that is taken from a KDC, in octets.
pub const MAX_SALT_LENGTH: usize = 1024;

const ITERATIONS: u32 = 4096;

/// A keyed checksum and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// `cksumtype` of RFC 3961.
    pub checksum_type: i32,
    /// The octets: 12 for AES, 16 for RC4.
    pub octets: Vec<u8>,
}

/// A key of a known type and of the right length. Wiped when dropped; `Debug` shows the type only.
#[derive(Clone)]
pub struct Key {
    etype: Etype,
    octets: Zeroizing<Vec<u8>>,
}

impl Key {
    /// A key from its octets.
    ///
    /// # Errors
    /// [`KeyError::KeyLength`] unless there are as many as [`Etype::key_length`].
    pub fn new(etype: Etype, octets: &[u8]) -> Result<Self, KeyError> {
        if octets.len() != etype.key_length() {
            return Err(KeyError::KeyLength);
        }
        Ok(Self { etype, octets: Zeroizing::new(octets.to_vec()) })
    }

    /// A fresh random key.
    pub fn random<R: RngCore + CryptoRng + ?Sized>(etype: Etype, rng: &mut R) -> Self {
        let mut octets = Zeroizing::new(vec![0; etype.key_length()]);
        rng.fill_bytes(&mut octets);
        Self { etype, octets }
    }

    /// The key of a password (RFC 3962 section 4; RFC 4757 section 2 for RC4, which has neither salt nor
    /// parameters). `parameters` are the s2kparams of PA-ETYPE-INFO2: absent, or a count of exactly 4096.
    ///
    /// # Errors
    /// [`StringToKeyError`] for a long salt and for every other count, fewer or more.
    pub fn from_password(
        etype: Etype,
        password: &str,
        salt: &[u8],
        parameters: Option<&[u8]>,
    ) -> Result<Self, StringToKeyError> {
        if salt.len() > MAX_SALT_LENGTH {
            return Err(StringToKeyError::SaltTooLong);
        }
        let octets = match etype {
            Etype::Aes256 | Etype::Aes128 => {
                check_iterations(parameters)?;
                aes_hmac_sha1::generate_key_from_string(password, salt, &aes_sizes(etype))
            }
            Etype::Rc4 => rc4_hmac_md5::generate_key_from_string(password),
        };
        Ok(Self { etype, octets: Zeroizing::new(octets) })
    }

    /// The type.
    pub const fn etype(&self) -> Etype {
        self.etype
    }

    /// The octets themselves, for writing into a message, a keytab or a credential cache.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Compares type and octets in constant time.
    pub fn is_same(&self, other: &Self) -> bool {
        self.etype == other.etype && self.octets.as_slice().ct_eq(other.octets.as_slice()).into()
    }

    /// Encrypts with a fresh confounder from `rng`.
    pub fn encrypt<R: RngCore + CryptoRng + ?Sized>(
        &self,
        usage: KeyUsage,
        plaintext: &[u8],
        rng: &mut R,
    ) -> Vec<u8> {
        let mut confounder = Zeroizing::new(vec![0; self.etype.confounder_length()]);
        rng.fill_bytes(&mut confounder);
        let usage = usage.number(self.etype);
        match self.etype {
            Etype::Aes256 | Etype::Aes128 => {
                aes_hmac_sha1::encrypt(&self.octets, usage, plaintext, &confounder, &aes_sizes(self.etype))
            }
            Etype::Rc4 => rc4_hmac_md5::encrypt(&self.octets, usage, plaintext, &confounder),
        }
    }

    /// Decrypts and checks the integrity.
    ///
    /// # Errors
    /// [`KeyError::Integrity`] when the ciphertext is short, altered, or made with another key or usage.
    pub fn decrypt(&self, usage: KeyUsage, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let usage = usage.number(self.etype);
        let plaintext = match self.etype {
            Etype::Aes256 | Etype::Aes128 => {
                aes_hmac_sha1::decrypt(&self.octets, usage, ciphertext, &aes_sizes(self.etype))
            }
            Etype::Rc4 => rc4_hmac_md5::decrypt(&self.octets, usage, ciphertext),
        };
        plaintext.map(Zeroizing::new).map_err(|_| KeyError::Integrity)
    }

    /// The keyed checksum of the key's own type.
    pub fn checksum(&self, usage: KeyUsage, message: &[u8]) -> Checksum {
        let number = usage.number(self.etype);
        let octets = match self.etype {
            Etype::Aes256 | Etype::Aes128 => {
                checksum_sha_aes(&self.octets, number, message, &aes_sizes(self.etype))
            }
            Etype::Rc4 => checksum_hmac_md5(&self.octets, number, message),
        };
        Checksum { checksum_type: self.etype.checksum_type(), octets }
    }

    /// hmac-md5 with this key at its full length, whatever its type, as PA-FOR-USER wants it (MS-SFU 2.2.1).
    pub fn hmac_md5_checksum(&self, usage: KeyUsage, message: &[u8]) -> Checksum {
        let octets = checksum_hmac_md5(&self.octets, i32::from(usage.0), message);
        Checksum { checksum_type: HMAC_MD5_CHECKSUM, octets }
    }

    /// Verifies a checksum of the key's own type in constant time.
    ///
    /// # Errors
    /// [`KeyError::ChecksumType`] for every other type, [`KeyError::ChecksumMismatch`] when it does not match.
    pub fn verify_checksum(
        &self,
        usage: KeyUsage,
        message: &[u8],
        checksum_type: i32,
        octets: &[u8],
    ) -> Result<(), KeyError> {
        if checksum_type != self.etype.checksum_type() {
            return Err(KeyError::ChecksumType(checksum_type));
        }
        let expected = self.checksum(usage, message);
        let matches: bool = expected.octets.as_slice().ct_eq(octets).into();
        if !matches || octets.len() != self.etype.checksum_length() {
            return Err(KeyError::ChecksumMismatch);
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("etype", &self.etype).finish_non_exhaustive()
    }
}

/// The unkeyed rsa-md4 checksum (type 2), which PA-S4U-X509-USER carries beside RC4 keys (MS-SFU 2.2.2).
pub(crate) fn md4_checksum(message: &[u8]) -> Checksum {
    Checksum { checksum_type: 2, octets: rc4_hmac_md5::generate_key(message) }
}

const fn aes_sizes(etype: Etype) -> AesSizes {
    match etype {
        Etype::Aes256 => AesSizes::Aes256,
        Etype::Aes128 | Etype::Rc4 => AesSizes::Aes128,
    }
}

fn check_iterations(parameters: Option<&[u8]>) -> Result<(), StringToKeyError> {
    let Some(parameters) = parameters else { return Ok(()) };
    let count: [u8; 4] = parameters.try_into().map_err(|_| StringToKeyError::Parameters)?;
    match u32::from_be_bytes(count) {
        ITERATIONS => Ok(()),
        other => Err(StringToKeyError::IterationCount(other)),
    }
}

#[cfg(test)]
mod tests;
