//! What a domain controller's refusal means, and what the administrator does about it.
//!
//! The Kerberos code decides; the Windows status makes it more precise where it came. It often does not, so no meaning
//! depends on it alone. A refusal is not authenticated: it ends one login and is remembered by nobody.

use std::fmt;

use kdc_proxy::error::{ErrorCode, NtStatus};
use kdc_proxy::net::client::Stage;
use thiserror::Error;

/// A refusal with the names its advice needs.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub struct KdcRefusal {
    /// Where it happened.
    pub stage: Stage,
    /// The Kerberos error (RFC 4120 section 7.5.9).
    pub code: ErrorCode,
    /// The Windows status, where the domain controller sent one.
    pub status: Option<NtStatus>,
    /// The service's own account.
    pub account: String,
    /// The service's own SPN.
    pub own_spn: String,
    /// The person, `name@REALM`.
    pub user: String,
    /// The service asked for on behalf of the person, at S4U2Proxy.
    pub service: Option<String>,
}

/// What a refusal means, sorted by what must be done.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Meaning {
    /// The service's account may not act for others at the target.
    DelegationMissing,
    /// The evidence may not be used for delegation.
    NotForwardable,
    /// The target is in another realm, and delegation there needs a permission at the target.
    CrossRealm,
    /// The target's SPN does not exist, or more than once.
    TargetUnknown,
    /// The service's own SPN is missing, or is on another account.
    OwnNameUnknown,
    /// The service's own key, password or account is not accepted.
    OwnCredential,
    /// The domain controller does not know the person.
    UserUnknown,
    /// The person's account is disabled.
    UserDisabled,
    /// The person's account is locked.
    UserLocked,
    /// The person's account has expired.
    UserExpired,
    /// The person may not log on now, here, or this way.
    UserRestricted,
    /// No encryption type in common.
    Encryption,
    /// The clocks differ.
    Clock,
    /// The domain controller cannot answer now.
    Unavailable,
    /// A key of the domain or of this service changed, or tickets of different domain controllers were mixed.
    Stale,
    /// Anything else.
    Other,
}

impl KdcRefusal {
    /// What it means.
    #[must_use]
    pub const fn meaning(&self) -> Meaning {
        meaning(self.stage, self.code, self.status)
    }
}

const fn meaning(stage: Stage, code: ErrorCode, status: Option<NtStatus>) -> Meaning {
    match code {
        ErrorCode::KDC_ERR_ETYPE_NOSUPP => return Meaning::Encryption,
        ErrorCode::KRB_AP_ERR_SKEW | ErrorCode::KRB_AP_ERR_TKT_EXPIRED | ErrorCode::KRB_AP_ERR_TKT_NYV => {
            return Meaning::Clock;
        }
        ErrorCode::KDC_ERR_SVC_UNAVAILABLE => return Meaning::Unavailable,
        ErrorCode::KDC_ERR_TGT_REVOKED
        | ErrorCode::KRB_AP_ERR_BAD_INTEGRITY
        | ErrorCode::KRB_AP_ERR_MODIFIED
        | ErrorCode::KRB_AP_ERR_BADKEYVER => return Meaning::Stale,
        _ => {}
    }
    match stage {
        Stage::As | Stage::Tgs => own(code),
        Stage::S4u2Self => user(code, status),
        Stage::S4u2Proxy => target(code, status),
    }
}

const fn own(code: ErrorCode) -> Meaning {
    match code {
        ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN
        | ErrorCode::KDC_ERR_CLIENT_REVOKED
        | ErrorCode::KDC_ERR_KEY_EXPIRED
        | ErrorCode::KDC_ERR_PREAUTH_FAILED
        | ErrorCode::KDC_ERR_POLICY
        | ErrorCode::KDC_ERR_WRONG_REALM => Meaning::OwnCredential,
        _ => Meaning::Other,
    }
}

const fn user(code: ErrorCode, status: Option<NtStatus>) -> Meaning {
    match (code, status) {
        (ErrorCode::KDC_ERR_CLIENT_REVOKED, Some(NtStatus::STATUS_ACCOUNT_DISABLED)) => Meaning::UserDisabled,
        (ErrorCode::KDC_ERR_CLIENT_REVOKED, Some(NtStatus::STATUS_ACCOUNT_LOCKED_OUT)) => Meaning::UserLocked,
        (ErrorCode::KDC_ERR_CLIENT_REVOKED, Some(NtStatus::STATUS_ACCOUNT_EXPIRED)) => Meaning::UserExpired,
        (
            ErrorCode::KDC_ERR_CLIENT_REVOKED | ErrorCode::KDC_ERR_POLICY | ErrorCode::KDC_ERR_KEY_EXPIRED,
            _,
        ) => Meaning::UserRestricted,
        (ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN | ErrorCode::KDC_ERR_WRONG_REALM, _) => Meaning::UserUnknown,
        (
            ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN
            | ErrorCode::KRB_AP_ERR_BADMATCH
            | ErrorCode::KDC_ERR_SERVER_NOMATCH
            | ErrorCode::KRB_AP_ERR_NOT_US,
            _,
        ) => Meaning::OwnNameUnknown,
        _ => Meaning::Other,
    }
}

const fn target(code: ErrorCode, status: Option<NtStatus>) -> Meaning {
    match (code, status) {
        (ErrorCode::KDC_ERR_BADOPTION, Some(NtStatus::STATUS_ACCOUNT_RESTRICTION)) => Meaning::NotForwardable,
        (ErrorCode::KDC_ERR_BADOPTION, Some(NtStatus::STATUS_CROSSREALM_DELEGATION_FAILURE)) => {
            Meaning::CrossRealm
        }
        (ErrorCode::KDC_ERR_BADOPTION, _) => Meaning::DelegationMissing,
        (ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN | ErrorCode::KDC_ERR_SERVICE_REVOKED, _) => {
            Meaning::TargetUnknown
        }
        (ErrorCode::KDC_ERR_SERVER_NOMATCH, _) => Meaning::Stale,
        (ErrorCode::KDC_ERR_CLIENT_REVOKED | ErrorCode::KDC_ERR_POLICY, _) => Meaning::UserRestricted,
        _ => Meaning::Other,
    }
}

impl fmt::Display for KdcRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, status, account, user, .. } = self;
        let service = self.service.as_deref();
        match service {
            Some(service) => {
                write!(f, "the domain controller refused {account} a ticket to {service} for {user}")?
            }
            None => write!(f, "the domain controller refused {account} at {} for {user}", stage(self.stage))?,
        }
        write!(f, " with {code}")?;
        if let Some(status) = status {
            write!(f, " and {status}")?;
        }
        write!(f, ": ")?;
        self.advise(f, service.unwrap_or("the target"))
    }
}

impl KdcRefusal {
    /// What it means and the commands that mend it.
    fn advise(&self, f: &mut fmt::Formatter<'_>, service: &str) -> fmt::Result {
        let Self { account, own_spn, user, .. } = self;
        match self.meaning() {
            Meaning::DelegationMissing => self.advise_delegation(f, service),
            Meaning::CrossRealm => write!(
                f,
                "{service} is in another realm: allow {account} in msDS-AllowedToActOnBehalfOfOtherIdentity of the target's \
                 computer account"
            ),
            Meaning::NotForwardable => write!(
                f,
                "the account is sensitive or protected, or {account} lacks TRUSTED_TO_AUTH_FOR_DELEGATION in \
                 userAccountControl (`samba-tool delegation for-any-protocol {account} on`, \
                 `Set-ADAccountControl -Identity {account} -TrustedToAuthForDelegation $true`)"
            ),
            Meaning::TargetUnknown => write!(
                f,
                "{service} must be a value of servicePrincipalName on exactly one enabled account (`setspn -Q {service}`, \
                 then `setspn -S {service} <computer>` or `samba-tool spn add {service} <computer>$`)"
            ),
            Meaning::OwnNameUnknown => write!(
                f,
                "{own_spn} must be a value of servicePrincipalName on {account} and on no other account \
                 (`setspn -S {own_spn} {account}`, `samba-tool spn add {own_spn} {account}`)"
            ),
            Meaning::OwnCredential => write!(
                f,
                "kerberos.service, or its keytab or password, does not fit an enabled account of the realm: check the name, \
                 the key version and the password's age"
            ),
            Meaning::UserUnknown => write!(
                f,
                "this domain controller does not have the account: check that kerberos.kdcs and directory.servers belong to \
                 one domain, and its replication"
            ),
            Meaning::UserDisabled => write!(f, "{user} is disabled (userAccountControl)"),
            Meaning::UserLocked => write!(f, "{user} is locked out (lockoutTime)"),
            Meaning::UserExpired => write!(f, "{user} has expired (accountExpires)"),
            Meaning::UserRestricted => write!(
                f,
                "{user} may not log on now: see userAccountControl, lockoutTime, accountExpires, logonHours, and \
                 authentication policies"
            ),
            Meaning::Encryption => write!(
                f,
                "no AES key in common: set msDS-SupportedEncryptionTypes to 24 on {account} and on the target's account, \
                 then change their passwords once"
            ),
            Meaning::Clock => write!(f, "compare the clocks of this machine and of the domain controllers"),
            Meaning::Unavailable => write!(f, "the domain controller cannot answer at the moment"),
            Meaning::Stale => write!(
                f,
                "a key changed or domain controllers disagree: check the key version of the keytab and the replication"
            ),
            Meaning::Other => write!(f, "the domain controller's log says more"),
        }
    }

    /// The two ways to allow it: by a list on our account, or by a list on the target's.
    fn advise_delegation(&self, f: &mut fmt::Formatter<'_>, service: &str) -> fmt::Result {
        let account = &self.account;
        match self.status {
            Some(NtStatus::STATUS_NOT_SUPPORTED) => {
                write!(f, "msDS-AllowedToDelegateTo of {account} is empty, ")?
            }
            Some(NtStatus::STATUS_NO_MATCH) => {
                write!(f, "{service} is not a value of msDS-AllowedToDelegateTo of {account}, ")?;
            }
            Some(NtStatus::STATUS_NOT_FOUND) => {
                write!(
                    f,
                    "msDS-AllowedToActOnBehalfOfOtherIdentity of the target does not allow {account}, "
                )?;
            }
            Some(_) | None => {}
        }
        write!(
            f,
            "add {service} to msDS-AllowedToDelegateTo of {account} (`samba-tool delegation add-service {account} {service}`, \
             `Get-ADObject -Filter 'sAMAccountName -eq \"{account}\"' | \
             Set-ADObject -Add @{{'msDS-AllowedToDelegateTo'='{service}'}}`), or allow {account} in \
             msDS-AllowedToActOnBehalfOfOtherIdentity of the target's computer account \
             (`samba-tool delegation add-principal <computer>$ {account}`, \
             `Set-ADComputer <computer> -PrincipalsAllowedToDelegateToAccount {account}`)"
        )
    }
}

const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::As => "the AS exchange",
        Stage::Tgs => "the TGS exchange",
        Stage::S4u2Self => "S4U2Self",
        Stage::S4u2Proxy => "S4U2Proxy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(stage: Stage, code: ErrorCode, status: Option<NtStatus>) -> KdcRefusal {
        KdcRefusal {
            stage,
            code,
            status,
            account: "svc-broker".to_owned(),
            own_spn: "HTTP/broker.corp.example".to_owned(),
            user: "alice@CORP.EXAMPLE".to_owned(),
            service: matches!(stage, Stage::S4u2Proxy).then(|| "TERMSRV/desk1.corp.example".to_owned()),
        }
    }

    #[test]
    fn a_refused_delegation_names_account_attributes_service_and_both_tools() {
        let codes = [None, Some(NtStatus::STATUS_NOT_SUPPORTED), Some(NtStatus::STATUS_NO_MATCH)];
        for status in codes.into_iter().chain([Some(NtStatus::STATUS_NOT_FOUND)]) {
            let refusal = refusal(Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION, status);
            assert_eq!(refusal.meaning(), Meaning::DelegationMissing);
            let text = refusal.to_string();
            for named in [
                "alice@CORP.EXAMPLE",
                "KDC_ERR_BADOPTION (13)",
                "msDS-AllowedToDelegateTo of svc-broker",
                "msDS-AllowedToActOnBehalfOfOtherIdentity",
                "samba-tool delegation add-service svc-broker TERMSRV/desk1.corp.example",
                "Set-ADObject -Add @{'msDS-AllowedToDelegateTo'='TERMSRV/desk1.corp.example'}",
                "samba-tool delegation add-principal",
                "-PrincipalsAllowedToDelegateToAccount svc-broker",
            ] {
                assert!(text.contains(named), "{named} is missing in: {text}");
            }
        }
    }

    #[test]
    fn the_windows_status_makes_a_refused_delegation_more_precise() {
        let told = |status| refusal(Stage::S4u2Proxy, ErrorCode::KDC_ERR_BADOPTION, Some(status));
        assert!(told(NtStatus::STATUS_NOT_SUPPORTED).to_string().contains("svc-broker is empty"));
        assert!(told(NtStatus::STATUS_NO_MATCH).to_string().contains("is not a value of"));
        assert!(told(NtStatus::STATUS_NOT_FOUND).to_string().contains("does not allow svc-broker"));
        assert_eq!(told(NtStatus::STATUS_ACCOUNT_RESTRICTION).meaning(), Meaning::NotForwardable);
        assert_eq!(told(NtStatus::STATUS_CROSSREALM_DELEGATION_FAILURE).meaning(), Meaning::CrossRealm);
    }

    #[test]
    fn the_same_code_means_other_things_at_other_stages() {
        let unknown = ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN;
        assert_eq!(refusal(Stage::S4u2Self, unknown, None).meaning(), Meaning::OwnNameUnknown);
        assert_eq!(refusal(Stage::S4u2Proxy, unknown, None).meaning(), Meaning::TargetUnknown);
        let revoked = ErrorCode::KDC_ERR_CLIENT_REVOKED;
        assert_eq!(refusal(Stage::As, revoked, None).meaning(), Meaning::OwnCredential);
        assert_eq!(refusal(Stage::S4u2Self, revoked, None).meaning(), Meaning::UserRestricted);
    }

    #[test]
    fn a_revoked_client_is_told_apart_by_its_status() {
        let told =
            |status| refusal(Stage::S4u2Self, ErrorCode::KDC_ERR_CLIENT_REVOKED, Some(status)).meaning();
        assert_eq!(told(NtStatus::STATUS_ACCOUNT_DISABLED), Meaning::UserDisabled);
        assert_eq!(told(NtStatus::STATUS_ACCOUNT_LOCKED_OUT), Meaning::UserLocked);
        assert_eq!(told(NtStatus::STATUS_ACCOUNT_EXPIRED), Meaning::UserExpired);
        assert_eq!(told(NtStatus::STATUS_INVALID_LOGON_HOURS), Meaning::UserRestricted);
    }

    #[test]
    fn own_faults_are_told_from_the_persons() {
        let own = [ErrorCode::KDC_ERR_PREAUTH_FAILED, ErrorCode::KDC_ERR_KEY_EXPIRED];
        for code in own.into_iter().chain([ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN]) {
            assert_eq!(refusal(Stage::As, code, None).meaning(), Meaning::OwnCredential);
        }
        let text = refusal(Stage::S4u2Self, ErrorCode::KRB_AP_ERR_BADMATCH, None).to_string();
        assert!(text.contains("setspn -S HTTP/broker.corp.example svc-broker"), "{text}");
    }

    #[test]
    fn clock_encryption_and_stale_keys_mean_the_same_at_every_stage() {
        for stage in [Stage::As, Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
            assert_eq!(refusal(stage, ErrorCode::KRB_AP_ERR_SKEW, None).meaning(), Meaning::Clock);
            assert_eq!(refusal(stage, ErrorCode::KDC_ERR_ETYPE_NOSUPP, None).meaning(), Meaning::Encryption);
            assert_eq!(refusal(stage, ErrorCode::KRB_AP_ERR_MODIFIED, None).meaning(), Meaning::Stale);
            assert_eq!(refusal(stage, ErrorCode::new(4711), None).meaning(), Meaning::Other);
        }
    }

    #[test]
    fn every_text_is_one_clause_without_full_stop() {
        for stage in [Stage::As, Stage::Tgs, Stage::S4u2Self, Stage::S4u2Proxy] {
            for code in 0..70 {
                let text = refusal(stage, ErrorCode::new(code), None).to_string();
                assert!(text.starts_with("the domain controller refused") && !text.ends_with('.'), "{text}");
            }
        }
    }
}
