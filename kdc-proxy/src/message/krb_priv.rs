//! `KRB-PRIV` (RFC 4120 section 5.7.1): octets for one peer, encrypted under a key both have.

use rand_core::CryptoRng;
use rasn::prelude::*;

use super::types::{
    EncryptedData, HostAddress, Malformed, SecretOctets, SequenceNumber, decode, encode, encode_secret,
};
use crate::key::{Key, KeyError, KeyUsage};
use crate::time::KerberosTime;

/// `KRB-PRIV`. There is no field with the number 2.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 21)))]
pub(crate) struct KrbPriv {
    #[rasn(tag(explicit(0)))]
    pub(crate) pvno: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) msg_type: i32,
    #[rasn(tag(explicit(3)))]
    pub(crate) enc_part: EncryptedData,
}

/// `EncKrbPrivPart`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 28)))]
pub(crate) struct EncKrbPrivPart {
    #[rasn(tag(explicit(0)))]
    pub(crate) user_data: SecretOctets,
    #[rasn(tag(explicit(1)))]
    pub(crate) timestamp: Option<KerberosTime>,
    #[rasn(tag(explicit(2)))]
    pub(crate) usec: Option<u32>,
    #[rasn(tag(explicit(3)))]
    pub(crate) seq_number: Option<SequenceNumber>,
    #[rasn(tag(explicit(4)))]
    pub(crate) s_address: HostAddress,
    #[rasn(tag(explicit(5)))]
    pub(crate) r_address: Option<HostAddress>,
}

/// Why a KRB-PRIV was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// It is none, or what is inside is not what belongs there.
    Malformed,
    /// It was not made with the key.
    Key,
}

impl From<Malformed> for Unopened {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<KeyError> for Unopened {
    fn from(_: KeyError) -> Self {
        Self::Key
    }
}

impl KrbPriv {
    /// Encrypts `part` under `key`.
    pub(crate) fn seal<R: CryptoRng + ?Sized>(part: &EncKrbPrivPart, key: &Key, rng: &mut R) -> Vec<u8> {
        let cipher = key.encrypt(KeyUsage::KRB_PRIV, &encode_secret(part), rng).into();
        let enc_part = EncryptedData { etype: key.etype().number(), kvno: None, cipher };
        encode(&Self { pvno: 5, msg_type: 21, enc_part })
    }

    /// Opens a message that was made under `key`.
    pub(crate) fn open(bytes: &[u8], key: &Key) -> Result<EncKrbPrivPart, Unopened> {
        let message: Self = decode(bytes)?;
        if message.pvno != 5 || message.msg_type != 21 {
            return Err(Unopened::Malformed);
        }
        if message.enc_part.etype != key.etype().number() {
            return Err(Unopened::Key);
        }
        Ok(decode(&key.decrypt(KeyUsage::KRB_PRIV, &message.enc_part.cipher)?)?)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::key::Etype;

    fn part() -> EncKrbPrivPart {
        EncKrbPrivPart {
            user_data: b"secret".as_slice().into(),
            timestamp: None,
            usec: None,
            seq_number: Some(SequenceNumber(1)),
            s_address: HostAddress { addr_type: 2, address: vec![127, 0, 0, 1].into() },
            r_address: None,
        }
    }

    fn key(etype: Etype, octet: u8) -> Key {
        Key::new(etype, &vec![octet; etype.key_length()]).unwrap()
    }

    #[test]
    fn what_was_sealed_is_opened_with_the_same_key_only() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for etype in [Etype::Aes256, Etype::Aes128, Etype::Rc4] {
            let message = KrbPriv::seal(&part(), &key(etype, 1), &mut rng);
            assert_eq!(message.first(), Some(&0x75));
            let opened = KrbPriv::open(&message, &key(etype, 1)).unwrap();
            assert_eq!(opened.user_data.0.as_slice(), b"secret");
            assert_eq!(KrbPriv::open(&message, &key(etype, 2)).unwrap_err(), Unopened::Key);
        }
        let message = KrbPriv::seal(&part(), &key(Etype::Aes256, 1), &mut rng);
        assert_eq!(KrbPriv::open(&message, &key(Etype::Aes128, 1)).unwrap_err(), Unopened::Key);
        assert_eq!(KrbPriv::open(&message[1..], &key(Etype::Aes256, 1)).unwrap_err(), Unopened::Malformed);
    }

    #[test]
    fn what_was_sealed_does_not_show_in_debug() {
        assert!(!format!("{:?}", part()).contains("115"));
    }
}
