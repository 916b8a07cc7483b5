//! Every form in every spelling, with every agreement of the card's other names, in every mode: `verdicts.md` has the verdict for
//! each, and a cell that is missing there, or that nothing here makes, fails.

use std::collections::{BTreeMap, BTreeSet};

use rcgen::{Issuer, SerialNumber};

use super::*;

const TABLE: &str = include_str!("verdicts.md");

/// How a value is written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Spelling {
    Right,
    Capitals,
    IssuerReversed,
    IssuerInSmallLetters,
    IssuerWithBlanks,
    SubjectReversed,
    SubjectInSmallLetters,
    SubjectWithBlanks,
    PlainSerial,
    PaddedSerial,
    AnotherDigest,
    LastOctetCut,
    TagsSwapped,
    BlankBeforeTags,
    PrefixInSmallLetters,
    OfAnotherCard,
}

/// Whose a name in the card is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Whose {
    Own,
    Another,
    Nobody,
}

const SPELLINGS: [Spelling; 16] = [
    Spelling::Right,
    Spelling::Capitals,
    Spelling::IssuerReversed,
    Spelling::IssuerInSmallLetters,
    Spelling::IssuerWithBlanks,
    Spelling::SubjectReversed,
    Spelling::SubjectInSmallLetters,
    Spelling::SubjectWithBlanks,
    Spelling::PlainSerial,
    Spelling::PaddedSerial,
    Spelling::AnotherDigest,
    Spelling::LastOctetCut,
    Spelling::TagsSwapped,
    Spelling::BlankBeforeTags,
    Spelling::PrefixInSmallLetters,
    Spelling::OfAnotherCard,
];
const WHOSE: [Whose; 3] = [Whose::Own, Whose::Another, Whose::Nobody];
const NAMED_BY: [NamedBy<'_>; 2] = [NamedBy::Card, NamedBy::Person];

fn named(parts: &[(DnType, &str)]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    parts.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
    params
}

/// A card of `CN=Corp CA` in which everything that a value could name is there.
fn card_of(upn: Whose, sid: Whose) -> CertificateFacts {
    issued("Corp CA", "Alice", &[0x9a, 0x20, 0x31], upn, sid)
}

/// A card that shares nothing with those.
fn another_card() -> CertificateFacts {
    issued("Other CA", "Mallory", &[0x44, 0x55, 0x66], Whose::Nobody, Whose::Own)
}

fn issued(issuer: &str, common_name: &str, serial: &[u8], upn: Whose, sid: Whose) -> CertificateFacts {
    let authority = named(&[(DnType::OrganizationName, "Corp"), (DnType::CommonName, issuer)]);
    let mut params = named(&[(DnType::OrganizationName, "People"), (DnType::CommonName, common_name)]);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.serial_number = Some(SerialNumber::from_slice(serial));
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified([serial, &[0xab]].concat());
    add_email(&mut params, &format!("{common_name}@mail.example"));
    match upn {
        Whose::Own => add_upn(&mut params, "alice@corp.example"),
        Whose::Another => add_upn(&mut params, "bob@corp.example"),
        Whose::Nobody => {}
    }
    match sid {
        Whose::Own => add_sid(&mut params, &own_sid()),
        Whose::Another => add_sid(&mut params, &format!("{DOMAIN_SID}-1104")),
        Whose::Nobody => {}
    }
    let key = || KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params.signed_by(&key(), &Issuer::from_params(&authority, &key())).unwrap();
    CertificateFacts::parse(certificate.der()).unwrap()
}

/// The value of a form that names the card, or for the SID the account.
fn right(form: Form, facts: &CertificateFacts) -> String {
    if form == Form::IssuerSid {
        return format!("X509:<I>{}<SID>{}", facts.x500_issuer().unwrap(), own_sid());
    }
    value(facts, form)
}

/// The value in a spelling; none where the form has nothing that could be spelt so.
fn spelt(
    form: Form,
    spelling: Spelling,
    facts: &CertificateFacts,
    other: &CertificateFacts,
) -> Option<String> {
    let right = right(form, facts);
    let tags: Vec<(&str, &str)> =
        right.split('<').skip(1).map(|pair| pair.split_once('>').unwrap()).collect();
    let with = |tag: &str, change: &dyn Fn(&str) -> String| {
        tags.iter().any(|(own, _)| *own == tag).then(|| {
            let written = |(own, text): &(&str, &str)| {
                format!("<{own}>{}", if *own == tag { change(text) } else { (*text).to_owned() })
            };
            format!("X509:{}", tags.iter().map(written).collect::<String>())
        })
    };
    let reversed = |name: &str| name.rsplit(',').collect::<Vec<_>>().join(",");
    let small = |name: &str| name.to_lowercase();
    let blanks = |name: &str| name.replace(',', ", ");
    let digits = |tag| with(tag, &|digits| digits.to_uppercase());
    match spelling {
        Spelling::Right => Some(right.clone()),
        Spelling::Capitals => digits("SR")
            .or_else(|| digits("SKI"))
            .or_else(|| digits("SHA1-PUKEY"))
            .or_else(|| with("SID", &small))
            .or_else(|| digits("RFC822")),
        Spelling::IssuerReversed => with("I", &reversed),
        Spelling::IssuerInSmallLetters => with("I", &small),
        Spelling::IssuerWithBlanks => with("I", &blanks),
        Spelling::SubjectReversed => with("S", &reversed),
        Spelling::SubjectInSmallLetters => with("S", &small),
        Spelling::SubjectWithBlanks => with("S", &blanks),
        Spelling::PlainSerial => with("SR", &|_| facts.serial().to_owned()),
        Spelling::PaddedSerial => with("SR", &|serial| format!("{serial}00")),
        Spelling::AnotherDigest => with("SHA1-PUKEY", &|_| hex::encode(facts.sha1().public_key_info)),
        Spelling::LastOctetCut => {
            let cut = |text: &str| text.get(..text.len() - 2).unwrap().to_owned();
            with("SR", &cut).or_else(|| with("SKI", &cut)).or_else(|| with("SHA1-PUKEY", &cut))
        }
        Spelling::TagsSwapped => (tags.len() > 1).then(|| {
            let swapped = tags.iter().rev().map(|(tag, text)| format!("<{tag}>{text}"));
            format!("X509:{}", swapped.collect::<String>())
        }),
        Spelling::BlankBeforeTags => Some(right.replacen("X509:", "X509: ", 1)),
        Spelling::PrefixInSmallLetters => Some(right.replacen("X509:", "x509:", 1)),
        Spelling::OfAnotherCard => Some(self::right(form, other)),
    }
}

/// One letter for a verdict; the table explains them.
fn letter(verdict: Result<Strength, MappingError>) -> char {
    match verdict {
        Ok(Strength::Strong) => 'S',
        Ok(Strength::Weak) => 'W',
        Err(MappingError::TooWeak) => 'w',
        Err(MappingError::OlderThanAccount { .. }) => 'o',
        Err(MappingError::NotMapped) => 'n',
        Err(MappingError::NameDiffers { .. }) => 'U',
        Err(MappingError::SidDiffers { .. }) => 'I',
        Err(error) => panic!("no cell of the table: {error}"),
    }
}

/// The verdicts under full, compatibility with a card that is younger than the account and with one that is older, and none.
fn cell(facts: &CertificateFacts, value: &str, named_by: NamedBy<'_>) -> String {
    let person = |created: &str| {
        let person = Person::new("alice").with("altSecurityIdentities", &[value]);
        person.with("whenCreated", &[created]).account()
    };
    let (older, younger) = (person("20230101000000.0Z"), person("20250101000000.0Z"));
    [
        (Enforcement::Full, &older),
        (COMPATIBILITY, &older),
        (COMPATIBILITY, &younger),
        (Enforcement::None, &younger),
    ]
    .map(|(mode, account)| letter(verdict_of(facts, account, &rules(mode), named_by)))
    .into_iter()
    .collect()
}

/// Who named the account, the form and the spelling of a row.
type RowKey = (String, String, String);

fn made() -> BTreeMap<RowKey, Vec<String>> {
    let other = another_card();
    let cards: Vec<CertificateFacts> =
        WHOSE.iter().flat_map(|upn| WHOSE.map(|sid| card_of(*upn, sid))).collect();
    let mut rows = BTreeMap::new();
    for named_by in NAMED_BY {
        for form in Form::ALL {
            for spelling in SPELLINGS {
                let Some(_) = spelt(form, spelling, &other, &other) else { continue };
                let cell = |facts: &CertificateFacts| {
                    cell(facts, &spelt(form, spelling, facts, &other).unwrap(), named_by)
                };
                let key = (format!("{named_by:?}"), form.tags().to_owned(), format!("{spelling:?}"));
                rows.insert(key, cards.iter().map(cell).collect());
            }
        }
    }
    rows
}

/// The rows of the table, by the same keys.
fn written() -> BTreeMap<RowKey, Vec<String>> {
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")) {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim().trim_matches('`')).collect();
        let [named_by, form, spelling, ref verdicts @ ..] = *cells.as_slice() else { panic!("{line}") };
        if named_by == "named by" {
            continue;
        }
        let key = (named_by.to_owned(), form.to_owned(), spelling.to_owned());
        let verdicts: Vec<String> = verdicts.iter().map(|&verdict| verdict.to_owned()).collect();
        assert!(rows.insert(key, verdicts).is_none(), "twice: {line}");
    }
    rows
}

#[test]
fn every_form_spelling_mode_and_agreement_has_the_verdict_of_the_table() {
    let (made, written) = (made(), written());
    let row = |((named_by, form, spelling), verdicts): (&RowKey, &Vec<String>)| {
        let verdicts: Vec<String> = verdicts.iter().map(|verdict| format!("`{verdict}`")).collect();
        format!("| {named_by} | `{form}` | {spelling} | {} |", verdicts.join(" | "))
    };
    let wrong: Vec<String> =
        made.iter().filter(|(key, verdicts)| written.get(*key) != Some(verdicts)).map(row).collect();
    assert!(wrong.is_empty(), "the table does not say:\n{}", wrong.join("\n"));
    let keys = |rows: &BTreeMap<RowKey, Vec<String>>| rows.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&made), keys(&written), "the table speaks of what there is not");
}

#[test]
fn the_table_has_no_hole() {
    let rows = written();
    assert!(rows.values().all(|verdicts| verdicts.len() == WHOSE.len() * WHOSE.len()));
    assert!(rows.values().flatten().all(|verdict| verdict.len() == 4));
    // Each spelling is one of some form, and each form has its own and another card's.
    for spelling in SPELLINGS {
        assert!(rows.keys().any(|(_, _, name)| *name == format!("{spelling:?}")), "{spelling:?}");
    }
    for (named_by, form) in NAMED_BY.iter().flat_map(|by| Form::ALL.map(|form| (by, form))) {
        for spelling in [Spelling::Right, Spelling::OfAnotherCard, Spelling::PrefixInSmallLetters] {
            let key = (format!("{named_by:?}"), form.tags().to_owned(), format!("{spelling:?}"));
            assert!(rows.contains_key(&key), "{key:?}");
        }
    }
}

#[test]
fn the_table_keeps_to_the_rules_that_it_stands_for() {
    for ((named_by, form, spelling), verdicts) in written() {
        let place = format!("{named_by} {form} {spelling}");
        let form = Form::ALL.into_iter().find(|one| one.tags() == form).unwrap();
        for (index, verdict) in verdicts.iter().enumerate() {
            let (upn, sid) = (WHOSE[index / 3], WHOSE[index % 3]);
            let accepts = |letter: char| matches!(letter, 'S' | 'W');
            let is_right = spelling == "Right" || (spelling == "Capitals" && form != Form::Rfc822);
            // Another's SID is refused whatever else holds, and another's name unless a person named the account.
            if sid == Whose::Another || (upn == Whose::Another && named_by == "Card") {
                assert!(verdict.chars().all(|letter| matches!(letter, 'U' | 'I')), "{place} {upn:?} {sid:?}");
            }
            // What is not the account's own SID, or a strong value as it must be written, is never strong.
            let counts = is_right && form.strength() == Strength::Strong && form != Form::IssuerSid;
            if sid != Whose::Own && !counts {
                assert!(!verdict.contains('S'), "{place} {upn:?} {sid:?}");
            }
            // Under full enforcement a weak mapping is none, and a person's word makes none good in any mode.
            assert!(!verdict.starts_with('W'), "{place} {upn:?} {sid:?}");
            assert!(named_by == "Card" || !verdict.contains('W'), "{place} {upn:?} {sid:?}");
            // A mode that is less strict accepts what a stricter one does.
            let letters: Vec<bool> = verdict.chars().map(accepts).collect();
            assert!(letters[0] <= letters[1] && letters[2] <= letters[3], "{place} {upn:?} {sid:?}");
        }
    }
}

/// Adds the SID that the extension would hold, as a URI.
fn add_sid(params: &mut CertificateParams, sid: &str) {
    let parsed: Sid = sid.parse().unwrap();
    let text = format!("tag:microsoft.com,2022-09-14:sid:{parsed}");
    params.subject_alt_names.push(SanType::URI(Ia5String::try_from(text).unwrap()));
}
