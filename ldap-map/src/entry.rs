//! One object of the directory as its octets: attributes and values, and how single values are read.

use crate::guid::Guid;
use crate::schema::{Attribute, AttributeName, UserAccountControl};
use crate::sid::Sid;

/// An object's name and the attributes that were asked for, as the directory sent them.
///
/// Names of attributes compare without regard to case (RFC 4512 2.5). No attribute is there twice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entry {
    dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// An entry without attributes.
    #[must_use]
    pub fn new(dn: &str) -> Self {
        Self { dn: dn.to_owned(), attributes: Vec::new() }
    }

    /// Adds an attribute with its values; `false` when it is there already, and then nothing changes.
    #[must_use]
    pub fn add(&mut self, attribute: &str, values: Vec<Vec<u8>>) -> bool {
        let fresh = !self.attributes.iter().any(|(name, _)| name.eq_ignore_ascii_case(attribute));
        if fresh {
            self.attributes.push((attribute.to_owned(), values));
        }
        fresh
    }

    /// The distinguished name as sent.
    #[must_use]
    pub fn dn(&self) -> &str {
        &self.dn
    }

    /// All values of an attribute; none when it is absent.
    ///
    /// # Errors
    /// The directory sent a part of the values only (`name;range=0-1499`).
    pub fn values(&self, attribute: Attribute) -> Result<&[Vec<u8>], AttributeError> {
        let is_part = |name: &str| {
            let (base, options) = name.split_once(';').unwrap_or((name, ""));
            !options.is_empty() && base.eq_ignore_ascii_case(attribute.as_str())
        };
        if self.attributes.iter().any(|(name, _)| is_part(name)) {
            return Err(AttributeError { attribute, problem: AttributeProblem::Incomplete });
        }
        let found = self.attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute.as_str()));
        Ok(found.map_or(&[], |(_, values)| values))
    }

    /// All values of an attribute that a configuration chose; none when it is absent, and also when the directory sent a part of
    /// them only.
    #[must_use]
    pub fn held(&self, attribute: &AttributeName) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(name, _)| attribute.is(name));
        found.map_or(&[], |(_, values)| values)
    }

    /// The single value of an attribute, or `None` when it is absent.
    ///
    /// # Errors
    /// There is more than one value.
    pub fn optional(&self, attribute: Attribute) -> Result<Option<&[u8]>, AttributeError> {
        match self.values(attribute)? {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(AttributeError { attribute, problem: AttributeProblem::Several }),
        }
    }

    /// The single value of an attribute that every account has.
    ///
    /// # Errors
    /// It is absent (which is also how the directory withholds what the reader may not see), or there is more
    /// than one value.
    pub fn required(&self, attribute: Attribute) -> Result<&[u8], AttributeError> {
        self.optional(attribute)?.ok_or(AttributeError { attribute, problem: AttributeProblem::Missing })
    }

    /// A required text.
    ///
    /// # Errors
    /// As [`Self::required`], or the octets are not UTF-8.
    pub fn text(&self, attribute: Attribute) -> Result<&str, AttributeError> {
        str::from_utf8(self.required(attribute)?).map_err(|_| malformed(attribute))
    }

    /// An optional text.
    ///
    /// # Errors
    /// As [`Self::optional`], or the octets are not UTF-8.
    pub fn optional_text(&self, attribute: Attribute) -> Result<Option<&str>, AttributeError> {
        self.optional(attribute)?.map(str::from_utf8).transpose().map_err(|_| malformed(attribute))
    }

    /// An optional whole number (RFC 4517 3.3.16), as the directory's 64-bit signed integers are written.
    ///
    /// # Errors
    /// As [`Self::optional_text`], or the text is not such a number.
    pub fn optional_number(&self, attribute: Attribute) -> Result<Option<i64>, AttributeError> {
        let text = self.optional_text(attribute)?;
        text.map(str::parse).transpose().map_err(|_| malformed(attribute))
    }

    /// An optional set of 32 bits, which the directory writes as a signed number.
    ///
    /// # Errors
    /// As [`Self::optional_number`], or the number does not fit 32 bits.
    pub fn optional_bits(&self, attribute: Attribute) -> Result<Option<u32>, AttributeError> {
        let number = self.optional_number(attribute)?;
        let bits = number
            .map(|number| i32::try_from(number).map(i32::cast_unsigned).or_else(|_| u32::try_from(number)));
        bits.transpose().map_err(|_| malformed(attribute))
    }

    /// A required set of 32 bits.
    ///
    /// # Errors
    /// As [`Self::required`] and [`Self::optional_bits`].
    pub fn bits(&self, attribute: Attribute) -> Result<u32, AttributeError> {
        self.optional_bits(attribute)?.ok_or(AttributeError { attribute, problem: AttributeProblem::Missing })
    }

    pub(crate) fn sid(&self) -> Result<Sid, AttributeError> {
        let attribute = Attribute::OBJECT_SID;
        Sid::from_bytes(self.required(attribute)?).map_err(|_| malformed(attribute))
    }

    pub(crate) fn guid(&self) -> Result<Guid, AttributeError> {
        let attribute = Attribute::OBJECT_GUID;
        Guid::from_bytes(self.required(attribute)?).map_err(|_| malformed(attribute))
    }

    pub(crate) fn account_control(&self) -> Result<UserAccountControl, AttributeError> {
        self.bits(Attribute::USER_ACCOUNT_CONTROL).map(UserAccountControl)
    }
}

pub(crate) const fn malformed(attribute: Attribute) -> AttributeError {
    AttributeError { attribute, problem: AttributeProblem::Malformed }
}

/// An attribute of an object that cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the attribute {attribute} {problem}")]
pub struct AttributeError {
    /// Which attribute.
    pub attribute: Attribute,
    /// What is wrong with it.
    pub problem: AttributeProblem,
}

/// What can be wrong with an attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeProblem {
    /// It is absent, or the directory does not let the service account read it.
    #[error("is missing or may not be read")]
    Missing,
    /// It has several values where one is defined.
    #[error("has more than one value")]
    Several,
    /// A value is not of the attribute's form.
    #[error("is malformed")]
    Malformed,
    /// It has more values than the directory sends at once.
    #[error("has more values than one answer holds")]
    Incomplete,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attribute: &str, values: &[&str]) -> Entry {
        let mut entry = Entry::new("CN=alice,DC=corp,DC=example");
        assert!(entry.add(attribute, values.iter().map(|value| value.as_bytes().to_vec()).collect()));
        entry
    }

    fn problem<T>(result: Result<T, AttributeError>) -> Option<AttributeProblem> {
        result.err().map(|error| error.problem)
    }

    #[test]
    fn names_compare_without_regard_to_case() {
        assert_eq!(Ok("alice"), entry("SAMACCOUNTNAME", &["alice"]).text(Attribute::SAM_ACCOUNT_NAME));
    }

    #[test]
    fn an_attribute_is_there_once() {
        let mut entry = entry("sAMAccountName", &["alice"]);
        assert!(!entry.add("samaccountname", vec![b"bob".to_vec()]));
        assert_eq!(Ok("alice"), entry.text(Attribute::SAM_ACCOUNT_NAME));
    }

    #[test]
    fn two_values_are_not_one() {
        let entry = entry("sAMAccountName", &["alice", "bob"]);
        assert_eq!(Some(AttributeProblem::Several), problem(entry.text(Attribute::SAM_ACCOUNT_NAME)));
    }

    #[test]
    fn an_absent_attribute_is_named() {
        let error = Entry::new("DC=corp").bits(Attribute::USER_ACCOUNT_CONTROL).unwrap_err();
        assert_eq!("the attribute userAccountControl is missing or may not be read", error.to_string());
    }

    #[test]
    fn a_part_of_the_values_is_refused() {
        let entry = entry("tokenGroups;range=0-1499", &["x"]);
        assert_eq!(Some(AttributeProblem::Incomplete), problem(entry.values(Attribute::TOKEN_GROUPS)));
    }

    #[test]
    fn bits_are_written_as_signed_numbers() {
        let read = |text| entry("userAccountControl", &[text]).bits(Attribute::USER_ACCOUNT_CONTROL);
        assert_eq!(Ok(512), read("512"));
        assert_eq!(Ok(0x8000_0002), read("-2147483646"));
        assert_eq!(Ok(0x8000_0002), read("2147483650"));
        assert_eq!(Some(AttributeProblem::Malformed), problem(read("4294967296")));
        assert_eq!(Some(AttributeProblem::Malformed), problem(read("0x200")));
        assert_eq!(Some(AttributeProblem::Malformed), problem(read("")));
    }
}
