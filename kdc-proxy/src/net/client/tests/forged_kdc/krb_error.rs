//! Errors that anybody can send. They choose a retry or the words of a refusal, and nothing else.

use super::*;
use crate::error::{CredentialError, ErrorCode, NtStatus};
use crate::key::StringToKeyError;
use crate::message::krb_error::KrbError;
use crate::message::padata::{EtypeInfo2Entry, kind};
use crate::message::types::{KerberosString, PaData};

fn now() -> KerberosTime {
    KerberosTime::from_system(system::now()).unwrap()
}

/// What every forged error starts from.
fn krb_error(code: ErrorCode) -> KrbError {
    KrbError {
        pvno: 5,
        msg_type: 30,
        ctime: None,
        cusec: None,
        stime: now(),
        susec: 0,
        error_code: code.number(),
        crealm: None,
        cname: None,
        realm: "CORP.EXAMPLE".into(),
        sname: (&PrincipalName::krbtgt(&realm())).into(),
        e_text: None,
        e_data: None,
    }
}

/// Answers every request with this error.
fn always(change: impl Fn(&mut KrbError) + Send + 'static, code: ErrorCode) -> impl Lie {
    instead(move || {
        let mut error = krb_error(code);
        change(&mut error);
        encode(&error)
    })
}

/// Answers every request with these octets.
fn instead(octets: impl Fn() -> Vec<u8> + Send + 'static) -> impl Lie {
    |scene: &Scene| scene.kdc.lock().hooks.bytes = Some(Box::new(move |bytes| *bytes = octets()))
}

/// Changes the errors of the honest KDC.
fn errors(change: impl Fn(&mut KrbError) + Send + 'static) -> impl Lie {
    |scene: &Scene| scene.kdc.lock().hooks.error = Some(Box::new(change))
}

fn kdc_refused(stage: Stage, code: ErrorCode) -> ClientError {
    ClientError::KdcRefused { stage, realm: realm(), code, status: None, text: None }
}

/// Of no forged error is anything kept: each of these ends the exchange after the one request, and the next is
/// answered.
#[tokio::test]
async fn a_forged_error_ends_the_exchange_and_is_not_remembered() {
    let codes = [
        ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN,
        ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN,
        ErrorCode::KDC_ERR_CLIENT_REVOKED,
        ErrorCode::KDC_ERR_BADOPTION,
        ErrorCode::KDC_ERR_POLICY,
        ErrorCode::KRB_ERR_GENERIC,
        ErrorCode::new(0),
        ErrorCode::new(60),
        ErrorCode::new(i32::MAX),
        ErrorCode::new(i32::MIN),
    ];
    for stage in STAGES {
        for code in codes {
            let error = refused_after(1, stage, always(|_| (), code)).await;
            assert_eq!(error, kdc_refused(stage, code), "{stage}");
        }
    }
}

#[tokio::test]
async fn a_forged_lack_of_common_etypes_does_not_lower_them() {
    for stage in STAGES {
        let error = refused_after(1, stage, always(|_| (), ErrorCode::KDC_ERR_ETYPE_NOSUPP)).await;
        assert_eq!(error, kdc_refused(stage, ErrorCode::KDC_ERR_ETYPE_NOSUPP));
    }
}

#[tokio::test]
async fn a_forged_hint_to_another_realm_or_transport_is_not_followed() {
    for stage in STAGES {
        for number in [52, 68] {
            let elsewhere = |error: &mut KrbError| {
                error.crealm = Some("OTHER.EXAMPLE".into());
                error.realm = "OTHER.EXAMPLE".into();
            };
            let error = refused_after(1, stage, always(elsewhere, ErrorCode::new(number))).await;
            assert_eq!(error, kdc_refused(stage, ErrorCode::new(number)));
        }
    }
}

#[tokio::test]
async fn a_demand_for_preauthentication_without_end_is_no_loop() {
    let code = ErrorCode::KDC_ERR_PREAUTH_REQUIRED;
    for stage in [Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
        assert_eq!(refused_after(1, stage, always(|_| (), code)).await, kdc_refused(stage, code));
    }
    // In an AS exchange the first demand is answered, the second is not.
    let scene = Scene::before(Stage::As).await;
    scene.run(Stage::As).await.unwrap();
    let demand = scene.replies.lock().unwrap()[0].clone();
    assert_eq!(demand[0], 0x7e);
    let error = refused_after(2, Stage::As, instead(move || demand.clone())).await;
    assert_eq!(error, kdc_refused(Stage::As, code));
}

#[tokio::test]
async fn tickets_that_are_called_stale_without_end_are_replaced_once() {
    for code in [
        ErrorCode::KRB_AP_ERR_BAD_INTEGRITY,
        ErrorCode::KRB_AP_ERR_MODIFIED,
        ErrorCode::KRB_AP_ERR_BADKEYVER,
        ErrorCode::KDC_ERR_TGT_REVOKED,
    ] {
        let to_tgs_requests = move |scene: &Scene| {
            scene.kdc.lock().hooks.bytes = Some(Box::new(move |bytes: &mut Vec<u8>| {
                if bytes[0] == 0x6d {
                    *bytes = encode(&krb_error(code));
                }
            }));
        };
        // Asked, then a new ticket in two rounds, then asked again.
        let error = refused_after(4, Stage::S4u2Self, to_tgs_requests).await;
        assert_eq!(error, kdc_refused(Stage::S4u2Self, code));
    }
}

#[tokio::test]
async fn a_skewed_stime_is_tried_once_and_proven_or_dropped() {
    let skewed = |error: &mut KrbError| error.stime = later(now(), 3600);
    for (stage, requests) in [(Stage::Tgs, 2), (Stage::S4u2Self, 2), (Stage::S4u2Proxy, 2)] {
        let lie = always(skewed, ErrorCode::KRB_AP_ERR_SKEW);
        let error = refused_after(requests, stage, lie).await;
        assert!(matches!(error, ClientError::ClaimedSkew { .. }), "{stage}: {error}");
    }
    // Every error of an AS exchange is skewed: the demand for preauthentication, and two refusals of the timestamp.
    let error = refused_after(3, Stage::As, errors(skewed)).await;
    assert!(matches!(error, ClientError::ClaimedSkew { .. }), "{error}");
}

#[tokio::test]
async fn a_skewed_stime_beyond_half_a_day_is_not_tried() {
    let far = |error: &mut KrbError| error.stime = later(now(), 13 * 3600);
    let past = |error: &mut KrbError| error.stime = KerberosTime::EPOCH;
    for stage in [Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
        for lie in [always(far, ErrorCode::KRB_AP_ERR_SKEW)] {
            let error = refused_after(1, stage, lie).await;
            assert!(matches!(error, ClientError::ClaimedSkew { .. }), "{stage}: {error}");
        }
        let error = refused_after(1, stage, always(past, ErrorCode::KRB_AP_ERR_SKEW)).await;
        assert!(matches!(error, ClientError::ClaimedSkew { .. }), "{stage}: {error}");
    }
    let error = refused_after(1, Stage::As, errors(far)).await;
    assert!(matches!(error, ClientError::ClaimedSkew { .. }), "{error}");
}

/// What an unauthenticated error says of the time is corrected by the KDC's own answer to the timestamp.
#[tokio::test]
async fn a_skewed_stime_in_the_demand_for_preauthentication_is_mended() {
    let scene = Scene::before(Stage::As).await;
    errors(|error| {
        if error.error_code == ErrorCode::KDC_ERR_PREAUTH_REQUIRED.number() {
            error.stime = later(error.stime, 3600);
        }
    })
    .tell(&scene);
    let status = scene.client.service_tgt().await.unwrap();
    assert!(status.clock_offset.magnitude() < Duration::from_secs(5), "{}", status.clock_offset);
    assert_eq!(scene.port.count(AS_REQ), 3);
}

#[tokio::test]
async fn an_error_that_cannot_be_read_is_refused_at_every_stage() {
    let month_13 = || {
        let mut octets = encode(&krb_error(ErrorCode::KRB_ERR_GENERIC));
        let text = now().to_string().into_bytes();
        let at = octets.windows(text.len()).position(|window| window == text).unwrap();
        octets[at + 4..at + 6].copy_from_slice(b"13");
        octets
    };
    for stage in STAGES {
        let generic = ErrorCode::KRB_ERR_GENERIC;
        let lies = [
            boxed(always(|error| error.pvno = 4, generic)),
            boxed(always(|error| error.msg_type = 13, generic)),
            boxed(always(|error| error.susec = 1_000_000, generic)),
            boxed(instead(month_13)),
            boxed(instead(|| vec![0x7e, 0x80])),
        ];
        for (index, lie) in lies.into_iter().enumerate() {
            let error = refused_after(1, stage, lie).await;
            assert_eq!(error, reply(ReplyError::Malformed), "{stage}: {index}");
        }
    }
}

#[tokio::test]
async fn the_text_of_a_forged_error_is_cleaned_and_cut_and_quoted() {
    let nasty = |error: &mut KrbError| {
        error.e_text = Some(KerberosString(b"\x1b[2J\r\nlevel=error granted \x00\xff".repeat(4000).into()));
    };
    for stage in STAGES {
        let error = refused_after(1, stage, always(nasty, ErrorCode::KDC_ERR_POLICY)).await;
        let ClientError::KdcRefused { code, text: Some(text), .. } = &error else { panic!("{error}") };
        assert_eq!((*code, text.chars().count()), (ErrorCode::KDC_ERR_POLICY, 200));
        assert!(!text.contains(char::is_control), "{text:?}");
        // For the log alone, and there as a text in quotes.
        assert!(error.to_string().ends_with(&format!("{text:?}")), "{error}");
    }
}

#[tokio::test]
async fn a_status_that_is_none_is_left_aside() {
    let broken: [&[u8]; 4] = [
        &[],
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x0c, 0xa1, 3, 2, 1, 3, 0xa2, 5, 4, 3, 1, 2, 3],
        &[0xff; 600],
    ];
    for data in broken {
        let lie =
            always(move |error| error.e_data = Some(data.to_vec().into()), ErrorCode::KDC_ERR_BADOPTION);
        let error = refused_after(1, Stage::S4u2Proxy, lie).await;
        assert_eq!(error, kdc_refused(Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION));
    }
    let status = hex::decode("3015a103020103a20e040cbb0000c00000000003000000").unwrap();
    let lie = always(move |error| error.e_data = Some(status.clone().into()), ErrorCode::KDC_ERR_BADOPTION);
    let error = refused_after(1, Stage::S4u2Proxy, lie).await;
    let ClientError::KdcRefused { status: Some(status), .. } = error else { panic!("{error}") };
    assert_eq!(status, NtStatus::new(0xc000_00bb));
}

/// Changes the list of encryption types in the demand for preauthentication.
fn etype_info(change: impl Fn(&mut Vec<EtypeInfo2Entry>) + Send + 'static) -> impl Lie {
    methods(move |methods| {
        for method in methods.iter_mut().filter(|method| method.padata_type == kind::ETYPE_INFO2) {
            let mut entries = decode(&method.padata_value).unwrap();
            change(&mut entries);
            method.padata_value = encode(&entries).into();
        }
    })
}

fn methods(change: impl Fn(&mut Vec<PaData>) + Send + 'static) -> impl Lie {
    errors(move |error| {
        let mut methods: Vec<PaData> = decode(error.e_data.as_ref().unwrap()).unwrap();
        change(&mut methods);
        error.e_data = Some(encode(&methods).into());
    })
}

/// What a client that has a password says to a demand for preauthentication.
async fn with_password(lie: impl Lie) -> ClientError {
    let mut scene = Scene::before(Stage::As).await;
    scene.client = Client::new(scene.settings.clone(), password()).unwrap();
    scene.refused(Stage::As, 1, lie).await
}

#[tokio::test]
async fn an_offer_of_rc4_or_des_alone_is_refused() {
    for number in [23, 3, 1, 16] {
        let only = move |entries: &mut Vec<EtypeInfo2Entry>| {
            entries.truncate(1);
            entries[0].etype = number;
        };
        let expected = ClientError::Credential(CredentialError::NoCommonEtype);
        assert_eq!(refused_after(1, Stage::As, etype_info(only)).await, expected);
        assert_eq!(with_password(etype_info(only)).await, expected);
    }
}

#[tokio::test]
async fn parameters_that_make_our_key_cheap_to_guess_or_dear_to_derive_are_refused() {
    for count in [0, 1, 4095, 4097, 0x7fff_ffff, u32::MAX] {
        let cheap =
            etype_info(move |entries| entries[0].s2kparams = Some(count.to_be_bytes().to_vec().into()));
        let expected = StringToKeyError::IterationCount(count);
        assert_eq!(with_password(cheap).await, ClientError::Credential(expected.into()));
    }
    let salt = etype_info(|entries| entries[0].salt = Some(KerberosString(vec![b'x'; 2000].into())));
    assert_eq!(with_password(salt).await, ClientError::Credential(StringToKeyError::SaltTooLong.into()));
    let none = etype_info(|entries| entries[0].salt = None);
    assert_eq!(with_password(none).await, ClientError::Credential(CredentialError::NoSalt));
    let no_list = methods(|methods| methods.retain(|method| method.padata_type != kind::ETYPE_INFO2));
    assert_eq!(with_password(no_list).await, ClientError::Credential(CredentialError::NoSalt));
}

#[tokio::test]
async fn a_demand_without_a_method_of_ours_is_refused() {
    let other = methods(|methods| methods.retain(|method| method.padata_type != kind::ENC_TIMESTAMP));
    let expected = ClientError::Credential(CredentialError::TimestampNotOffered);
    assert_eq!(refused_after(1, Stage::As, other).await, expected);
    let none = errors(|error| error.e_data = None);
    assert_eq!(refused_after(1, Stage::As, none).await, reply(ReplyError::Malformed));
}
