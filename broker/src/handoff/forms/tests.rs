use super::super::testing::{TERMSRV, UNSAFE_KEY, at, ticket};
use super::*;
use crate::entropy;

fn make(form: &Form, end: u64, now: u64) -> Credential {
    let made = form.make(&ticket(TERMSRV, at(end)), TERMSRV.to_owned(), at(now), &mut entropy::system());
    made.expect("the ticket is in order")
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_cache_holds_the_service_ticket_and_no_ticket_granting_ticket() {
    let made = make(&Form::CCache { freerdp_placeholder: false }, 3600, 0);
    let cache = CCache::parse(made.octets()).expect("a well-formed cache");
    assert_eq!(cache.credentials().len(), 1);
    assert!(contains(made.octets(), &UNSAFE_KEY));
    assert!(!contains(made.octets(), b"krbtgt"));
    assert_eq!((made.form(), made.spn(), made.expires_at()), ("ccache", TERMSRV, at(3600)));
}

#[test]
fn the_placeholder_adds_an_entry_and_no_second_key() {
    let made = make(&Form::CCache { freerdp_placeholder: true }, 3600, 0);
    let cache = CCache::parse(made.octets()).expect("a well-formed cache");
    assert_eq!(cache.credentials().len(), 2);
    let keys = made.octets().windows(UNSAFE_KEY.len()).filter(|window| *window == UNSAFE_KEY);
    assert_eq!(keys.count(), 1);
}

#[test]
fn a_krb_cred_holds_the_session_key() {
    let made = make(&Form::KrbCred(None), 3600, 0);
    assert_eq!(made.octets().first(), Some(&0x76), "[APPLICATION 22]");
    assert!(contains(made.octets(), &UNSAFE_KEY));
    assert_eq!(made.expires_at(), at(3600));
}

#[test]
fn a_krb_cred_under_a_shared_key_shows_no_session_key() {
    for (octets, count) in [(&[3; 32][..], 32), (&[3; 16], 16)] {
        let key = CredKey::parse(octets).expect("an AES key");
        assert!(!format!("{key:?}").contains("3, 3"));
        let made = make(&Form::KrbCred(Some(key)), 3600, 0);
        assert_eq!((made.octets().first(), made.form()), (Some(&0x76), "encrypted_krb_cred"), "{count}");
        assert!(!contains(made.octets(), &UNSAFE_KEY));
        assert_eq!(made.expires_at(), at(3600));
    }
    for length in [0, 15, 17, 24, 31, 33] {
        assert_eq!(CredKey::parse(&vec![3; length]).err(), Some(MalformedCredKey), "{length}");
    }
}

#[test]
fn an_initial_token_conveys_no_key_and_is_never_the_same_twice() {
    let (one, two) = (make(&Form::SpnegoToken(None), 3600, 0), make(&Form::SpnegoToken(None), 3600, 0));
    assert_eq!(one.octets().first(), Some(&0x60));
    assert!(!contains(one.octets(), &UNSAFE_KEY));
    assert_ne!(one.octets(), two.octets());
}

#[test]
fn an_initial_token_ends_with_the_tolerated_skew_or_with_its_ticket() {
    assert_eq!(make(&Form::SpnegoToken(None), 3600, 10).expires_at(), at(310));
    assert_eq!(make(&Form::SpnegoToken(None), 100, 10).expires_at(), at(100));
}

#[test]
fn the_two_kinds_of_channel_binding_are_taken() {
    for (prefix, length) in
        [("tls-server-end-point:", 32), ("tls-server-end-point:", 48), ("tls-exporter:", 32)]
    {
        let data = [prefix.as_bytes(), &vec![7; length]].concat();
        Binding::parse(&data).expect("a known kind");
    }
}

#[test]
fn other_channel_bindings_are_refused() {
    let cases: [(&[u8], BindingError); 6] = [
        (b"", BindingError::Kind),
        (b"tls-unique:0123456789ab", BindingError::Kind),
        (b"TLS-SERVER-END-POINT:", BindingError::Kind),
        (b"tls-server-end-point:", BindingError::Length),
        (b"tls-exporter:0123456789abcdef", BindingError::Length),
        (&[b'x'; 513], BindingError::TooLong),
    ];
    for (data, error) in cases {
        assert_eq!(Binding::parse(data).err(), Some(error));
    }
}

#[test]
fn debug_of_a_credential_shows_no_octets() {
    let made = make(&Form::KrbCred(None), 3600, 0);
    assert_eq!(
        format!("{made:?}"),
        "Credential { form: \"krb_cred\", spn: \"TERMSRV/desk1.corp.example\", .. }"
    );
}
