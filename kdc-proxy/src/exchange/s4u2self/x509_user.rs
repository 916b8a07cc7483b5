//! PA-S4U-X509-USER (MS-SFU section 2.2.2): what we sent, and what the reply must say to it.

use crate::error::EvidenceError;
use crate::exchange::reply::Opened;
use crate::exchange::tgs_call::TgsCall;
use crate::key::{Checksum, Etype, Key, KeyUsage, md4_checksum};
use crate::message::padata::{self, PaS4uX509User, S4uUserId, kind, s4u_options};
use crate::message::types::{Flags, KerberosString, PaData, decode, encode, principal};
use crate::principal::Principal;

/// The element as it was sent. The key is the authenticator's subkey.
#[derive(Debug)]
pub(super) struct SentUserId {
    user_id: Vec<u8>,
    checksum: Checksum,
    nonce: u32,
    subkey: Key,
}

impl SentUserId {
    /// Names `user` under the nonce and subkey of `call`.
    pub(super) fn new(user: &Principal, call: &TgsCall) -> Self {
        let user_id = encode(&S4uUserId {
            nonce: call.nonce(),
            cname: Some(user.name().into()),
            crealm: KerberosString::from(user.realm()),
            subject_certificate: None,
            options: Some(Flags(s4u_options::CHECK_LOGON_HOURS | s4u_options::USE_REPLY_KEY_USAGE)),
        });
        let subkey = call.subkey().clone();
        let checksum = match subkey.etype() {
            Etype::Aes256 | Etype::Aes128 => subkey.checksum(KeyUsage::S4U_X509_USER_REQUEST, &user_id),
            Etype::Rc4 => md4_checksum(&user_id),
        };
        Self { user_id, checksum, nonce: call.nonce(), subkey }
    }

    pub(super) fn padata(&self) -> PaData {
        padata::s4u_x509_user(&self.user_id, self.checksum.clone().into())
    }

    /// A KDC that knows the element answers it; one that does not is silent. The encrypted part tells when somebody
    /// has taken the answer away.
    pub(super) fn verify_reply(&self, opened: &Opened, user: &Principal) -> Result<(), EvidenceError> {
        let elements = opened.reply.padata.as_deref().unwrap_or_default();
        let is_bound =
            opened.encrypted_padata.iter().any(|element| element.padata_type == kind::S4U_X509_USER);
        let present = elements.iter().any(|element| element.padata_type == kind::S4U_X509_USER);
        if !present {
            return if is_bound { Err(EvidenceError::X509UserStripped) } else { Ok(()) };
        }
        let malformed = |_| EvidenceError::X509UserMalformed;
        let value = padata::only(elements, kind::S4U_X509_USER).ok_or(EvidenceError::X509UserMalformed)?;
        let answer: PaS4uX509User = decode(value).map_err(malformed)?;
        let user_id = S4uUserId::decode_extensible(answer.user_id.as_bytes()).map_err(malformed)?;
        if user_id.nonce != self.nonce {
            return Err(EvidenceError::X509UserNonce);
        }
        let uses_reply_usage =
            user_id.options.is_some_and(|options| options.0 & s4u_options::USE_REPLY_KEY_USAGE != 0);
        self.verify_checksum(&answer, uses_reply_usage)?;
        if self.subkey.etype() == Etype::Rc4 && (is_bound || uses_reply_usage) {
            self.verify_binding(opened, &answer)?;
        }
        let named = user_id.cname.as_ref().and_then(|name| principal(name, &user_id.crealm).ok());
        if named.is_some_and(|named| named.eq_ignoring_case(user)) {
            Ok(())
        } else {
            Err(EvidenceError::X509UserName)
        }
    }

    fn verify_checksum(&self, answer: &PaS4uX509User, uses_reply_usage: bool) -> Result<(), EvidenceError> {
        let signed = answer.user_id.as_bytes();
        let checksum = &answer.checksum;
        if self.subkey.etype() == Etype::Rc4 {
            let expected = md4_checksum(signed);
            let matches =
                expected.checksum_type == checksum.cksumtype && expected.octets == *checksum.checksum;
            return if matches { Ok(()) } else { Err(EvidenceError::X509UserChecksum) };
        }
        let usage =
            if uses_reply_usage { KeyUsage::S4U_X509_USER_REPLY } else { KeyUsage::S4U_X509_USER_REQUEST };
        self.subkey
            .verify_checksum(usage, signed, checksum.cksumtype, &checksum.checksum)
            .map_err(|_| EvidenceError::X509UserChecksum)
    }

    /// With an RC4 key both checksums are unkeyed, so the encrypted part repeats them.
    fn verify_binding(&self, opened: &Opened, answer: &PaS4uX509User) -> Result<(), EvidenceError> {
        let bound = padata::only(&opened.encrypted_padata, kind::S4U_X509_USER);
        let expected = [self.checksum.octets.as_slice(), &answer.checksum.checksum].concat();
        if bound == Some(expected.as_slice()) { Ok(()) } else { Err(EvidenceError::X509UserBinding) }
    }
}
