//! The service of the KDC in memory that changes passwords (RFC 3244).

use std::time::SystemTime;

use rand_core::CryptoRng;

use super::Kdc;
use super::answer::Refusal;
use super::as_service::check_skew;
use crate::error::ErrorCode;
use crate::key::{Key, KeyUsage};
use crate::message::ap_rep::{ApRep, EncApRepPart};
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::kpasswd::{CHANGE, ChangePasswdData, SET, request as framed};
use crate::message::krb_priv::{EncKrbPrivPart, KrbPriv};
use crate::message::types::{
    EncTicketPart, EncryptedData, HostAddress, Malformed, SequenceNumber, Ticket, decode, encode, principal,
};
use crate::principal::{Principal, PrincipalName};
use crate::ticket::TicketFlags;

/// Fewest characters of a password.
pub const MINIMUM_LENGTH: usize = 7;

/// A request whose ticket and authenticator have been verified.
struct Asked {
    client: Principal,
    is_initial: bool,
    session_key: Key,
    subkey: Key,
    authenticator: Authenticator,
    version: u16,
    data: Vec<u8>,
}

impl Kdc {
    /// The reply to a request to change a password, without the framing of TCP. `now` is the client's clock.
    pub fn answer_kpasswd<R: CryptoRng + ?Sized>(
        &mut self,
        request: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Vec<u8> {
        let kdc_time = self.clock.apply(now);
        let reply = self.kpasswd(request, kdc_time, rng).unwrap_or_else(|refusal| {
            let error = self.krb_error(&refusal, kdc_time);
            framed(CHANGE, &[], &error).expect("an error is short")
        });
        self.hooks.bytes(reply)
    }

    fn kpasswd<R: CryptoRng + ?Sized>(
        &mut self,
        request: &[u8],
        kdc_time: SystemTime,
        rng: &mut R,
    ) -> Result<Vec<u8>, Refusal> {
        let asked = self.open_kpasswd(request, kdc_time)?;
        let (code, text) = self.change(&asked);
        let data = [&code.to_be_bytes()[..], text.as_bytes()].concat();
        let part = EncApRepPart {
            ctime: asked.authenticator.ctime,
            cusec: asked.authenticator.cusec,
            // Another key than the request's, which must not be used.
            subkey: Some((&Key::random(asked.subkey.etype(), rng)).into()),
            seq_number: Some(SequenceNumber(7)),
        };
        let cipher = asked.session_key.encrypt(KeyUsage::AP_REP, &encode(&part), rng).into();
        let etype = asked.session_key.etype().number();
        let enc_part = EncryptedData { etype, kvno: None, cipher };
        let ap_rep = encode(&ApRep { pvno: 5, msg_type: 15, enc_part });
        let part = EncKrbPrivPart {
            user_data: data.into(),
            timestamp: None,
            usec: None,
            seq_number: Some(SequenceNumber(7)),
            s_address: HostAddress { addr_type: 2, address: vec![127, 0, 0, 1].into() },
            r_address: None,
        };
        let krb_priv = KrbPriv::seal(&part, &asked.subkey, rng);
        framed(CHANGE, &ap_rep, &krb_priv).map_err(|_| Malformed.into())
    }

    fn open_kpasswd(&self, request: &[u8], kdc_time: SystemTime) -> Result<Asked, Refusal> {
        let modified = |_| Refusal::from(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY);
        let (header, rest) = request.split_first_chunk::<6>().ok_or(Malformed)?;
        let number = |high: u8, low: u8| u16::from_be_bytes([high, low]);
        let [total_0, total_1, version_0, version_1, length_0, length_1] = *header;
        if usize::from(number(total_0, total_1)) != request.len() {
            return Err(Malformed.into());
        }
        let (ap_req, krb_priv) =
            rest.split_at_checked(usize::from(number(length_0, length_1))).ok_or(Malformed)?;
        let ap_req: ApReq = decode(ap_req)?;
        let ticket: Ticket = decode(ap_req.ticket.as_bytes())?;
        let server = PrincipalName::try_from(&ticket.sname).map_err(|_| Malformed)?;
        if !server.eq_ignoring_type(&PrincipalName::change_password()) {
            return Err(ErrorCode::KRB_AP_ERR_BADMATCH.into());
        }
        let plain = self.krbtgt.decrypt(KeyUsage::TICKET, &ticket.enc_part.cipher).map_err(modified)?;
        let part: EncTicketPart = decode(&plain)?;
        let session_key = Key::try_from(&part.key).map_err(|_| Malformed)?;
        let plain = session_key
            .decrypt(KeyUsage::AP_REQ_AUTHENTICATOR, &ap_req.authenticator.cipher)
            .map_err(modified)?;
        let authenticator: Authenticator = decode(&plain)?;
        check_skew(authenticator.ctime, authenticator.cusec, kdc_time)?;
        let subkey = authenticator.subkey.as_ref().ok_or(Malformed)?;
        let subkey = Key::try_from(subkey).map_err(|_| Malformed)?;
        let sealed = KrbPriv::open(krb_priv, &subkey)
            .map_err(|_| Refusal::from(ErrorCode::KRB_AP_ERR_BAD_INTEGRITY))?;
        if sealed.seq_number.map(|number| number.0) != authenticator.seq_number {
            return Err(Malformed.into());
        }
        Ok(Asked {
            client: principal(&part.cname, &part.crealm).map_err(|_| Malformed)?,
            is_initial: TicketFlags::from(part.flags).contains(TicketFlags::INITIAL),
            session_key,
            subkey,
            authenticator,
            version: number(version_0, version_1),
            data: sealed.user_data.0.to_vec(),
        })
    }

    fn change(&mut self, asked: &Asked) -> (u16, &'static str) {
        if !asked.is_initial {
            return (7, "ticket must be initial");
        }
        let (password, target) = match asked.version {
            CHANGE => (asked.data.clone(), asked.client.clone()),
            SET => match set_data(&asked.data) {
                Some((password, target)) => (password, target.unwrap_or_else(|| asked.client.clone())),
                None => return (1, "malformed"),
            },
            _ => return (6, "unknown version"),
        };
        if !target.eq_ignoring_case(&asked.client) {
            return (5, "not your password");
        }
        let Ok(password) = String::from_utf8(password) else { return (1, "not UTF-8") };
        if password.chars().count() < MINIMUM_LENGTH {
            return (4, "Password too short");
        }
        let realm = self.realm.clone();
        let found = self.accounts.iter_mut().find(|account| account.is_called(target.name(), &realm));
        let Some(account) = found else { return (2, "no such account") };
        account.set_password(&password, &realm);
        (0, "Password changed")
    }
}

/// The password and the target of the data of version 0xff80.
fn set_data(data: &[u8]) -> Option<(Vec<u8>, Option<Principal>)> {
    let data: ChangePasswdData = decode(data).ok()?;
    let password = data.newpasswd.0.to_vec();
    match (&data.targname, &data.targrealm) {
        (Some(name), Some(realm)) => Some((password, Some(principal(name, realm).ok()?))),
        (None, None) => Some((password, None)),
        _ => None,
    }
}
