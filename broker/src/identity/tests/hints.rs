//! Which authorities a card's holder is asked for.

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Name};

use crate::identity::testing::{Authority, trusting, validator};
use crate::identity::{Settings, Validator};

fn named(validator: &Validator) -> Vec<String> {
    let text = |name: &Vec<u8>| X509Name::from_der(name).expect("a name").1.to_string();
    validator.ca_names().iter().map(text).collect()
}

fn hints(roots: &[&Authority], intermediates: &[&CertificateDer<'static>], issuers: &[&str]) -> Vec<String> {
    let intermediates = intermediates.iter().map(|one| (*one).clone()).collect();
    let issuers = issuers.iter().map(|issuer| (*issuer).to_owned()).collect();
    named(&validator(Settings { intermediates, issuers, ..trusting(roots) }))
}

#[test]
fn a_root_that_issued_another_authority_is_not_asked_for() {
    let root = Authority::root("Root");
    let (one, two) = (root.below("One"), root.below("Two"));
    let asked = hints(&[&root], &[&one.certificate, &two.certificate], &[]);
    assert_eq!(asked, ["O=Corp, CN=One", "O=Corp, CN=Two"]);
}

#[test]
fn a_policy_authority_between_root_and_issuer_is_not_asked_for() {
    let root = Authority::root("Root");
    let policy = root.below("Policy");
    let issuing = policy.below("Issuing");
    assert_eq!(hints(&[&root], &[&policy.certificate, &issuing.certificate], &[]), ["O=Corp, CN=Issuing"]);
}

#[test]
fn a_root_without_authorities_below_it_is_asked_for() {
    let (alone, root) = (Authority::root("Alone"), Authority::root("Root"));
    let issuing = root.below("Issuing");
    let asked = hints(&[&alone, &root], &[&issuing.certificate], &[]);
    assert_eq!(asked, ["O=Corp, CN=Alone", "O=Corp, CN=Issuing"]);
}

#[test]
fn an_authority_with_several_certificates_is_asked_for_once() {
    let root = Authority::root("Root");
    let issuing = root.below("Issuing");
    let asked = hints(&[&root], &[&issuing.certificate, &root.cross(&issuing)], &[]);
    assert_eq!(asked, ["O=Corp, CN=Issuing"]);
}

#[test]
fn exactly_the_configured_issuers_are_asked_for() {
    let root = Authority::root("Root");
    let (one, two) = (root.below("One"), root.below("Two"));
    let asked = |issuers: &[&str]| hints(&[&root], &[&one.certificate, &two.certificate], issuers);
    assert_eq!(asked(&["CN=two,O=corp"]), ["O=Corp, CN=Two"]);
    assert_eq!(asked(&["CN=Root,O=Corp", "CN=One,O=Corp"]), ["O=Corp, CN=Root", "O=Corp, CN=One"]);
    assert_eq!(asked(&["CN=Elsewhere,O=Corp"]), ["O=Corp, CN=Elsewhere"]);
}

#[test]
fn a_configured_issuer_is_named_in_the_octets_of_its_own_certificate() {
    let root = Authority::root("Root");
    let issuing = root.below("Issuing");
    let settings = Settings {
        intermediates: vec![issuing.certificate.clone()],
        issuers: vec!["cn=ISSUING,o=CORP".to_owned()],
        ..trusting(&[&root])
    };
    let (_, parsed) = x509_parser::parse_x509_certificate(&issuing.certificate).expect("a certificate");
    assert_eq!(validator(settings).ca_names(), [parsed.subject().as_raw()]);
}
