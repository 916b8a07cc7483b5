//! The realms a ticket has come through: DOMAIN-X500-COMPRESS (RFC 4120 section 3.3.3.2).

use super::types::TransitedEncoding;
use crate::principal::Realm;

/// `tr-type` of DOMAIN-X500-COMPRESS.
const DOMAIN_X500_COMPRESS: i32 = 1;
/// Most realms, and octets, that are read.
const MAX_REALMS: usize = 32;
const MAX_LENGTH: usize = 8192;

/// The realms cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// The realms between the client's and the server's.
///
/// A null subfield, which stands for realms that are not named, is refused: who they are would be a guess. So are X.500 names.
pub(crate) fn transited_realms(encoding: &TransitedEncoding) -> Result<Vec<Realm>, Unreadable> {
    if encoding.contents.is_empty() {
        return Ok(Vec::new());
    }
    if encoding.tr_type != DOMAIN_X500_COMPRESS || encoding.contents.len() > MAX_LENGTH {
        return Err(Unreadable);
    }
    let text = std::str::from_utf8(&encoding.contents).map_err(|_| Unreadable)?;
    let mut realms: Vec<Realm> = Vec::new();
    for subfield in subfields(text)? {
        if realms.len() >= MAX_REALMS {
            return Err(Unreadable);
        }
        realms.push(realm(&subfield, realms.last())?);
    }
    Ok(realms)
}

/// A subfield without its escapes, and whether it ends in a dot that is not escaped.
struct Subfield {
    text: String,
    ends_in_dot: bool,
}

fn subfields(text: &str) -> Result<Vec<Subfield>, Unreadable> {
    let mut found = Vec::new();
    let mut current = Subfield { text: String::new(), ends_in_dot: false };
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                current.text.push(letters.next().ok_or(Unreadable)?);
                current.ends_in_dot = false;
            }
            ',' => found
                .push(std::mem::replace(&mut current, Subfield { text: String::new(), ends_in_dot: false })),
            other => {
                current.text.push(other);
                current.ends_in_dot = other == '.';
            }
        }
    }
    found.push(current);
    Ok(found)
}

/// A name with a trailing dot is put before the one that came last.
fn realm(subfield: &Subfield, last: Option<&Realm>) -> Result<Realm, Unreadable> {
    let name = match (subfield.ends_in_dot, last) {
        (true, Some(last)) => format!("{}{last}", subfield.text),
        (true, None) => return Err(Unreadable),
        (false, _) => subfield.text.clone(),
    };
    Realm::new(&name).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(contents: &str) -> Result<Vec<String>, Unreadable> {
        let contents = contents.as_bytes().to_vec().into();
        let realms = transited_realms(&TransitedEncoding { tr_type: 1, contents })?;
        Ok(realms.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn no_octets_are_no_realms_of_whatever_type() {
        for tr_type in [0, 1, 7] {
            let encoding = TransitedEncoding { tr_type, contents: Vec::new().into() };
            assert_eq!(transited_realms(&encoding), Ok(Vec::new()));
        }
    }

    #[test]
    fn names_are_read_in_their_order() {
        assert_eq!(read("BETA.EXAMPLE").unwrap(), ["BETA.EXAMPLE"]);
        assert_eq!(
            read("EDU,MIT.,ATHENA.,WASHINGTON.EDU,CS.").unwrap(),
            ["EDU", "MIT.EDU", "ATHENA.MIT.EDU", "WASHINGTON.EDU", "CS.WASHINGTON.EDU"]
        );
    }

    #[test]
    fn an_escaped_character_is_part_of_the_name() {
        assert_eq!(read("A\\,B.EXAMPLE").unwrap(), ["A,B.EXAMPLE"]);
        assert_eq!(read("EXAMPLE,B\\.").unwrap(), ["EXAMPLE", "B."]);
    }

    #[test]
    fn realms_that_are_not_named_are_refused() {
        for contents in [",", ",BETA.EXAMPLE", "BETA.EXAMPLE,", "A.EXAMPLE,,B.EXAMPLE"] {
            assert_eq!(read(contents), Err(Unreadable), "{contents}");
        }
    }

    #[test]
    fn what_is_no_realm_is_refused() {
        for contents in ["MIT.", "/COM/HP", "A.EXAMPLE, B.EXAMPLE", "A\\", "A\0"] {
            assert_eq!(read(contents), Err(Unreadable), "{contents}");
        }
        let other = TransitedEncoding { tr_type: 2, contents: b"A".to_vec().into() };
        assert_eq!(transited_realms(&other), Err(Unreadable));
        let latin = TransitedEncoding { tr_type: 1, contents: vec![0xe9].into() };
        assert_eq!(transited_realms(&latin), Err(Unreadable));
    }

    #[test]
    fn the_number_of_realms_and_octets_is_bounded() {
        assert!(read(&["A"; 32].join(",")).is_ok());
        assert_eq!(read(&["A"; 33].join(",")), Err(Unreadable));
        assert_eq!(read(&"A".repeat(8193)), Err(Unreadable));
        // Each name is longer than the one before.
        assert_eq!(read(&format!("A{}", ",AAAAAAAAAAAAAAAAAA.".repeat(30))), Err(Unreadable));
    }
}
