//! Regular expressions over names of certificates.

use regex::{Regex, RegexBuilder};

use super::error::{SourceError, ValueProblem};
use super::value;
use crate::certificate::CertificateName;

/// Longest expression in octets.
const MAXIMUM_PATTERN: usize = 1024;
/// Largest compiled expression in octets.
const MAXIMUM_COMPILED: usize = 512 * 1024;
/// Deepest nesting of groups.
const MAXIMUM_NESTING: u32 = 32;
/// Longest name that is searched, in octets.
const MAXIMUM_NAME: usize = 8 * 1024;

/// A regular expression with exactly one group, which matches in time linear in the name's length. Letters match without
/// regard to case.
///
/// It is applied to [`CertificateName::guarded`]: a comma, plus or equals sign of that text is one of the name's structure and
/// never of a value, so that nobody gets a second attribute into it by what stands in the first.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAXIMUM_PATTERN {
            return Err(PatternError::TooLarge);
        }
        let mut builder = RegexBuilder::new(text);
        builder.case_insensitive(true).size_limit(MAXIMUM_COMPILED).dfa_size_limit(MAXIMUM_COMPILED);
        let compiled = builder.nest_limit(MAXIMUM_NESTING).build();
        let regex = compiled.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            _ => PatternError::Syntax,
        })?;
        // The whole match counts as one too.
        match regex.captures_len().saturating_sub(1) {
            1 => Ok(Self(regex)),
            count => Err(PatternError::Groups { count }),
        }
    }

    /// What the group holds in the one place where the expression matches. A value, or a part of one, loses its escapes; what
    /// reaches over several attributes stays the text of a name.
    pub(super) fn find(
        &self,
        name: &CertificateName,
        source_name: &'static str,
    ) -> Result<String, SourceError> {
        let text = name.guarded();
        if text.is_empty() {
            return Err(SourceError::Absent { source_name });
        }
        if text.len() > MAXIMUM_NAME {
            return Err(SourceError::Value { source_name, problem: ValueProblem::TooLong });
        }
        let mut matches = self.0.captures_iter(&text);
        let found =
            matches.next().and_then(|found| found.get(1)).ok_or(SourceError::NoMatch { source_name })?;
        if matches.next().is_some() {
            return Err(SourceError::SeveralMatches { source_name });
        }
        let found = found.as_str();
        let is_part_of_value = !found.contains([',', '+', '=']);
        if !is_part_of_value {
            return value::name(found, source_name);
        }
        let problem = ValueProblem::Escape;
        let plain = unescape(found).ok_or(SourceError::Value { source_name, problem })?;
        value::name(&plain, source_name)
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.0.as_str(), f)
    }
}

/// Replaces the pairs of hexadecimal digits, the only escapes of the text that is searched; `None` where one is cut in two.
fn unescape(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        octets.push(digit()? << 4 | digit()?);
    }
    String::from_utf8(octets).ok()
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Not a regular expression of the engine's syntax, which has neither look-around nor back-references.
    #[error("the expression is not a regular expression without look-around and back-references")]
    Syntax,
    /// Too long, or too large once compiled.
    #[error("the expression is too large")]
    TooLarge,
    /// Not exactly one group.
    #[error("the expression has {count} groups, where exactly one is needed: (...), and (?:...) for others")]
    Groups {
        /// How many.
        count: usize,
    },
}
