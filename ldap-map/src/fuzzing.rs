//! What the fuzz targets call: every reader of foreign octets, with what must hold for whatever it accepts. Each function
//! says whether something was accepted.
//!
//! Compiled for tests and under `cfg(fuzzing)` only.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use crate::account::{Account, NotUsable};
use crate::alt_security_identities::{AltSecurityIdentity, Fit, Sha1Reading};
use crate::certificate::CertificateFacts;
use crate::delegation::{AllowedToAct, ServiceAccount};
use crate::dn::Dn;
use crate::filter::Filter;
use crate::guid::Guid;
use crate::logon_hours::{HourOfWeek, LogonHours};
use crate::mapping::source::{
    AttributeMapping, AttributeMappings, Candidate, NameForm, Pattern, SerialForm, Source, SourceValue,
};
use crate::mapping::{Card, Rules, Sought};
use crate::message::response::{Message, Response};
use crate::netlogon::NetlogonReply;
use crate::schema::{Attribute, AttributeName};
use crate::security_descriptor::{ActingForOthers, SecurityDescriptor};
use crate::sid::Sid;
use crate::testing::Person;
use crate::time::{from_filetime, from_generalized_time};
use crate::upn::Upn;
use crate::x500_name::{Likeness, X500Name};

/// Any octets as a certificate.
pub fn certificate(octets: &[u8]) -> bool {
    let Ok(facts) = CertificateFacts::parse(octets) else { return false };
    assert!(facts.sid().is_none_or(|sid| facts.sids() == [sid.clone()]));
    assert!(facts.upns().iter().all(|upn| Upn::parse(upn.as_str()).as_ref() == Ok(upn)));
    let (card, rules) = (Card { facts: &facts, issuer_sha1: None }, Rules::default());
    if facts.upns().len() > 1 || facts.sids().len() > 1 {
        assert!(Sought::by_card(&card, &rules).is_err(), "nothing is chosen among several");
    }
    assert!(!facts.subject().contains(char::is_control) && !facts.issuer().contains(char::is_control));
    for value in AltSecurityIdentity::all_of(&facts, &Sha1Reading::ALL) {
        let read = AltSecurityIdentity::parse(&value.to_string());
        assert_eq!(Ok(&value), read.as_ref(), "what is written can be read");
        assert_eq!(Fit::Fits, value.fit(&facts, &Sha1Reading::ALL), "and names its certificate");
    }
    sources(&facts);
    true
}

/// Every source of a certificate: what it gives is a name that one filter asks for, and nothing that misleads.
fn sources(facts: &CertificateFacts) {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(every_source);
    let attributes = ["employeeID", "info"].map(|name| AttributeName::parse(name).expect("a name"));
    for source in &*SOURCES {
        let components = source.components();
        if let Ok(values) = source.values(facts) {
            assert_eq!(values.len(), components);
            for value in values {
                assert!(value.is(value.as_bytes()) && !value.as_bytes().is_empty());
                let misleads = |text: &String| text.contains(char::is_control) || text.trim() != text;
                assert!(!matches!(&value, SourceValue::Text(text) if misleads(text)));
            }
        }
        let attributes = attributes.iter().take(components).cloned().collect();
        let mapping = AttributeMapping::new(source.clone(), attributes).expect("a mapping");
        if let Ok(Candidate::Attributes(query)) = AttributeMappings::new(vec![mapping]).candidate(facts) {
            assert!(!query.filter().encode().is_empty());
            assert!(!query.is_met_by(&Person::new("alice").entry()));
        }
    }
}

fn every_source() -> Vec<Source> {
    let pattern = |text| Pattern::new(text).expect("a pattern");
    vec![
        Source::SanUpn,
        Source::SanEmail,
        Source::SubjectEmail,
        Source::CommonName,
        Source::SubjectAttribute(vec!["0.9.2342.19200300.100.1.1".to_owned(), "2.5.4.3".to_owned()]),
        Source::SubjectName(NameForm::Rfc4514),
        Source::SubjectName(NameForm::Canonical),
        Source::IssuerName(NameForm::Canonical),
        Source::SubjectPattern(pattern("CN=([^,]*)(?:,|$)")),
        Source::SubjectPattern(pattern(r"(\\?.{2}=?)$")),
        Source::IssuerPattern(pattern("(.*)")),
        Source::Serial(SerialForm::Decimal),
        Source::SerialAndIssuer(SerialForm::HexadecimalOfEncoding, NameForm::Rfc4514),
        Source::Thumbprint,
        Source::Certificate,
    ]
}

/// Any octets as a value of `altSecurityIdentities`, and as a name in one.
pub fn alt_security_identity(octets: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(octets) else { return false };
    let name = X500Name::parse(text).map(|name| assert_eq!(text, name.as_str())).is_ok();
    let value = AltSecurityIdentity::parse(text);
    if let Ok(value) = &value {
        assert_eq!(Ok(value), AltSecurityIdentity::parse(&value.to_string()).as_ref());
    }
    name || value.is_ok()
}

/// Any lines as a name in `altSecurityIdentities`, and as the name of a certificate, a line each part of it, its pairs
/// `type=value` separated by tabs.
pub fn x500_name(octets: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(octets) else { return false };
    let read = X500Name::parse(text);
    if let Ok(name) = &read {
        assert_eq!(Likeness::Same, name.likeness(name));
        assert!(!name.as_str().contains(['<', '>']) && !name.as_str().contains(char::is_control));
    }
    let pair = |pair: &str| pair.split_once('=').map(|(kind, value)| (kind.to_owned(), value.to_owned()));
    let part = |line: &str| line.split('\t').map(pair).collect::<Option<Vec<_>>>();
    let Some(parts) = text.split('\n').map(part).collect::<Option<Vec<_>>>() else { return read.is_ok() };
    let Some(name) = X500Name::written(&parts) else { return read.is_ok() };
    // What is written reads back, and another name's text is another's.
    assert_eq!(Ok(&name), X500Name::parse(name.as_str()).as_ref());
    let reversed: Vec<_> = parts.iter().rev().cloned().collect();
    if let Some(other) = X500Name::written(&reversed) {
        assert_eq!(reversed == parts, other == name, "one text is one name");
    }
    let shorter = parts.get(1..).and_then(X500Name::written);
    assert!(shorter.is_none_or(|shorter| shorter.likeness(&name) == Likeness::Other));
    true
}

/// Any octets as a SID, in its binary form and as text.
pub fn sid(octets: &[u8]) -> bool {
    let judge = |sid: &Sid| {
        assert_eq!(Ok(sid), sid.to_string().parse().as_ref());
        assert_eq!(Ok(sid), Sid::from_bytes(sid.as_bytes()).as_ref());
        if let Some(domain) = sid.domain() {
            assert_eq!(format!("{domain}-{}", sid.rid()), sid.to_string(), "a domain and a number in it");
        }
    };
    let binary = Sid::from_bytes(octets);
    binary.iter().for_each(|sid| assert_eq!(octets, sid.as_bytes()));
    binary.iter().for_each(judge);
    let written = str::from_utf8(octets).ok().and_then(|text| text.parse::<Sid>().ok());
    written.iter().for_each(judge);
    binary.is_ok() || written.is_some()
}

/// Any octets as the value in a filter: its text has the value's octets and no structure of its own.
pub fn filter(octets: &[u8]) -> bool {
    let (attribute, other) = (Attribute::ALT_SECURITY_IDENTITIES, Attribute::OBJECT_SID);
    let filter = Filter::all_of([Filter::present(other), Filter::equals(attribute, octets)]);
    let text = filter.to_string();
    assert!(text.bytes().all(|octet| (0x20..0x7f).contains(&octet)));
    let value =
        text.strip_prefix("(&(objectSid=*)(altSecurityIdentities=").and_then(|rest| rest.strip_suffix("))"));
    let value = value.expect("the tree's own text stands around the value");
    assert_eq!(Some(octets), unescaped(value.as_bytes()).as_deref());
    // On the wire the octets stand as they are, behind their length.
    assert!(filter.encode().ends_with(octets));
    true
}

/// The octets of a value in a filter's text (RFC 4515 section 3), read apart from what wrote it.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = match first {
            b'(' | b')' | b'*' | 0 => return None,
            b'\\' => {
                let (digits, tail) = tail.split_first_chunk::<2>()?;
                octets.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
                tail
            }
            plain => {
                octets.push(*plain);
                tail
            }
        };
    }
    Some(octets)
}

/// Any octets as a message of an LDAP server, and an object in it as an account.
pub fn message(octets: &[u8]) -> bool {
    let length = Message::length(octets);
    let Ok(Message { response, .. }) = Message::decode(octets) else { return false };
    assert!(
        !matches!(length, Ok(length) if length != Some(octets.len())),
        "the length is that of the message"
    );
    if let Response::Entry(entry) = response {
        Account::from_entry(&entry).iter().for_each(judge);
        ServiceAccount::from_entry(&entry).iter().for_each(judge_service);
    }
    true
}

/// Any lines as the name and the attributes of an account.
pub fn account(octets: &[u8]) -> bool {
    let mut lines = octets.split(|octet| *octet == b'\n');
    let dn = lines.next().map(String::from_utf8_lossy).unwrap_or_default();
    let mut person = Person::new("alice").at(&dn);
    for (attribute, line) in Account::ATTRIBUTES.iter().zip(lines) {
        if !line.is_empty() {
            person = person.with(attribute.as_str(), &[line]);
        }
    }
    let account = Account::from_entry(&person.entry());
    account.as_ref().map(judge).is_ok()
}

/// Any octets as each kind of name, and as a time.
pub fn names(octets: &[u8]) -> bool {
    let binary =
        Sid::from_bytes(octets).map(|sid| assert_eq!(Ok(&sid), sid.to_string().parse().as_ref())).is_ok();
    let guid = Guid::from_bytes(octets).map(|guid| assert_eq!(36, guid.to_string().len())).is_ok();
    let Ok(text) = str::from_utf8(octets) else { return binary || guid };
    let written = text.parse::<Sid>().map(|sid| assert_eq!(text, sid.to_string())).is_ok();
    let upn =
        Upn::parse(text).map(|upn| assert_eq!(text, format!("{}@{}", upn.user(), upn.suffix()))).is_ok();
    let dn =
        Dn::parse(text).map(|dn| assert!(dn.is_within(&dn.domain().unwrap_or_else(|| dn.clone())))).is_ok();
    let time = from_generalized_time(text).is_ok();
    let filetime = text.parse().is_ok_and(|ticks| from_filetime(ticks).is_ok());
    binary || guid || written || upn || dn || time || filetime
}

/// Any octets as a security descriptor, held against SIDs that it may or may not name.
pub fn security_descriptor(octets: &[u8]) -> bool {
    let Ok(descriptor) = SecurityDescriptor::parse(octets) else { return false };
    let named: Vec<&Sid> = descriptor.allowed().collect();
    let judged = descriptor.acting_for_others(&named);
    assert!(named.is_empty() || judged != ActingForOthers::NotNamed, "who is allowed is named");
    assert_eq!(ActingForOthers::NotNamed, descriptor.acting_for_others(&[]));
    true
}

/// Any octets as hours of the week.
pub fn logon_hours(octets: &[u8]) -> bool {
    let Ok(hours) = LogonHours::parse(octets) else { return false };
    let at = |hour: u64| HourOfWeek::of(SystemTime::UNIX_EPOCH + Duration::from_secs(hour * 3600));
    assert_eq!(hours.is_never(), (0..168).all(|hour| !hours.allow(at(hour))));
    true
}

/// Any octets as a domain controller's answer to a netlogon ping.
pub fn netlogon(octets: &[u8]) -> bool {
    let Ok(reply) = NetlogonReply::decode(octets) else { return false };
    let needed = [&reply.dns_forest, &reply.dns_domain, &reply.dns_host, &reply.dc_site];
    let names = needed.into_iter().chain(&reply.client_site);
    assert!(names.into_iter().all(|name| (1..=255).contains(&name.len())));
    true
}

fn judge_service(account: &ServiceAccount) {
    assert!(account.service_principal_names.iter().all(|spn| account.has_spn(spn)));
    assert!(account.allowed_to_delegate_to.iter().all(|spn| account.may_delegate_to(spn)));
    assert_eq!(matches!(account.allowed_to_act, AllowedToAct::List(_)), account.lets_act(account).is_some());
}

fn judge(account: &Account) {
    assert!(!account.groups.is_empty());
    let early = account.check_usable(SystemTime::UNIX_EPOCH);
    let late = account.check_usable(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 34));
    let waits = matches!(early, Err(NotUsable::OutsideLogonHours { .. }));
    assert!(
        late.is_err() || early.is_ok() || waits,
        "an account becomes usable by waiting for its hours only"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, read_dir};
    use std::io::Read;
    use std::path::Path;

    /// Replays the saved inputs of a target, then each of them cut off anywhere and with any one octet changed. Says how many
    /// of the inputs were accepted as they are.
    fn replay(target: &str, check: fn(&[u8]) -> bool) -> usize {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut accepted = 0;
        for entry in read_dir(&directory).unwrap() {
            let mut input = Vec::new();
            File::open(entry.unwrap().path()).unwrap().read_to_end(&mut input).unwrap();
            accepted += usize::from(check(&input));
            for index in 0..input.len() {
                check(&input[..index]);
                let values = [0x00, 0x01, 0x7f, 0x80, 0xff, input[index] ^ 0x01];
                // An octet of a long input takes one of the values, its neighbours the others.
                let each = if input.len() > 512 { values.len() } else { 1 };
                for value in values.into_iter().skip(index % each).step_by(each) {
                    let mut changed = input.clone();
                    changed[index] = value;
                    check(&changed);
                }
            }
        }
        accepted
    }

    #[test]
    fn no_saved_certificate_breaks_the_reader() {
        assert!(replay("certificate", certificate) >= 4);
    }

    #[test]
    fn no_saved_alternative_identity_breaks_the_reader() {
        assert_eq!(11, replay("alt_security_identity", alt_security_identity));
    }

    #[test]
    fn no_saved_distinguished_name_breaks_the_reader_and_none_is_written_as_another() {
        assert_eq!(8, replay("x500_name", x500_name));
    }

    #[test]
    fn no_saved_sid_breaks_the_reader() {
        assert_eq!(5, replay("sid", sid));
    }

    #[test]
    fn every_saved_value_of_a_filter_comes_back_as_it_was() {
        assert_eq!(6, replay("filter", filter));
    }

    #[test]
    fn no_saved_message_breaks_the_reader() {
        assert!(replay("message", message) >= 10);
    }

    #[test]
    fn no_saved_account_breaks_the_reader() {
        assert!(replay("account", account) >= 2);
    }

    #[test]
    fn no_saved_security_descriptor_breaks_the_reader() {
        assert_eq!(13, replay("security_descriptor", security_descriptor));
    }

    #[test]
    fn no_saved_hours_break_the_reader() {
        assert_eq!(2, replay("logon_hours", logon_hours));
    }

    #[test]
    fn no_saved_answer_to_a_ping_breaks_the_reader() {
        assert_eq!(4, replay("netlogon", netlogon));
    }

    #[test]
    fn no_saved_name_breaks_the_reader() {
        assert!(replay("names", names) >= 8);
    }
}
