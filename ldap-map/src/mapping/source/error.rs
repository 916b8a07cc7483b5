//! Why a certificate gives no name of an account.

use crate::dn::Dn;

/// A refusal of a source. The certificate is to blame, and so another one may do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The certificate holds nothing of the kind.
    #[error("the certificate holds no {source_name}")]
    Absent {
        /// The source's word.
        source_name: &'static str,
    },
    /// The certificate holds none of the configured sources.
    #[error("the certificate holds none of {}", sources.join(", "))]
    AllAbsent {
        /// Their words, in the configured order.
        sources: Vec<&'static str>,
    },
    /// More than one: which is meant would be a guess.
    #[error("the certificate holds {count} of {source_name}, where one is needed")]
    Several {
        /// The source's word.
        source_name: &'static str,
        /// How many.
        count: usize,
    },
    /// It is not of a string type whose octets mean what they say, or its octets are not of the type.
    #[error("{source_name} of the certificate is not a text that can be read")]
    NotText {
        /// The source's word.
        source_name: &'static str,
    },
    /// It is a text, but nobody's name.
    #[error("{source_name} of the certificate is no name: {problem}")]
    Value {
        /// The source's word.
        source_name: &'static str,
        /// What is wrong with it.
        problem: ValueProblem,
    },
    /// The regular expression finds nothing.
    #[error("the pattern of {source_name} does not match the certificate")]
    NoMatch {
        /// The source's word.
        source_name: &'static str,
    },
    /// The regular expression matches in more than one place.
    #[error("the pattern of {source_name} matches the certificate in several places")]
    SeveralMatches {
        /// The source's word.
        source_name: &'static str,
    },
    /// The serial number is not positive, as RFC 5280 4.1.2.2 demands.
    #[error("the serial number of the certificate is not positive")]
    SerialNotPositive,
    /// The subject does not lie below the configured name.
    #[error("the subject of the certificate does not lie below {base}")]
    OutsideBase {
        /// The configured name.
        base: Dn,
    },
}

impl SourceError {
    /// Whether there is simply nothing there, so that another source may be asked.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. } | Self::AllAbsent { .. })
    }
}

/// What keeps a text from being a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueProblem {
    /// No text at all, or white space only.
    #[error("it is empty")]
    Empty,
    /// Longer than a directory's names.
    #[error("it is too long")]
    TooLong,
    /// A character that is not seen, or turns the writing around, or ends the text for other programs.
    #[error("it holds the character {0:?}")]
    Character(char),
    /// White space at an end, which a directory does not compare.
    #[error("white space stands at its end")]
    WhiteSpace,
    /// Not one `@` with something on both sides, or a domain that is none.
    #[error("it is not an e-mail address")]
    Email,
    /// The pattern cuts a character in two that is written as hexadecimal digits.
    #[error("the pattern cuts an escaped character in two")]
    Escape,
}
