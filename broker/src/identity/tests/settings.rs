//! Settings: everything wrong with them is said at once.

use rustls_pki_types::CertificateDer;

use crate::identity::testing::{Authority, days, now, trusting, validator};
use crate::identity::{CrlError, Revocation, Settings, SettingsProblem, Validator};

fn problems(settings: Settings) -> Vec<SettingsProblem> {
    Validator::new(settings, now()).expect_err("bad settings").problems().to_vec()
}

#[test]
fn all_problems_are_reported_together() {
    let rubbish = CertificateDer::from(vec![1, 2, 3]);
    let mut settings = Settings::new(vec![rubbish.clone()]);
    settings.intermediates = vec![rubbish];
    settings.extended_key_usage = vec!["client auth".to_owned()];
    settings.minimum_rsa_bits = 1024;
    settings.revocation = Revocation::Crls(vec![vec![0x30, 0x00]]);
    let found = problems(settings);
    assert!(matches!(
        found.as_slice(),
        [
            SettingsProblem::Root { index: 0, .. },
            SettingsProblem::Intermediate { index: 0, .. },
            SettingsProblem::ExtendedKeyUsage { .. },
            SettingsProblem::RsaBits,
            SettingsProblem::Crl { index: 0, error: CrlError::Encoding },
        ]
    ));
}

#[test]
fn no_root_is_a_problem() {
    assert_eq!(problems(Settings::new(Vec::new())), [SettingsProblem::NoRoots]);
}

#[test]
fn a_card_is_not_a_root() {
    let root = Authority::root("Root");
    let settings = Settings::new(vec![root.card()]);
    assert!(matches!(problems(settings).as_slice(), [SettingsProblem::Root { index: 0, .. }]));
}

#[test]
fn a_card_is_not_an_intermediate() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.intermediates = vec![root.card()];
    assert!(matches!(problems(settings).as_slice(), [SettingsProblem::Intermediate { index: 0, .. }]));
}

#[test]
fn roots_that_have_all_ended_are_a_problem() {
    let root = Authority::root("Root");
    let later = now() + days(365 * 20);
    let refused = Validator::new(trusting(&[&root]), later).expect_err("ended");
    assert_eq!(refused.problems(), [SettingsProblem::NoRootIsValid]);
}

#[test]
fn any_extended_key_usage_cannot_be_required() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.extended_key_usage = vec!["2.5.29.37.0".to_owned()];
    assert_eq!(problems(settings), [SettingsProblem::AnyExtendedKeyUsage]);
}

#[test]
fn requiring_no_purpose_at_all_is_a_problem() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.extended_key_usage.clear();
    assert_eq!(problems(settings), [SettingsProblem::NoExtendedKeyUsage]);
}

#[test]
fn revocation_by_crl_without_a_crl_is_a_problem() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.revocation = Revocation::Crls(Vec::new());
    assert_eq!(problems(settings), [SettingsProblem::NoCrls]);
}

#[test]
fn a_validator_can_be_shared_by_all_logins() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&validator(trusting(&[&Authority::root("Root")])));
}
