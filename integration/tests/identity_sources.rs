//! Cards that name their holder by something else than a user principal name, and cards that carry several certificates: the
//! real directory finds exactly one account, or nobody logs in. What the directory holds is computed by openssl, not by us.

use std::collections::BTreeSet;
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::lab::Lab;
use integration::pki::Credential;
use integration::wait::until;
use ldap_map::mapping::source::is_self_service;
use ldap_map::schema::AttributeName;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType,
    string::Ia5String,
};

use crate::bench::{Bench, start};
use crate::refusals::{assert_refused, code_of};

const DESK1: &str = "desk1.corp.example";
/// emailAddress, an attribute of a subject.
const EMAIL_ADDRESS: &[u64] = &[1, 2, 840, 113_549, 1, 9, 1];
/// UID, likewise.
const UID: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 1];
/// id-PIV-cardAuth, a purpose.
const CARD_AUTHENTICATION: &[u64] = &[2, 16, 840, 1, 101, 3, 6, 8];

/// Sets attributes of an account, past the directory's own tools; binary values begin with a colon and are in base 64.
fn set(lab: &Lab, account: &str, attributes: &[(&str, &str)]) {
    let changes = attributes.iter().map(|(name, value)| format!("replace: {name}\n{name}: {value}\n-\n"));
    let changes: String = changes.collect();
    let ldif = format!("dn: CN={account},CN=Users,DC=corp,DC=example\nchangetype: modify\n{changes}");
    let ldif = ldif.replace(": : ", ":: ");
    let controller = lab.controller().container();
    // Tests run beside each other, each with attributes of its own.
    let (first, _) = attributes.first().unwrap();
    let file = format!("/run/sources-{account}-{first}.ldif");
    controller.write(&file, ldif.as_bytes(), "600").unwrap();
    controller.run(&["ldbmodify", "-H", "/var/lib/samba/private/sam.ldb", &file]).unwrap();
}

/// A broker with these mappings, which takes weak ones.
fn broker(lab: &Lab, mappings: &[&str]) -> BrokerProcess {
    let tables: String = mappings.iter().map(|keys| format!("\n[[directory.mapping]]\n{keys}\n")).collect();
    start(&Configuration::new(lab).accepting_weak_mapping().table(&tables))
}

/// A card without a user principal name that begins this second, after a last change.
fn card(lab: &Lab, change: impl FnOnce(&mut CertificateParams)) -> Credential {
    lab.pki().card("card@nowhere.example").without_upn().fresh().issue_changed(change).unwrap()
}

fn subject(attributes: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in attributes {
        name.push(kind.clone(), DnValue::Utf8String((*value).to_owned()));
    }
    name
}

fn named(lab: &Lab, common_name: &str) -> Credential {
    card(lab, |params| params.distinguished_name = subject(&[(DnType::CommonName, common_name)]))
}

/// Gives a card the subject `CN=4711` of an organization.
fn of(organization: &'static str) -> impl FnOnce(&mut CertificateParams) {
    let parts = [(DnType::OrganizationName, organization), (DnType::CommonName, "4711")];
    move |params| params.distinguished_name = subject(&parts)
}

fn email(address: &str) -> SanType {
    SanType::Rfc822Name(Ia5String::try_from(address).unwrap())
}

fn mailed(lab: &Lab, address: &str) -> Credential {
    card(lab, |params| params.subject_alt_names = vec![email(address)])
}

/// What openssl says of a certificate.
fn openssl(bench: &Bench, card: &Credential, arguments: &[&str]) -> String {
    let command = [&["openssl", "x509", "-noout", "-nameopt", "RFC2253"], arguments].concat();
    let finished =
        bench.workstation.container().exec_with(&command, &[], card.chain_pem().as_bytes()).unwrap();
    assert!(finished.succeeded(), "{}", finished.error_text());
    finished.text().trim().split_once('=').unwrap().1.trim().to_owned()
}

/// The certificate in base 64, as LDIF wants it.
fn base64(card: &Credential) -> String {
    let lines = card.chain_pem().lines().skip(1).take_while(|line| !line.starts_with('-'));
    format!(": {}", lines.collect::<String>())
}

/// How many logins of alice's account the log tells of.
fn logins_of_alice(broker: &BrokerProcess) -> usize {
    broker.log().iter().filter(|line| line.contains("alice with objectSid")).count()
}

#[test]
fn each_name_of_a_certificate_finds_its_account() {
    let bench = Bench::shared();
    let lab = &bench.lab;
    set(
        lab,
        "alice",
        &[
            ("mail", "alice.smith@corp.example"),
            ("employeeNumber", "a.smith@people.example"),
            ("uid", "asmith"),
            ("employeeType", "Smith, Alice (42)"),
        ],
    );
    // One with a letter among its digits: serialNumber tells capital letters from small ones.
    let serial_card = std::iter::repeat_with(|| {
        card(lab, |params| params.distinguished_name = subject(&[(DnType::OrganizationName, "Corp")]))
    })
    .find(|card| format!("{:x}", card.serial()).contains(char::is_alphabetic))
    .unwrap();
    set(
        lab,
        "alice",
        &[
            ("serialNumber", &openssl(&bench, &serial_card, &["-serial"]).to_lowercase()),
            ("department", &openssl(&bench, &serial_card, &["-issuer"])),
        ],
    );
    let broker = broker(
        lab,
        &[
            "source = \"san_email\"\nattributes = [\"mail\"]",
            "source = \"subject_email\"\nattributes = [\"employeeNumber\"]",
            "source = \"subject_attribute\"\nsubject_attributes = [\"UID\", \"T\"]\nattributes = [\"uid\"]",
            "source = \"common_name\"\nattributes = [\"displayName\", \"employeeType\"]",
            "source = \"serial_and_issuer\"\nserial_form = \"hexadecimal\"\nattributes = [\"serialNumber\", \"department\"]",
        ],
    );
    let of_subject = |kind: &[u64], value: &str| {
        let kind = DnType::CustomDnType(kind.to_vec());
        card(lab, |params| params.distinguished_name = subject(&[(kind, value)]))
    };
    for (card, source) in [
        (mailed(lab, "Alice.Smith@CORP.example"), "san_email"),
        (of_subject(EMAIL_ADDRESS, "a.smith@people.example"), "subject_email"),
        (of_subject(UID, "ASMITH"), "subject_attribute"),
        (named(lab, "Smith, Alice (42)"), "common_name"),
        (serial_card, "serial_and_issuer"),
    ] {
        let before = logins_of_alice(&broker);
        code_of(&bench.log_in_at(&broker, &card, DESK1));
        let told =
            until(source, Duration::from_secs(10), || (logins_of_alice(&broker) > before).then_some(()));
        assert!(told.is_ok(), "{source}: {:#?}", broker.log());
    }
    // Only the serial number of the same issuer is right.
    let another =
        card(lab, |params| params.distinguished_name = subject(&[(DnType::OrganizationName, "Corp")]));
    assert_refused(&bench.log_in_at(&broker, &another, DESK1), "account_unknown", "resolve");
}

#[test]
fn a_thumbprint_and_a_whole_certificate_tie_a_card_firmly() {
    let bench = Bench::shared();
    let lab = &bench.lab;
    let nobody = |params: &mut CertificateParams| params.distinguished_name = DistinguishedName::new();
    let cards = [card(lab, nobody), card(lab, nobody)];
    let thumbprint = openssl(&bench, &cards[0], &["-fingerprint", "-sha256"]).replace(':', "");
    set(lab, "carol", &[("adminDescription", &thumbprint), ("userCertificate", &base64(&cards[1]))]);
    let mappings = [
        "source = \"thumbprint\"\nattributes = [\"adminDescription\"]",
        "source = \"certificate\"\nattributes = [\"userCertificate\"]",
    ];
    for (place, mapping) in mappings.iter().enumerate() {
        // Without accept_weak_mapping: no SID is needed beside them.
        let broker = start(&Configuration::new(lab).table(&format!("\n[[directory.mapping]]\n{mapping}\n")));
        code_of(&bench.log_in_at(&broker, &cards[place], DESK1));
        assert_refused(&bench.log_in_at(&broker, &cards[1 - place], DESK1), "account_unknown", "resolve");
    }
}

#[test]
fn a_pattern_finds_a_number_in_a_name_and_no_value_looks_like_another_attribute() {
    let bench = Bench::shared();
    let lab = &bench.lab;
    set(lab, "alice", &[("employeeID", "1234567890")]);
    let pattern = "source = \"subject_pattern\"\npattern = 'CN=[^,]*\\.(\\d{10}),OU=People,'\nattributes = [\"employeeID\"]";
    let broker = broker(lab, &[pattern]);
    let person = |common_name: &str, unit: &str| {
        let parts = [
            (DnType::OrganizationName, "Corp"),
            (DnType::OrganizationalUnitName, unit),
            (DnType::CommonName, common_name),
        ];
        card(lab, |params| params.distinguished_name = subject(&parts))
    };
    code_of(&bench.log_in_at(&broker, &person("SMITH.ALICE.1234567890", "People"), DESK1));
    for (common_name, unit) in [
        ("SMITH.ALICE.1234567890", "Machines"),
        ("x", "CN=SMITH.ALICE.1234567890,OU=People,O=x"),
        ("SMITH.ALICE.1234567890,OU=People,", "Machines"),
    ] {
        let answer = bench.log_in_at(&broker, &person(common_name, unit), DESK1);
        assert_refused(&answer, "identity_invalid", "resolve");
    }
}

#[test]
fn a_value_that_two_accounts_have_lets_neither_in() {
    let bench = Bench::shared();
    let lab = &bench.lab;
    for account in ["alice", "carol"] {
        set(lab, account, &[("division", "shared@corp.example")]);
    }
    let broker = broker(lab, &["source = \"san_email\"\nattributes = [\"division\", \"mail\"]"]);
    let answer = bench.log_in_at(&broker, &mailed(lab, "shared@corp.example"), DESK1);
    assert_refused(&answer, "account_ambiguous", "resolve");
}

#[test]
fn names_with_the_syntax_of_filters_and_names_that_mislead_find_nobody_else() {
    let bench = Bench::shared();
    let lab = &bench.lab;
    set(lab, "alice", &[("personalTitle", "a*)(b\\2a|&!"), ("initials", "\u{e9}l")]);
    let broker = broker(lab, &["source = \"common_name\"\nattributes = [\"personalTitle\", \"initials\"]"]);
    let log_in = |name: &str| bench.log_in_at(&broker, &named(lab, name), DESK1);
    code_of(&log_in("A*)(B\\2a|&!"));
    for name in ["*", "a*", "a*)(b*", ")(objectClass=*", "a*)(b\\2a|&!)(cn=*", "el"] {
        assert_refused(&log_in(name), "account_unknown", "resolve");
    }
    for name in ["\u{e9}l\0", "\u{e9}\u{200b}l", "\u{202e}l\u{e9}", " \u{e9}l", "\u{e9}l\n"] {
        assert_refused(&log_in(name), "identity_invalid", "resolve");
    }
    let none = card(lab, |params| params.distinguished_name = DistinguishedName::new());
    assert_refused(&bench.log_in_at(&broker, &none, DESK1), "identity_missing", "resolve");
}

#[test]
fn an_address_of_another_domain_a_second_address_and_one_with_a_nul_find_nobody() {
    let bench = Bench::shared();
    let lab = &bench.lab;
    set(lab, "alice", &[("company", "alice@corp.example")]);
    let broker = broker(lab, &["source = \"san_email\"\nattributes = [\"company\"]"]);
    code_of(&bench.log_in_at(&broker, &mailed(lab, "alice@corp.example"), DESK1));
    for (address, code) in [
        ("alice@corp.example.evil.example", "account_unknown"),
        ("alice@evil.example", "account_unknown"),
        ("alice@corp.example\0.evil.example", "identity_invalid"),
        ("alice@corp.example@evil.example", "identity_invalid"),
        ("", "identity_invalid"),
    ] {
        assert_refused(&bench.log_in_at(&broker, &mailed(lab, address), DESK1), code, "resolve");
    }
    let two = card(lab, |params| {
        params.subject_alt_names = vec![email("alice@corp.example"), email("alice@corp.example")];
    });
    assert_refused(&bench.log_in_at(&broker, &two, DESK1), "identity_ambiguous", "resolve");
}

#[test]
fn a_name_is_weak_unless_the_sid_confirms_it_and_a_subject_beyond_the_base_is_refused() {
    let bench = Bench::shared();
    let lab = &bench.lab;
    set(lab, "alice", &[("roomNumber", "4711")]);
    let mapping = "\n[[directory.mapping]]\nsource = \"common_name\"\nattributes = [\"roomNumber\"]\nsubject_base = \"O=Corp\"\n";
    let broker = start(&Configuration::new(lab).table(mapping));
    let log_in = |card: &Credential| bench.log_in_at(&broker, card, DESK1);
    assert_refused(&log_in(&card(lab, of("Corp"))), "mapping_weak", "resolve");
    assert_refused(&log_in(&card(lab, of("Other"))), "identity_invalid", "resolve");
    code_of(&log_in(&bench.card_of("alice").issue_changed(of("Corp")).unwrap()));
    let of_another = bench.card_of("bob").issue_changed(of("Corp")).unwrap();
    assert_refused(&log_in(&of_another), "mapping_mismatch", "resolve");
}

#[test]
fn what_people_may_write_themselves_is_known() {
    let bench = Bench::shared();
    let search = [
        "ldbsearch",
        "-H",
        "ldap://dc1.corp.example",
        "--user=alice%alice-Passw0rd",
        "-b",
        "CN=alice,CN=Users,DC=corp,DC=example",
        "-s",
        "base",
        "allowedAttributesEffective",
    ];
    let answer = bench.lab.controller().container().run(&search).unwrap();
    let values = answer.lines().filter_map(|line| line.strip_prefix("allowedAttributesEffective: "));
    let unknown: BTreeSet<&str> =
        values.clone().filter(|name| !is_self_service(&AttributeName::parse(name).unwrap())).collect();
    assert!(values.clone().any(|name| name == "userCertificate"), "{answer}");
    assert!(
        values.clone().all(|name| !["mail", "userPrincipalName", "employeeID"].contains(&name)),
        "{answer}"
    );
    assert_eq!(unknown, BTreeSet::new(), "of which nobody would be warned");
}

#[test]
fn only_the_authority_that_issues_cards_is_asked_for_in_the_handshake() {
    let bench = Bench::shared();
    let address = bench.broker.card_address().to_string();
    let command = ["openssl", "s_client", "-connect", &address, "-CAfile", "/etc/ssl/lab/machine-ca.pem"];
    let finished = bench.workstation.container().exec_with(&command, &[], b"\n").unwrap();
    let text = finished.text();
    let names: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "Acceptable client certificate CA names")
        .skip(1)
        .take_while(|line| line.contains('='))
        .filter(|line| !line.contains(':'))
        .collect();
    assert_eq!(names, ["CN=Corp Issuing CA, O=Corp"], "{text}");
}

#[test]
fn of_the_four_certificates_of_a_card_one_logs_in_and_the_others_say_which() {
    let bench = Bench::shared();
    let log_in = |change: fn(&mut CertificateParams)| {
        let card = bench.card_of("alice").issue_changed(change).unwrap();
        bench.log_in_at(&bench.broker, &card, DESK1)
    };
    let others: [fn(&mut CertificateParams); 3] = [
        |signature| {
            signature.key_usages =
                vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
            signature.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        },
        |key_management| {
            key_management.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
            key_management.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        },
        |card_authentication| {
            let purpose = ExtendedKeyUsagePurpose::Other(CARD_AUTHENTICATION.to_vec());
            card_authentication.extended_key_usages.push(purpose);
        },
    ];
    for other in others {
        let answer = log_in(other);
        assert_refused(&answer, "certificate_other_slot", "validate");
        assert!(
            answer.field("detail").unwrap().contains("PIV Authentication certificate (slot 9A)"),
            "{answer:?}"
        );
    }
    code_of(&log_in(|_piv_authentication| ()));
}
