//! `KERB_VALIDATION_INFO` (MS-PAC 2.5).

use super::Sid;
use super::error::LogonInfoError;
use crate::message::ndr::{NdrError, Reader, StringHeader};

/// SAM account control bits (MS-SAMR 2.2.1.12). These are **not** the bits of the LDAP attribute
/// `userAccountControl`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UserAccountControl(u32);

impl UserAccountControl {
    /// The account may not log on.
    pub const ACCOUNT_DISABLED: Self = Self(0x1);
    /// An account of a person or service.
    pub const NORMAL_ACCOUNT: Self = Self(0x10);
    /// A trust between domains.
    pub const INTERDOMAIN_TRUST_ACCOUNT: Self = Self(0x40);
    /// A member computer.
    pub const WORKSTATION_TRUST_ACCOUNT: Self = Self(0x80);
    /// A domain controller.
    pub const SERVER_TRUST_ACCOUNT: Self = Self(0x100);
    /// "Account is sensitive and cannot be delegated".
    pub const NOT_DELEGATED: Self = Self(0x4000);
    /// "Use any authentication protocol": protocol transition.
    pub const TRUSTED_TO_AUTHENTICATE_FOR_DELEGATION: Self = Self(0x40000);

    /// Whether all bits of `flags` are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The 32 bits as they stand in the PAC.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// A group the KDC vouches for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupMembership {
    /// The group's SID.
    pub sid: Sid,
    /// `SE_GROUP_*` bits (MS-PAC 2.2.1); 0x20000000 marks a resource (domain-local) group.
    pub attributes: u32,
}

/// What this crate keeps of the logon information.
#[derive(Clone, Debug)]
pub(super) struct LogonInfo {
    pub(super) user_sid: Sid,
    pub(super) domain_sid: Sid,
    pub(super) groups: Vec<GroupMembership>,
    pub(super) effective_name: String,
    pub(super) logon_domain_name: String,
    pub(super) user_account_control: UserAccountControl,
}

impl LogonInfo {
    pub(super) fn parse(buffer: &[u8]) -> Result<Self, LogonInfoError> {
        let mut reader = Reader::top_level(buffer)?;
        let fixed = Fixed::parse(&mut reader)?;
        if fixed.user_id == 0 {
            return Err(LogonInfoError::NoUserId);
        }
        fixed.follow_pointers(&mut reader)
    }
}

/// The structure itself; what its pointers lead to follows after it, in the same order.
struct Fixed {
    effective_name: StringHeader,
    /// FullName, LogonScript, ProfilePath, HomeDirectory, HomeDirectoryDrive.
    unused_names: [StringHeader; 5],
    user_id: u32,
    primary_group_id: u32,
    group_ids: Array,
    logon_server: StringHeader,
    logon_domain_name: StringHeader,
    has_domain_sid: bool,
    user_account_control: UserAccountControl,
    extra_sids: Array,
    has_resource_domain: bool,
    resource_groups: Array,
}

/// A counted array of which only the pointer has been read.
#[derive(Clone, Copy)]
struct Array {
    count: u32,
    present: bool,
}

impl Fixed {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, LogonInfoError> {
        reader.skip(6 * 8)?; // LogonTime to PasswordMustChange
        let effective_name = reader.string_header()?;
        let unused_names = [
            reader.string_header()?,
            reader.string_header()?,
            reader.string_header()?,
            reader.string_header()?,
            reader.string_header()?,
        ];
        reader.skip(4)?; // LogonCount, BadPasswordCount
        let user_id = reader.u32()?;
        let primary_group_id = reader.u32()?;
        let group_ids = Array::parse(reader)?;
        reader.skip(20)?; // UserFlags, UserSessionKey
        let logon_server = reader.string_header()?;
        let logon_domain_name = reader.string_header()?;
        let has_domain_sid = reader.pointer()?;
        reader.skip(8)?; // Reserved1
        let user_account_control = UserAccountControl(reader.u32()?);
        reader.skip(28)?; // SubAuthStatus to Reserved3
        let extra_sids = Array::parse(reader)?;
        let has_resource_domain = reader.pointer()?;
        let resource_groups = Array::parse(reader)?;
        Ok(Self {
            effective_name,
            unused_names,
            user_id,
            primary_group_id,
            group_ids,
            logon_server,
            logon_domain_name,
            has_domain_sid,
            user_account_control,
            extra_sids,
            has_resource_domain,
            resource_groups,
        })
    }

    fn follow_pointers(self, reader: &mut Reader<'_>) -> Result<LogonInfo, LogonInfoError> {
        let effective_name = reader.string(self.effective_name)?;
        for name in self.unused_names {
            reader.string_bytes(name)?;
        }
        let group_ids = relative_ids(reader, self.group_ids)?;
        reader.string_bytes(self.logon_server)?;
        let logon_domain_name = reader.string(self.logon_domain_name)?;
        if !self.has_domain_sid {
            return Err(LogonInfoError::NoDomainSid);
        }
        let domain_sid = reader.sid()?;
        let extra_sids = sids(reader, self.extra_sids)?;
        let resource_domain = self.has_resource_domain.then(|| reader.sid()).transpose()?;
        let resource_groups = relative_ids(reader, self.resource_groups)?;

        let mut groups = in_domain(&domain_sid, &group_ids)?;
        // The primary group is normally listed too; a group that decides over access must not get lost.
        let primary = domain_sid.with_rid(self.primary_group_id).ok_or(LogonInfoError::SidTooLong)?;
        if !groups.iter().any(|group| group.sid == primary) {
            groups.push(GroupMembership { sid: primary, attributes: 0x7 });
        }
        groups.extend(extra_sids);
        match resource_domain {
            Some(domain) => groups.extend(in_domain(&domain, &resource_groups)?),
            None if resource_groups.is_empty() => {}
            None => return Err(LogonInfoError::NoResourceDomainSid),
        }
        Ok(LogonInfo {
            user_sid: domain_sid.with_rid(self.user_id).ok_or(LogonInfoError::SidTooLong)?,
            domain_sid,
            groups,
            effective_name,
            logon_domain_name,
            user_account_control: self.user_account_control,
        })
    }
}

impl Array {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, LogonInfoError> {
        let array = Self { count: reader.u32()?, present: reader.pointer()? };
        if !array.present && array.count != 0 {
            return Err(NdrError::NullWithLength.into());
        }
        Ok(array)
    }
}

/// An array of `GROUP_MEMBERSHIP` (MS-PAC 2.2.2): relative identifier and attributes.
fn relative_ids(reader: &mut Reader<'_>, array: Array) -> Result<Vec<(u32, u32)>, LogonInfoError> {
    if !array.present {
        return Ok(Vec::new());
    }
    let count = reader.conformance(array.count, 8)?;
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        ids.push((reader.u32()?, reader.u32()?));
    }
    Ok(ids)
}

/// An array of `KERB_SID_AND_ATTRIBUTES` (MS-PAC 2.2.1): pointers first, then the SIDs.
fn sids(reader: &mut Reader<'_>, array: Array) -> Result<Vec<GroupMembership>, LogonInfoError> {
    if !array.present {
        return Ok(Vec::new());
    }
    let count = reader.conformance(array.count, 8)?;
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        headers.push((reader.pointer()?, reader.u32()?));
    }
    let mut groups = Vec::with_capacity(count);
    for (present, attributes) in headers {
        if !present {
            return Err(LogonInfoError::NullSid);
        }
        groups.push(GroupMembership { sid: reader.sid()?, attributes });
    }
    Ok(groups)
}

fn in_domain(domain: &Sid, ids: &[(u32, u32)]) -> Result<Vec<GroupMembership>, LogonInfoError> {
    ids.iter()
        .map(|&(rid, attributes)| {
            let sid = domain.with_rid(rid).ok_or(LogonInfoError::SidTooLong)?;
            Ok(GroupMembership { sid, attributes })
        })
        .collect()
}
