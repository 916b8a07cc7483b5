//! The revoked certificates of one CRL, sorted, 32 octets each.

/// A certificate serial number: an INTEGER of at most 20 octets (RFC 5280 section 4.1.2.2).
///
/// Negative numbers, which the standard forbids and some CAs issue, stay distinct from positive ones.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Serial {
    negative: bool,
    /// Two's complement, extended to the left.
    octets: [u8; Self::LONGEST],
}

impl Serial {
    const LONGEST: usize = 20;

    /// Takes the contents octets of a DER INTEGER; `None` where they are empty or longer than 20 octets without
    /// the sign octet.
    pub(crate) fn from_integer(contents: &[u8]) -> Option<Self> {
        let negative = contents.first()? & 0x80 != 0;
        let fill = if negative { 0xff } else { 0 };
        let significant = match contents {
            // A positive number whose highest bit is set carries one octet of zeros.
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        let start = Self::LONGEST.checked_sub(significant.len())?;
        let mut octets = [fill; Self::LONGEST];
        octets.get_mut(start..)?.copy_from_slice(significant);
        Some(Self { negative, octets })
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }
}

impl std::fmt::Display for Serial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fill = if self.negative { 0xff } else { 0 };
        let start = self.octets.iter().position(|octet| *octet != fill).unwrap_or(Self::LONGEST - 1);
        if self.negative {
            f.write_str("negative ")?;
        }
        for octet in self.octets.iter().skip(start) {
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

/// Why a certificate was revoked (RFC 5280 section 5.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// 0, or no reason was given.
    Unspecified,
    /// 1.
    KeyCompromise,
    /// 2.
    CaCompromise,
    /// 3.
    AffiliationChanged,
    /// 4.
    Superseded,
    /// 5.
    CessationOfOperation,
    /// 6: suspended; a later CRL may let the certificate in again.
    CertificateHold,
    /// 8: in this CRL the entry takes the revocation back (RFC 5280 section 6.3.3 (l)).
    RemoveFromCrl,
    /// 9.
    PrivilegeWithdrawn,
    /// 10.
    AaCompromise,
    /// A number the standard does not define. The certificate is revoked all the same.
    Undefined(u8),
}

impl Reason {
    /// Takes the value of the CRLReason ENUMERATED.
    pub(crate) fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Unspecified,
            1 => Self::KeyCompromise,
            2 => Self::CaCompromise,
            3 => Self::AffiliationChanged,
            4 => Self::Superseded,
            5 => Self::CessationOfOperation,
            6 => Self::CertificateHold,
            8 => Self::RemoveFromCrl,
            9 => Self::PrivilegeWithdrawn,
            10 => Self::AaCompromise,
            other => Self::Undefined(other),
        }
    }
}

impl Reason {
    fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
            Self::RemoveFromCrl => 8,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
            Self::Undefined(code) => code,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
            Self::Undefined(code) => return write!(f, "undefined reason {code}"),
        })
    }
}

/// One revoked certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Which of the list's issuers issued it: 0 is the issuer of the list, others occur in indirect lists only.
    pub(crate) issuer: u16,
    pub(crate) serial: Serial,
    pub(crate) reason: Reason,
    /// The revocation date, in seconds since 1970.
    pub(crate) since: u64,
}

/// An entry as it is kept: 32 octets, since a list may have millions.
#[derive(Clone, Copy, Debug)]
struct Packed {
    since: u64,
    issuer: u16,
    serial: Serial,
    reason: u8,
}

impl Packed {
    fn key(&self) -> (u16, Serial) {
        (self.issuer, self.serial)
    }
}

/// The entries of a list that is being read. Room is made once, for as many as there are: a list of a million must not be
/// in memory twice, nor with slack.
pub(super) struct Unsorted(Vec<Packed>);

impl Unsorted {
    pub(super) fn with_room_for(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub(super) fn push(&mut self, entry: &Entry) {
        let Entry { issuer, serial, reason, since } = *entry;
        self.0.push(Packed { since, issuer, serial, reason: reason.code() });
    }

    /// Sorts in place.
    pub(super) fn sorted(mut self) -> Entries {
        // Where a list contradicts itself, the revocation comes first; what else differs only makes the order certain.
        self.0.sort_unstable_by_key(|entry| {
            let takes_back = entry.reason == Reason::RemoveFromCrl.code();
            (entry.key(), takes_back, entry.since, entry.reason)
        });
        Entries(self.0.into_boxed_slice())
    }
}

/// All entries of one CRL, sorted by issuer and serial number for binary search.
#[derive(Debug, Default)]
pub(crate) struct Entries(Box<[Packed]>);

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first entry of a certificate; one that takes its revocation back counts as one.
    pub(crate) fn find(&self, issuer: u16, serial: &Serial) -> Option<Entry> {
        let index = self.0.partition_point(|entry| entry.key() < (issuer, *serial));
        let found = self.0.get(index).filter(|entry| entry.key() == (issuer, *serial))?;
        let reason = Reason::from_code(found.reason);
        Some(Entry { issuer: found.issuer, serial: found.serial, reason, since: found.since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(contents: &[u8]) -> Serial {
        Serial::from_integer(contents).expect("a serial number")
    }

    fn sorted(entries: impl IntoIterator<Item = Entry>) -> Entries {
        let mut unsorted = Unsorted::with_room_for(0);
        entries.into_iter().for_each(|entry| unsorted.push(&entry));
        unsorted.sorted()
    }

    #[test]
    fn an_entry_costs_at_most_32_octets() {
        assert!(size_of::<Packed>() <= 32, "{}", size_of::<Packed>());
    }

    #[test]
    fn of_an_entry_and_its_removal_in_one_list_the_entry_comes_first() {
        let entry = |reason| Entry { issuer: 0, serial: serial(&[5]), reason, since: 7 };
        for reasons in [[8, 1], [1, 8], [8, 9], [9, 8]] {
            let found = sorted(reasons.map(|code| entry(Reason::from_code(code)))).find(0, &serial(&[5]));
            assert_ne!(found.expect("two of them").reason, Reason::RemoveFromCrl, "{reasons:?}");
        }
    }

    #[test]
    fn the_sign_octet_does_not_count() {
        assert_eq!(serial(&[0, 0x80]).to_string(), "80");
        assert!(Serial::from_integer(&[&[0], [0xff; 20].as_slice()].concat()).is_some());
        assert!(Serial::from_integer(&[1; 21]).is_none());
    }

    #[test]
    fn a_negative_serial_is_not_its_positive_twin() {
        assert_ne!(serial(&[0xff]), serial(&[0, 0xff]));
        assert_ne!(serial(&[0x80; 20]), serial(&[&[0], [0x80; 20].as_slice()].concat()));
    }

    #[test]
    fn zero_is_a_serial_and_nothing_is_not() {
        assert_eq!(serial(&[0]).to_string(), "00");
        assert!(Serial::from_integer(&[]).is_none());
    }

    #[test]
    fn every_entry_is_found_and_nothing_else() {
        let entry = |n: u16| Entry {
            issuer: 0,
            serial: serial(&[&[1], n.to_be_bytes().as_slice()].concat()),
            reason: Reason::Unspecified,
            since: 1,
        };
        let entries = sorted((0..1000).rev().step_by(2).map(entry));
        assert!((0..1000).filter(|n| n % 2 == 1).all(|n| entries.find(0, &entry(n).serial).is_some()));
        assert!((0..1000).filter(|n| n % 2 == 0).all(|n| entries.find(0, &entry(n).serial).is_none()));
    }

    #[test]
    fn an_entry_of_another_issuer_is_not_found_under_this_one() {
        let entry = Entry { issuer: 1, serial: serial(&[5]), reason: Reason::KeyCompromise, since: 7 };
        let entries = sorted([entry]);
        assert_eq!(entries.find(1, &serial(&[5])), Some(entry));
        assert_eq!(entries.find(0, &serial(&[5])), None);
    }
}
