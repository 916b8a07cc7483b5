//! Dates before 1970, which UTCTime can tell (RFC 5280 section 4.1.2.5.1: 1950 to 2049) and the certificate reader cannot.

use std::ops::Range;

use der::{Decode as _, Header, Reader as _, SliceReader, Tag};

/// The certificate with dates before 1970 set to its first second, which changes no verdict: the clock stands behind
/// either. `None` where there is none, or the octets are no certificate. Its signature does not hold any more.
pub(super) fn since_1970(encoded: &[u8]) -> Option<Vec<u8>> {
    let certificate = element(encoded, 0)?;
    let signed = element(encoded, certificate.contents.start)?;
    let mut field = element(encoded, signed.contents.start)?;
    // version, where it is stated; then serialNumber, signature, issuer.
    let before_validity = if matches!(field.tag, Tag::ContextSpecific { .. }) { 4 } else { 3 };
    for _ in 0..before_validity {
        field = element(encoded, field.contents.end)?;
    }
    let not_before = element(encoded, field.contents.start)?;
    let not_after = element(encoded, not_before.contents.end)?;
    let mut later = encoded.to_vec();
    let mut changed = false;
    for date in [not_before, not_after] {
        let text = later.get_mut(date.contents)?;
        let first_second: &[u8] = match (date.tag, &*text) {
            (Tag::UtcTime, [b'5' | b'6', b'0'..=b'9', ..]) => b"700101000000Z",
            (Tag::GeneralizedTime, [b'0', ..] | [b'1', b'0'..=b'8', ..] | [b'1', b'9', b'0'..=b'6', ..]) => {
                b"19700101000000Z"
            }
            _ => continue,
        };
        if text.len() != first_second.len() || !text.ends_with(b"Z") || !digits(text) {
            return None;
        }
        text.copy_from_slice(first_second);
        changed = true;
    }
    changed.then_some(later)
}

/// All but the last octet are digits.
fn digits(text: &[u8]) -> bool {
    text.split_last().is_some_and(|(_, digits)| digits.iter().all(u8::is_ascii_digit))
}

struct Element {
    tag: Tag,
    contents: Range<usize>,
}

/// The element that begins at an octet.
fn element(encoded: &[u8], at: usize) -> Option<Element> {
    let mut reader = SliceReader::new(encoded.get(at..)?).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    let start = at.checked_add(usize::try_from(reader.position()).ok()?)?;
    let end = start.checked_add(usize::try_from(header.length()).ok()?)?;
    (end <= encoded.len()).then_some(Element { tag: header.tag(), contents: start..end })
}
