//! What it costs to tell whose a card is, without I/O: from the certificate's octets and the directory's object to a confirmed account.
//!
//! `cargo bench -p ldap-map --features testing` prints times, and each operation as a ratio to a floor of the same run: what reading the certificate alone
//! takes in the library that everything here is built on. `--repeat <operation> <count>` does one operation so often and nothing
//! else, for `integration/instructions`, which counts instructions.
#![expect(clippy::panic, clippy::print_stdout, reason = "a benchmark prints and may fail")]

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::Criterion;
use ldap_map::account::Account;
use ldap_map::certificate::CertificateFacts;
use ldap_map::entry::Entry;
use ldap_map::mapping::{Card, NamedBy, Rules, Sought, Strength, confirm, enforce};
use ldap_map::testing::{DOMAIN_SID, Person};
use rcgen::{
    CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    OtherNameValue, SanType,
};
use x509_parser::parse_x509_certificate;

/// The operations, the floor first.
const OPERATIONS: [&str; 4] = ["floor", "facts", "account", "login"];

/// One card, and its account with twenty groups and three values of altSecurityIdentities.
struct Bench {
    certificate: Vec<u8>,
    object: Entry,
    facts: CertificateFacts,
    rules: Rules,
    now: SystemTime,
}

impl Bench {
    fn new() -> Self {
        let certificate = certificate();
        let facts = CertificateFacts::parse(&certificate).expect("a card");
        let groups: Vec<String> = (513..533).map(|rid| format!("{DOMAIN_SID}-{}", rid + 1000)).collect();
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let object = Person::new("alice").member_of(&groups).with(
            "altSecurityIdentities",
            &[
                "X509:<I>DC=example,DC=corp,CN=Corp Issuing CA<SR>aabbccddeeff00112233",
                "X509:<SKI>0011223344556677889900112233445566778899",
                "X509:<RFC822>alice@corp.example",
            ],
        );
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Self { certificate, object: object.entry(), facts, rules: Rules::default(), now }
    }

    fn perform(&self, operation: &str) {
        match operation {
            "floor" => {
                drop(black_box(parse_x509_certificate(black_box(&self.certificate)).expect("a certificate")))
            }
            "facts" => {
                drop(black_box(CertificateFacts::parse(black_box(&self.certificate)).expect("a card")))
            }
            "account" => self.confirmed(&self.facts),
            "login" => {
                let facts = CertificateFacts::parse(black_box(&self.certificate)).expect("a card");
                self.confirmed(&facts);
            }
            other => panic!("no such operation: {other}"),
        }
    }

    /// The object as an account that may be used and that the card maps to strongly.
    fn confirmed(&self, facts: &CertificateFacts) {
        let card = Card { facts, issuer_sha1: None };
        let sought = Sought::by_card(&card, &self.rules).expect("names");
        let account = Account::from_entry(black_box(&self.object)).expect("an account");
        assert!(sought.is_met_by(&account), "it is the one");
        account.check_usable(self.now).expect("it may be used");
        let mapping = confirm(&card, &account, &self.rules, NamedBy::Card).expect("its names agree");
        enforce(&mapping, &card, &account, &self.rules, NamedBy::Card).expect("firmly enough");
        assert_eq!(black_box(mapping.strength()), Strength::Strong);
    }
}

/// As a card of an enterprise authority: a user principal name, the SID extension, RSA-2048 is what its key would be; P-256 is made
/// faster and read as fast.
fn certificate() -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Corp");
    params.distinguished_name.push(DnType::CommonName, "Alice Smith");
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 2]),
    ];
    let upn = OtherNameValue::Utf8String("alice@corp.example".to_owned());
    params.subject_alt_names = vec![SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], upn))];
    params.custom_extensions = vec![sid_extension(&format!("{DOMAIN_SID}-1103"))];
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    params.self_signed(&key).expect("a certificate").der().to_vec()
}

/// The SID of the account as its authority writes it (MS-WCCE 2.2.2.7.7.4).
fn sid_extension(sid: &str) -> CustomExtension {
    let element = |tag: u8, value: &[u8]| {
        let length = u8::try_from(value.len()).expect("a short form");
        [&[tag, length], value].concat()
    };
    let inner = element(0x06, &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 25, 2, 1]);
    let text = element(0xa0, &element(0x04, sid.as_bytes()));
    let value = element(0x30, &element(0xa0, &[inner, text].concat()));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 311, 25, 2], value)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bench = Bench::new();
    if let [flag, operation, count, ..] = arguments.as_slice()
        && flag == "--repeat"
    {
        let count: u32 = count.parse().expect("a number");
        (0..count).for_each(|_| bench.perform(operation));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut criterion =
        Criterion::default().without_plots().output_directory(folder.path()).configure_from_args();
    for operation in OPERATIONS {
        criterion.bench_function(operation, |bencher| bencher.iter(|| bench.perform(operation)));
    }
    // Where the benchmarks are only tried, nothing is measured.
    let Some(floor) = median(folder.path(), "floor") else { return };
    println!("| operation | time | per second | ratio to the floor |\n|---|---|---|---|");
    for operation in OPERATIONS {
        let Some(median) = median(folder.path(), operation) else { continue };
        let per_second = 1e9 / median;
        println!("| {operation} | {:.1} µs | {per_second:.0} | {:.1} |", median / 1000.0, median / floor);
    }
}

/// The median of an operation in nanoseconds; nothing where it was not chosen on the command line.
#[expect(clippy::disallowed_methods, reason = "a benchmark may block")]
fn median(folder: &std::path::Path, operation: &str) -> Option<f64> {
    let estimates = folder.join(operation).join("new/estimates.json");
    let text = std::fs::read_to_string(estimates).ok()?;
    let value = text.split("\"median\"").nth(1)?.split("\"point_estimate\":").nth(1)?;
    value.split([',', '}']).next()?.trim().parse().ok()
}
