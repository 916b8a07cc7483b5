//! Cards and values that a domain controller and the mapper are asked about: every form in every spelling.

use std::time::Duration;

use integration::pki::CardRequest;
use ldap_map::alt_security_identities::{AltSecurityIdentity, Form, Sha1Reading};
use ldap_map::certificate::CertificateFacts;
use ldap_map::mapping::Enforcement;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue};

/// A card and what its account says of cards.
pub(super) struct Case {
    /// As the manual calls it.
    pub(super) name: &'static str,
    pub(super) card: for<'a> fn(CardRequest<'a>, &Sids) -> CardRequest<'a>,
    /// A last change of the certificate, which begins this second otherwise; also told the account's name.
    pub(super) change: fn(&mut CertificateParams, &str),
    /// The account's values of `altSecurityIdentities`.
    pub(super) values: fn(&CertificateFacts) -> Vec<String>,
    /// The modes in which both are asked.
    pub(super) modes: &'static [Mode],
    /// How Heimdal writes the subject of a card without a name, for its mappings file; `*` is the account's name.
    pub(super) subject: &'static str,
    /// Whether our configuration has a name rule for cards of this policy and suffix.
    pub(super) name_rule: bool,
    pub(super) is_computer: bool,
}

impl Case {
    /// Whether nothing in the card is a name for Heimdal's KDC.
    pub(super) fn is_nameless(&self) -> bool {
        self.name.contains("no name")
            || self.name.starts_with("reader: ")
            || self.name.contains("the person names")
    }
}

/// A person with a card that was issued after the account, asked about in the three modes that domain controllers have.
pub(super) const USUAL: Case = Case {
    name: "",
    card: plain,
    change: |_, _| (),
    values: nothing,
    modes: &[Mode::None, Mode::Compatibility, Mode::Full],
    subject: "CN=*",
    name_rule: false,
    is_computer: false,
};

/// The SIDs a card could name.
pub(super) struct Sids {
    pub(super) own: String,
    pub(super) other: String,
}

/// A mode of enforcement.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Mode {
    None,
    Compatibility,
    /// The same where a certificate may be two days older than its account.
    Compensated,
    Full,
}

impl Mode {
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Compatibility, Self::Compensated, Self::Full];

    /// The word for it in the manual.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Compatibility => "compatibility",
            Self::Compensated => "compatibility, two days back",
            Self::Full => "full",
        }
    }

    /// What `smb.conf` says.
    pub(super) const fn options(self) -> &'static [&'static str] {
        match self {
            Self::None => &["strong certificate binding enforcement = none"],
            Self::Compatibility => &["strong certificate binding enforcement = compatibility"],
            Self::Compensated => &[
                "strong certificate binding enforcement = compatibility",
                "certificate backdating compensation = 2880",
            ],
            Self::Full => &["strong certificate binding enforcement = full"],
        }
    }

    /// What our configuration says.
    pub(super) const fn enforcement(self) -> Enforcement {
        match self {
            Self::None => Enforcement::None,
            Self::Compatibility => Enforcement::Compatibility { backdating: Duration::ZERO },
            Self::Compensated => Enforcement::Compatibility { backdating: Duration::from_secs(2 * 86_400) },
            Self::Full => Enforcement::Full,
        }
    }
}

pub(super) fn plain<'a>(card: CardRequest<'a>, _: &Sids) -> CardRequest<'a> {
    card
}

pub(super) fn nameless<'a>(card: CardRequest<'a>, _: &Sids) -> CardRequest<'a> {
    card.without_upn()
}

pub(super) fn nothing(_: &CertificateFacts) -> Vec<String> {
    Vec::new()
}

pub(super) fn of(facts: &CertificateFacts, form: Form) -> Vec<String> {
    let all = AltSecurityIdentity::all_of(facts, &[Sha1Reading::Certificate]);
    all.iter().filter(|value| value.form() == form).map(ToString::to_string).collect()
}

pub(super) fn issuer_serial(facts: &CertificateFacts) -> Vec<String> {
    of(facts, Form::IssuerSerial)
}

pub(super) fn ski(facts: &CertificateFacts) -> Vec<String> {
    of(facts, Form::SubjectKeyIdentifier)
}

pub(super) fn plain_serial(facts: &CertificateFacts) -> Vec<String> {
    vec![format!("X509:<I>{}<SR>{}", facts.x500_issuer().unwrap(), facts.serial())]
}

pub(super) fn issuer_backwards(facts: &CertificateFacts) -> Vec<String> {
    let [value] = issuer_serial(facts).try_into().unwrap();
    vec![value.replace("CN=Corp Issuing CA,O=Corp", "O=Corp,CN=Corp Issuing CA")]
}

pub(super) fn issuer_small(facts: &CertificateFacts) -> Vec<String> {
    let [value] = issuer_serial(facts).try_into().unwrap();
    vec![value.replace("Corp Issuing CA", "corp issuing ca")]
}

pub(super) fn digest(facts: &CertificateFacts, reading: Sha1Reading) -> Vec<String> {
    let all = AltSecurityIdentity::all_of(facts, &[reading]);
    all.iter().filter(|value| value.form() == Form::Sha1PublicKey).map(ToString::to_string).collect()
}

/// States a policy, 1.2.3.
fn policy(params: &mut CertificateParams, _: &str) {
    let policies = vec![0x30, 6, 0x30, 4, 6, 2, 0x2a, 3];
    params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 32], policies));
}

/// A subject with one part before its common name.
fn subject(params: &mut CertificateParams, kind: &[u64], value: &str, common_name: &str) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::from_oid(kind), DnValue::Utf8String(value.to_owned()));
    params.distinguished_name.push(DnType::CommonName, common_name);
}

pub(super) const OWN: &[Case] = &[
    Case { name: "UPN", card: plain, values: nothing, ..USUAL },
    Case { name: "UPN and SID", card: |card, sids| card.sid(&sids.own), values: nothing, ..USUAL },
    Case {
        name: "UPN and SID as a URI",
        card: |card, sids| card.sid_uri(&sids.own),
        values: nothing,
        ..USUAL
    },
    Case {
        name: "UPN and another's SID",
        card: |card, sids| card.sid(&sids.other),
        values: nothing,
        ..USUAL
    },
    Case {
        name: "UPN and another's SID, <SKI>",
        card: |card, sids| card.sid(&sids.other),
        values: ski,
        ..USUAL
    },
    Case {
        name: "SID alone, the person names the account",
        card: |card, sids| card.without_upn().sid(&sids.own),
        values: nothing,
        ..USUAL
    },
    Case { name: "UPN, <I><SR>", card: plain, values: issuer_serial, ..USUAL },
    Case {
        name: "UPN, <I><SR> with the serial number as people read it",
        card: plain,
        values: plain_serial,
        ..USUAL
    },
    Case { name: "UPN, <I><SR> with the issuer in reverse", card: plain, values: issuer_backwards, ..USUAL },
    Case {
        name: "UPN, <I><SR> with the issuer in small letters",
        card: plain,
        values: issuer_small,
        ..USUAL
    },
    Case { name: "UPN, <SKI>", card: plain, values: ski, ..USUAL },
    Case {
        name: "UPN, <SKI> in capital letters",
        card: plain,
        values: |facts| vec![format!("X509:<SKI>{}", ski(facts)[0].replace("X509:<SKI>", "").to_uppercase())],
        ..USUAL
    },
    Case {
        name: "UPN, <SHA1-PUKEY> of the certificate",
        card: plain,
        values: |facts| digest(facts, Sha1Reading::Certificate),
        ..USUAL
    },
    Case {
        name: "UPN, <SHA1-PUKEY> of the public key's info",
        card: plain,
        values: |facts| digest(facts, Sha1Reading::PublicKeyInfo),
        ..USUAL
    },
    Case {
        name: "UPN, <SHA1-PUKEY> of the public key",
        card: plain,
        values: |facts| digest(facts, Sha1Reading::PublicKey),
        ..USUAL
    },
    Case { name: "UPN, <I><S>", card: plain, values: |facts| of(facts, Form::IssuerSubject), ..USUAL },
    Case { name: "UPN, <S>", card: plain, values: |facts| of(facts, Form::Subject), ..USUAL },
    Case {
        name: "UPN and e-mail, <RFC822>",
        card: |card, _| card.email("one@corp.example"),
        values: |facts| of(facts, Form::Rfc822),
        ..USUAL
    },
    Case {
        name: "UPN, <I><SR> of another certificate",
        card: plain,
        values: |facts| vec![format!("X509:<I>{}<SR>0102", facts.x500_issuer().unwrap())],
        ..USUAL
    },
    Case {
        name: "another's UPN, <I><SR>",
        card: |card, _| card.without_upn().another_upn("bob@corp.example"),
        values: issuer_serial,
        ..USUAL
    },
    Case { name: "no name", card: nameless, values: nothing, ..USUAL },
    Case { name: "no name, <I><SR>", card: nameless, values: issuer_serial, ..USUAL },
    Case {
        name: "no name, <I><SR> with the issuer in reverse",
        card: nameless,
        values: issuer_backwards,
        ..USUAL
    },
    Case { name: "no name, <SKI>", card: nameless, values: ski, ..USUAL },
    Case {
        name: "no name, <SHA1-PUKEY> of the certificate",
        card: nameless,
        values: |facts| digest(facts, Sha1Reading::Certificate),
        ..USUAL
    },
    Case { name: "no name, <I><S>", card: nameless, values: |facts| of(facts, Form::IssuerSubject), ..USUAL },
    Case { name: "no name, <S>", card: nameless, values: |facts| of(facts, Form::Subject), ..USUAL },
    Case {
        name: "no name, <RFC822>",
        card: |card, _| card.without_upn().email("two@corp.example"),
        values: |facts| of(facts, Form::Rfc822),
        ..USUAL
    },
    // Forms and rules that are Windows', asked of Samba too.
    Case {
        name: "UPN and SID as a URI, <I><SID>",
        card: |card, sids| card.sid_uri(&sids.own),
        values: |facts| of(facts, Form::IssuerSid),
        ..USUAL
    },
    Case { name: "UPN under a name rule", change: policy, name_rule: true, ..USUAL },
    Case {
        name: "UPN, <I><S> under a name rule",
        change: policy,
        values: |facts| of(facts, Form::IssuerSubject),
        name_rule: true,
        ..USUAL
    },
    // Subjects that are not written alike everywhere.
    Case {
        name: "no name, <S> with an e-mail address in the subject",
        card: nameless,
        change: |params, name| {
            subject(params, &[1, 2, 840, 113_549, 1, 9, 1], &format!("{name}@corp.example"), name)
        },
        values: |facts| of(facts, Form::Subject),
        modes: &[Mode::Compatibility],
        subject: "CN=*,emailAddress=*@corp.example",
        ..USUAL
    },
    Case {
        name: "no name, <S> with a UID in the subject",
        card: nameless,
        change: |params, name| subject(params, &[0, 9, 2342, 19_200_300, 100, 1, 1], name, name),
        values: |facts| of(facts, Form::Subject),
        modes: &[Mode::Compatibility],
        subject: "CN=*,UID=*",
        ..USUAL
    },
    Case {
        name: "no name, <S> with a comma in the subject",
        card: nameless,
        change: |params, name| subject(params, &[2, 5, 4, 10], "Corp, Inc.", name),
        values: |facts| of(facts, Form::Subject),
        modes: &[Mode::Compatibility],
        subject: "CN=*,O=Corp\\, Inc.",
        ..USUAL
    },
    Case {
        name: "no name, <S> with a serial number in the subject",
        card: nameless,
        change: |params, name| subject(params, &[2, 5, 4, 5], "4711", name),
        values: |facts| of(facts, Form::Subject),
        modes: &[Mode::Compatibility],
        subject: "CN=*,serialNumber=4711",
        ..USUAL
    },
    Case {
        name: "no name, <S> with a state in the subject",
        card: nameless,
        change: |params, name| subject(params, &[2, 5, 4, 8], "Bavaria", name),
        values: |facts| of(facts, Form::Subject),
        modes: &[Mode::Compatibility],
        subject: "CN=*,S=Bavaria",
        ..USUAL
    },
    Case {
        name: "no name, <RFC822> in capital letters",
        card: |card, _| card.without_upn().email("three@corp.example"),
        values: |_| vec!["X509:<RFC822>THREE@corp.example".to_owned()],
        modes: &[Mode::Compatibility],
        ..USUAL
    },
];
