//! Values of `altSecurityIdentities`: which certificate is an account's own (MS-PKCA 3.1.5.2.1.3, KB5014754).
//!
//! A domain controller compares texts: names in the order of the certificate, the octets of a serial number reversed. A value
//! that means the certificate but is written otherwise is ignored there, so it is here; [`AltSecurityIdentity::fit`] says
//! what is wrong with it.

use std::fmt;

use crate::certificate::CertificateFacts;
use crate::mapping::Strength;
use crate::sid::Sid;
use crate::x500_name::{Likeness, X500Name, X500NameError};

/// Longest accepted value in octets.
const MAXIMUM_LENGTH: usize = 8192;
/// Longest accepted run of hexadecimal digits.
const MAXIMUM_DIGITS: usize = 256;
const PREFIX: &str = "X509:";

/// What a value names a certificate by.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// `<I>..<SR>..`: issuer and serial number.
    IssuerSerial,
    /// `<SKI>..`: the subject key identifier.
    SubjectKeyIdentifier,
    /// `<SHA1-PUKEY>..`: a digest.
    Sha1PublicKey,
    /// `<I>..<SID>..`: issuer and the SID that the certificate names.
    IssuerSid,
    /// `<I>..<S>..`: issuer and subject.
    IssuerSubject,
    /// `<S>..`: the subject.
    Subject,
    /// `<RFC822>..`: an e-mail address.
    Rfc822,
}

impl Form {
    /// Every form, strong ones first.
    pub const ALL: [Self; 7] = [
        Self::IssuerSerial,
        Self::SubjectKeyIdentifier,
        Self::Sha1PublicKey,
        Self::IssuerSid,
        Self::IssuerSubject,
        Self::Subject,
        Self::Rfc822,
    ];

    /// How firmly the form ties a certificate to an account: weak ones name what another certificate can have too.
    #[must_use]
    pub const fn strength(self) -> Strength {
        match self {
            Self::IssuerSerial | Self::SubjectKeyIdentifier | Self::Sha1PublicKey | Self::IssuerSid => {
                Strength::Strong
            }
            Self::IssuerSubject | Self::Subject | Self::Rfc822 => Strength::Weak,
        }
    }

    /// The tags of the form, as they stand in a value.
    #[must_use]
    pub const fn tags(self) -> &'static str {
        match self {
            Self::IssuerSerial => "<I><SR>",
            Self::SubjectKeyIdentifier => "<SKI>",
            Self::Sha1PublicKey => "<SHA1-PUKEY>",
            Self::IssuerSid => "<I><SID>",
            Self::IssuerSubject => "<I><S>",
            Self::Subject => "<S>",
            Self::Rfc822 => "<RFC822>",
        }
    }
}

/// What the digest of `<SHA1-PUKEY>` is made of. The standard says the public key; Samba's KDC takes the whole certificate.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Sha1Reading {
    /// The whole certificate.
    Certificate,
    /// Its SubjectPublicKeyInfo.
    PublicKeyInfo,
    /// The octets of the key in that.
    PublicKey,
}

impl Sha1Reading {
    /// Every reading.
    pub const ALL: [Self; 3] = [Self::Certificate, Self::PublicKeyInfo, Self::PublicKey];

    /// The word for it in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::PublicKeyInfo => "public-key-info",
            Self::PublicKey => "public-key",
        }
    }

    const fn digest(self, facts: &CertificateFacts) -> &[u8; 20] {
        let digests = facts.sha1();
        match self {
            Self::Certificate => &digests.certificate,
            Self::PublicKeyInfo => &digests.public_key_info,
            Self::PublicKey => &digests.public_key,
        }
    }
}

/// One value, read. Equal values mean the same to a domain controller.
#[derive(Clone, Debug)]
pub struct AltSecurityIdentity {
    content: Content,
    /// It has a domain controller's layout: nothing after the prefix, and the issuer first.
    plain: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Content {
    /// The serial number as written: in the right form its least significant octet is first.
    IssuerSerial(X500Name, Vec<u8>),
    SubjectKeyIdentifier(Vec<u8>),
    Sha1PublicKey(Vec<u8>),
    IssuerSid(X500Name, Sid),
    IssuerSubject(X500Name, X500Name),
    Subject(X500Name),
    Rfc822(String),
}

/// Whether a value names a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fit {
    /// As a domain controller would say too.
    Fits,
    /// The certificate is meant, but a domain controller ignores the value.
    Ignored(Vec<Misspelling>),
    /// Another certificate is meant.
    Other,
}

/// What keeps a domain controller from recognising a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Misspelling {
    /// The parts of the issuer are in the order of RFC 4514.
    #[error("the issuer's name is written in reverse: the most general part must be first")]
    IssuerReversed,
    /// The parts of the subject are.
    #[error("the subject's name is written in reverse: the most general part must be first")]
    SubjectReversed,
    /// The issuer's letters, blanks or names of types are others.
    #[error("the issuer's name is spelt otherwise than domain controllers spell it")]
    IssuerRespelt,
    /// The subject's are.
    #[error("the subject's name is spelt otherwise than domain controllers spell it")]
    SubjectRespelt,
    /// The letters of the e-mail address are others.
    #[error("the e-mail address is spelt otherwise than in the certificate")]
    AddressRespelt,
    /// The serial number is written as people read it.
    #[error("the octets of the serial number must be in reverse order")]
    SerialNotReversed,
    /// The serial number has an octet 00 for its sign.
    #[error("the serial number must be without the octet 00 of its sign")]
    SerialPadded,
    /// The digest is one of another part of the certificate than is configured.
    #[error("the digest is that of the {}, which is not configured to count", .0.as_str())]
    Sha1Reading(Sha1Reading),
    /// Something stands before the first tag, or the tags are in another order.
    #[error("the tags must follow the prefix X509: at once, the issuer's first")]
    Layout,
}

/// Why a value is none of the forms.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AltSecurityIdentityError {
    /// Another kind of value, `Kerberos:` for one.
    #[error("the value is not about a certificate: it does not begin with X509:")]
    NotX509,
    /// More octets than any value has.
    #[error("the value is longer than {MAXIMUM_LENGTH} octets")]
    TooLong,
    /// Not tags with values.
    #[error("the value is not a sequence of <tag>value")]
    Syntax,
    /// Tags that make no form.
    #[error("the tags {tags} make no form that domain controllers know")]
    UnknownForm {
        /// As written.
        tags: String,
    },
    /// Not octets in hexadecimal digits.
    #[error("the value of {tag} is not an even number of hexadecimal digits")]
    Hexadecimal {
        /// Whose value.
        tag: &'static str,
    },
    /// A name that is none.
    #[error("the value of {tag} is not a name: {error}")]
    Name {
        /// Whose value.
        tag: &'static str,
        /// Why.
        error: X500NameError,
    },
    /// A SID that is none.
    #[error("the value of <SID> is not a SID")]
    Sid,
}

impl AltSecurityIdentity {
    /// Reads a value.
    ///
    /// # Errors
    /// [`AltSecurityIdentityError`] where it is none of the forms.
    pub fn parse(text: &str) -> Result<Self, AltSecurityIdentityError> {
        if text.len() > MAXIMUM_LENGTH {
            return Err(AltSecurityIdentityError::TooLong);
        }
        let rest = text.strip_prefix(PREFIX).ok_or(AltSecurityIdentityError::NotX509)?;
        let pairs = pairs(rest).ok_or(AltSecurityIdentityError::Syntax)?;
        let (content, in_order) = match *pairs.as_slice() {
            [("I", issuer), ("SR", serial)] => (issuer_serial(issuer, serial)?, true),
            [("SR", serial), ("I", issuer)] => (issuer_serial(issuer, serial)?, false),
            [("SKI", digits)] => (Content::SubjectKeyIdentifier(octets("<SKI>", digits)?), true),
            [("SHA1-PUKEY", digits)] => (Content::Sha1PublicKey(octets("<SHA1-PUKEY>", digits)?), true),
            [("I", issuer), ("SID", sid)] => (issuer_sid(issuer, sid)?, true),
            [("SID", sid), ("I", issuer)] => (issuer_sid(issuer, sid)?, false),
            [("I", issuer), ("S", subject)] => (issuer_subject(issuer, subject)?, true),
            [("S", subject), ("I", issuer)] => (issuer_subject(issuer, subject)?, false),
            [("S", subject)] => (Content::Subject(name("<S>", subject)?), true),
            [("RFC822", address)] if !address.is_empty() => (Content::Rfc822(address.to_owned()), true),
            _ => {
                let tags = pairs.iter().map(|(tag, _)| format!("<{tag}>")).collect();
                return Err(AltSecurityIdentityError::UnknownForm { tags });
            }
        };
        Ok(Self { content, plain: in_order && rest.starts_with('<') })
    }

    /// Every value that names the certificate, strong ones first, as an administrator could write it into the directory.
    /// `<SHA1-PUKEY>` is there once for each of the readings.
    #[must_use]
    pub fn all_of(facts: &CertificateFacts, readings: &[Sha1Reading]) -> Vec<Self> {
        let forms = Form::ALL.into_iter().flat_map(|form| contents(form, facts, readings));
        forms.map(|content| Self { content, plain: true }).collect()
    }

    /// What it names a certificate by.
    #[must_use]
    pub const fn form(&self) -> Form {
        match self.content {
            Content::IssuerSerial(..) => Form::IssuerSerial,
            Content::SubjectKeyIdentifier(_) => Form::SubjectKeyIdentifier,
            Content::Sha1PublicKey(_) => Form::Sha1PublicKey,
            Content::IssuerSid(..) => Form::IssuerSid,
            Content::IssuerSubject(..) => Form::IssuerSubject,
            Content::Subject(_) => Form::Subject,
            Content::Rfc822(_) => Form::Rfc822,
        }
    }

    /// Whether it names this certificate, where a digest counts in these readings.
    #[must_use]
    pub fn fit(&self, facts: &CertificateFacts, readings: &[Sha1Reading]) -> Fit {
        let mut found = Vec::new();
        if !self.plain {
            found.push(Misspelling::Layout);
        }
        let named = match &self.content {
            Content::IssuerSerial(issuer, serial) => {
                issuer_is(issuer, facts, &mut found) && serial_is(serial, facts.serial(), &mut found)
            }
            Content::SubjectKeyIdentifier(octets) => facts.subject_key_identifier() == Some(octets),
            Content::Sha1PublicKey(digest) => {
                let is = |reading: &&Sha1Reading| reading.digest(facts).as_slice() == digest;
                if readings.iter().any(|reading| is(&reading)) {
                    true
                } else if let Some(reading) = Sha1Reading::ALL.iter().find(is) {
                    found.push(Misspelling::Sha1Reading(*reading));
                    true
                } else {
                    false
                }
            }
            Content::IssuerSid(issuer, sid) => {
                facts.sid() == Some(sid) && issuer_is(issuer, facts, &mut found)
            }
            Content::IssuerSubject(issuer, subject) => {
                issuer_is(issuer, facts, &mut found) && subject_is(subject, facts, &mut found)
            }
            Content::Subject(subject) => subject_is(subject, facts, &mut found),
            Content::Rfc822(address) => address_is(address, facts, &mut found),
        };
        match (named, found.is_empty()) {
            (false, _) => Fit::Other,
            (true, true) => Fit::Fits,
            (true, false) => Fit::Ignored(found),
        }
    }
}

impl Eq for AltSecurityIdentity {}

impl PartialEq for AltSecurityIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

/// The value as a domain controller wants it.
impl fmt::Display for AltSecurityIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        match &self.content {
            Content::IssuerSerial(issuer, serial) => write!(f, "<I>{issuer}<SR>{}", hexadecimal(serial)),
            Content::SubjectKeyIdentifier(octets) => write!(f, "<SKI>{}", hexadecimal(octets)),
            Content::Sha1PublicKey(octets) => write!(f, "<SHA1-PUKEY>{}", hexadecimal(octets)),
            Content::IssuerSid(issuer, sid) => write!(f, "<I>{issuer}<SID>{sid}"),
            Content::IssuerSubject(issuer, subject) => write!(f, "<I>{issuer}<S>{subject}"),
            Content::Subject(subject) => write!(f, "<S>{subject}"),
            Content::Rfc822(address) => write!(f, "<RFC822>{address}"),
        }
    }
}

/// The contents of one form that name the certificate.
fn contents(form: Form, facts: &CertificateFacts, readings: &[Sha1Reading]) -> Vec<Content> {
    let issuer = || facts.x500_issuer().cloned();
    let subject = || facts.x500_subject().cloned();
    let one = match form {
        Form::IssuerSerial => issuer()
            .zip(reversed(facts.serial()))
            .map(|(issuer, serial)| Content::IssuerSerial(issuer, serial)),
        Form::SubjectKeyIdentifier => {
            facts.subject_key_identifier().map(|octets| Content::SubjectKeyIdentifier(octets.to_vec()))
        }
        Form::Sha1PublicKey => {
            let digests = readings.iter().map(|reading| reading.digest(facts).to_vec());
            return digests.map(Content::Sha1PublicKey).collect();
        }
        Form::IssuerSid => {
            issuer().zip(facts.sid().cloned()).map(|(issuer, sid)| Content::IssuerSid(issuer, sid))
        }
        Form::IssuerSubject => {
            issuer().zip(subject()).map(|(issuer, subject)| Content::IssuerSubject(issuer, subject))
        }
        Form::Subject => subject().map(Content::Subject),
        Form::Rfc822 => {
            // What could be read as a tag cannot be written.
            let plain = facts.emails().iter().filter(|email| !email.contains(['<', '>']));
            return plain.cloned().map(Content::Rfc822).collect();
        }
    };
    one.into_iter().collect()
}

fn issuer_is(written: &X500Name, facts: &CertificateFacts, found: &mut Vec<Misspelling>) -> bool {
    let (reversed, respelt) = (Misspelling::IssuerReversed, Misspelling::IssuerRespelt);
    facts.x500_issuer().is_some_and(|own| name_is(written.likeness(own), reversed, respelt, found))
}

fn subject_is(written: &X500Name, facts: &CertificateFacts, found: &mut Vec<Misspelling>) -> bool {
    let (reversed, respelt) = (Misspelling::SubjectReversed, Misspelling::SubjectRespelt);
    facts.x500_subject().is_some_and(|own| name_is(written.likeness(own), reversed, respelt, found))
}

fn address_is(written: &str, facts: &CertificateFacts, found: &mut Vec<Misspelling>) -> bool {
    if facts.emails().iter().any(|own| own == written) {
        return true;
    }
    found.push(Misspelling::AddressRespelt);
    facts.emails().iter().any(|own| own.eq_ignore_ascii_case(written))
}

fn name_is(
    likeness: Likeness,
    reversed: Misspelling,
    respelt: Misspelling,
    found: &mut Vec<Misspelling>,
) -> bool {
    match likeness {
        Likeness::Same => {}
        Likeness::Reversed => found.push(reversed),
        Likeness::Respelt => found.push(respelt),
        Likeness::Other => return false,
    }
    true
}

/// Whether the octets are those of the serial number (hexadecimal, most significant first), in whatever order.
fn serial_is(written: &[u8], serial: &str, found: &mut Vec<Misspelling>) -> bool {
    let Some(expected) = reversed(serial) else { return false };
    if written == expected {
        return true;
    }
    // The octet of the sign is the most significant one: the last as a domain controller writes it, the first as people do.
    if let [rest @ .., 0] = written
        && rest == expected
    {
        found.push(Misspelling::SerialPadded);
        return true;
    }
    let (unsigned, padded) = match written {
        [0, rest @ ..] if !rest.is_empty() => (rest, true),
        _ => (written, false),
    };
    let is_plain = unsigned.iter().rev().eq(&expected);
    if is_plain {
        found.push(Misspelling::SerialNotReversed);
    }
    if is_plain && padded {
        found.push(Misspelling::SerialPadded);
    }
    is_plain
}

fn reversed(digits: &str) -> Option<Vec<u8>> {
    let mut octets = from_hexadecimal(digits)?;
    octets.reverse();
    Some(octets)
}

/// The tags and their values; whatever stands between the prefix and the first tag is passed over, as by Samba's KDC.
fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let (_, tags) = text.split_once('<')?;
    tags.split('<').map(|pair| pair.split_once('>')).collect()
}

fn issuer_serial(issuer: &str, serial: &str) -> Result<Content, AltSecurityIdentityError> {
    Ok(Content::IssuerSerial(name("<I>", issuer)?, octets("<SR>", serial)?))
}

fn issuer_sid(issuer: &str, sid: &str) -> Result<Content, AltSecurityIdentityError> {
    let sid = sid.parse().map_err(|_| AltSecurityIdentityError::Sid)?;
    Ok(Content::IssuerSid(name("<I>", issuer)?, sid))
}

fn issuer_subject(issuer: &str, subject: &str) -> Result<Content, AltSecurityIdentityError> {
    Ok(Content::IssuerSubject(name("<I>", issuer)?, name("<S>", subject)?))
}

fn name(tag: &'static str, text: &str) -> Result<X500Name, AltSecurityIdentityError> {
    X500Name::parse(text).map_err(|error| AltSecurityIdentityError::Name { tag, error })
}

fn octets(tag: &'static str, digits: &str) -> Result<Vec<u8>, AltSecurityIdentityError> {
    from_hexadecimal(digits).ok_or(AltSecurityIdentityError::Hexadecimal { tag })
}

fn from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty()
        || digits.len() > MAXIMUM_DIGITS
        || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return None;
    }
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let octet = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(octet).collect() } else { None }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests;
