//! Values of sources, and what a text must be to name somebody.

use std::fmt::Write as _;

use super::SerialForm;
use super::error::{SourceError, ValueProblem};
use crate::upn::same_ignoring_case;

/// Longest name in octets.
const MAXIMUM_NAME: usize = 1024;
/// Longest e-mail address in octets (RFC 5321 4.5.3.1).
const MAXIMUM_EMAIL: usize = 320;

/// What a source gives, and an attribute of the directory holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SourceValue {
    /// A text; it compares without regard to case.
    Text(String),
    /// Octets; they compare one by one.
    Octets(Vec<u8>),
}

impl SourceValue {
    /// The octets of a search.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Octets(octets) => octets,
        }
    }

    /// Whether a value of the directory is this one. The directory's own comparison is looser: it ignores accents, for one.
    #[must_use]
    pub fn is(&self, held: &[u8]) -> bool {
        match self {
            Self::Text(text) => str::from_utf8(held).is_ok_and(|held| same_ignoring_case(text, held)),
            Self::Octets(octets) => octets == held,
        }
    }
}

/// A text that can name somebody: not empty, bounded, without characters that mislead.
pub(super) fn name(text: &str, source_name: &'static str) -> Result<String, SourceError> {
    let refused = |problem| SourceError::Value { source_name, problem };
    if text.trim().is_empty() {
        return Err(refused(ValueProblem::Empty));
    }
    if text.len() > MAXIMUM_NAME {
        return Err(refused(ValueProblem::TooLong));
    }
    if let Some(found) = text.chars().find(|character| misleads(*character)) {
        return Err(refused(ValueProblem::Character(found)));
    }
    if text.trim().len() != text.len() {
        return Err(refused(ValueProblem::WhiteSpace));
    }
    Ok(text.to_owned())
}

/// Whether a reader of a text sees something else than a program: controls, characters without a width, and those that turn the
/// direction of writing.
#[must_use]
pub fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// An address without quoting or comments (RFC 5321 4.1.2, Dot-string and Domain).
pub(super) fn email(text: &str, source_name: &'static str) -> Result<String, SourceError> {
    let text = name(text, source_name)?;
    let is_atom = |part: &str| {
        let atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !part.is_empty() && part.bytes().all(atext)
    };
    let is_label = |part: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !part.is_empty() && part.bytes().all(inside) && !part.starts_with('-') && !part.ends_with('-')
    };
    let is_email = text
        .split_once('@')
        .is_some_and(|(local, domain)| local.split('.').all(is_atom) && domain.split('.').all(is_label));
    if !is_email || text.len() > MAXIMUM_EMAIL {
        return Err(SourceError::Value { source_name, problem: ValueProblem::Email });
    }
    Ok(text)
}

/// A serial number, from the octets of its encoded integer.
pub(super) fn serial(
    encoded: &[u8],
    form: SerialForm,
    source_name: &'static str,
) -> Result<String, SourceError> {
    match encoded {
        [] => return Err(SourceError::Absent { source_name }),
        [0x80..=0xff, ..] => return Err(SourceError::SerialNotPositive),
        _ => {}
    }
    let zeros = encoded.iter().take_while(|octet| **octet == 0).count();
    let significant = encoded.get(zeros..).unwrap_or_default();
    if significant.is_empty() {
        return Err(SourceError::SerialNotPositive);
    }
    Ok(match form {
        SerialForm::Decimal => decimal(significant),
        SerialForm::Hexadecimal => hexadecimal(significant),
        SerialForm::HexadecimalOfEncoding => hexadecimal(encoded),
    })
}

pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes every write");
        text
    })
}

/// The number of these octets, the most significant one first.
fn decimal(octets: &[u8]) -> String {
    // Digits, the least significant one first.
    let mut digits: Vec<u8> = Vec::new();
    for octet in octets {
        let mut carry = u32::from(*octet);
        for digit in &mut digits {
            let sum = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(sum % 10).unwrap_or_default();
            carry = sum / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}
