//! Names and numbers of the directory's schema (MS-ADA1 to MS-ADA3, MS-ADTS 2.2.16 and 2.2.18, MS-SAMR 2.2.1).

use std::borrow::Cow;
use std::fmt;

/// The name of an attribute. There are only the ones below, so that no foreign text can become one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Attribute(&'static str);

impl Attribute {
    /// The revocation list of an authority, of its authorities' certificates alone.
    pub const AUTHORITY_REVOCATION_LIST: Self = Self("authorityRevocationList");
    /// The same as the standard has it transferred.
    pub const AUTHORITY_REVOCATION_LIST_BINARY: Self = Self("authorityRevocationList;binary");
    /// The revocation list of an authority (RFC 4523 section 2.3).
    pub const CERTIFICATE_REVOCATION_LIST: Self = Self("certificateRevocationList");
    /// The same as the standard has it transferred.
    pub const CERTIFICATE_REVOCATION_LIST_BINARY: Self = Self("certificateRevocationList;binary");
    /// What has changed since an authority's last complete revocation list.
    pub const DELTA_REVOCATION_LIST: Self = Self("deltaRevocationList");
    /// The same as the standard has it transferred.
    pub const DELTA_REVOCATION_LIST_BINARY: Self = Self("deltaRevocationList;binary");
    /// When the account expires, in 100 ns since 1601; 0 and 2^63-1 mean never.
    pub const ACCOUNT_EXPIRES: Self = Self("accountExpires");
    /// The certificates that are the account's, and its names in other realms.
    pub const ALT_SECURITY_IDENTITIES: Self = Self("altSecurityIdentities");
    /// The account's own authentication policy.
    pub const ASSIGNED_AUTHN_POLICY: Self = Self("msDS-AssignedAuthNPolicy");
    /// The silo of authentication policies that the account is in.
    pub const ASSIGNED_AUTHN_POLICY_SILO: Self = Self("msDS-AssignedAuthNPolicySilo");
    /// The server's time (on the root entry).
    pub const CURRENT_TIME: Self = Self("currentTime");
    /// The name of the server's domain (on the root entry).
    pub const DEFAULT_NAMING_CONTEXT: Self = Self("defaultNamingContext");
    /// The object's own name.
    pub const DISTINGUISHED_NAME: Self = Self("distinguishedName");
    /// The DNS name of a domain; no object has it, a netlogon ping asks for it.
    pub const DNS_DOMAIN: Self = Self("DnsDomain");
    /// The server's own name (on the root entry).
    pub const DNS_HOST_NAME: Self = Self("dnsHostName");
    /// The name of the server's own settings object, which tells its `invocationId` (on the root entry).
    pub const DS_SERVICE_NAME: Self = Self("dsServiceName");
    /// The highest update sequence number that the server has given out (on the root entry).
    pub const HIGHEST_COMMITTED_USN: Self = Self("highestCommittedUSN");
    /// Which database a server has: another one after it was restored from a backup.
    pub const INVOCATION_ID: Self = Self("invocationId");
    /// When the account was locked; says nothing about whether it still is.
    pub const LOCKOUT_TIME: Self = Self("lockoutTime");
    /// The bits of `userAccountControl` that the server computes when asked.
    pub const COMPUTED_ACCOUNT_CONTROL: Self = Self("msDS-User-Account-Control-Computed");
    /// Who may act for others at the account, a security descriptor.
    pub const ALLOWED_TO_ACT: Self = Self("msDS-AllowedToActOnBehalfOfOtherIdentity");
    /// The services that the account may act for others at.
    pub const ALLOWED_TO_DELEGATE_TO: Self = Self("msDS-AllowedToDelegateTo");
    /// The version of the account's keys.
    pub const KEY_VERSION_NUMBER: Self = Self("msDS-KeyVersionNumber");
    /// The encryption types of tickets for the account, bits of [`EncryptionTypes`].
    pub const SUPPORTED_ENCRYPTION_TYPES: Self = Self("msDS-SupportedEncryptionTypes");
    /// The hours of the week in which the account may log on.
    pub const LOGON_HOURS: Self = Self("logonHours");
    /// When the password was set, in 100 ns since 1601; 0 where it must be changed or was never set.
    pub const PASSWORD_LAST_SET: Self = Self("pwdLastSet");
    /// The names of the services that run as the account.
    pub const SERVICE_PRINCIPAL_NAME: Self = Self("servicePrincipalName");
    /// The answer to a netlogon ping (on the root entry).
    pub const NETLOGON: Self = Self("Netlogon");
    /// The kind of answer that a netlogon ping asks for.
    pub const NT_VERSION: Self = Self("NtVer");
    /// The classes of the object, most general first.
    pub const OBJECT_CLASS: Self = Self("objectClass");
    /// The object's lasting identity, sixteen octets.
    pub const OBJECT_GUID: Self = Self("objectGUID");
    /// The account's security identifier.
    pub const OBJECT_SID: Self = Self("objectSid");
    /// The relative identifier of the primary group.
    pub const PRIMARY_GROUP_ID: Self = Self("primaryGroupID");
    /// The account's name within its domain.
    pub const SAM_ACCOUNT_NAME: Self = Self("sAMAccountName");
    /// The kind of account.
    pub const SAM_ACCOUNT_TYPE: Self = Self("sAMAccountType");
    /// The SID of a trusted domain.
    pub const SECURITY_IDENTIFIER: Self = Self("securityIdentifier");
    /// Who trusts whom, bits.
    pub const TRUST_DIRECTION: Self = Self("trustDirection");
    /// The DNS name of a trusted domain.
    pub const TRUST_PARTNER: Self = Self("trustPartner");
    /// The SIDs of all groups, nested ones included; only in a search of the object itself.
    pub const TOKEN_GROUPS: Self = Self("tokenGroups");
    /// The bits of [`UserAccountControl`].
    pub const USER_ACCOUNT_CONTROL: Self = Self("userAccountControl");
    /// The explicit user principal name.
    pub const USER_PRINCIPAL_NAME: Self = Self("userPrincipalName");
    /// The computers at which the account may log on.
    pub const USER_WORKSTATIONS: Self = Self("userWorkstations");
    /// The update sequence number of the object's last change, at this server alone.
    pub const USN_CHANGED: Self = Self("uSNChanged");
    /// When the object was made.
    pub const WHEN_CREATED: Self = Self("whenCreated");

    /// The name as the schema spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The name of an attribute that a configuration chose: letters, digits and hyphens (RFC 4512 1.4, descr). It compares without
/// regard to case.
#[derive(Clone, Debug)]
pub struct AttributeName(Cow<'static, str>);

impl AttributeName {
    /// Longest name in characters (MS-ADTS 3.1.1.2.3, lDAPDisplayName).
    const LONGEST: usize = 256;

    /// Reads a name.
    ///
    /// # Errors
    /// [`AttributeNameError`] for what is no short name; object identifiers and options (`;binary`) are none.
    pub fn parse(text: &str) -> Result<Self, AttributeNameError> {
        let follows = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.len() <= Self::LONGEST
            && text.bytes().all(follows);
        if is_name { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(AttributeNameError) }
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the attribute of this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl Eq for AttributeName {}

impl PartialEq for AttributeName {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.as_str())
    }
}

impl From<Attribute> for AttributeName {
    fn from(attribute: Attribute) -> Self {
        Self(Cow::Borrowed(attribute.as_str()))
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not the name of an attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the name of an attribute is a letter, and then letters, digits and hyphens")]
pub struct AttributeNameError;

/// Bits of `userAccountControl` and `msDS-User-Account-Control-Computed` (MS-ADTS 2.2.16).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UserAccountControl(pub u32);

impl UserAccountControl {
    /// The account is disabled.
    pub const ACCOUNT_DISABLE: Self = Self(0x2);
    /// The account is locked; valid in the computed attribute only.
    pub const LOCKOUT: Self = Self(0x10);
    /// A local account for a user of another domain.
    pub const TEMP_DUPLICATE_ACCOUNT: Self = Self(0x100);
    /// An ordinary account of a person.
    pub const NORMAL_ACCOUNT: Self = Self(0x200);
    /// An account of a trust between domains.
    pub const INTERDOMAIN_TRUST_ACCOUNT: Self = Self(0x800);
    /// An account of a member computer.
    pub const WORKSTATION_TRUST_ACCOUNT: Self = Self(0x1000);
    /// An account of a domain controller.
    pub const SERVER_TRUST_ACCOUNT: Self = Self(0x2000);
    /// "Account is sensitive and cannot be delegated".
    pub const NOT_DELEGATED: Self = Self(0x10_0000);
    /// The password has expired or must be changed; valid in the computed attribute only.
    pub const PASSWORD_EXPIRED: Self = Self(0x80_0000);
    /// An account of a read-only domain controller.
    pub const PARTIAL_SECRETS_ACCOUNT: Self = Self(0x400_0000);
    /// May have forwardable evidence about people who did not log in with Kerberos (protocol transition).
    pub const TRUSTED_TO_AUTH_FOR_DELEGATION: Self = Self(0x100_0000);

    /// Whether any of the bits of `bits` is set.
    #[must_use]
    pub const fn has(self, bits: Self) -> bool {
        self.0 & bits.0 != 0
    }
}

impl fmt::Display for UserAccountControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Bits of `msDS-SupportedEncryptionTypes` (MS-KILE 2.2.7).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EncryptionTypes(pub u32);

impl EncryptionTypes {
    /// AES128 and AES256 with HMAC-SHA1.
    pub const AES: Self = Self(0x18);

    /// Whether one of the AES types is among them.
    #[must_use]
    pub const fn has_aes(self) -> bool {
        self.0 & Self::AES.0 != 0
    }
}

impl fmt::Display for EncryptionTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// `sAMAccountType` of an ordinary account of a person (MS-SAMR 2.2.1.9, SAM_USER_OBJECT).
pub const SAM_NORMAL_USER_ACCOUNT: u32 = 0x3000_0000;

/// The well-known relative identifiers that matter here (MS-SAMR 2.2.1.14).
pub mod rid {
    /// The account of the Kerberos ticket-granting service.
    pub const KRBTGT: u32 = 502;
    /// The primary group of member computers.
    pub const DOMAIN_COMPUTERS: u32 = 515;
    /// The primary group of domain controllers.
    pub const DOMAIN_CONTROLLERS: u32 = 516;
    /// The primary group of read-only domain controllers.
    pub const READ_ONLY_DOMAIN_CONTROLLERS: u32 = 521;
    /// The group of accounts that must not be delegated.
    pub const PROTECTED_USERS: u32 = 525;
}
