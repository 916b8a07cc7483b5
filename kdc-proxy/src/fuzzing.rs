//! What the fuzz targets call: every reader of foreign bytes, with what must hold for whatever it accepts. Each function
//! tells whether it accepted the bytes.
//!
//! Compiled for tests and under `cfg(fuzzing)` only.

#[cfg(any(test, feature = "__testing"))]
mod exchanges;

use crate::ccache::CCache;
use crate::error::KpasswdRefusal;
use crate::keytab::Keytab;
use crate::message::ap_rep::{ApRep, EncApRepPart};
use crate::message::kdc_proxy::{
    Content, KdcAnswer, ProxyRequest, decode_reply, encode_reply, encode_request,
};
use crate::message::kdc_rep::{AsRep, EncAsRepPart, EncTgsRepPart, TgsRep};
use crate::message::kpasswd;
use crate::message::krb_cred::{krb_cred, parse_krb_cred};
use crate::message::krb_error::KrbError;
use crate::message::krb_priv::{EncKrbPrivPart, KrbPriv};
use crate::message::padata::{EtypeInfo2Entry, PaS4uX509User, S4uUserId};
use crate::message::transited::transited_realms;
use crate::message::types::{AuthorizationElement, EncTicketPart, Ticket, TransitedEncoding, decode, encode};
use crate::principal::Realm;

#[cfg(any(test, feature = "__testing"))]
pub use exchanges::{as_exchange, s4u2proxy, s4u2self, tgs_exchange};

/// A PAC that nobody has signed: everything behind the signature's check.
pub fn pac(bytes: &[u8]) -> bool {
    crate::message::pac::read_unverified(bytes).is_ok()
}

/// The logon information of a PAC by itself.
pub fn logon_info(bytes: &[u8]) -> bool {
    crate::message::pac::read_logon_info(bytes).is_ok()
}

/// A keytab; what was accepted survives writing and reading.
pub fn keytab(bytes: &[u8]) -> bool {
    let Ok(keytab) = Keytab::parse(bytes) else { return false };
    let again = Keytab::parse(&keytab.to_bytes()).expect("a written keytab can be read");
    assert_eq!(keytab.entries().len(), again.entries().len(), "no entry is lost");
    true
}

/// A credential cache; what was accepted is written as it was read.
pub fn ccache(bytes: &[u8]) -> bool {
    let Ok(cache) = CCache::parse(bytes) else { return false };
    assert_eq!(*cache.to_bytes(), bytes, "every octet has its place");
    true
}

/// An unencrypted KRB-CRED; what was accepted survives writing and reading.
pub fn krb_cred_message(bytes: &[u8]) -> bool {
    let Ok(tickets) = parse_krb_cred(bytes) else { return false };
    let tickets: Vec<_> = tickets.iter().collect();
    let again = parse_krb_cred(&krb_cred(&tickets)).expect("a written krb-cred can be read");
    assert_eq!(tickets.len(), again.len(), "no ticket is lost");
    true
}

fn realm() -> Realm {
    Realm::new("CORP.EXAMPLE").expect("a realm")
}

/// An error, which anybody may send: its text is fit for a log, its time is one, and its data are read or left aside.
pub fn krb_error(bytes: &[u8]) -> bool {
    let Ok(error) = KrbError::parse(bytes) else { return false };
    let refusal = error.refusal(&realm());
    let text = refusal.to_string();
    assert!(text.len() < 8192, "a refusal is short enough for a log");
    assert!(
        refusal.text.is_none_or(|text| !text.chars().any(char::is_control)),
        "no control character is left"
    );
    assert!(error.kdc_time() >= std::time::UNIX_EPOCH, "the time is a time");
    if let Ok(methods) = error.method_data() {
        for method in methods {
            drop(decode::<Vec<EtypeInfo2Entry>>(&method.padata_value));
        }
    }
    true
}

/// Whatever a KDC may answer, before anything of it is authenticated, and the parts it encrypts.
pub fn kdc_reply(bytes: &[u8]) -> bool {
    let accepted = [
        krb_error(bytes),
        decode::<AsRep>(bytes).is_ok(),
        decode::<TgsRep>(bytes).is_ok(),
        decode::<EncAsRepPart>(bytes).is_ok(),
        decode::<EncTgsRepPart>(bytes).is_ok(),
        decode::<Vec<EtypeInfo2Entry>>(bytes).is_ok(),
        decode::<PaS4uX509User>(bytes).is_ok(),
        S4uUserId::decode_extensible(bytes).is_ok(),
    ];
    accepted.contains(&true)
}

/// What a stranger sends to a KDC proxy; what was accepted says the same when it is written anew.
pub fn kdc_proxy_request(bytes: &[u8]) -> bool {
    let Ok(request) = ProxyRequest::parse(bytes) else { return false };
    let again = encode_request(request.target_domain(), request.message()).expect("it was short enough");
    // What was left out is the hint, so that it cannot have become too long.
    assert_eq!(ProxyRequest::parse(&again).as_ref(), Ok(&request));
    assert!(format!("{request:?}").len() < 16_384, "no whole message is shown");
    true
}

/// What a KDC proxy answers to a client, and what a KDC answers to a proxy.
pub fn kdc_proxy_reply(bytes: &[u8]) -> bool {
    let realm = || "R".parse().expect("a realm");
    let ticket = || Content::Kpasswd { realm: realm(), ticket: Vec::new() };
    let Ok(message) = decode_reply(bytes) else { return KdcAnswer::read(bytes, &ticket()).is_ok() };
    let again = encode_reply(&message).expect("it was short enough");
    assert_eq!(decode_reply(&again).as_ref(), Ok(&message));
    let name = crate::principal::PrincipalName::principal("a").expect("a name");
    let requests = [
        Content::AsReq { realm: realm(), client: name, server: None, armored: false, proving: false },
        Content::TgsReq { realm: realm(), server: None, ticket: Vec::new(), for_another: false },
        ticket(),
    ];
    requests.iter().any(|request| KdcAnswer::read(&message, request).is_ok())
}

/// A per-message token of a security context.
pub fn gss_message(bytes: &[u8]) -> bool {
    crate::gss::fuzzing::message(bytes)
}

/// An acceptor's answer while a security context is made.
pub fn gss_answer(bytes: &[u8]) -> bool {
    crate::gss::fuzzing::answer(bytes)
}

/// A ticket and what is inside it; what was accepted can be written and read again.
pub fn ticket(bytes: &[u8]) -> bool {
    if let Ok(ticket) = decode::<Ticket>(bytes) {
        assert_eq!(decode::<Ticket>(&encode(&ticket)), Ok(ticket));
        return true;
    }
    if let Ok(part) = decode::<EncTicketPart>(bytes) {
        decode::<EncTicketPart>(&encode(&part)).expect("a written ticket can be read");
        return true;
    }
    decode::<Vec<AuthorizationElement>>(bytes).is_ok()
}

/// The realms a ticket has come through.
pub fn transited(bytes: &[u8]) -> bool {
    let encoding = TransitedEncoding { tr_type: 1, contents: bytes.to_vec().into() };
    transited_realms(&encoding).is_ok_and(|realms| !realms.is_empty())
}

/// What a server that changes passwords may answer, and the parts it encrypts.
pub fn kpasswd(bytes: &[u8]) -> bool {
    let framed = kpasswd::Reply::parse(bytes).map(|reply| match reply {
        kpasswd::Reply::Result { ap_rep, krb_priv } => {
            decode::<ApRep>(ap_rep).is_ok() && decode::<KrbPriv>(krb_priv).is_ok()
        }
        kpasswd::Reply::Error(error) => error.refusal(&realm()).to_string().len() < 8192,
    });
    let result = kpasswd::result(bytes);
    if let Ok(Err(refusal)) = &result {
        assert!(refusal.to_string().len() < 8192, "a refusal is short enough for a log");
    }
    let accepted = [
        framed.unwrap_or(false),
        matches!(result, Ok(Ok(())) | Ok(Err(KpasswdRefusal { policy: Some(_), .. }))),
        decode::<EncApRepPart>(bytes).is_ok(),
        decode::<EncKrbPrivPart>(bytes).is_ok(),
    ];
    accepted.contains(&true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, read_dir};
    use std::io::Read;
    use std::path::Path;

    /// Every saved input of a target, read from `fuzz/corpus/<target>`.
    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let inputs: Vec<Vec<u8>> = read_dir(&directory)
            .unwrap()
            .map(|entry| {
                let mut bytes = Vec::new();
                File::open(entry.unwrap().path()).unwrap().read_to_end(&mut bytes).unwrap();
                bytes
            })
            .collect();
        assert!(!inputs.is_empty(), "{} has no saved inputs", directory.display());
        inputs
    }

    /// Replays the saved inputs, then each of them cut off anywhere and with any one octet changed.
    fn replay(target: &str, check: fn(&[u8]) -> bool) {
        let inputs = corpus(target);
        assert!(inputs.iter().any(|input| check(input)), "no saved input of {target} is a good one");
        for input in inputs {
            check(&input);
            for index in 0..input.len() {
                check(&input[..index]);
                for value in [0x00, 0x01, 0x7f, 0x80, 0xff, input[index] ^ 0x01] {
                    let mut changed = input.clone();
                    changed[index] = value;
                    check(&changed);
                }
            }
        }
    }

    #[test]
    fn every_target_has_saved_inputs_that_are_replayed() {
        let here = include_str!("fuzzing.rs");
        let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
        for target in read_dir(targets).unwrap() {
            let path = target.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(!corpus(name).is_empty());
            assert!(here.contains(&format!("(\"{name}\", ")), "{name} is not replayed");
        }
    }

    #[test]
    fn no_saved_pac_breaks_the_reader() {
        replay("pac", pac);
    }

    #[test]
    fn no_saved_logon_information_breaks_the_reader() {
        replay("logon_info", logon_info);
    }

    #[test]
    fn no_saved_keytab_breaks_the_reader() {
        replay("keytab", keytab);
    }

    #[test]
    fn no_saved_credential_cache_breaks_the_reader() {
        replay("ccache", ccache);
    }

    #[test]
    fn no_saved_krb_cred_breaks_the_reader() {
        replay("krb_cred", krb_cred_message);
    }

    #[test]
    fn no_saved_reply_breaks_the_reader() {
        replay("kdc_reply", kdc_reply);
    }

    #[test]
    fn no_saved_request_to_a_kdc_proxy_breaks_the_reader() {
        replay("kdc_proxy_request", kdc_proxy_request);
    }

    #[test]
    fn no_saved_reply_of_a_kdc_proxy_breaks_the_reader() {
        replay("kdc_proxy_reply", kdc_proxy_reply);
    }

    #[test]
    fn no_saved_answer_about_a_password_breaks_the_reader() {
        replay("kpasswd", kpasswd);
    }

    #[test]
    fn no_saved_message_breaks_a_security_context() {
        replay("gss_message", gss_message);
    }

    #[test]
    fn no_saved_answer_breaks_or_establishes_a_security_context() {
        replay("gss_answer", gss_answer);
    }

    #[test]
    fn no_saved_list_of_realms_breaks_the_reader() {
        replay("transited", transited);
    }

    #[test]
    fn no_saved_error_breaks_the_reader() {
        replay("krb_error", krb_error);
    }

    /// Every saved input as it is: each costs a whole exchange.
    fn replay_lies(target: &str, tell: fn(&[u8]) -> bool) {
        let inputs = corpus(target);
        let honest = inputs.iter().filter(|input| tell(input)).count();
        assert!(honest > 0 && honest < inputs.len(), "{target}: {honest} of {} give a ticket", inputs.len());
    }

    #[test]
    fn no_saved_lie_gets_a_ticket_from_an_as_exchange() {
        replay_lies("as_exchange", as_exchange);
    }

    #[test]
    fn no_saved_lie_gets_a_ticket_from_a_tgs_exchange() {
        replay_lies("tgs_exchange", tgs_exchange);
    }

    #[test]
    fn no_saved_lie_gets_evidence_from_s4u2self() {
        replay_lies("s4u2self", s4u2self);
    }

    #[test]
    fn no_saved_lie_gets_a_ticket_from_s4u2proxy() {
        replay_lies("s4u2proxy", s4u2proxy);
    }

    #[test]
    fn no_saved_ticket_breaks_the_reader() {
        replay("ticket", ticket);
    }
}
