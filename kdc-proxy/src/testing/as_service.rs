//! The authentication service of the KDC in memory.

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;

use super::account::KVNO;
use super::answer::{Issue, Refusal};
use super::trust::Carried;
use super::{Account, Kdc};
use crate::error::ErrorCode;
use crate::key::{Etype, Key, KeyUsage};
use crate::message::kdc_req::{AsReq, KdcReqBody, RequestKind, options};
use crate::message::padata::{self, EtypeInfo2Entry, PaEncTsEnc, kind};
use crate::message::types::{EncryptedData, KerberosString, Malformed, PaData, WireChecksum, decode, encode};
use crate::principal::{Principal, PrincipalName};
use crate::ticket::{TicketFlags, TicketTimes};
use crate::time::KerberosTime;

/// How far a timestamp may lie from the KDC's clock.
pub(super) const SKEW: Duration = Duration::from_secs(300);

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        ErrorCode::KRB_ERR_GENERIC.into()
    }
}

impl Kdc {
    pub(super) fn answer_as<R: CryptoRng + ?Sized>(
        &self,
        request: &[u8],
        kdc_time: SystemTime,
        rng: &mut R,
    ) -> Result<Vec<u8>, Refusal> {
        let asked = decode::<AsReq>(request)?.0;
        let body: KdcReqBody = decode(asked.req_body.as_bytes())?;
        let name = PrincipalName::try_from(body.cname.as_ref().ok_or(Malformed)?).map_err(|_| Malformed)?;
        let account = self.account(&name).ok_or(ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN)?;
        let common = common_etypes(account, &body);
        let etype = *common.first().ok_or(ErrorCode::KDC_ERR_ETYPE_NOSUPP)?;
        let elements = asked.padata.unwrap_or_default();
        let reply_key = match padata::only(&elements, kind::ENC_TIMESTAMP) {
            Some(value) => verify_timestamp(account, value, kdc_time)?,
            None if account.needs_preauth => {
                return Err(Refusal::with_data(
                    ErrorCode::KDC_ERR_PREAUTH_REQUIRED,
                    encode(&methods(account, &common)),
                ));
            }
            None => account.key(etype).ok_or(Malformed)?.clone(),
        };
        let starttime = KerberosTime::from_system(kdc_time).map_err(|_| Malformed)?;
        let flags = TicketFlags::INITIAL
            .union(TicketFlags::PRE_AUTHENT)
            .union(forwardable(body.kdc_options.0 & options::FORWARDABLE != 0 && !account.is_sensitive));
        let confirmation = WireChecksum::from(reply_key.checksum(KeyUsage::AS_REQ_CHECKSUM, request));
        let realm = self.realm.clone();
        let client = PrincipalName::principal(account.name()).map_err(|_| Malformed)?;
        let issue = Issue {
            kind: RequestKind::As,
            client: Principal::new(client, realm),
            server: self.initial_server(&body),
            session_key: Key::random(etype, rng),
            flags,
            times: TicketTimes { authtime: starttime, starttime, endtime: body.till, renew_till: None },
            nonce: body.nonce,
            ticket_key: self.krbtgt.clone(),
            ticket_kvno: KVNO,
            reply_key,
            reply_flags: TicketFlags::ENC_PA_REP,
            padata: Some(vec![etype_info(account, &common)]),
            encrypted_padata: Some(vec![PaData {
                padata_type: kind::REQ_ENC_PA_REP,
                padata_value: encode(&confirmation).into(),
            }]),
            described: account.described(),
            carried: Carried::default(),
        };
        Ok(self.issue(issue, rng))
    }

    /// The server of an initial ticket: kadmin/changepw where that is asked for, otherwise krbtgt.
    fn initial_server(&self, body: &KdcReqBody) -> PrincipalName {
        let asked = body.sname.as_ref().and_then(|name| PrincipalName::try_from(name).ok());
        asked
            .filter(|name| name.eq_ignoring_type(&PrincipalName::change_password()))
            .unwrap_or_else(|| PrincipalName::krbtgt(&self.realm))
    }
}

/// What the client asks for and the account has, in the client's order.
fn common_etypes(account: &Account, body: &KdcReqBody) -> Vec<Etype> {
    body.etype
        .iter()
        .filter_map(|number| Etype::from_number(*number).ok())
        .filter(|etype| account.etypes.contains(etype))
        .collect()
}

pub(super) const fn forwardable(granted: bool) -> TicketFlags {
    if granted { TicketFlags::FORWARDABLE } else { TicketFlags::from_bits(0) }
}

pub(super) fn check_skew(time: KerberosTime, microseconds: u32, kdc_time: SystemTime) -> Result<(), Refusal> {
    let time = time.to_system() + Duration::from_micros(u64::from(microseconds));
    let distance = kdc_time.duration_since(time).unwrap_or_else(|ahead| ahead.duration());
    if distance > SKEW { Err(ErrorCode::KRB_AP_ERR_SKEW.into()) } else { Ok(()) }
}

fn verify_timestamp(account: &Account, value: &[u8], kdc_time: SystemTime) -> Result<Key, Refusal> {
    let failed = |_| Refusal::from(ErrorCode::KDC_ERR_PREAUTH_FAILED);
    let sealed: EncryptedData = decode(value)?;
    let etype = Etype::from_number(sealed.etype).map_err(failed)?;
    let key = account.key(etype).ok_or(Malformed)?;
    let plain = key.decrypt(KeyUsage::AS_REQ_TIMESTAMP, &sealed.cipher).map_err(failed)?;
    let stamp: PaEncTsEnc = decode(&plain)?;
    check_skew(stamp.patimestamp, stamp.pausec.unwrap_or(0), kdc_time)?;
    Ok(key.clone())
}

fn methods(account: &Account, etypes: &[Etype]) -> Vec<PaData> {
    let empty = |padata_type| PaData { padata_type, padata_value: Vec::new().into() };
    vec![empty(136), etype_info(account, etypes), empty(kind::ENC_TIMESTAMP)]
}

fn etype_info(account: &Account, etypes: &[Etype]) -> PaData {
    let entries: Vec<EtypeInfo2Entry> = etypes
        .iter()
        .map(|etype| EtypeInfo2Entry {
            etype: etype.number(),
            salt: (*etype != Etype::Rc4).then(|| KerberosString::from(account.salt())),
            s2kparams: (*etype != Etype::Rc4).then(|| vec![0, 0, 0x10, 0].into()),
        })
        .collect();
    PaData { padata_type: kind::ETYPE_INFO2, padata_value: encode(&entries).into() }
}
