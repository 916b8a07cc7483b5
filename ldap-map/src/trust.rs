//! What a domain says of another one that it trusts (MS-ADTS 6.1.6.7).

use crate::entry::{AttributeError, Entry, malformed};
use crate::schema::Attribute;
use crate::sid::Sid;

/// A `trustedDomain` object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustedDomain {
    /// `securityIdentifier`: the SID of the other domain, as our own domain keeps it.
    pub sid: Sid,
    /// `trustDirection`.
    pub direction: TrustDirection,
}

/// Who trusts whom, the bits of `trustDirection` (MS-ADTS 6.1.6.7.12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrustDirection(pub u32);

impl TrustDirection {
    /// The other domain trusts the one that was asked.
    pub const INBOUND: Self = Self(0x1);
    /// The domain that was asked trusts the other.
    pub const OUTBOUND: Self = Self(0x2);

    /// Whether each trusts the other: its users are let in, and its domain controllers take our tickets.
    #[must_use]
    pub const fn is_mutual(self) -> bool {
        let both = Self::INBOUND.0 | Self::OUTBOUND.0;
        self.0 & both == both
    }
}

impl TrustedDomain {
    /// The attributes that [`Self::from_entry`] reads.
    pub const ATTRIBUTES: &'static [Attribute] =
        &[Attribute::SECURITY_IDENTIFIER, Attribute::TRUST_DIRECTION];

    /// Reads a `trustedDomain` object.
    ///
    /// # Errors
    /// [`AttributeError`] naming the attribute that is missing or malformed; a realm that is no Windows domain has no SID.
    pub fn from_entry(entry: &Entry) -> Result<Self, AttributeError> {
        let attribute = Attribute::SECURITY_IDENTIFIER;
        let sid = Sid::from_bytes(entry.required(attribute)?).map_err(|_| malformed(attribute))?;
        Ok(Self { sid, direction: TrustDirection(entry.bits(Attribute::TRUST_DIRECTION)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::AttributeProblem;
    use crate::testing::{DOMAIN_SID, Person};

    fn object() -> Person {
        let sid: Sid = DOMAIN_SID.parse().unwrap();
        Person::empty("CN=beta.example,CN=System,DC=corp,DC=example")
            .with("securityIdentifier", &[sid.as_bytes()])
            .with("trustDirection", &["3"])
    }

    #[test]
    fn a_trust_tells_the_sid_and_who_trusts_whom() {
        let trusted = TrustedDomain::from_entry(&object().entry()).unwrap();
        assert_eq!(trusted, TrustedDomain { sid: DOMAIN_SID.parse().unwrap(), direction: TrustDirection(3) });
        assert!(trusted.direction.is_mutual());
        for one_way in ["0", "1", "2"] {
            let entry = object().with("trustDirection", &[one_way]).entry();
            assert!(!TrustedDomain::from_entry(&entry).unwrap().direction.is_mutual(), "{one_way}");
        }
    }

    #[test]
    fn a_trust_without_a_sid_is_named_by_the_attribute() {
        let error = TrustedDomain::from_entry(&object().without("securityIdentifier").entry()).unwrap_err();
        assert_eq!(error.attribute, Attribute::SECURITY_IDENTIFIER);
        assert_eq!(error.problem, AttributeProblem::Missing);
        let broken = object().with("securityIdentifier", &[b"S-1-5-21"]).entry();
        assert_eq!(TrustedDomain::from_entry(&broken).unwrap_err().problem, AttributeProblem::Malformed);
    }
}
