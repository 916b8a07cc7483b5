//! What certificates give, and do not give, as the name of an account. The certificates are made octet by octet: a library for
//! making certificates refuses to make most of these.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::account::Account;
use crate::dn::Dn;
use crate::mapping::{MappingError, NamedBy, Rules, confirm};
use crate::schema::AttributeName;
use crate::testing::{DOMAIN_SID, Person};
use crate::tlv::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, UTF8_STRING, element};
use crate::upn::Upn;

const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const IA5: u8 = 0x16;
const UNIVERSAL: u8 = 0x1c;
const BMP: u8 = 0x1e;

const CN: &str = "550403";
const O: &str = "55040a";
const OU: &str = "55040b";
const UID: &str = "0992268993f22c640101";
const DC: &str = "0992268993f22c640119";
const SERIAL_NUMBER: &str = "550405";
const EMAIL: &str = "2a864886f70d010901";

/// A certificate to be; its name has one attribute in each part.
#[derive(Clone)]
struct Card {
    parts: Vec<Vec<u8>>,
    serial: Vec<u8>,
    names: Vec<Vec<u8>>,
    sid: Option<String>,
}

impl Card {
    fn new() -> Self {
        Self { parts: Vec::new(), serial: vec![0x10, 0x01], names: Vec::new(), sid: None }
            .part(O, PRINTABLE, b"Corp")
    }

    fn part(self, kind: &str, tag: u8, value: &[u8]) -> Self {
        self.parts_of(&[(kind, tag, value)])
    }

    fn parts_of(mut self, pairs: &[(&str, u8, &[u8])]) -> Self {
        let pair = |(kind, tag, value): &(&str, u8, &[u8])| {
            let kind = element(OBJECT_IDENTIFIER, &[hex::decode(kind).unwrap()]);
            element(SEQUENCE, &[kind, element(*tag, &[value])])
        };
        let pairs: Vec<_> = pairs.iter().map(pair).collect();
        self.parts.push(element(SET, &pairs).to_vec());
        self
    }

    fn cn(self, name: &str) -> Self {
        self.part(CN, UTF8_STRING, name.as_bytes())
    }

    fn email(mut self, octets: &[u8]) -> Self {
        self.names.push(element(0x81, &[octets]).to_vec());
        self
    }

    fn upn(mut self, upn: &str) -> Self {
        let kind = element(OBJECT_IDENTIFIER, &[hex::decode("2b060104018237140203").unwrap()]);
        let value = element(0xa0, &[element(UTF8_STRING, &[upn])]);
        self.names.push(element(0xa0, &[kind, value]).to_vec());
        self
    }

    fn serial(mut self, octets: &[u8]) -> Self {
        self.serial = octets.to_vec();
        self
    }

    fn sid(mut self, sid: &str) -> Self {
        let text = format!("tag:microsoft.com,2022-09-14:sid:{sid}");
        self.names.push(element(0x86, &[text]).to_vec());
        self.sid = Some(sid.to_owned());
        self
    }

    fn der(&self) -> Vec<u8> {
        let algorithm = element(SEQUENCE, &[element(OBJECT_IDENTIFIER, &[[0x2b, 0x65, 0x70]])]);
        let name = element(SEQUENCE, &self.parts);
        let issuer_part = element(
            SET,
            &[element(
                SEQUENCE,
                &[
                    element(OBJECT_IDENTIFIER, &[hex::decode(CN).unwrap()]),
                    element(PRINTABLE, &["Issuing CA 7"]),
                ],
            )],
        );
        let issuer = element(SEQUENCE, &[issuer_part]);
        let time = |text: &str| element(0x17, &[text]);
        let validity = element(SEQUENCE, &[time("250101000000Z"), time("300101000000Z")]);
        let key = element(SEQUENCE, &[algorithm.clone(), element(BIT_STRING, &[[0_u8; 33]])]);
        let mut fields = vec![
            element(0xa0, &[element(INTEGER, &[[2_u8]])]),
            element(INTEGER, &[&self.serial]),
            algorithm.clone(),
            issuer,
            validity,
            name,
            key,
        ];
        if !self.names.is_empty() {
            let kind = element(OBJECT_IDENTIFIER, &[[0x55, 0x1d, 0x11]]);
            let value = element(OCTET_STRING, &[element(SEQUENCE, &self.names)]);
            let extension = element(SEQUENCE, &[kind, value]);
            fields.push(element(0xa3, &[element(SEQUENCE, &[extension])]));
        }
        let signed = element(SEQUENCE, &fields);
        element(SEQUENCE, &[signed, algorithm, element(BIT_STRING, &[[0_u8; 65]])]).to_vec()
    }

    fn facts(&self) -> CertificateFacts {
        CertificateFacts::parse(&self.der()).unwrap()
    }

    fn gives(&self, source: &Source) -> Result<Vec<String>, SourceError> {
        let text = |value: SourceValue| match value {
            SourceValue::Text(text) => text,
            SourceValue::Octets(octets) => value::hexadecimal(&octets),
        };
        source.values(&self.facts()).map(|values| values.into_iter().map(text).collect())
    }

    fn gives_one(&self, source: &Source) -> Result<String, SourceError> {
        self.gives(source).map(|values| values.concat())
    }
}

fn subject_pattern(pattern: &str) -> Source {
    Source::SubjectPattern(Pattern::new(pattern).unwrap())
}

#[expect(clippy::needless_pass_by_value, reason = "tests make their results in place")]
fn problem(result: Result<String, SourceError>) -> Option<ValueProblem> {
    match result {
        Err(SourceError::Value { problem, .. }) => Some(problem),
        _ => None,
    }
}

// Each source.

#[test]
fn every_source_gives_its_part_of_the_certificate() {
    let card = Card::new()
        .part(OU, UTF8_STRING, b"People")
        .cn("Smith, Alice")
        .part(UID, UTF8_STRING, b"asmith")
        .part(EMAIL, IA5, b"Alice@corp.example")
        .upn("alice@corp.example")
        .email(b"alice.smith@corp.example")
        .serial(&[0x00, 0xe8, 0x03]);
    let issuer = Pattern::new(r"CN=Issuing CA (\d+)").unwrap();
    let thumbprint = value::hexadecimal(&Sha256::digest(card.der()));
    let whole = "1.2.840.113549.1.9.1=#1612416c69636540636f72702e6578616d706c65,UID=asmith,CN=Smith\\, Alice,OU=People,O=Corp";
    for (source, expected) in [
        (Source::SanUpn, "alice@corp.example"),
        (Source::SanEmail, "alice.smith@corp.example"),
        (Source::SubjectEmail, "Alice@corp.example"),
        (Source::CommonName, "Smith, Alice"),
        (
            Source::SubjectAttribute(vec!["2.5.4.5".to_owned(), "0.9.2342.19200300.100.1.1".to_owned()]),
            "asmith",
        ),
        (Source::SubjectName(NameForm::Rfc4514), whole),
        (Source::IssuerName(NameForm::Rfc4514), "CN=Issuing CA 7"),
        (Source::IssuerName(NameForm::Canonical), "cn=issuing ca 7"),
        (subject_pattern("CN=(.*?),"), "Smith, Alice"),
        (subject_pattern("uid=([^,]+)"), "asmith"),
        (Source::IssuerPattern(issuer), "7"),
        (Source::Serial(SerialForm::Decimal), "59395"),
        (Source::Serial(SerialForm::Hexadecimal), "e803"),
        (Source::Serial(SerialForm::HexadecimalOfEncoding), "00e803"),
        (Source::Thumbprint, &thumbprint),
        (Source::Certificate, &value::hexadecimal(&card.der())),
    ] {
        assert_eq!(card.gives_one(&source).as_deref(), Ok(expected), "{}", source.name());
    }
    let both = Source::SerialAndIssuer(SerialForm::Decimal, NameForm::Rfc4514);
    assert_eq!(card.gives(&both), Ok(vec!["59395".to_owned(), "CN=Issuing CA 7".to_owned()]));
}

#[test]
fn a_certificate_without_the_source_says_that_it_is_absent() {
    let bare = Card::new();
    let absent = |source: &Source| bare.gives(source).is_err_and(|error| error.is_absent());
    assert!(absent(&Source::SanUpn) && absent(&Source::SanEmail) && absent(&Source::SubjectEmail));
    assert!(absent(&Source::CommonName) && absent(&Source::SubjectAttribute(vec!["2.5.4.5".to_owned()])));
    let nameless = Card { parts: Vec::new(), ..bare.clone() };
    assert!(nameless.gives(&Source::SubjectName(NameForm::Rfc4514)).is_err_and(|error| error.is_absent()));
    assert!(nameless.gives(&subject_pattern("(.*)")).is_err_and(|error| error.is_absent()));
}

#[test]
fn names_are_weak_and_what_belongs_to_one_certificate_is_strong() {
    let strong: BTreeSet<_> = [
        Source::SanUpn,
        Source::SanEmail,
        Source::SubjectEmail,
        Source::CommonName,
        Source::SubjectName(NameForm::Rfc4514),
        Source::IssuerName(NameForm::Rfc4514),
        subject_pattern("(.*)"),
        Source::Serial(SerialForm::Decimal),
        Source::SerialAndIssuer(SerialForm::Decimal, NameForm::Rfc4514),
        Source::Thumbprint,
        Source::Certificate,
    ]
    .iter()
    .filter(|source| source.strength() == Strength::Strong)
    .map(Source::name)
    .collect();
    assert_eq!(strong, BTreeSet::from(["serial_and_issuer", "thumbprint", "certificate"]));
}

// What is ambiguous or no name.

#[test]
fn two_of_a_kind_are_refused_even_when_equal() {
    let several = |card: &Card, source: &Source| {
        matches!(card.gives(source), Err(SourceError::Several { count: 2, .. }))
    };
    let email = b"alice@corp.example";
    assert!(several(&Card::new().email(email).email(email), &Source::SanEmail));
    assert!(several(&Card::new().part(EMAIL, IA5, email).part(EMAIL, IA5, email), &Source::SubjectEmail));
    assert!(several(&Card::new().cn("alice").cn("alice"), &Source::CommonName));
    let in_one_part = Card::new().parts_of(&[(CN, UTF8_STRING, b"alice"), (CN, UTF8_STRING, b"bob")]);
    assert!(several(&in_one_part, &Source::CommonName));
    assert!(several(&Card::new().upn("alice@corp.example").upn("bob@corp.example"), &Source::SanUpn));
}

#[test]
fn the_first_listed_attribute_that_is_there_decides_even_where_a_later_one_would_be_clear() {
    let card = Card::new().cn("alice").part(UID, UTF8_STRING, b"one").part(UID, UTF8_STRING, b"two");
    let listed =
        |kinds: &[&str]| Source::SubjectAttribute(kinds.iter().map(|kind| (*kind).to_owned()).collect());
    let uid = "0.9.2342.19200300.100.1.1";
    assert!(matches!(card.gives(&listed(&[uid, "2.5.4.3"])), Err(SourceError::Several { count: 2, .. })));
    assert_eq!(card.gives_one(&listed(&["2.5.4.3", uid])).as_deref(), Ok("alice"));
    assert_eq!(card.gives_one(&listed(&["2.5.4.12", "2.5.4.3"])).as_deref(), Ok("alice"));
}

#[test]
fn a_string_type_that_cannot_be_read_is_refused() {
    for (tag, value) in [
        (TELETEX, &b"alice"[..]),
        (UNIVERSAL, b"\0\0\0a"),
        (UTF8_STRING, b"al\xffice"),
        (PRINTABLE, b"al\xe9"),
        (IA5, b"al\xe9"),
        (BMP, b"\0a\0"),
        (BMP, b"\xd8\x00\0a"),
        (OCTET_STRING, b"alice"),
    ] {
        let refused = Card::new().part(CN, tag, value).gives(&Source::CommonName);
        assert!(matches!(refused, Err(SourceError::NotText { .. })), "{tag:#x} {value:?}: {refused:?}");
    }
    let refused = Card::new().email("ali\u{e9}@corp.example".as_bytes()).gives(&Source::SanEmail);
    assert!(matches!(refused, Err(SourceError::NotText { .. })));
    assert_eq!(Card::new().part(CN, BMP, b"\0a\0b").gives_one(&Source::CommonName).as_deref(), Ok("ab"));
}

#[test]
fn an_address_that_is_not_one_is_no_obstacle_to_other_sources() {
    let card = Card::new().email(b"\xff\0").upn("alice@corp.example");
    assert_eq!(card.gives_one(&Source::SanUpn).as_deref(), Ok("alice@corp.example"));
}

#[test]
fn nothing_but_a_plain_address_is_an_address() {
    for address in [
        "alice",
        "@corp.example",
        "alice@",
        "a@b@c",
        "alice@@corp.example",
        "alice@corp..example",
        "alice@.corp",
        "ali ce@corp.example",
        "alice@corp.example.",
        "\"alice\"@corp.example",
        "a..b@corp.example",
        "alice@-corp.example",
        "alice(x)@corp.example",
        "alice@[10.0.0.1]",
        "alice@corp_example",
    ] {
        let refused = Card::new().email(address.as_bytes()).gives_one(&Source::SanEmail);
        assert_eq!(problem(refused), Some(ValueProblem::Email), "{address}");
    }
    let nul = Card::new().email(b"alice@corp.example\0.evil.example").gives_one(&Source::SanEmail);
    assert_eq!(problem(nul), Some(ValueProblem::Character('\0')));
    assert_eq!(problem(Card::new().email(b"").gives_one(&Source::SanEmail)), Some(ValueProblem::Empty));
    let long = format!("{}@corp.example", "a".repeat(320));
    assert_eq!(
        problem(Card::new().email(long.as_bytes()).gives_one(&Source::SanEmail)),
        Some(ValueProblem::Email)
    );
    let odd = Card::new().email(b"a*'+{x}=y/z@corp.example").gives_one(&Source::SanEmail);
    assert_eq!(odd.as_deref(), Ok("a*'+{x}=y/z@corp.example"));
}

#[test]
fn a_text_that_misleads_is_no_name() {
    let cn = |name: &str| problem(Card::new().cn(name).gives_one(&Source::CommonName));
    assert_eq!(cn(""), Some(ValueProblem::Empty));
    assert_eq!(cn(" \u{3000} "), Some(ValueProblem::Empty));
    assert_eq!(cn(&"a".repeat(1025)), Some(ValueProblem::TooLong));
    assert_eq!(cn(" alice"), Some(ValueProblem::WhiteSpace));
    assert_eq!(cn("alice\u{a0}"), Some(ValueProblem::WhiteSpace));
    for character in
        ['\0', '\u{7}', '\n', '\u{7f}', '\u{85}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{e0041}']
    {
        assert_eq!(cn(&format!("ali{character}ce")), Some(ValueProblem::Character(character)));
    }
    assert_eq!(cn("Ali\u{e7}e (x) *"), None);
}

#[test]
fn a_serial_number_is_positive() {
    let serial = |octets: &[u8], form| Card::new().serial(octets).gives_one(&Source::Serial(form));
    assert_eq!(serial(&[0x80, 0x01], SerialForm::Decimal), Err(SourceError::SerialNotPositive));
    assert_eq!(serial(&[0x00], SerialForm::Decimal), Err(SourceError::SerialNotPositive));
    assert_eq!(serial(&[0x0a], SerialForm::Hexadecimal).as_deref(), Ok("0a"));
    let long =
        [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let most = serial(&long, SerialForm::Decimal);
    assert_eq!(most, Ok(i128::MAX.to_string()));
}

// Patterns.

#[test]
fn a_pattern_has_exactly_one_group_and_a_bound() {
    assert_eq!(Pattern::new("CN=.*").unwrap_err(), PatternError::Groups { count: 0 });
    assert_eq!(Pattern::new("(CN)=(.*)").unwrap_err(), PatternError::Groups { count: 2 });
    assert!(Pattern::new("(?:CN|UID)=(.*)").is_ok());
    for wrong in ["(", "(a)(?=b)", r"(a)\1", "(a)(?<!b)", "(*)"] {
        assert_eq!(Pattern::new(wrong).unwrap_err(), PatternError::Syntax, "{wrong}");
    }
    assert_eq!(Pattern::new(r"((?:\w{1000}){1000})").unwrap_err(), PatternError::TooLarge);
    assert_eq!(Pattern::new(&format!("({})", "a".repeat(1024))).unwrap_err(), PatternError::TooLarge);
}

#[test]
fn a_pattern_must_match_in_exactly_one_place() {
    let card = Card::new().cn("DOE.JANE.1234567890").part(UID, UTF8_STRING, b"9876543210");
    let found = |pattern: &str| card.gives_one(&subject_pattern(pattern));
    assert_eq!(found(r"cn=[^,]*\.(\d{10})(?:,|$)").as_deref(), Ok("1234567890"));
    assert!(matches!(found(r"(\d{10})"), Err(SourceError::SeveralMatches { .. })));
    assert!(matches!(found(r"OU=(\w+)"), Err(SourceError::NoMatch { .. })));
    assert!(matches!(found(r"CN=DOE(X)?"), Err(SourceError::NoMatch { .. })));
    assert_eq!(problem(found("UID=(x*)")), Some(ValueProblem::Empty));
}

#[test]
fn no_value_looks_like_a_further_attribute_to_a_pattern() {
    for (forged, pattern) in [
        ("x,UID=admin", "UID=(.*)"),
        ("x+UID=admin", r"[,+]UID=([^,+]*)"),
        ("UID=admin", "UID=([a-z]*)"),
        ("\\,UID\\=admin", "UID=(.*)"),
    ] {
        let found = Card::new().cn(forged).gives_one(&subject_pattern(pattern));
        assert!(matches!(found, Err(SourceError::NoMatch { .. })), "{forged}: {found:?}");
    }
    let plain = Card::new().cn("x,UID=admin").gives_one(&subject_pattern("CN=([^,]*),"));
    assert_eq!(plain.as_deref(), Ok("x,UID=admin"), "the value as it is, not as it was escaped");
}

#[test]
fn a_pattern_that_reaches_over_attributes_finds_the_text_of_a_name() {
    let card = Card::new().cn("alice");
    assert_eq!(card.gives_one(&subject_pattern("^(.*)$")).as_deref(), Ok("CN=alice,O=Corp"));
    let cut = Card::new().cn("a,b").gives_one(&subject_pattern(r"CN=(a\\2)c"));
    assert_eq!(problem(cut), Some(ValueProblem::Escape));
}

#[test]
fn a_pattern_meets_no_text_that_misleads() {
    let found = Card::new().cn("ali\0ce").gives_one(&subject_pattern("CN=([^,]*),"));
    assert_eq!(problem(found), Some(ValueProblem::Character('\0')));
    let long = (0..60).fold(Card::new(), |card, _| card.part(OU, UTF8_STRING, &[b'a'; 200]));
    assert_eq!(problem(long.gives_one(&subject_pattern("CN=(.*)"))), Some(ValueProblem::TooLong));
}

#[test]
fn attributes_that_people_write_themselves_are_known_in_any_letters() {
    let own = |name: &str| is_self_service(&AttributeName::parse(name).unwrap());
    assert!(own("usercertificate") && own("TelephoneNumber") && own("msds-cloudextensionattribute17"));
    assert!(!own("mail") && !own("msDS-cloudExtensionAttributeX") && !own("employeeID") && !own("m"));
}

// Forms of names.

#[test]
fn the_canonical_form_is_that_of_rfc_2253() {
    let card = Card::new()
        .part(DC, IA5, b"Corp")
        .parts_of(&[
            (SERIAL_NUMBER, PRINTABLE, b"42"),
            (OU, UTF8_STRING, b" Two   Words "),
            (CN, UTF8_STRING, "\u{c4}\u{fb01}".as_bytes()),
        ])
        .part(CN, UTF8_STRING, b"Smith, Alice #1");
    let canonical = card.gives_one(&Source::SubjectName(NameForm::Canonical));
    let expected =
        "cn=smith\\, alice #1,cn=a\u{308}fi+ou=two words+2.5.4.5=#13023432,dc=#1604436f7270,o=corp";
    assert_eq!(canonical.as_deref(), Ok(expected));
}

#[test]
fn a_subject_lies_below_a_base_by_its_parts() {
    let name = Card::new().part(OU, UTF8_STRING, b"People").cn("alice").facts();
    let below = |base: &str| name.subject_name().is_below(&Dn::parse(base).unwrap());
    assert!(below("O=Corp") && below("ou=people,o=CORP") && below("2.5.4.10=corp"));
    assert!(!below("CN=alice,OU=People,O=Corp"), "the name itself is not below itself");
    assert!(!below("OU=People") && !below("O=Cor") && !below("CN=alice,OU=People"));
    let forged =
        Card { parts: Vec::new(), ..Card::new() }.part(O, UTF8_STRING, b"Evil").cn("alice,OU=People,O=Corp");
    assert!(!forged.facts().subject_name().is_below(&Dn::parse("O=Corp").unwrap()));
    let joined = Card { parts: Vec::new(), ..Card::new() }
        .parts_of(&[(O, UTF8_STRING, b"Corp"), (OU, UTF8_STRING, b"x")])
        .cn("alice");
    assert!(!joined.facts().subject_name().is_below(&Dn::parse("O=Corp").unwrap()));
}

#[test]
fn short_names_of_attributes_are_known() {
    assert_eq!(crate::certificate::attribute_type("uid").as_deref(), Some("0.9.2342.19200300.100.1.1"));
    assert_eq!(crate::certificate::attribute_type("1.2.3").as_deref(), Some("1.2.3"));
    assert_eq!(crate::certificate::attribute_type("1..3"), None);
    assert_eq!(crate::certificate::attribute_type("colour"), None);
}

// Mappings.

fn names(attributes: &[&str]) -> Vec<AttributeName> {
    attributes.iter().map(|attribute| AttributeName::parse(attribute).unwrap()).collect()
}

fn mapping(source: Source, attributes: &[&str]) -> AttributeMapping {
    AttributeMapping::new(source, names(attributes)).unwrap()
}

fn query(mappings: Vec<AttributeMapping>, card: &Card) -> AttributeQuery {
    match AttributeMappings::new(mappings).candidate(&card.facts()).unwrap() {
        Candidate::Attributes(query) => query,
        Candidate::Upn(upn) => panic!("by name: {upn}"),
    }
}

#[test]
fn a_user_principal_name_that_nobody_has_is_accepted_where_it_was_compared_or_configured() {
    let card = Card::new().upn("1234567890@agency.example").cn("alice");
    let accepts = |mapping| query(vec![mapping], &card).accepts_foreign_upn();
    assert!(accepts(mapping(Source::SanUpn, &["employeeID"])));
    assert!(!accepts(mapping(Source::CommonName, &["cn"])));
    assert!(accepts(mapping(Source::CommonName, &["cn"]).accepting_foreign_upns()));
}

#[test]
fn without_configuration_the_user_principal_name_decides() {
    let candidate = |card: &Card| AttributeMappings::default().candidate(&card.facts());
    let upn = Upn::parse("alice@corp.example").unwrap();
    assert!(
        matches!(candidate(&Card::new().upn("alice@corp.example")), Ok(Candidate::Upn(found)) if found == upn)
    );
    assert_eq!(candidate(&Card::new().email(b"a@b")).unwrap_err(), MappingError::UpnMissing);
    let two = Card::new().upn("alice@corp.example").upn("alice@corp.example");
    assert_eq!(candidate(&two).unwrap_err(), MappingError::SeveralUpns { count: 2 });
    assert!(AttributeMappings::new(Vec::new()).candidate(&two.facts()).is_err());
}

#[test]
fn the_first_mapping_that_the_certificate_has_something_for_decides() {
    let mappings = || {
        vec![
            mapping(Source::SanEmail, &["mail"]),
            mapping(Source::SanUpn, &["userPrincipalName"]),
            mapping(Source::CommonName, &["employeeID"]),
        ]
    };
    let upn = Card::new().upn("alice@corp.example").cn("4711");
    let decided = AttributeMappings::new(mappings()).candidate(&upn.facts());
    assert!(matches!(decided, Ok(Candidate::Upn(_))));
    assert_eq!(query(mappings(), &upn.clone().email(b"a@corp.example")).source(), "san_email");
    assert_eq!(query(mappings(), &Card::new().cn("4711")).source(), "common_name");
    let none = AttributeMappings::new(mappings()).candidate(&Card::new().facts()).unwrap_err();
    assert_eq!(none.to_string(), "the certificate holds none of san_email, san_upn, common_name");
}

#[test]
fn a_source_that_is_ambiguous_is_not_passed_over() {
    let mappings = vec![mapping(Source::SanEmail, &["mail"]), mapping(Source::CommonName, &["cn"])];
    let card = Card::new().email(b"a@corp.example").email(b"b@corp.example").cn("alice");
    let refused = AttributeMappings::new(mappings).candidate(&card.facts()).unwrap_err();
    assert!(matches!(refused, MappingError::Source(SourceError::Several { count: 2, .. })));
}

#[test]
fn a_subject_beyond_the_base_is_refused() {
    let below = |base: &str| {
        let mapping = mapping(Source::CommonName, &["cn"]).for_subjects_below(Dn::parse(base).unwrap());
        AttributeMappings::new(vec![mapping]).candidate(&Card::new().cn("alice").facts()).map(drop)
    };
    assert_eq!(below("O=Corp"), Ok(()));
    assert!(matches!(below("O=Other"), Err(MappingError::Source(SourceError::OutsideBase { .. }))));
}

#[test]
fn two_components_take_two_attributes_and_one_takes_any_of_several() {
    let both = Source::SerialAndIssuer(SerialForm::Hexadecimal, NameForm::Rfc4514);
    let one = AttributeMapping::new(both.clone(), names(&["serialNumber"])).unwrap_err();
    assert_eq!(one, AttributeMappingError::Count { source_name: "serial_and_issuer", needed: 2 });
    assert_eq!(
        AttributeMapping::new(Source::CommonName, Vec::new()).unwrap_err(),
        AttributeMappingError::Attributes
    );
    let found = query(vec![mapping(both, &["serialNumber", "info"])], &Card::new());
    assert_eq!(found.filter().to_string(), "(&(serialNumber=1001)(info=CN=Issuing CA 7))");
    let found = query(vec![mapping(Source::CommonName, &["cn", "uid"])], &Card::new().cn("a*)(b"));
    assert_eq!(found.filter().to_string(), "(|(cn=a\\2a\\29\\28b)(uid=a\\2a\\29\\28b))");
}

#[test]
fn attributes_that_are_no_values_cannot_be_mapped_to() {
    for attribute in ["altSecurityIdentities", "unicodepwd", "USERPASSWORD"] {
        let refused = AttributeMapping::new(Source::CommonName, names(&["cn", attribute])).unwrap_err();
        assert!(matches!(refused, AttributeMappingError::Forbidden { .. }), "{attribute}");
    }
    for text in ["", "1cn", "cn;binary", "c n", "cn)(x", "2.5.4.3", "cn\u{e9}"] {
        assert!(AttributeName::parse(text).is_err(), "{text}");
    }
}

#[test]
fn an_object_has_the_values_or_is_not_the_one() {
    let by_cn = query(vec![mapping(Source::CommonName, &["cn", "displayName"])], &Card::new().cn("Alice"));
    let person = |attribute: &str, values: &[&str]| Person::new("x").with(attribute, values).entry();
    assert!(
        by_cn.is_met_by(&person("CN", &["aLICE"]))
            && by_cn.is_met_by(&person("displayname", &["b", "alice"]))
    );
    assert!(!by_cn.is_met_by(&person("cn", &["\u{e1}lice"])), "the directory would ignore the accent");
    assert!(!by_cn.is_met_by(&person("cn", &["alice "])) && !by_cn.is_met_by(&Person::new("x").entry()));
    let both = Source::SerialAndIssuer(SerialForm::Decimal, NameForm::Canonical);
    let by_both = query(vec![mapping(both, &["serialNumber", "info"])], &Card::new());
    let half = Person::new("x").with("serialNumber", &["4097"]);
    assert!(!by_both.is_met_by(&half.entry()));
    assert!(by_both.is_met_by(&half.with("info", &["cn=issuing ca 7"]).entry()));
    let card = Card::new();
    let whole = query(vec![mapping(Source::Certificate, &["userCertificate"])], &card);
    assert!(
        whole.is_met_by(&Person::new("x").with("userCertificate", &[b"other".to_vec(), card.der()]).entry())
    );
    assert!(!whole.is_met_by(&Person::new("x").with("userCertificate", &[&card.der()[1..]]).entry()));
}

fn strength(query: &AttributeQuery, card: &Card, account: &Account) -> Result<Strength, MappingError> {
    let facts = card.facts();
    let card = crate::mapping::Card { facts: &facts, issuer_sha1: None };
    let mapping = confirm(&card, account, &Rules::default(), NamedBy::Attributes(query));
    mapping.map(|mapping| mapping.strength())
}

#[test]
fn a_sid_in_the_certificate_is_the_accounts_whatever_the_mapping() {
    let account = Person::new("alice").account();
    let own = format!("{DOMAIN_SID}-1103");
    let by_cn = |card: &Card| {
        let query = query(vec![mapping(Source::CommonName, &["cn"])], card);
        strength(&query, card, &account)
    };
    assert_eq!(by_cn(&Card::new().cn("alice")), Ok(Strength::Weak));
    assert_eq!(by_cn(&Card::new().cn("alice").sid(&own)), Ok(Strength::Strong));
    let other = by_cn(&Card::new().cn("alice").sid(&format!("{DOMAIN_SID}-1104")));
    assert!(matches!(other, Err(MappingError::SidDiffers { .. })));
    let lowered = mapping(Source::Thumbprint, &["info"]).of_strength(Strength::Weak);
    assert_eq!(strength(&query(vec![lowered], &Card::new()), &Card::new(), &account), Ok(Strength::Weak));
    let two = Card::new().cn("alice").sid(&own).sid(&format!("{DOMAIN_SID}-500"));
    let mappings = AttributeMappings::new(vec![mapping(Source::CommonName, &["cn"])]);
    assert_eq!(mappings.candidate(&two.facts()).unwrap_err(), MappingError::SeveralSids { count: 2 });
}

proptest! {
    #[test]
    fn no_value_of_a_name_escapes_its_attribute(value in "[ -~\u{e9}]{1,24}") {
        let card = Card::new().cn(&value);
        let name = card.facts();
        let guarded = name.subject_name().guarded();
        prop_assert_eq!(guarded.matches(',').count(), 1);
        prop_assert_eq!(guarded.matches('=').count(), 2);
        prop_assert_eq!(guarded.matches('+').count(), 0);
        let found = card.gives_one(&subject_pattern("^CN=(.*),O=Corp$"));
        prop_assert_eq!(found.ok(), card.gives_one(&Source::CommonName).ok());
    }
}
