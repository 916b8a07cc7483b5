//! Names of certificates as RFC 4514 text.

use std::fmt::Write;

use x509_parser::asn1_rs::{Any, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::{CertificateError, MAXIMUM_COUNT};
use crate::tlv::object_identifier;
use crate::x500_name::X500Name;

/// The text of a name: most specific part first, the short names of RFC 4514 section 3, everything else as
/// `1.2.3=#` and the value's encoding in hexadecimal.
pub(super) fn rfc4514(name: &X509Name<'_>) -> Result<String, CertificateError> {
    let parts: Vec<_> = name.iter_rdn().collect();
    if parts.len() > MAXIMUM_COUNT {
        return Err(CertificateError::TooMany);
    }
    let mut text = String::new();
    for part in parts.into_iter().rev() {
        for (place, pair) in part.iter().enumerate() {
            if place > 0 {
                text.push('+');
            } else if !text.is_empty() {
                text.push(',');
            }
            write_pair(&mut text, pair)?;
        }
    }
    Ok(text)
}

/// The name as Windows writes it; `None` where a value is no text, or the whole would read back as another name.
pub(super) fn x500(name: &X509Name<'_>) -> Option<X500Name> {
    let mut parts = Vec::new();
    for part in name.iter_rdn() {
        let pairs = part.iter().map(|pair| {
            let oid = object_identifier(pair.attr_type().as_bytes()).ok()?;
            Some((oid, readable(pair.attr_value())?))
        });
        parts.push(pairs.collect::<Option<Vec<_>>>()?);
    }
    X500Name::written(&parts)
}

fn write_pair(text: &mut String, pair: &AttributeTypeAndValue<'_>) -> Result<(), CertificateError> {
    let oid = object_identifier(pair.attr_type().as_bytes()).map_err(|_| CertificateError::Certificate)?;
    match (short_name(&oid), readable(pair.attr_value())) {
        (Some(short), Some(value)) => {
            text.push_str(short);
            text.push('=');
            escape(text, &value);
        }
        _ => {
            let octets = pair.attr_value().to_der_vec_raw().map_err(|_| CertificateError::Certificate)?;
            text.push_str(&oid);
            text.push_str("=#");
            for octet in octets {
                write!(text, "{octet:02x}").expect("a String takes every write");
            }
        }
    }
    Ok(())
}

fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        _ => return None,
    })
}

/// The string types whose octets mean what they say: UTF8String, NumericString, PrintableString, IA5String; and
/// BMPString, which is two octets a character.
fn readable(value: &Any<'_>) -> Option<String> {
    match value.tag().0 {
        12 => String::from_utf8(value.data.to_vec()).ok(),
        18 | 19 | 22 if value.data.is_ascii() => String::from_utf8(value.data.to_vec()).ok(),
        30 => {
            let (units, rest) = value.data.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// RFC 4514 2.4; control characters are written as hexadecimal pairs too, so that the text is one line.
fn escape(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        let at_edge = (place == 0 && matches!(character, ' ' | '#')) || (place == last && character == ' ');
        if at_edge || matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            text.push('\\');
            text.push(character);
        } else if character.is_control() {
            let mut octets = [0; 4];
            for octet in character.encode_utf8(&mut octets).bytes() {
                write!(text, "\\{octet:02x}").expect("a String takes every write");
            }
        } else {
            text.push(character);
        }
    }
}
