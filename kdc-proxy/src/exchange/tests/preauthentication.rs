use super::*;
use crate::error::{CredentialError, ErrorCode};
use crate::key::StringToKeyError;
use crate::message::krb_error::KrbError;
use crate::message::padata::{EtypeInfo2Entry, kind};
use crate::message::types::{KerberosString, PaData, decode, encode};

/// The error of an AS exchange whose KDC was changed.
fn refusal(change: impl FnOnce(&mut Lab)) -> ExchangeError {
    let mut lab = Lab::new();
    change(&mut lab);
    lab.as_exchange(Lab::password()).err().unwrap()
}

fn etype_info(error: &mut KrbError, change: impl Fn(&mut Vec<EtypeInfo2Entry>)) {
    let Some(data) = &error.e_data else { return };
    let mut methods: Vec<PaData> = decode(data).unwrap();
    for method in methods.iter_mut().filter(|method| method.padata_type == kind::ETYPE_INFO2) {
        let mut entries = decode(&method.padata_value).unwrap();
        change(&mut entries);
        method.padata_value = encode(&entries).into();
    }
    error.e_data = Some(encode(&methods).into());
}

#[test]
fn a_small_difference_of_the_clocks_is_learned_and_used() {
    let mut lab = Lab::new();
    lab.kdc.set_clock_ahead(Duration::from_secs(200));
    let own = lab.authenticated();
    assert_eq!(own.clock_offset.magnitude().as_secs(), 200 - 1, "measured 10 ms after the kdc wrote it");
    assert_eq!(lab.sent.len(), 2);
}

#[test]
fn a_clock_ten_minutes_off_is_named_with_the_kdcs_proof() {
    for ahead in [true, false] {
        let mut lab = Lab::new();
        let by = Duration::from_secs(600);
        if ahead {
            lab.kdc.set_clock_ahead(by)
        } else {
            lab.kdc.set_clock_behind(by)
        }
        let error = lab.as_exchange(Lab::password()).unwrap_err();
        let ExchangeError::ClockSkew { offset, local } = error else { panic!("{error}") };
        assert_eq!(offset.kdc_is_ahead(), ahead);
        assert_eq!((offset.magnitude().as_millis() + 50) / 1000, 600, "{offset}");
        assert_eq!(local, lab.now);
    }
}

#[test]
fn a_larger_bound_accepts_the_same_difference() {
    let mut lab = Lab::new();
    lab.clock.max_offset = Duration::from_secs(900);
    lab.kdc.set_clock_behind(Duration::from_secs(600));
    assert!(lab.authenticated().clock_offset.magnitude() > Duration::from_secs(590));
}

#[test]
fn a_forged_time_in_the_first_error_is_mended_by_the_skew_retry() {
    let mut lab = Lab::new();
    lab.kdc.hooks.error = Some(Box::new(|error| {
        if error.error_code == ErrorCode::KDC_ERR_PREAUTH_REQUIRED.number() {
            error.stime = later(error.stime, 3600);
        }
    }));
    let own = lab.authenticated();
    assert_eq!(lab.sent.len(), 3);
    assert!(own.clock_offset.magnitude() < Duration::from_secs(1));
}

#[test]
fn a_skewed_time_is_tried_once_only() {
    let error = refusal(|lab| {
        lab.kdc.hooks.error = Some(Box::new(|error| error.stime = later(error.stime, 3600)));
    });
    assert!(matches!(error, ExchangeError::ClaimedSkew { .. }), "{error}");
}

#[test]
fn a_claimed_difference_beyond_twelve_hours_is_not_tried() {
    let mut lab = Lab::new();
    lab.kdc.set_clock_ahead(Duration::from_secs(13 * 3600));
    let error = lab.as_exchange(Lab::password()).unwrap_err();
    assert!(matches!(error, ExchangeError::ClaimedSkew { .. }), "{error}");
    assert_eq!(lab.sent.len(), 1);
}

#[test]
fn a_wrong_password_is_the_kdcs_refusal_after_one_attempt() {
    let mut lab = Lab::new();
    let error = lab.as_exchange(Secret::Password(Zeroizing::new("other".to_owned()))).unwrap_err();
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.code, ErrorCode::KDC_ERR_PREAUTH_FAILED);
    assert_eq!(lab.sent.len(), 2);
}

#[test]
fn an_error_other_than_preauthentication_ends_the_exchange() {
    let error = refusal(|lab| lab.kdc.refuse_next(ErrorCode::KDC_ERR_CLIENT_REVOKED));
    let ExchangeError::Kdc(refusal) = error else { panic!("{error}") };
    assert_eq!(refusal.code, ErrorCode::KDC_ERR_CLIENT_REVOKED);
}

#[test]
fn an_iteration_count_of_one_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.error = Some(Box::new(|error| {
            etype_info(error, |entries| entries[0].s2kparams = Some(vec![0, 0, 0, 1].into()));
        }));
    });
    let expected = CredentialError::StringToKey(StringToKeyError::IterationCount(1));
    assert_eq!(error, ExchangeError::Credential(expected));
}

#[test]
fn a_huge_salt_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.error = Some(Box::new(|error| {
            etype_info(error, |entries| entries[0].salt = Some(KerberosString(vec![b'x'; 2000].into())));
        }));
    });
    assert_eq!(error, ExchangeError::Credential(CredentialError::StringToKey(StringToKeyError::SaltTooLong)));
}

#[test]
fn a_missing_salt_is_refused_for_a_password() {
    let error = refusal(|lab| {
        lab.kdc.hooks.error = Some(Box::new(|error| etype_info(error, |entries| entries[0].salt = None)));
    });
    assert_eq!(error, ExchangeError::Credential(CredentialError::NoSalt));
}

#[test]
fn a_kdc_that_offers_only_rc4_is_refused() {
    let error = refusal(|lab| {
        lab.kdc.hooks.error = Some(Box::new(|error| {
            etype_info(error, |entries| {
                entries.truncate(1);
                entries[0].etype = 23;
            });
        }));
    });
    assert_eq!(error, ExchangeError::Credential(CredentialError::NoCommonEtype));
}

#[test]
fn a_kdc_that_takes_no_timestamp_is_named() {
    let error = refusal(|lab| {
        lab.kdc.hooks.error = Some(Box::new(|error| {
            let mut methods: Vec<PaData> = decode(error.e_data.as_ref().unwrap()).unwrap();
            methods.retain(|method| method.padata_type != kind::ENC_TIMESTAMP);
            error.e_data = Some(encode(&methods).into());
        }));
    });
    assert_eq!(error, ExchangeError::Credential(CredentialError::TimestampNotOffered));
}

#[test]
fn a_keytab_without_an_allowed_key_makes_no_request() {
    let mut lab = Lab::new();
    let keytab = lab.keytab(&[Etype::Rc4]);
    let error = lab.as_exchange(keytab).unwrap_err();
    assert_eq!(error, ExchangeError::Credential(CredentialError::NoCommonEtype));
    assert!(lab.sent.is_empty());
}
