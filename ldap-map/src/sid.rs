//! Security identifiers (MS-DTYP 2.4.2).

use std::fmt;
use std::str::FromStr;

/// A security identifier in its binary form, which is what is compared.
///
/// Revision 1, one to fifteen sub-authorities. The text form is `S-1-...` with decimal numbers, the
/// identifier authority in hexadecimal where it does not fit 32 bits.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sid(Vec<u8>);

impl Sid {
    /// Reads the binary form: revision, count, six octets of authority (big-endian), then the
    /// sub-authorities (little-endian).
    ///
    /// # Errors
    /// [`SidError`] when the revision is not 1, the count is not 1 to 15 or the length does not fit it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SidError> {
        let (header, rest) = bytes.split_first_chunk::<8>().ok_or(SidError::Length)?;
        let [revision, count, ..] = *header;
        if revision != 1 {
            return Err(SidError::Revision(revision));
        }
        check_count(usize::from(count))?;
        if rest.len() != usize::from(count) * 4 {
            return Err(SidError::Length);
        }
        Ok(Self(bytes.to_vec()))
    }

    /// The binary form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The relative identifier: the last sub-authority.
    #[must_use]
    pub fn rid(&self) -> u32 {
        self.sub_authorities().last().expect("a SID has at least one sub-authority")
    }

    /// The SID without its last sub-authority: that of the domain for an account. `None` where nothing would
    /// remain.
    #[must_use]
    pub fn domain(&self) -> Option<Self> {
        let numbers: Vec<u32> = self.sub_authorities().collect();
        let (_, domain) = numbers.split_last()?;
        Self::from_parts(self.authority(), domain).ok()
    }

    /// Reads the text form of a domain's SID: `S-1-5-21-` and three numbers.
    ///
    /// # Errors
    /// [`SidError`]; [`SidError::NotADomain`] for the SID of anything else, an account of a domain among them.
    pub fn parse_domain(text: &str) -> Result<Self, SidError> {
        let sid: Self = text.parse()?;
        let numbers: Vec<u32> = sid.sub_authorities().collect();
        match numbers.as_slice() {
            [21, _, _, _] if sid.authority() == 5 => Ok(sid),
            _ => Err(SidError::NotADomain),
        }
    }

    /// The SID of another account of the same domain: this one with its last sub-authority replaced.
    #[must_use]
    pub fn sibling(&self, rid: u32) -> Self {
        let mut numbers: Vec<u32> = self.sub_authorities().collect();
        if let Some(last) = numbers.last_mut() {
            *last = rid;
        }
        Self::from_parts(self.authority(), &numbers).expect("the count of sub-authorities is unchanged")
    }

    fn from_parts(authority: u64, sub_authorities: &[u32]) -> Result<Self, SidError> {
        check_count(sub_authorities.len())?;
        let count =
            u8::try_from(sub_authorities.len()).map_err(|_| SidError::Count(sub_authorities.len()))?;
        let mut bytes = vec![1, count];
        bytes.extend(authority.to_be_bytes().into_iter().skip(2));
        bytes.extend(sub_authorities.iter().flat_map(|number| number.to_le_bytes()));
        Ok(Self(bytes))
    }

    fn authority(&self) -> u64 {
        self.0.iter().skip(2).take(6).fold(0, |sum, octet| (sum << 8) | u64::from(*octet))
    }

    fn sub_authorities(&self) -> impl Iterator<Item = u32> {
        let (_, rest) = self.0.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        rest.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk))
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority();
        if u32::try_from(authority).is_ok() {
            write!(f, "S-1-{authority}")?;
        } else {
            write!(f, "S-1-0x{authority:012x}")?;
        }
        self.sub_authorities().try_for_each(|number| write!(f, "-{number}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sid {
    type Err = SidError;

    /// Reads the text form; only the canonical spelling is accepted, so that one SID has one text.
    fn from_str(text: &str) -> Result<Self, SidError> {
        let mut parts = text.strip_prefix("S-1-").ok_or(SidError::Text)?.split('-');
        let authority = parse_authority(parts.next().ok_or(SidError::Text)?)?;
        // One more than allowed is enough to know that there are too many.
        let numbers: Vec<u32> = parts.take(16).map(parse_number).collect::<Result<_, _>>()?;
        Self::from_parts(authority, &numbers)
    }
}

/// Why octets or a text are not a security identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SidError {
    /// The octets are shorter or longer than the count of sub-authorities says.
    #[error("the length does not fit the count of sub-authorities")]
    Length,
    /// A revision other than 1.
    #[error("the revision is {0}, not 1")]
    Revision(u8),
    /// No sub-authority, or more than fifteen.
    #[error("the count of sub-authorities is {0}, not 1 to 15")]
    Count(usize),
    /// Not the text form `S-1-...` in its canonical spelling.
    #[error("the text is not a SID in its canonical form")]
    Text,
    /// A SID, but not that of a domain.
    #[error("the SID is not that of a domain, S-1-5-21- and three numbers")]
    NotADomain,
}

fn check_count(count: usize) -> Result<(), SidError> {
    if (1..=15).contains(&count) { Ok(()) } else { Err(SidError::Count(count)) }
}

fn parse_authority(text: &str) -> Result<u64, SidError> {
    let Some(digits) = text.strip_prefix("0x") else {
        return parse_number(text).map(u64::from);
    };
    let canonical = digits.len() == 12 && digits.bytes().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f'));
    let number = u64::from_str_radix(digits, 16).ok().filter(|_| canonical);
    number.filter(|number| u32::try_from(*number).is_err()).ok_or(SidError::Text)
}

fn parse_number(text: &str) -> Result<u32, SidError> {
    let canonical =
        text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical).ok_or(SidError::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "S-1-5-21-1004336348-1177238915-682003330-512";

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    #[test]
    fn the_binary_form_has_a_big_endian_authority_and_little_endian_numbers() {
        let bytes = hex::decode("010500000000000515000000dcf4dc3b833d2b46828ba62800020000").unwrap();
        assert_eq!(TEXT, Sid::from_bytes(&bytes).unwrap().to_string());
        assert_eq!(bytes, sid(TEXT).as_bytes());
    }

    #[test]
    fn an_account_has_a_rid_and_a_domain() {
        assert_eq!(512, sid(TEXT).rid());
        assert_eq!(Some(sid("S-1-5-21-1004336348-1177238915-682003330")), sid(TEXT).domain());
        assert_eq!(sid("S-1-5-21-1004336348-1177238915-682003330-525"), sid(TEXT).sibling(525));
    }

    #[test]
    fn the_sid_of_a_domain_is_told_from_others() {
        let domain = "S-1-5-21-1004336348-1177238915-682003330";
        assert_eq!(Ok(sid(domain)), Sid::parse_domain(domain));
        for other in [TEXT, "S-1-5-32", "S-1-5-21-1-2", "S-1-5-32-1-2-3", "S-1-18-21-1-2-3", "S-1-5-18"] {
            assert_eq!(Err(SidError::NotADomain), Sid::parse_domain(other), "{other}");
        }
        assert_eq!(Err(SidError::Text), Sid::parse_domain("corp.example"));
    }

    #[test]
    fn a_single_number_has_no_domain() {
        assert_eq!(None, sid("S-1-5-18").domain());
    }

    #[test]
    fn a_large_authority_is_written_in_hexadecimal() {
        let text = "S-1-0x010000000000-7";
        assert_eq!(text, sid(text).to_string());
    }

    #[test]
    fn octets_that_are_no_sid_are_refused() {
        for (octets, error) in [
            ("", SidError::Length),
            ("01010000000000", SidError::Length),
            ("0201000000000005 12000000", SidError::Revision(2)),
            ("0100000000000005", SidError::Count(0)),
            ("0110000000000005", SidError::Count(16)),
            ("0102000000000005 12000000", SidError::Length),
            ("0101000000000005 12000000 00", SidError::Length),
        ] {
            let octets = hex::decode(octets.replace(' ', "")).unwrap();
            assert_eq!(Err(error), Sid::from_bytes(&octets));
        }
    }

    #[test]
    fn spellings_that_are_not_canonical_are_refused() {
        for text in
            ["", "S-1", "S-1-", "s-1-5-18", "S-2-5-18", "S-1-5-018", "S-1-5-+18", "S-1-5--18", "S-1-5-18 "]
        {
            assert!(text.parse::<Sid>().is_err(), "{text:?}");
        }
        assert_eq!(Err(SidError::Text), "S-1-5-4294967296".parse::<Sid>());
        assert_eq!(Err(SidError::Text), "S-1-0x000000000005-18".parse::<Sid>());
        assert_eq!(Err(SidError::Count(0)), "S-1-5".parse::<Sid>());
        assert_eq!(Err(SidError::Count(16)), format!("S-1-5{}", "-1".repeat(30)).parse::<Sid>());
    }

    proptest! {
        #[test]
        fn every_binary_sid_survives_its_text(
            authority in 0_u64..1 << 48,
            numbers in prop::collection::vec(any::<u32>(), 1..=15)
        ) {
            let sid = Sid::from_parts(authority, &numbers).unwrap();
            prop_assert_eq!(&sid, &sid.to_string().parse().unwrap());
            prop_assert_eq!(&sid, &Sid::from_bytes(sid.as_bytes()).unwrap());
        }

        #[test]
        fn no_text_stops_the_reader(text in "(S-1-)?[-0-9a-fx]{0,40}") {
            if let Ok(sid) = text.parse::<Sid>() {
                prop_assert_eq!(text, sid.to_string());
            }
        }
    }
}
