//! Cards and accounts that belong together, and that do not.

use std::time::Duration;

use rcgen::{
    CertificateParams, CustomExtension, DnType, KeyPair, OtherNameValue, SanType, string::Ia5String,
};

mod table;

use super::sought::Several;
use super::*;
use crate::account::Account;
use crate::alt_security_identities::{AltSecurityIdentity, Form, Misspelling, Sha1Reading};
use crate::entry::Entry;
use crate::testing::{DOMAIN_SID, Person};
use crate::tlv::{OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element};

const ISSUER_SHA1: [u8; 20] = [7; 20];
const COMPATIBILITY: Enforcement = Enforcement::Compatibility { backdating: Duration::ZERO };
const MODES: [Enforcement; 3] = [Enforcement::Full, COMPATIBILITY, Enforcement::None];

fn facts(change: impl FnOnce(&mut CertificateParams)) -> CertificateFacts {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Corp");
    params.distinguished_name.push(DnType::CommonName, "Alice");
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x10, 0x20, 0x30]));
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    change(&mut params);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    CertificateFacts::parse(params.self_signed(&key).unwrap().der()).unwrap()
}

fn add_upn(params: &mut CertificateParams, upn: &str) {
    let name = OtherNameValue::Utf8String(upn.to_owned());
    params.subject_alt_names.push(SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], name)));
}

fn add_email(params: &mut CertificateParams, address: &str) {
    params.subject_alt_names.push(SanType::Rfc822Name(Ia5String::try_from(address).unwrap()));
}

fn card(upns: &[&str], sids: &[&str]) -> CertificateFacts {
    facts(|params| {
        upns.iter().for_each(|upn| add_upn(params, upn));
        for sid in sids {
            let text = format!("tag:microsoft.com,2022-09-14:sid:{sid}");
            params.subject_alt_names.push(SanType::URI(Ia5String::try_from(text).unwrap()));
        }
    })
}

fn card_with_extension(upn: &str, sid: &str) -> CertificateFacts {
    facts(|params| {
        add_upn(params, upn);
        let oid = element(OBJECT_IDENTIFIER, &[hex::decode("2b060104018237190201").unwrap()]);
        let value = element(0xa0, &[element(OCTET_STRING, &[sid])]);
        let value = element(SEQUENCE, &[element(0xa0, &[oid, value])]).to_vec();
        let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 311, 25, 2], value);
        params.custom_extensions.push(extension);
    })
}

fn own_sid() -> String {
    format!("{DOMAIN_SID}-1103")
}

fn alice() -> Account {
    Person::new("alice").account()
}

fn rules(enforcement: Enforcement) -> Rules {
    Rules { enforcement, sha1_readings: vec![Sha1Reading::Certificate], ..Rules::default() }
}

fn of(facts: &CertificateFacts) -> Card<'_> {
    Card { facts, issuer_sha1: Some(ISSUER_SHA1) }
}

/// The whole verdict about a card and an account.
fn verdict(facts: &CertificateFacts, account: &Account, rules: &Rules) -> Result<Strength, MappingError> {
    verdict_of(facts, account, rules, NamedBy::Card)
}

fn verdict_of(
    facts: &CertificateFacts,
    account: &Account,
    rules: &Rules,
    named_by: NamedBy<'_>,
) -> Result<Strength, MappingError> {
    let mapping = confirm(&of(facts), account, rules, named_by)?;
    enforce(&mapping, &of(facts), account, rules, named_by)?;
    Ok(mapping.strength())
}

/// The account with a value that names the card.
fn mapped(facts: &CertificateFacts, form: Form) -> Account {
    with_values(&[&value(facts, form)])
}

fn with_values(values: &[&str]) -> Account {
    Person::new("alice").with("altSecurityIdentities", values).account()
}

fn value(facts: &CertificateFacts, form: Form) -> String {
    let all = AltSecurityIdentity::all_of(facts, &[Sha1Reading::Certificate]);
    all.iter().find(|one| one.form() == form).unwrap().to_string()
}

/// A row of what each mode says: under full, compatibility, none.
type Row = [Result<Strength, MappingError>; 3];

fn row(facts: &CertificateFacts, account: &Account) -> Row {
    MODES.map(|mode| verdict(facts, account, &rules(mode)))
}

const STRONG: Row = [Ok(Strength::Strong), Ok(Strength::Strong), Ok(Strength::Strong)];
const WEAK: Row = [Err(MappingError::TooWeak), Ok(Strength::Weak), Ok(Strength::Weak)];
const NOT_MAPPED: Row =
    [Err(MappingError::NotMapped), Err(MappingError::NotMapped), Err(MappingError::NotMapped)];

#[test]
fn every_form_in_every_mode_with_and_without_a_user_principal_name() {
    let with_upn = facts(|params| {
        add_upn(params, "alice@corp.example");
        add_email(params, "alice@corp.example");
    });
    let without = facts(|params| add_email(params, "alice@corp.example"));
    assert_eq!(WEAK, row(&with_upn, &alice()));
    assert_eq!(NOT_MAPPED, row(&without, &alice()));
    for form in Form::ALL.into_iter().filter(|form| *form != Form::IssuerSid) {
        let expected = if form.strength() == Strength::Strong { STRONG } else { WEAK };
        assert_eq!(expected, row(&with_upn, &mapped(&with_upn, form)), "{form:?} with a name");
        assert_eq!(expected, row(&without, &mapped(&without, form)), "{form:?} without a name");
        assert_eq!(WEAK, row(&with_upn, &mapped(&without_fit(form), form)), "{form:?} of another card");
        assert_eq!(NOT_MAPPED, row(&without, &mapped(&without_fit(form), form)), "{form:?} of another card");
    }
}

/// A card that no value of the others names.
fn without_fit(form: Form) -> CertificateFacts {
    let other = facts(|params| {
        add_email(params, "bob@corp.example");
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x99]));
        params.distinguished_name.push(DnType::OrganizationalUnitName, "Others");
    });
    assert!(value(&other, form).starts_with("X509:"));
    other
}

#[test]
fn a_sid_in_every_spelling_mode_and_place() {
    for sid_card in [
        card(&["alice@corp.example"], &[&own_sid()]),
        card_with_extension("alice@corp.example", &own_sid()),
        // Found by the name that the person gave, or by a value of the account's.
        card(&[], &[&own_sid()]),
    ] {
        assert_eq!(STRONG, row(&sid_card, &alice()));
        assert_eq!(STRONG, row(&sid_card, &mapped(&sid_card, Form::IssuerSid)));
    }
}

#[test]
fn another_sid_is_refused_in_every_mode_even_where_the_account_names_the_card() {
    let other: Sid = format!("{DOMAIN_SID}-1104").parse().unwrap();
    let differs =
        || MappingError::SidDiffers { certificate: other.clone(), account: own_sid().parse().unwrap() };
    for card in
        [card_with_extension("alice@corp.example", &other.to_string()), card(&[], &[&other.to_string()])]
    {
        let refused = || [Err(differs()), Err(differs()), Err(differs())];
        assert_eq!(refused(), row(&card, &alice()));
        assert_eq!(refused(), row(&card, &mapped(&card, Form::SubjectKeyIdentifier)));
        let hinted =
            verdict_of(&card, &mapped(&card, Form::IssuerSerial), &rules(COMPATIBILITY), NamedBy::Person);
        assert_eq!(Err(differs()), hinted);
    }
}

#[test]
fn a_sid_of_an_issuer_that_is_no_enterprise_authority_makes_nothing_strong() {
    let card = card_with_extension("alice@corp.example", &own_sid());
    let named = |names: &[&str]| Rules {
        enterprise_issuers: EnterpriseIssuers::Named(names.iter().map(|&name| name.to_owned()).collect()),
        ..rules(Enforcement::Full)
    };
    assert_eq!(Ok(Strength::Strong), verdict(&card, &alice(), &named(&["CN=Other", "cn=alice,o=corp"])));
    assert_eq!(Err(MappingError::TooWeak), verdict(&card, &alice(), &named(&["CN=Other"])));
    // Unless the account's administrator says so of this issuer.
    assert_eq!(Ok(Strength::Strong), verdict(&card, &mapped(&card, Form::IssuerSid), &named(&["CN=Other"])));
    // It still contradicts.
    let bobs = Person::new("bob")
        .sid(&format!("{DOMAIN_SID}-1104"))
        .with("userPrincipalName", &["alice@corp.example"]);
    assert!(matches!(
        verdict(&card, &bobs.account(), &named(&["CN=Other"])),
        Err(MappingError::SidDiffers { .. })
    ));
}

#[test]
fn a_misspelt_value_ties_nothing_and_is_told() {
    let card = card(&["alice@corp.example"], &[]);
    for (value, misspelling) in [
        ("X509:<I>CN=Alice,O=Corp<SR>302010", Misspelling::IssuerReversed),
        ("X509:<I>O=Corp,CN=Alice<SR>102030", Misspelling::SerialNotReversed),
        ("X509:<I>o=corp,CN=Alice<SR>302010", Misspelling::IssuerRespelt),
    ] {
        let account = with_values(&["Kerberos:x", value]);
        assert_eq!(WEAK, row(&card, &account), "{value}");
        let mapping = confirm(&of(&card), &account, &rules(Enforcement::Full), NamedBy::Card).unwrap();
        assert_eq!(&[Ground::UserPrincipalName], mapping.grounds());
        assert_eq!(vec![misspelling], mapping.ignored()[0].misspellings);
        assert!(mapping.ignored()[0].to_string().contains(value));
    }
    assert_eq!(STRONG, row(&card, &with_values(&["X509:<I>O=Corp,CN=Alice<SR>302010"])));
}

#[test]
fn an_unconfigured_reading_of_the_digest_does_not_count() {
    let card = card(&["alice@corp.example"], &[]);
    let account = mapped(&card, Form::Sha1PublicKey);
    let none = Rules { sha1_readings: Vec::new(), ..rules(Enforcement::Full) };
    assert_eq!(Err(MappingError::TooWeak), verdict(&card, &account, &none));
    let sought = Sought::by_card(&of(&facts(|_| ())), &none).unwrap();
    assert!(!sought.is_met_by(&account));
}

#[test]
fn a_name_rule_makes_the_names_of_its_issuer_and_policy_strong() {
    let policies = |params: &mut CertificateParams, oid: u8| {
        let policy = element(SEQUENCE, &[element(SEQUENCE, &[element(OBJECT_IDENTIFIER, &[[0x2a, oid]])])]);
        let extension = CustomExtension::from_oid_content(&[2, 5, 29, 32], policy.to_vec());
        params.custom_extensions.push(extension);
    };
    let thumbprint = "07".repeat(20);
    let with = |names: &str| Rules {
        name_rules: vec![format!("{thumbprint}; 1.2.3; {names}").parse().unwrap()],
        ..rules(Enforcement::Full)
    };
    let card = facts(|params| {
        add_upn(params, "alice@corp.example");
        policies(params, 3);
    });
    assert_eq!(Ok(Strength::Strong), verdict(&card, &alice(), &with("UpnSuffix=Corp.Example")));
    assert_eq!(Err(MappingError::TooWeak), verdict(&card, &alice(), &with("UpnSuffix=other.example")));
    let by_subject = mapped(&card, Form::IssuerSubject);
    assert_eq!(Ok(Strength::Strong), verdict(&card, &by_subject, &with("IssuerSubject")));
    assert_eq!(Err(MappingError::TooWeak), verdict(&card, &by_subject, &with("UpnSuffix=other.example")));
    assert_eq!(
        Err(MappingError::TooWeak),
        verdict(&card, &mapped(&card, Form::Subject), &with("IssuerSubject"))
    );

    let other_policy = facts(|params| {
        add_upn(params, "alice@corp.example");
        policies(params, 4);
    });
    assert_eq!(Err(MappingError::TooWeak), verdict(&other_policy, &alice(), &with("UpnSuffix=corp.example")));
    let rules = with("UpnSuffix=corp.example");
    let of_other_issuer = Card { facts: &card, issuer_sha1: None };
    let mapping = confirm(&of_other_issuer, &alice(), &rules, NamedBy::Card).unwrap();
    assert_eq!(Strength::Weak, mapping.strength());
}

#[test]
fn two_accounts_that_swapped_their_names_are_told_apart() {
    let card = card_with_extension("alice@corp.example", &own_sid());
    let swapped = Person::new("bob")
        .sid(&format!("{DOMAIN_SID}-1104"))
        .with("userPrincipalName", &["alice@corp.example"])
        .account();
    for mode in MODES {
        assert!(matches!(verdict(&card, &swapped, &rules(mode)), Err(MappingError::SidDiffers { .. })));
    }
    let renamed = Person::new("alice").with("userPrincipalName", &["bob@corp.example"]).account();
    assert_eq!(STRONG, row(&card, &renamed), "the implicit name is still hers");
}

#[test]
fn two_names_are_refused_even_when_equal() {
    for upns in [["alice@corp.example", "bob@corp.example"], ["alice@corp.example", "alice@corp.example"]] {
        let card = card(&upns, &[]);
        let error = MappingError::SeveralUpns { count: 2 };
        assert_eq!(Err(error.clone()), Sought::by_card(&of(&card), &rules(Enforcement::None)));
        assert_eq!(Err(error), verdict(&card, &alice(), &rules(Enforcement::None)));
    }
}

#[test]
fn two_sids_are_refused_even_when_one_is_the_accounts() {
    let card = card(&["alice@corp.example"], &[&own_sid(), &format!("{DOMAIN_SID}-500")]);
    let error = MappingError::SeveralSids { count: 2 };
    assert_eq!(Err(error.clone()), Sought::by_card(&of(&card), &rules(Enforcement::None)));
    assert_eq!(Err(error), verdict(&card, &alice(), &rules(Enforcement::None)));
}

#[test]
fn an_account_of_another_name_is_refused_though_the_sid_is_equal() {
    let card = card(&["alice@corp.example"], &[&own_sid()]);
    let refusal = verdict(&card, &Person::new("bob").account(), &rules(Enforcement::None)).unwrap_err();
    assert_eq!(MappingError::NameDiffers { upn: Upn::parse("alice@corp.example").unwrap() }, refusal);
}

#[test]
fn a_card_that_nothing_can_find_has_no_name() {
    let nameless = facts(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.is_ca = rcgen::IsCa::NoCa;
    });
    let rules = Rules { sha1_readings: Vec::new(), ..rules(Enforcement::None) };
    assert_eq!(Err(MappingError::UpnMissing), Sought::by_card(&of(&nameless), &rules));
}

#[test]
fn a_weak_mapping_needs_a_card_that_is_not_older_than_the_account_by_more_than_the_compensation() {
    let card = card(&["alice@corp.example"], &[]);
    let younger = Person::new("alice").with("whenCreated", &["20240101000001.0Z"]).account();
    let refusal = verdict(&card, &younger, &rules(COMPATIBILITY)).unwrap_err();
    let not_before = card.not_before();
    let when_created = not_before + Duration::from_secs(1);
    assert_eq!(MappingError::OlderThanAccount { not_before, when_created }, refusal);
    let second = Enforcement::Compatibility { backdating: Duration::from_secs(1) };
    assert_eq!(Ok(Strength::Weak), verdict(&card, &younger, &rules(second)));
    assert_eq!(Ok(Strength::Weak), verdict(&card, &younger, &rules(Enforcement::None)));
}

#[test]
fn a_person_who_names_an_account_needs_a_strong_mapping_to_it_in_every_mode() {
    let card = card(&["alice@corp.example"], &[]);
    let admin = |values: &[&str]| Person::new("alice-admin").with("altSecurityIdentities", values).account();
    for mode in MODES {
        let named = |account: &Account| verdict_of(&card, account, &rules(mode), NamedBy::Person);
        assert_eq!(Ok(Strength::Strong), named(&admin(&[&value(&card, Form::IssuerSerial)])));
        assert_eq!(Err(MappingError::TooWeak), named(&admin(&[&value(&card, Form::IssuerSubject)])));
        assert_eq!(Err(MappingError::TooWeak), named(&alice()));
        assert_eq!(Err(MappingError::NotMapped), named(&admin(&[])));
    }
}

fn found(dn: &str, upn: &str, sid: &str, values: &[&str]) -> Entry {
    let name = dn.trim_start_matches("CN=").split(',').next().unwrap_or_default().to_owned();
    let person = Person::new(&name).with("userPrincipalName", &[upn]).sid(&format!("{DOMAIN_SID}-{sid}"));
    person.with("altSecurityIdentities", values).entry()
}

#[test]
fn names_that_point_at_different_accounts_disagree() {
    let card = card(&["alice@corp.example"], &[]);
    let sought = Sought::by_card(&of(&card), &rules(Enforcement::Full)).unwrap();
    let (mapping, weak) = (value(&card, Form::IssuerSerial), value(&card, Form::Subject));
    let own = found("CN=alice", "alice@corp.example", "1103", &[]);
    let bobs = found("CN=bob", "bob@corp.example", "1104", &["Kerberos:x", &mapping]);
    let both = found("CN=alice", "alice@corp.example", "1103", &[&mapping]);
    let same = found("CN=carol", "alice@corp.example", "1105", &[]);
    let several = |entries: &[&Entry]| {
        let entries: Vec<Entry> = entries.iter().map(|&entry| entry.clone()).collect();
        sought.several(&entries, "corp.example")
    };
    let Several::Disagree { one, other } = several(&[&bobs, &own]) else { panic!("they disagree") };
    assert!(one.starts_with("CN=alice,") && other.starts_with("CN=bob,"), "{one} {other}");
    assert_eq!(Several::Accounts, several(&[&both, &bobs]));
    assert_eq!(Several::Ambiguous, several(&[&own, &same]));
    assert_eq!(Several::Accounts, several(&[&bobs, &bobs]));
    assert!(!sought.filter("corp.example").to_string().contains(&weak), "weak values are not sought");
}

#[test]
fn one_search_asks_for_every_name() {
    let card = card(&["alice@corp.example"], &[]);
    let sought = Sought::by_card(&of(&card), &rules(Enforcement::None)).unwrap();
    let filter = sought.filter("corp.example").to_string();
    assert!(filter.starts_with("(|(userPrincipalName=alice@corp.example)(sAMAccountName=alice)(altSecurityIdentities=X509:<I>O=Corp,CN=Alice<SR>302010)"), "{filter}");
    assert!(filter.ends_with("(altSecurityIdentities=X509:<S>O=Corp,CN=Alice))"), "{filter}");
    assert!(!sought.filter("other.example").to_string().contains("sAMAccountName"));
}

#[test]
fn a_windows_domain_controller_logs_one_event_for_each_cause() {
    let verdict = |facts: &CertificateFacts, account: &Account| {
        WindowsVerdict::of(&of(facts), account, &rules(Enforcement::None), NamedBy::Card)
    };
    let weak = card(&["alice@corp.example"], &[]);
    let younger = Person::new("alice").with("whenCreated", &["20240101000001.0Z"]).account();
    let other = card_with_extension("alice@corp.example", &format!("{DOMAIN_SID}-1104"));
    for (facts, account, expected, words) in [
        (&weak, alice(), WindowsVerdict::Refuses(Event::NoStrongMapping), "event 39"),
        (&weak, younger, WindowsVerdict::Refuses(Event::OlderThanAccount), "event 40"),
        (&other, alice(), WindowsVerdict::Refuses(Event::SidMismatch), "event 41"),
        (
            &weak,
            mapped(&weak, Form::IssuerSubject),
            WindowsVerdict::Refuses(Event::NoStrongMapping),
            "event 39",
        ),
        (&weak, mapped(&weak, Form::IssuerSerial), WindowsVerdict::Accepts, "accepts"),
        (&weak, Person::new("bob").account(), WindowsVerdict::NameMismatch, "not about"),
    ] {
        assert_eq!(expected, verdict(facts, &account));
        assert!(expected.to_string().contains(words), "{expected}");
    }
}
