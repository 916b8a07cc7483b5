//! Security descriptors (MS-DTYP 2.4.6) as far as they say who may act for others at an account
//! (`msDS-AllowedToActOnBehalfOfOtherIdentity`, MS-SFU 3.2.5.2.2).

use crate::sid::Sid;

/// Longest descriptor read; the directory holds none of more than 64 KiB.
const MAXIMUM_LENGTH: usize = 65_536;
/// Most entries of its list.
const MAXIMUM_ENTRIES: usize = 2048;

const SELF_RELATIVE: u16 = 0x8000;
const DACL_PRESENT: u16 = 0x0004;
const ACCESS_ALLOWED: u8 = 0x00;
const ACCESS_DENIED: u8 = 0x01;
/// The entry is for objects below this one.
const INHERIT_ONLY: u8 = 0x08;
/// "Control access" (MS-ADTS 5.1.3.2), which the KDC asks for.
const CONTROL_ACCESS: u32 = 0x100;

/// The discretionary access control list of a self-relative descriptor.
///
/// Entries are kept in their order, which matters. Kept are those that allow or deny the account itself; what is only for
/// objects below, for single properties, or conditional does not take part (measured at Samba 4.22).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecurityDescriptor {
    entries: Vec<Entry>,
}

/// One entry of the list.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Entry {
    allows: Effect,
    mask: u32,
    sid: Sid,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Effect {
    Allow,
    Deny,
}

/// What the list says to somebody who wants to act for others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActingForOthers {
    /// An entry allows it, and none before it denies it.
    Allowed,
    /// An entry denies it, and none before it allows it.
    Denied,
    /// No entry speaks of it: the same as denied.
    NotNamed,
}

impl SecurityDescriptor {
    /// Reads the self-relative form: a header with offsets, and the list with its entries.
    ///
    /// # Errors
    /// [`SecurityDescriptorError`]. A descriptor without a list is read as one whose list is empty: the KDC takes it so.
    pub fn parse(octets: &[u8]) -> Result<Self, SecurityDescriptorError> {
        if octets.len() > MAXIMUM_LENGTH {
            return Err(SecurityDescriptorError::TooLong);
        }
        let header = octets.first_chunk::<20>().ok_or(SecurityDescriptorError::Truncated)?;
        let [revision, _, low, high, ..] = *header;
        if revision != 1 {
            return Err(SecurityDescriptorError::Revision(revision));
        }
        let control = u16::from_le_bytes([low, high]);
        if control & SELF_RELATIVE == 0 {
            return Err(SecurityDescriptorError::NotSelfRelative);
        }
        let [.., a, b, c, d] = *header;
        let offset = u32::from_le_bytes([a, b, c, d]);
        if control & DACL_PRESENT == 0 || offset == 0 {
            return Ok(Self { entries: Vec::new() });
        }
        let start = usize::try_from(offset).map_err(|_| SecurityDescriptorError::Truncated)?;
        let list = octets.get(start..).ok_or(SecurityDescriptorError::Truncated)?;
        Ok(Self { entries: entries(list)? })
    }

    /// What the list says to somebody who has all of these SIDs.
    #[must_use]
    pub fn acting_for_others(&self, sids: &[&Sid]) -> ActingForOthers {
        let speaks =
            |entry: &&Entry| entry.mask & CONTROL_ACCESS != 0 && sids.iter().any(|sid| **sid == entry.sid);
        match self.entries.iter().find(speaks).map(|entry| entry.allows) {
            Some(Effect::Allow) => ActingForOthers::Allowed,
            Some(Effect::Deny) => ActingForOthers::Denied,
            None => ActingForOthers::NotNamed,
        }
    }

    /// Whom the list allows to act for others, by their SIDs, in its order.
    pub fn allowed(&self) -> impl Iterator<Item = &Sid> {
        let allows = |entry: &&Entry| entry.allows == Effect::Allow && entry.mask & CONTROL_ACCESS != 0;
        self.entries.iter().filter(allows).map(|entry| &entry.sid)
    }
}

/// The entries of an access control list (MS-DTYP 2.4.5): revision, its length, their count, the entries.
fn entries(list: &[u8]) -> Result<Vec<Entry>, SecurityDescriptorError> {
    let header = list.first_chunk::<8>().ok_or(SecurityDescriptorError::Truncated)?;
    let [revision, _, size_low, size_high, count_low, count_high, ..] = *header;
    // 4 where it may have entries for single properties, which other lists must not.
    if !matches!(revision, 2 | 4) {
        return Err(SecurityDescriptorError::Revision(revision));
    }
    let size = usize::from(u16::from_le_bytes([size_low, size_high]));
    let count = usize::from(u16::from_le_bytes([count_low, count_high]));
    if count > MAXIMUM_ENTRIES {
        return Err(SecurityDescriptorError::TooLong);
    }
    let mut rest = list.get(8..size).ok_or(SecurityDescriptorError::Truncated)?;
    let mut kept = Vec::new();
    for _ in 0..count {
        let (body, after) = next(rest)?;
        kept.extend(entry(body)?);
        rest = after;
    }
    Ok(kept)
}

/// The octets of the first entry (MS-DTYP 2.4.4.1), and what follows it.
fn next(rest: &[u8]) -> Result<(&[u8], &[u8]), SecurityDescriptorError> {
    let [_, _, low, high, ..] = *rest else { return Err(SecurityDescriptorError::Truncated) };
    let size = usize::from(u16::from_le_bytes([low, high]));
    if size < 4 {
        return Err(SecurityDescriptorError::Truncated);
    }
    rest.split_at_checked(size).ok_or(SecurityDescriptorError::Truncated)
}

/// The entry, unless it is of a kind that does not take part.
fn entry(octets: &[u8]) -> Result<Option<Entry>, SecurityDescriptorError> {
    let [kind, flags, _, _, body @ ..] = octets else { return Err(SecurityDescriptorError::Truncated) };
    let allows = match *kind {
        ACCESS_ALLOWED => Effect::Allow,
        ACCESS_DENIED => Effect::Deny,
        _ => return Ok(None),
    };
    if flags & INHERIT_ONLY != 0 {
        return Ok(None);
    }
    let (mask, sid) = body.split_first_chunk::<4>().ok_or(SecurityDescriptorError::Truncated)?;
    let sid = Sid::from_bytes(trimmed(sid)).map_err(|_| SecurityDescriptorError::Sid)?;
    Ok(Some(Entry { allows, mask: u32::from_le_bytes(*mask), sid }))
}

/// A SID without what pads its entry.
fn trimmed(octets: &[u8]) -> &[u8] {
    let length = octets.get(1).map_or(0, |count| 8 + 4 * usize::from(*count));
    octets.get(..length).unwrap_or(octets)
}

/// Why octets are not a security descriptor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityDescriptorError {
    /// Longer, or with more entries, than any directory's.
    #[error("the security descriptor is too long")]
    TooLong,
    /// An offset or a length points beyond its end.
    #[error("the security descriptor is cut off")]
    Truncated,
    /// A revision that is not known, of the descriptor or of its list.
    #[error("the revision {0} of the security descriptor is not known")]
    Revision(u8),
    /// The form with pointers, which only exists in memory.
    #[error("the security descriptor is not self-relative")]
    NotSelfRelative,
    /// An entry without a SID.
    #[error("an entry of the security descriptor holds no SID")]
    Sid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::DOMAIN_SID;
    use proptest::prelude::*;

    /// The vectors of `fuzz/corpus/security_descriptor`, which Samba 4.22 wrote from their SDDL.
    macro_rules! vector {
        ($name:literal) => {
            include_bytes!(concat!("../fuzz/corpus/security_descriptor/", $name))
        };
    }

    fn sid(rid: u32) -> Sid {
        format!("{DOMAIN_SID}-{rid}").parse().unwrap()
    }

    /// What the vector says to the account 1150, a member of the group 2001.
    fn says(octets: &[u8]) -> ActingForOthers {
        let (own, group) = (sid(1150), sid(2001));
        SecurityDescriptor::parse(octets).unwrap().acting_for_others(&[&own, &group])
    }

    #[test]
    fn what_windows_tools_write_allows_the_account_it_names() {
        assert_eq!(ActingForOthers::Allowed, says(vector!("as_windows_writes")));
        let descriptor = SecurityDescriptor::parse(vector!("as_windows_writes")).unwrap();
        assert_eq!(ActingForOthers::NotNamed, descriptor.acting_for_others(&[&sid(1151)]));
    }

    #[test]
    fn an_account_is_allowed_beside_others_and_through_a_group() {
        assert_eq!(ActingForOthers::Allowed, says(vector!("two_accounts")));
        assert_eq!(ActingForOthers::Allowed, says(vector!("a_group")));
        assert_eq!(ActingForOthers::Allowed, says(vector!("with_sacl")));
        let descriptor = SecurityDescriptor::parse(vector!("two_accounts")).unwrap();
        assert_eq!(vec![&sid(1199), &sid(1150)], descriptor.allowed().collect::<Vec<_>>());
    }

    #[test]
    fn the_first_entry_that_speaks_decides() {
        assert_eq!(ActingForOthers::Denied, says(vector!("denied_first")));
        assert_eq!(ActingForOthers::Allowed, says(vector!("denied_last")));
    }

    #[test]
    fn entries_that_the_kdc_passes_over_allow_nothing() {
        for octets in [
            &vector!("read_only")[..],
            vector!("generic_all"),
            vector!("object_ace"),
            vector!("inherit_only"),
            vector!("callback"),
            vector!("empty_dacl"),
            vector!("no_dacl"),
        ] {
            assert_eq!(ActingForOthers::NotNamed, says(octets));
        }
    }

    #[test]
    fn octets_that_are_no_descriptor_are_refused() {
        let parse = |octets: &[u8]| SecurityDescriptor::parse(octets).unwrap_err();
        let changed = |index: usize, octet: u8| {
            let mut octets = vector!("as_windows_writes").to_vec();
            octets[index] = octet;
            parse(&octets)
        };
        assert_eq!(SecurityDescriptorError::Truncated, parse(&[]));
        assert_eq!(SecurityDescriptorError::Revision(2), changed(0, 2));
        assert_eq!(SecurityDescriptorError::NotSelfRelative, changed(3, 0));
        assert_eq!(SecurityDescriptorError::Truncated, changed(16, 0xff));
        assert_eq!(SecurityDescriptorError::Revision(3), changed(36, 3));
        assert_eq!(SecurityDescriptorError::Truncated, changed(38, 0xff));
        assert_eq!(SecurityDescriptorError::Truncated, changed(40, 2));
        assert_eq!(SecurityDescriptorError::TooLong, changed(41, 0xff));
        assert_eq!(SecurityDescriptorError::Truncated, changed(46, 3));
        assert_eq!(SecurityDescriptorError::Sid, changed(52, 9));
        assert_eq!(SecurityDescriptorError::TooLong, parse(&[0; MAXIMUM_LENGTH + 1]));
    }

    proptest! {
        #[test]
        fn no_octets_stop_the_reader(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            crate::fuzzing::security_descriptor(&octets);
        }
    }
}
