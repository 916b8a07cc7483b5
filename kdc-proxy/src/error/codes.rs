//! The numbers by which a KDC refuses.

use std::fmt;

/// A Kerberos error code (RFC 4120 section 7.5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(i32);

/// A Windows status (MS-ERREF section 2.3) from the data of a Kerberos error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NtStatus(u32);

macro_rules! named {
    ($type:ident, $number:ty, $($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The value of a number.
            pub const fn new(number: $number) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn number(self) -> $number {
                self.0
            }

            /// The name in the standard, for the numbers known here.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

named! { ErrorCode, i32,
    /// The client's account has expired.
    KDC_ERR_NAME_EXP = 1;
    /// Client not in the database.
    KDC_ERR_C_PRINCIPAL_UNKNOWN = 6;
    /// Server not in the database.
    KDC_ERR_S_PRINCIPAL_UNKNOWN = 7;
    /// The KDC's policy rejects the request.
    KDC_ERR_POLICY = 12;
    /// An option is not possible; with S4U2Proxy, delegation is not allowed.
    KDC_ERR_BADOPTION = 13;
    /// No common encryption type.
    KDC_ERR_ETYPE_NOSUPP = 14;
    /// The client's account is disabled, locked or expired.
    KDC_ERR_CLIENT_REVOKED = 18;
    /// The server's account is disabled.
    KDC_ERR_SERVICE_REVOKED = 19;
    /// The ticket-granting ticket is no longer accepted.
    KDC_ERR_TGT_REVOKED = 20;
    /// The password has expired.
    KDC_ERR_KEY_EXPIRED = 23;
    /// Pre-authentication failed: wrong key.
    KDC_ERR_PREAUTH_FAILED = 24;
    /// Pre-authentication is needed.
    KDC_ERR_PREAUTH_REQUIRED = 25;
    /// Server and ticket do not match.
    KDC_ERR_SERVER_NOMATCH = 26;
    /// A service the KDC needs is not there.
    KDC_ERR_SVC_UNAVAILABLE = 29;
    /// A ciphertext did not decrypt.
    KRB_AP_ERR_BAD_INTEGRITY = 31;
    /// The ticket has ended.
    KRB_AP_ERR_TKT_EXPIRED = 32;
    /// The ticket is not valid yet.
    KRB_AP_ERR_TKT_NYV = 33;
    /// The same request was seen before.
    KRB_AP_ERR_REPEAT = 34;
    /// The ticket is not for us.
    KRB_AP_ERR_NOT_US = 35;
    /// Ticket and authenticator do not match; with S4U2Self, the server name is not ours.
    KRB_AP_ERR_BADMATCH = 36;
    /// The clocks differ too much.
    KRB_AP_ERR_SKEW = 37;
    /// The message was altered.
    KRB_AP_ERR_MODIFIED = 41;
    /// The version of the key is not known.
    KRB_AP_ERR_BADKEYVER = 44;
    /// The checksum is of an inappropriate type.
    KRB_AP_ERR_INAPP_CKSUM = 50;
    /// The reply does not fit into a datagram.
    KRB_ERR_RESPONSE_TOO_BIG = 52;
    /// An error the KDC has no number for.
    KRB_ERR_GENERIC = 60;
    /// A field is too long.
    KRB_ERR_FIELD_TOOLONG = 61;
    /// The client belongs to another realm.
    KDC_ERR_WRONG_REALM = 68;
}

named! { NtStatus, u32,
    /// The user does not exist.
    STATUS_NO_SUCH_USER = 0xC000_0064;
    /// The password is wrong.
    STATUS_WRONG_PASSWORD = 0xC000_006A;
    /// The account is restricted; with S4U2Proxy, the evidence is not forwardable.
    STATUS_ACCOUNT_RESTRICTION = 0xC000_006E;
    /// Outside the logon hours.
    STATUS_INVALID_LOGON_HOURS = 0xC000_006F;
    /// Not from this workstation.
    STATUS_INVALID_WORKSTATION = 0xC000_0070;
    /// The password has expired.
    STATUS_PASSWORD_EXPIRED = 0xC000_0071;
    /// The account is disabled.
    STATUS_ACCOUNT_DISABLED = 0xC000_0072;
    /// Delegation is not configured for the service at all.
    STATUS_NOT_SUPPORTED = 0xC000_00BB;
    /// The clocks differ too much.
    STATUS_TIME_DIFFERENCE_AT_DC = 0xC000_0133;
    /// The account has expired.
    STATUS_ACCOUNT_EXPIRED = 0xC000_0193;
    /// The password must be changed.
    STATUS_PASSWORD_MUST_CHANGE = 0xC000_0224;
    /// The target does not allow the service to act for others.
    STATUS_NOT_FOUND = 0xC000_0225;
    /// The account is locked.
    STATUS_ACCOUNT_LOCKED_OUT = 0xC000_0234;
    /// The target is not in the service's list.
    STATUS_NO_MATCH = 0xC000_0272;
    /// Delegation across realms is not possible this way.
    STATUS_CROSSREALM_DELEGATION_FAILURE = 0xC000_040B;
    /// Selective authentication forbids the logon.
    STATUS_AUTHENTICATION_FIREWALL_FAILED = 0xC000_0413;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "kerberos error {}", self.0),
        }
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status {:#010X}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_number_is_shown_by_its_name() {
        assert_eq!(ErrorCode::new(25).to_string(), "KDC_ERR_PREAUTH_REQUIRED (25)");
        assert_eq!(NtStatus::new(0xC000_0272).to_string(), "STATUS_NO_MATCH");
    }

    #[test]
    fn an_unknown_number_is_shown_as_a_number() {
        assert_eq!(ErrorCode::new(-1).to_string(), "kerberos error -1");
        assert_eq!(NtStatus::new(0xC000_0001).to_string(), "status 0xC0000001");
    }
}
