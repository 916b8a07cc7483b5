//! Tag, length, value: the common ground of DER (certificates) and BER (LDAP messages), X.690 8.1.
//!
//! Only what both use: tags of one octet, definite lengths of at most four octets. There is no recursion, so
//! that nesting costs nothing.

use zeroize::Zeroizing;

/// Reads one element after the other from octets that are all there.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    rules: Rules,
}

/// Which of the two rules for lengths holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rules {
    /// Any definite length: directories pad theirs to four octets.
    Basic,
    /// The shortest possible length only (X.690 10.1).
    Distinguished,
}

/// One element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
}

/// Octets that are not a sequence of elements.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the encoding is not well-formed")]
pub(crate) struct EncodingError;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

impl<'a> Reader<'a> {
    pub(crate) const fn new(octets: &'a [u8], rules: Rules) -> Self {
        Self { rest: octets, rules }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element, whatever its tag.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, EncodingError> {
        let (tag, header, length) = header(self.rest, self.rules)?.ok_or(EncodingError)?;
        let body = self.rest.get(header..).ok_or(EncodingError)?;
        let (value, rest) = body.split_at_checked(length).ok_or(EncodingError)?;
        self.rest = rest;
        Ok(Element { tag, value })
    }

    /// The value of the next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], EncodingError> {
        let element = self.any()?;
        if element.tag == tag { Ok(element.value) } else { Err(EncodingError) }
    }

    /// A reader of the inside of the next element, which must have this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Result<Self, EncodingError> {
        let value = self.expect(tag)?;
        Ok(Self::new(value, self.rules))
    }

    /// Refuses what is left over.
    pub(crate) const fn end(&self) -> Result<(), EncodingError> {
        if self.rest.is_empty() { Ok(()) } else { Err(EncodingError) }
    }
}

/// The length of the whole element that begins with these octets, header included, or `None` when more of
/// the header is needed to tell.
pub(crate) fn element_length(octets: &[u8]) -> Result<Option<usize>, EncodingError> {
    let Some((_, header, length)) = header(octets, Rules::Basic)? else { return Ok(None) };
    header.checked_add(length).map(Some).ok_or(EncodingError)
}

/// Tag, length of the header and length of the value.
fn header(octets: &[u8], rules: Rules) -> Result<Option<(u8, usize, usize)>, EncodingError> {
    let [tag, first, rest @ ..] = octets else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(EncodingError);
    }
    if *first < 0x80 {
        return Ok(Some((*tag, 2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err(EncodingError);
    }
    let Some(digits) = rest.get(..count) else { return Ok(None) };
    let length = digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit));
    let shortest = digits.first() != Some(&0) && length >= 0x80;
    if rules == Rules::Distinguished && !shortest {
        return Err(EncodingError);
    }
    Ok(Some((*tag, 2 + count, length)))
}

/// The encoding of one element whose value is made of these parts, in a buffer that wipes itself and was
/// never moved: passwords pass through here.
pub(crate) fn element<Part: AsRef<[u8]>>(tag: u8, parts: &[Part]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.as_ref().len()).sum();
    let mut octets = Zeroizing::new(Vec::with_capacity(length + 9));
    octets.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => octets.push(short),
        _ => {
            let digits = u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes();
            let leading = digits.iter().take_while(|digit| **digit == 0).count();
            octets.push(0x80 | u8::try_from(digits.len() - leading).unwrap_or(8));
            octets.extend(digits.into_iter().skip(leading));
        }
    }
    parts.iter().for_each(|part| octets.extend_from_slice(part.as_ref()));
    octets
}

/// The dotted form of an object identifier (X.690 8.19); arcs beyond 64 bits are refused.
pub(crate) fn object_identifier(value: &[u8]) -> Result<String, EncodingError> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0_u64;
    let mut within = false;
    for octet in value {
        if !within && *octet == 0x80 {
            return Err(EncodingError);
        }
        arc = arc.checked_mul(128).ok_or(EncodingError)? | u64::from(octet & 0x7f);
        within = octet & 0x80 != 0;
        if !within {
            arcs.push(arc);
            arc = 0;
        }
    }
    let (first, others) = arcs.split_first().filter(|_| !within).ok_or(EncodingError)?;
    let root = (*first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    others.iter().for_each(|arc| text.push_str(&format!(".{arc}")));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_come_in_order() {
        let mut reader = Reader::new(&[0x04, 0x01, 0xaa, 0x30, 0x00], Rules::Distinguished);
        assert_eq!(Ok(&[0xaa][..]), reader.expect(OCTET_STRING));
        assert!(reader.enter(SEQUENCE).unwrap().is_empty());
        assert_eq!(Ok(()), reader.end());
    }

    #[test]
    fn padded_lengths_are_for_messages_only() {
        let octets = [0x04, 0x84, 0x00, 0x00, 0x00, 0x01, 0xaa];
        assert_eq!(Ok(&[0xaa][..]), Reader::new(&octets, Rules::Basic).expect(OCTET_STRING));
        assert_eq!(Err(EncodingError), Reader::new(&octets, Rules::Distinguished).expect(OCTET_STRING));
    }

    #[test]
    fn malformed_elements_are_refused() {
        for octets in [
            &[0x04][..],
            &[0x04, 0x02, 0xaa],
            &[0x04, 0x80, 0x00, 0x00],
            &[0x04, 0x85, 0, 0, 0, 0, 0],
            &[0x1f, 0x01, 0x00],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(Err(EncodingError), Reader::new(octets, Rules::Basic).any(), "{octets:x?}");
        }
    }

    #[test]
    fn object_identifiers_are_dotted() {
        let value = hex::decode("2b060104018237140203").unwrap();
        assert_eq!(Ok("1.3.6.1.4.1.311.20.2.3".to_owned()), object_identifier(&value));
        assert_eq!(Ok("2.5.29.17".to_owned()), object_identifier(&[0x55, 0x1d, 0x11]));
        assert_eq!(Ok("2.999".to_owned()), object_identifier(&[0x88, 0x37]));
        assert_eq!(Err(EncodingError), object_identifier(&[]));
        assert_eq!(Err(EncodingError), object_identifier(&[0x55, 0x80, 0x01]));
        assert_eq!(Err(EncodingError), object_identifier(&[0x55, 0x9d]));
        assert_eq!(Err(EncodingError), object_identifier(&[0xff; 20]));
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let value = vec![0xaa; length];
            let octets = element(OCTET_STRING, &[&value]);
            let mut reader = Reader::new(&octets, Rules::Distinguished);
            assert_eq!(Ok(&value[..]), reader.expect(OCTET_STRING), "{length}");
            assert_eq!(Ok(()), reader.end());
        }
    }

    proptest! {
        #[test]
        fn no_octets_stop_the_reader(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            for rules in [Rules::Basic, Rules::Distinguished] {
                let mut reader = Reader::new(&octets, rules);
                while reader.any().is_ok() {}
            }
            if let Ok(text) = object_identifier(&octets) {
                prop_assert!(text.contains('.'));
            }
        }
    }
}
