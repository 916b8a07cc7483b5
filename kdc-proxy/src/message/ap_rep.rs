//! `AP-REP` (RFC 4120 section 5.5.2): a service proves that it has opened our AP-REQ.

use rasn::prelude::*;

use super::types::{EncryptedData, EncryptionKey, SequenceNumber, decode};
use crate::error::ApRepError;
use crate::key::{Key, KeyUsage};
use crate::time::KerberosTime;

/// `AP-REP`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 15)))]
pub(crate) struct ApRep {
    #[rasn(tag(explicit(0)))]
    pub(crate) pvno: i32,
    #[rasn(tag(explicit(1)))]
    pub(crate) msg_type: i32,
    #[rasn(tag(explicit(2)))]
    pub(crate) enc_part: EncryptedData,
}

/// `EncAPRepPart`.
#[derive(AsnType, Decode, Encode, Clone, Debug)]
#[rasn(tag(explicit(application, 27)))]
pub(crate) struct EncApRepPart {
    #[rasn(tag(explicit(0)))]
    pub(crate) ctime: KerberosTime,
    #[rasn(tag(explicit(1)))]
    pub(crate) cusec: u32,
    #[rasn(tag(explicit(2)))]
    pub(crate) subkey: Option<EncryptionKey>,
    #[rasn(tag(explicit(3)))]
    pub(crate) seq_number: Option<SequenceNumber>,
}

impl ApRep {
    /// Opens the answer to an AP-REQ whose ticket has the session key `session_key` and whose authenticator said
    /// `ctime` and `cusec`.
    ///
    /// # Errors
    /// [`ApRepError`] by the check that failed.
    pub(crate) fn verify(
        bytes: &[u8],
        session_key: &Key,
        ctime: KerberosTime,
        cusec: u32,
    ) -> Result<EncApRepPart, ApRepError> {
        let reply: Self = decode(bytes).map_err(|_| ApRepError::Malformed)?;
        if reply.pvno != 5 || reply.msg_type != 15 {
            return Err(ApRepError::Malformed);
        }
        if reply.enc_part.etype != session_key.etype().number() {
            return Err(ApRepError::Etype(reply.enc_part.etype));
        }
        let plain = session_key
            .decrypt(KeyUsage::AP_REP, &reply.enc_part.cipher)
            .map_err(|_| ApRepError::Decryption)?;
        let part: EncApRepPart = decode(&plain).map_err(|_| ApRepError::Malformed)?;
        if part.ctime != ctime || part.cusec != cusec {
            return Err(ApRepError::OtherRequest);
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::key::Etype;
    use crate::message::types::encode;

    const CTIME: KerberosTime = KerberosTime::from_unix_seconds(1_800_000_000);

    fn session_key() -> Key {
        Key::new(Etype::Aes256, &[7; 32]).unwrap()
    }

    fn part() -> EncApRepPart {
        EncApRepPart { ctime: CTIME, cusec: 42, subkey: None, seq_number: Some(SequenceNumber(9)) }
    }

    fn sealed(part: &EncApRepPart, key: &Key, usage: KeyUsage) -> ApRep {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let cipher = key.encrypt(usage, &encode(part), &mut rng).into();
        let enc_part = EncryptedData { etype: key.etype().number(), kvno: None, cipher };
        ApRep { pvno: 5, msg_type: 15, enc_part }
    }

    fn verify(reply: &ApRep) -> Result<EncApRepPart, ApRepError> {
        ApRep::verify(&encode(reply), &session_key(), CTIME, 42)
    }

    #[test]
    fn an_answer_that_echoes_our_time_is_accepted() {
        let opened = verify(&sealed(&part(), &session_key(), KeyUsage::AP_REP)).unwrap();
        assert_eq!(opened.seq_number, Some(SequenceNumber(9)));
        let bare = EncApRepPart { seq_number: None, ..part() };
        assert!(verify(&sealed(&bare, &session_key(), KeyUsage::AP_REP)).unwrap().seq_number.is_none());
    }

    #[test]
    fn an_answer_to_another_request_is_refused() {
        for other in [
            EncApRepPart { cusec: 43, ..part() },
            EncApRepPart { ctime: KerberosTime::from_unix_seconds(1_800_000_001), ..part() },
        ] {
            let error = verify(&sealed(&other, &session_key(), KeyUsage::AP_REP)).unwrap_err();
            assert_eq!(error, ApRepError::OtherRequest);
        }
    }

    #[test]
    fn an_answer_under_another_key_or_usage_is_refused() {
        let other = Key::new(Etype::Aes256, &[8; 32]).unwrap();
        for reply in [
            sealed(&part(), &other, KeyUsage::AP_REP),
            sealed(&part(), &session_key(), KeyUsage::AP_REQ_AUTHENTICATOR),
        ] {
            assert_eq!(verify(&reply).unwrap_err(), ApRepError::Decryption);
        }
        let short = Key::new(Etype::Aes128, &[7; 16]).unwrap();
        let reply = sealed(&part(), &short, KeyUsage::AP_REP);
        assert_eq!(verify(&reply).unwrap_err(), ApRepError::Etype(17));
    }

    #[test]
    fn what_is_no_ap_rep_is_refused() {
        let good = sealed(&part(), &session_key(), KeyUsage::AP_REP);
        for reply in [ApRep { pvno: 4, ..good.clone() }, ApRep { msg_type: 14, ..good.clone() }] {
            assert_eq!(verify(&reply).unwrap_err(), ApRepError::Malformed);
        }
        let mut octets = encode(&good);
        octets.push(0);
        let error = ApRep::verify(&octets, &session_key(), CTIME, 42).unwrap_err();
        assert_eq!(error, ApRepError::Malformed);
    }

    #[test]
    fn a_sequence_number_written_as_a_negative_number_is_read() {
        let read: SequenceNumber = decode(&[2, 1, 0xff]).unwrap();
        assert_eq!(read, SequenceNumber(u32::MAX));
        assert_eq!(encode(&read), [2, 5, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(decode::<SequenceNumber>(&[2, 5, 1, 0, 0, 0, 0]).is_err());
    }
}
