//! User principal names: `user@suffix` (MS-ADTS 5.1.1.1.1, MS-KILE 3.3.5.6.1).

use std::fmt;
use std::str::FromStr;

/// Longest accepted name in octets; the directory's own limit for `userPrincipalName` is 1024 characters.
const MAXIMUM_LENGTH: usize = 1024;

/// A user principal name, as written: one `@`, a user part and a suffix that has the form of a DNS name.
///
/// Equality is exact. The directory compares without regard to case; so does [`Upn::matches`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Upn {
    text: String,
    at: usize,
}

impl Upn {
    /// Reads a name.
    ///
    /// # Errors
    /// [`UpnError`] when it is empty, too long, has no `@` or more than one, or holds a character that has no
    /// place in a name (white space, controls, `/`, `\`, quotes and the like).
    pub fn parse(text: &str) -> Result<Self, UpnError> {
        if text.is_empty() {
            return Err(UpnError::Empty);
        }
        if text.len() > MAXIMUM_LENGTH {
            return Err(UpnError::TooLong);
        }
        let (user, suffix) = text.split_once('@').ok_or(UpnError::NoSuffix)?;
        if suffix.contains('@') {
            return Err(UpnError::SeveralAts);
        }
        if user.is_empty() {
            return Err(UpnError::NoUser);
        }
        if let Some(found) = user.chars().find(|character| !is_user_character(*character)) {
            return Err(UpnError::Character(found));
        }
        check_suffix(suffix)?;
        Ok(Self { text: text.to_owned(), at: user.len() })
    }

    /// The whole name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    #[must_use]
    pub fn user(&self) -> &str {
        self.text.split_at(self.at).0
    }

    /// The part after the `@`.
    #[must_use]
    pub fn suffix(&self) -> &str {
        self.text.split_at(self.at).1.trim_start_matches('@')
    }

    /// Whether both names are the same but for the case of letters.
    ///
    /// The directory's own comparison is looser (it also ignores accents); a name that only the looser
    /// comparison joins is a different name here.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        same_ignoring_case(&self.text, &other.text)
    }
}

/// Whether two texts differ at most in the case of their letters, letter by letter. Two characters are the same letter
/// only when both their lower and their upper forms agree: the Kelvin sign is not a `k`, although its lower form is.
pub(crate) fn same_ignoring_case(one: &str, other: &str) -> bool {
    one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
        && one.chars().flat_map(char::to_uppercase).eq(other.chars().flat_map(char::to_uppercase))
}

impl fmt::Display for Upn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Upn {
    type Err = UpnError;

    fn from_str(text: &str) -> Result<Self, UpnError> {
        Self::parse(text)
    }
}

/// Why a text is not a user principal name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UpnError {
    /// No text at all.
    #[error("the name is empty")]
    Empty,
    /// More octets than the directory can hold.
    #[error("the name is longer than {MAXIMUM_LENGTH} octets")]
    TooLong,
    /// No `@`.
    #[error("the name has no suffix")]
    NoSuffix,
    /// More than one `@`: where the suffix begins would be a guess.
    #[error("the name has more than one at sign")]
    SeveralAts,
    /// Nothing before the `@`.
    #[error("the name has no user part")]
    NoUser,
    /// The suffix has an empty label (a leading, trailing or doubled dot, or nothing at all).
    #[error("the suffix has an empty label")]
    EmptyLabel,
    /// A character that has no place in a name.
    #[error("the name holds the character {0:?}")]
    Character(char),
}

fn check_suffix(suffix: &str) -> Result<(), UpnError> {
    for label in suffix.split('.') {
        if label.is_empty() {
            return Err(UpnError::EmptyLabel);
        }
        let stranger = |character: &char| !(character.is_alphanumeric() || matches!(character, '-' | '_'));
        if let Some(found) = label.chars().find(stranger) {
            return Err(UpnError::Character(found));
        }
    }
    Ok(())
}

/// The characters that separate names in Kerberos and in `DOMAIN\user` are out, as is what no directory
/// accepts in a name, white space and everything invisible.
fn is_user_character(character: char) -> bool {
    let separator = matches!(
        character,
        '/' | '\\' | '"' | '[' | ']' | ':' | ';' | '|' | '=' | ',' | '*' | '?' | '<' | '>' | '(' | ')' | '@'
    );
    let printable = character.is_ascii_graphic() || character.is_alphanumeric();
    printable && !separator
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_falls_into_user_and_suffix() {
        let upn = Upn::parse("alice.smith@corp.example").unwrap();
        assert_eq!(
            ("alice.smith", "corp.example", "alice.smith@corp.example"),
            (upn.user(), upn.suffix(), upn.as_str())
        );
    }

    #[test]
    fn a_number_of_a_card_at_a_single_label_is_a_name() {
        let upn = Upn::parse("1234567890@mil").unwrap();
        assert_eq!(("1234567890", "mil"), (upn.user(), upn.suffix()));
    }

    #[test]
    fn two_at_signs_are_refused() {
        assert_eq!(Err(UpnError::SeveralAts), Upn::parse("alice@corp.example@evil.example"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, error) in [
            ("", UpnError::Empty),
            ("alice", UpnError::NoSuffix),
            ("@corp.example", UpnError::NoUser),
            ("alice@", UpnError::EmptyLabel),
            ("alice@corp..example", UpnError::EmptyLabel),
            ("alice@corp.example.", UpnError::EmptyLabel),
            ("alice smith@corp.example", UpnError::Character(' ')),
            ("alice\0@corp.example", UpnError::Character('\0')),
            ("host/alice@corp.example", UpnError::Character('/')),
            ("CORP\\alice@corp.example", UpnError::Character('\\')),
            ("ali*@corp.example", UpnError::Character('*')),
            ("alice\u{200b}@corp.example", UpnError::Character('\u{200b}')),
            ("alice@corp.example\n", UpnError::Character('\n')),
            ("alice\u{202e}@corp.example", UpnError::Character('\u{202e}')),
        ] {
            assert_eq!(Err(error), Upn::parse(text), "{text:?}");
        }
    }

    #[test]
    fn a_name_that_no_directory_could_hold_is_refused() {
        assert_eq!(Err(UpnError::TooLong), Upn::parse(&format!("{}@corp.example", "a".repeat(1024))));
    }

    #[test]
    fn names_match_whatever_their_case() {
        let one = Upn::parse("Alice@CORP.example").unwrap();
        assert!(one.matches(&Upn::parse("aLICE@corp.EXAMPLE").unwrap()));
        assert_ne!(one, Upn::parse("alice@corp.example").unwrap());
    }

    #[test]
    fn a_look_alike_letter_is_not_the_letter() {
        let one = Upn::parse("kim@corp.example").unwrap();
        assert!(!one.matches(&Upn::parse("\u{212a}im@corp.example").unwrap()));
        let ring = Upn::parse("\u{e5}sa@corp.example").unwrap();
        assert!(ring.matches(&Upn::parse("\u{c5}SA@corp.example").unwrap()));
        assert!(!ring.matches(&Upn::parse("\u{212b}sa@corp.example").unwrap()));
    }

    #[test]
    fn names_that_differ_by_an_accent_do_not_match() {
        let one = Upn::parse("müller@corp.example").unwrap();
        assert!(!one.matches(&Upn::parse("muller@corp.example").unwrap()));
    }

    proptest! {
        #[test]
        fn every_accepted_name_is_made_of_its_parts(text in "[ -~ü\u{0}]{0,12}@?[ -~]{0,12}") {
            if let Ok(upn) = Upn::parse(&text) {
                prop_assert_eq!(format!("{}@{}", upn.user(), upn.suffix()), text);
            }
        }
    }
}
