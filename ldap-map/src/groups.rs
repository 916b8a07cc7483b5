//! Groups of an account, and the searches that give them names.

use crate::entry::{AttributeError, Entry};
use crate::filter::Filter;
use crate::schema::Attribute;
use crate::sid::Sid;

/// Most groups asked for in one search; a filter of this size stays well below what servers accept.
pub const CHUNK: usize = 100;

/// A group that an account belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// `objectSid`: what a rule should name.
    pub sid: Sid,
    /// `sAMAccountName`, when the group lies in the domain that was searched.
    pub sam_account_name: Option<String>,
}

/// The searches that find these groups, at most [`CHUNK`] of them each.
pub fn searches(sids: &[Sid]) -> impl Iterator<Item = (&[Sid], Filter)> {
    let by_sid = |sid: &Sid| Filter::equals(Attribute::OBJECT_SID, sid.as_bytes());
    sids.chunks(CHUNK).map(move |chunk| {
        // Stand-ins for members of other domains have the same SIDs, but no names.
        let is_group = Filter::equals(Attribute::OBJECT_CLASS, b"group");
        (chunk, Filter::all_of([is_group, Filter::any_of(chunk.iter().map(by_sid))]))
    })
}

/// The SID and the name of one object found; no name where the service account may not read it.
///
/// # Errors
/// [`AttributeError`] when the SID is missing or either is malformed.
pub fn read_name(entry: &Entry) -> Result<(Sid, Option<String>), AttributeError> {
    Ok((entry.sid()?, entry.optional_text(Attribute::SAM_ACCOUNT_NAME)?.map(str::to_owned)))
}
