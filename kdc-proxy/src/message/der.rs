//! The form of DER (X.690), before anything is read from it.

/// Most values inside one another. Kerberos' deepest has about twenty.
const MAX_DEPTH: usize = 64;

/// Whether `bytes` are one value of DER (X.690 sections 8.1 and 10.1): definite lengths in their shortest form, and each value
/// constructed or primitive as its tag demands, which the decoder itself does not ask. All tags of Kerberos are explicit and
/// below 31 (RFC 4120 section 5).
pub(super) fn is_der(bytes: &[u8]) -> bool {
    let (mut place, mut ends) = (0, Vec::new());
    loop {
        let end = ends.last().copied().unwrap_or(bytes.len());
        let header = bytes.get(place..end).and_then(header);
        let Some((is_constructed, start, length)) = header else { return false };
        let start = place + start;
        if length > end - start {
            return false;
        }
        place = start + length;
        if is_constructed && length > 0 {
            if ends.len() == MAX_DEPTH {
                return false;
            }
            (place, _) = (start, ends.push(place));
        }
        while ends.last() == Some(&place) {
            ends.pop();
        }
        if ends.is_empty() {
            return place == bytes.len();
        }
    }
}

/// Reads tag and length: whether the value is constructed, where its content begins and how long it is.
fn header(bytes: &[u8]) -> Option<(bool, usize, usize)> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    let (is_universal, number, is_constructed) = (tag & 0xc0 == 0, tag & 0x1f, tag & 0x20 != 0);
    let must_be_constructed = !is_universal || matches!(number, 16 | 17);
    if number == 0x1f || is_constructed != must_be_constructed {
        return None;
    }
    if first < 0x80 {
        return Some((is_constructed, 2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    let octets = bytes.get(2..2 + count).filter(|_| (1..=3).contains(&count))?;
    let length = octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
    let is_shortest = length >= 0x80 && octets.first() != Some(&0);
    is_shortest.then_some((is_constructed, 2 + count, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value around another, with the length in its shortest form.
    fn around(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        let header = match content.len() {
            0..=0x7f => vec![tag, length[3]],
            0x80..=0xff => vec![tag, 0x81, length[3]],
            0x100..=0xffff => vec![tag, 0x82, length[2], length[3]],
            _ => vec![tag, 0x83, length[1], length[2], length[3]],
        };
        [&header, content].concat()
    }

    #[test]
    fn values_as_their_tags_demand_are_of_the_form() {
        let content = vec![0; 300];
        for octets in [
            vec![0x30, 0],
            vec![0x04, 0],
            vec![0x30, 6, 2, 1, 5, 2, 1, 6],
            vec![0x7e, 7, 0x30, 5, 0xa0, 3, 2, 1, 5],
            around(0x04, &content),
            around(0x04, &vec![0; 70_000]),
            around(0x30, &around(0xa1, &around(0x1b, &content))),
        ] {
            assert!(is_der(&octets), "{}", hex::encode(octets));
        }
    }

    #[test]
    fn a_value_that_is_constructed_or_primitive_against_its_tag_is_not() {
        for octets in [
            &[0x10, 0][..],
            &[0x24, 0],
            &[0x22, 1, 5],
            &[0x5e, 2, 0x30, 0],
            &[0x30, 3, 0x80, 1, 5],
            &[0x30, 5, 0xa0, 3, 0x22, 1, 5],
        ] {
            assert!(!is_der(octets), "{}", hex::encode(octets));
        }
    }

    #[test]
    fn lengths_that_are_longer_than_they_need_or_indefinite_are_not() {
        for octets in [
            &[0x30, 0x80, 0, 0][..],
            &[0x04, 0x81, 1, 0],
            &[0x04, 0x82, 0, 0x80],
            &[0x04, 0x84, 0, 0, 0, 1, 0],
            &[0x04, 0xff],
        ] {
            assert!(!is_der(octets), "{}", hex::encode(octets));
        }
    }

    #[test]
    fn what_is_cut_off_runs_over_or_is_followed_by_something_is_not() {
        let whole = [0x7e, 7, 0x30, 5, 0xa0, 3, 2, 1, 5];
        for length in 0..whole.len() {
            assert!(!is_der(&whole[..length]), "{length}");
        }
        for octets in [&[0x30, 0, 0][..], &[0x30, 0, 0x30, 0], &[0x30, 3, 2, 2, 5], &[0x30, 3, 2, 1, 5, 0]] {
            assert!(!is_der(octets), "{}", hex::encode(octets));
        }
        assert!(!is_der(&[0x30, 4, 0xa0, 3, 2, 1, 5]), "the inner value is longer than the outer");
        assert!(!is_der(&[0x1f, 0x1f, 0]) && !is_der(&[0xbf, 0x20, 0]), "tags of several octets");
    }

    #[test]
    fn values_nested_deeper_than_any_message_are_not() {
        let nested = |depth: usize| (0..depth).fold(vec![0x04, 0], |inner, _| around(0x30, &inner));
        assert!(is_der(&nested(MAX_DEPTH)));
        assert!(!is_der(&nested(MAX_DEPTH + 1)));
        assert!(!is_der(&nested(20_000)));
    }
}
