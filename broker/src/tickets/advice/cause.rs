//! The one table of what can be wrong in the domain: how each cause shows itself, what the directory says then, what fails
//! because of it, and the command that mends it.
//!
//! The manual's page [`administrator_errors`](crate::manual::administrator_errors) is made from it. Of several causes that fit
//! equally well, the one further up is the more probable.

use std::fmt;

use kdc_proxy::error::{ErrorCode, NtStatus};
use kdc_proxy::net::client::Stage;

use super::symptom::{Shows, Sign};

/// Whose account has to be changed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Account {
    /// The service's own.
    Own,
    /// That of the service asked for: a computer's, most often.
    Target,
    /// The person's.
    User,
    /// None: the domain controllers or this machine.
    Domain,
}

/// One row of the table. Texts and commands are templates of [`Names`](super::command::Names).
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The stable identifier.
    pub id: &'static str,
    /// How it shows itself.
    pub signs: &'static [Sign],
    /// What the directory says when it is this cause.
    pub says: &'static str,
    /// What fails, and why.
    pub failed: &'static str,
    /// Whose account it is about.
    pub account: Account,
    /// The attribute that has to be changed; empty where it is none.
    pub attribute: &'static str,
    /// The command that mends it in PowerShell, on a machine with the tools for Active Directory.
    pub windows: &'static str,
    /// The command that mends it in a shell on a Samba domain controller, as root.
    pub samba: &'static str,
}

const OWN: &[Stage] = &[Stage::As, Stage::Tgs];
const SELF: &[Stage] = &[Stage::S4u2Self];
const PROXY: &[Stage] = &[Stage::S4u2Proxy];
const S4U: &[Stage] = &[Stage::S4u2Self, Stage::S4u2Proxy];
const ANY: &[Stage] = &[];

const fn error(stages: &'static [Stage], code: ErrorCode, statuses: &'static [NtStatus]) -> Sign {
    Sign { stages, shows: Shows::Error(code, statuses) }
}

const fn sign(stages: &'static [Stage], shows: Shows) -> Sign {
    Sign { stages, shows }
}

/// Makes [`Cause`], the list of all causes and the look-up of a row from one table.
macro_rules! table {
    ($($(#[$doc:meta])* $cause:ident {
        $id:literal, $account:ident, $attribute:literal, [$($sign:expr),* $(,)?],
        says $says:literal, failed $failed:literal, windows $windows:literal, samba $samba:literal,
    })+) => {
        /// What can be wrong in the domain. The identifiers are stable: operators search for them.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[$doc])* $cause,)+
        }

        impl Cause {
            /// Every cause, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$cause,)+];

            /// Its row.
            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$cause => {
                        const SIGNS: &[Sign] = &[$($sign),*];
                        Row {
                            id: $id,
                            signs: SIGNS,
                            says: $says,
                            failed: $failed,
                            account: Account::$account,
                            attribute: $attribute,
                            windows: $windows,
                            samba: $samba,
                        }
                    })+
                }
            }
        }
    };
}

table! {
    /// The target's SPN is not in our list.
    NotListed {
        "delegation.not_listed", Own, "msDS-AllowedToDelegateTo",
        [error(PROXY, ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_NOT_SUPPORTED, NtStatus::STATUS_NO_MATCH])],
        says "msDS-AllowedToDelegateTo of our account does not hold the SPN, and the target's own list does not allow us",
        failed "{account} may not act for others at {spn}: it is no value of msDS-AllowedToDelegateTo",
        windows "Set-ADObject -Identity {account_dn} -Add @{'msDS-AllowedToDelegateTo'={spn}}",
        samba "samba-tool delegation add-service {account} {spn}",
    }
    /// The target has a list of who may act for others there, and we are not on it.
    ListedOthers {
        "delegation.rbcd_names_others", Target, "msDS-AllowedToActOnBehalfOfOtherIdentity",
        [error(PROXY, ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_NOT_FOUND])],
        says "msDS-AllowedToActOnBehalfOfOtherIdentity of the target does not allow our account or a group of it",
        failed "{target} lets others act for people there, but not {account}",
        windows ".\\Grant-KerbridgeTarget.ps1 -Account {account} -Computer {target} -ServicePrincipalName {spn} -ResourceBased",
        samba "samba-tool delegation add-principal {target} {account}",
    }
    /// The target has no such list.
    NoList {
        "delegation.rbcd_missing", Target, "msDS-AllowedToActOnBehalfOfOtherIdentity",
        [error(PROXY, ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_NOT_FOUND])],
        says "the target has no msDS-AllowedToActOnBehalfOfOtherIdentity",
        failed "{target} lets nobody act for people there (the other way to allow it)",
        windows ".\\Grant-KerbridgeTarget.ps1 -Account {account} -Computer {target} -ServicePrincipalName {spn} -ResourceBased",
        samba "samba-tool delegation add-principal {target} {account}",
    }
    /// The target is in another domain.
    OtherDomain {
        "delegation.other_domain", Target, "msDS-AllowedToActOnBehalfOfOtherIdentity",
        [error(PROXY, ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_CROSSREALM_DELEGATION_FAILURE]),
         sign(PROXY, Shows::Referral)],
        says "the host of the SPN lies outside of our account's domain",
        failed "{spn} is in another domain than {account}: only a list on the target can allow it there, and Samba does not do it",
        windows ".\\Grant-KerbridgeTarget.ps1 -Account {account} -Computer {target} -ServicePrincipalName {spn} -ResourceBased",
        samba "samba-tool delegation add-principal {target} {account}",
    }
    /// The target's SPN does not exist.
    TargetSpnMissing {
        "target.spn_missing", Target, "servicePrincipalName",
        [error(PROXY, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, &[])],
        says "no account has the SPN, nor the one of the class host that stands for it",
        failed "no account of the domain has the name {spn}",
        windows "setspn -S {spn} {target}",
        samba "samba-tool spn add {spn} {target}",
    }
    /// The target's SPN exists more than once.
    TargetSpnTwice {
        "target.spn_twice", Target, "servicePrincipalName",
        [error(PROXY, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, &[])],
        says "more than one account has the SPN",
        failed "{spn} is a name of {target} and of {other} too, so that no domain controller knows whose key to take",
        windows "setspn -D {spn} {other}",
        samba "samba-tool spn delete {spn} {other}",
    }
    /// The target's account is disabled.
    TargetDisabled {
        "target.disabled", Target, "userAccountControl",
        [error(PROXY, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, &[NtStatus::STATUS_ACCOUNT_DISABLED]),
         error(PROXY, ErrorCode::KDC_ERR_SERVICE_REVOKED, &[NtStatus::STATUS_ACCOUNT_DISABLED]),
         error(PROXY, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[])],
        says "ACCOUNTDISABLE (0x2) is set on the target",
        failed "{target}, the account of {spn}, is disabled",
        windows "Enable-ADAccount -Identity {target_dn}",
        samba "samba-tool user enable {target}",
    }
    /// The target has no keys at all.
    TargetNoKeys {
        "target.no_keys", Target, "pwdLastSet",
        [error(PROXY, ErrorCode::KDC_ERR_ETYPE_NOSUPP, &[])],
        says "pwdLastSet of the target is 0: it never had a password",
        failed "{target} has no keys, because it never had a password; the host needs the new one",
        windows "Set-ADAccountPassword -Identity {target_dn} -Reset",
        samba "samba-tool user setpassword {target} --random-password",
    }
    /// The target's account does not say that it can do AES.
    TargetNoAes {
        "target.no_aes", Target, "msDS-SupportedEncryptionTypes",
        [error(PROXY, ErrorCode::KDC_ERR_ETYPE_NOSUPP, &[]), sign(PROXY, Shows::WeakTicket)],
        says "msDS-SupportedEncryptionTypes of the target is missing or holds neither 0x8 nor 0x10",
        failed "tickets for {target} are not encrypted with AES",
        windows "Set-ADObject -Identity {target_dn} -Replace @{'msDS-SupportedEncryptionTypes'=24}",
        samba "printf 'dn: %s\\nchangetype: modify\\nreplace: msDS-SupportedEncryptionTypes\\nmsDS-SupportedEncryptionTypes: 24\\n' {target_dn} | ldbmodify -H /var/lib/samba/private/sam.ldb",
    }
    /// Our account may not have forwardable evidence.
    NoProtocolTransition {
        "own.no_protocol_transition", Own, "userAccountControl",
        [sign(ANY, Shows::NotForwardable),
         error(PROXY, ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_ACCOUNT_RESTRICTION])],
        says "TRUSTED_TO_AUTH_FOR_DELEGATION (0x1000000) is not set on our account",
        failed "evidence for {account} is not forwardable: it is not trusted for delegation with any authentication protocol",
        windows "Set-ADAccountControl -Identity {account} -TrustedToAuthForDelegation $true",
        samba "samba-tool delegation for-any-protocol {account} on",
    }
    /// The person's account is sensitive.
    UserSensitive {
        "user.sensitive", User, "userAccountControl",
        [sign(ANY, Shows::Directory), sign(ANY, Shows::NotForwardable),
         error(PROXY, ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_ACCOUNT_RESTRICTION])],
        says "NOT_DELEGATED (0x100000) is set on the person's account",
        failed "{user} is sensitive and cannot be delegated; if that was not meant",
        windows "Set-ADAccountControl -Identity {user} -AccountNotDelegated $false",
        samba "samba-tool user sensitive {user} off",
    }
    /// The person is one of the Protected Users.
    UserProtected {
        "user.protected", User, "memberOf",
        [sign(ANY, Shows::Directory), sign(ANY, Shows::NotForwardable),
         error(PROXY, ErrorCode::KDC_ERR_BADOPTION, &[NtStatus::STATUS_ACCOUNT_RESTRICTION])],
        says "tokenGroups of the person's account holds Protected Users (525)",
        failed "{user} is a member of Protected Users, who are never delegated; if that was not meant",
        windows "Remove-ADGroupMember -Identity 'Protected Users' -Members {user}",
        samba "samba-tool group removemembers 'Protected Users' {user}",
    }
    /// Our own account is sensitive, so that its ticket-granting ticket is not forwardable.
    OwnSensitive {
        "own.sensitive", Own, "userAccountControl",
        [sign(ANY, Shows::NotForwardable), error(S4U, ErrorCode::KDC_ERR_BADOPTION, &[])],
        says "NOT_DELEGATED (0x100000) is set on our account",
        failed "{account} is sensitive, so that its own ticket is not forwardable and nothing that comes from it",
        windows "Set-ADAccountControl -Identity {account} -AccountNotDelegated $false",
        samba "samba-tool user sensitive {account} off",
    }
    /// Our own account is one of the Protected Users.
    OwnProtected {
        "own.protected", Own, "memberOf",
        [sign(ANY, Shows::NotForwardable), error(S4U, ErrorCode::KDC_ERR_BADOPTION, &[])],
        says "tokenGroups of our account holds Protected Users (525)",
        failed "{account} is a member of Protected Users, so that its own ticket is not forwardable and nothing that comes from it",
        windows "Remove-ADGroupMember -Identity 'Protected Users' -Members {account}",
        samba "samba-tool group removemembers 'Protected Users' {account}",
    }
    /// Our own SPN is on another account.
    OwnSpnElsewhere {
        "own.spn_elsewhere", Own, "servicePrincipalName",
        [error(SELF, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, &[]), error(SELF, ErrorCode::KRB_AP_ERR_BADMATCH, &[]),
         error(SELF, ErrorCode::KDC_ERR_SERVER_NOMATCH, &[]), error(SELF, ErrorCode::KRB_AP_ERR_NOT_US, &[])],
        says "an account that is not ours has our SPN",
        failed "{own_spn} (kerbridge.toml: kerberos.spn) is a name of {other}",
        windows "setspn -D {own_spn} {other}",
        samba "samba-tool spn delete {own_spn} {other}",
    }
    /// Our account has no such SPN.
    OwnSpnMissing {
        "own.spn_missing", Own, "servicePrincipalName",
        [error(SELF, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN, &[]), error(SELF, ErrorCode::KRB_AP_ERR_BADMATCH, &[]),
         error(SELF, ErrorCode::KDC_ERR_SERVER_NOMATCH, &[]), error(SELF, ErrorCode::KRB_AP_ERR_NOT_US, &[])],
        says "our account does not have our SPN",
        failed "{own_spn} (kerbridge.toml: kerberos.spn) is no name of {account}",
        windows "setspn -S {own_spn} {account}",
        samba "samba-tool spn add {own_spn} {account}",
    }
    /// Our account does not say that it can do AES.
    OwnNoAes {
        "own.no_aes", Own, "msDS-SupportedEncryptionTypes",
        [error(OWN, ErrorCode::KDC_ERR_ETYPE_NOSUPP, &[]), error(SELF, ErrorCode::KDC_ERR_ETYPE_NOSUPP, &[]),
         sign(SELF, Shows::WeakTicket)],
        says "msDS-SupportedEncryptionTypes of our account is missing or holds neither 0x8 nor 0x10",
        failed "tickets for {account} are not encrypted with AES",
        windows "Set-ADObject -Identity {account_dn} -Replace @{'msDS-SupportedEncryptionTypes'=24}",
        samba "printf 'dn: %s\\nchangetype: modify\\nreplace: msDS-SupportedEncryptionTypes\\nmsDS-SupportedEncryptionTypes: 24\\n' {account_dn} | ldbmodify -H /var/lib/samba/private/sam.ldb",
    }
    /// The person's account is disabled.
    UserDisabled {
        "user.disabled", User, "userAccountControl",
        [sign(ANY, Shows::Directory), error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_ACCOUNT_DISABLED]),
         error(S4U, ErrorCode::KDC_ERR_POLICY, &[NtStatus::STATUS_ACCOUNT_DISABLED])],
        says "ACCOUNTDISABLE (0x2) is set on the person's account",
        failed "{user} is disabled",
        windows "Enable-ADAccount -Identity {user}",
        samba "samba-tool user enable {user}",
    }
    /// The person's account is locked.
    UserLocked {
        "user.locked", User, "lockoutTime",
        [sign(ANY, Shows::Directory), error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_ACCOUNT_LOCKED_OUT])],
        says "LOCKOUT (0x10) is set in msDS-User-Account-Control-Computed of the person's account",
        failed "{user} is locked after wrong passwords",
        windows "Unlock-ADAccount -Identity {user}",
        samba "samba-tool user unlock {user}",
    }
    /// The person's account has expired.
    UserExpired {
        "user.expired", User, "accountExpires",
        [sign(ANY, Shows::Directory), error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_ACCOUNT_EXPIRED]),
         error(S4U, ErrorCode::KDC_ERR_NAME_EXP, &[])],
        says "accountExpires of the person's account has passed",
        failed "{user} has expired",
        windows "Clear-ADAccountExpiration -Identity {user}",
        samba "samba-tool user setexpiry {user} --days=365",
    }
    /// The person may not log on at this hour.
    UserOutsideHours {
        "user.outside_logon_hours", User, "logonHours",
        [sign(ANY, Shows::Directory), error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_INVALID_LOGON_HOURS]),
         error(S4U, ErrorCode::KDC_ERR_POLICY, &[NtStatus::STATUS_INVALID_LOGON_HOURS])],
        says "logonHours of the person's account does not hold the present hour (UTC)",
        failed "{user} may not log on at this hour; if it may at any",
        windows "Set-ADUser -Identity {user} -Clear logonHours",
        samba "printf 'dn: %s\\nchangetype: modify\\ndelete: logonHours\\n' {user_dn} | ldbmodify -H /var/lib/samba/private/sam.ldb",
    }
    /// The person's password has expired or must be changed.
    UserPasswordExpired {
        "user.password_expired", User, "pwdLastSet",
        [error(S4U, ErrorCode::KDC_ERR_KEY_EXPIRED,
            &[NtStatus::STATUS_PASSWORD_EXPIRED, NtStatus::STATUS_PASSWORD_MUST_CHANGE]),
         error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED,
            &[NtStatus::STATUS_PASSWORD_EXPIRED, NtStatus::STATUS_PASSWORD_MUST_CHANGE])],
        says "PASSWORD_EXPIRED (0x800000) is set in msDS-User-Account-Control-Computed of the person's account",
        failed "the password of {user} has expired or must be changed, which Samba asks of cards too",
        windows "Set-ADAccountPassword -Identity {user} -Reset",
        samba "samba-tool user setpassword {user}",
    }
    /// There is no account of our name.
    OwnUnknown {
        "own.unknown", Own, "sAMAccountName",
        [error(OWN, ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, &[NtStatus::STATUS_NO_SUCH_USER]),
         error(OWN, ErrorCode::KDC_ERR_WRONG_REALM, &[])],
        says "no account has our name",
        failed "the domain has no account {account} (kerbridge.toml: kerberos.service)",
        windows ".\\New-KerbridgeAccount.ps1 -Account {account} -ServicePrincipalName {own_spn} -Directory C:\\kerbridge",
        samba "samba-broker-account {account} {own_spn} /root/kerbridge",
    }
    /// Our account is disabled.
    OwnDisabled {
        "own.disabled", Own, "userAccountControl",
        [error(OWN, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_ACCOUNT_DISABLED]),
         error(OWN, ErrorCode::KDC_ERR_POLICY, &[NtStatus::STATUS_ACCOUNT_DISABLED]),
         error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[]), error(S4U, ErrorCode::KDC_ERR_POLICY, &[])],
        says "ACCOUNTDISABLE (0x2) is set on our account",
        failed "{account} is disabled",
        windows "Enable-ADAccount -Identity {account}",
        samba "samba-tool user enable {account}",
    }
    /// Our account is locked.
    OwnLocked {
        "own.locked", Own, "lockoutTime",
        [error(OWN, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_ACCOUNT_LOCKED_OUT]),
         error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[])],
        says "LOCKOUT (0x10) is set in msDS-User-Account-Control-Computed of our account",
        failed "{account} is locked after wrong passwords",
        windows "Unlock-ADAccount -Identity {account}",
        samba "samba-tool user unlock {account}",
    }
    /// Our account has expired.
    OwnExpired {
        "own.expired", Own, "accountExpires",
        [error(OWN, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_ACCOUNT_EXPIRED]),
         error(OWN, ErrorCode::KDC_ERR_NAME_EXP, &[]),
         error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[]), error(S4U, ErrorCode::KDC_ERR_NAME_EXP, &[])],
        says "accountExpires of our account has passed",
        failed "{account} has expired",
        windows "Clear-ADAccountExpiration -Identity {account}",
        samba "samba-tool user setexpiry {account} --noexpiry",
    }
    /// Our account's password has expired.
    OwnPasswordExpired {
        "own.password_expired", Own, "pwdLastSet",
        [error(OWN, ErrorCode::KDC_ERR_KEY_EXPIRED,
            &[NtStatus::STATUS_PASSWORD_EXPIRED, NtStatus::STATUS_PASSWORD_MUST_CHANGE]),
         error(S4U, ErrorCode::KDC_ERR_KEY_EXPIRED, &[])],
        says "PASSWORD_EXPIRED (0x800000) is set in msDS-User-Account-Control-Computed of our account",
        failed "the password of {account} has expired or must be changed",
        windows "Set-ADUser -Identity {account} -PasswordNeverExpires $true",
        samba "samba-tool user setexpiry {account} --noexpiry",
    }
    /// The keytab has another version of our keys than the directory.
    OwnKeyVersion {
        "own.key_version", Own, "msDS-KeyVersionNumber",
        [error(OWN, ErrorCode::KDC_ERR_PREAUTH_FAILED, &[NtStatus::STATUS_WRONG_PASSWORD]),
         sign(ANY, Shows::UnknownKey), error(S4U, ErrorCode::KRB_AP_ERR_BADKEYVER, &[])],
        says "msDS-KeyVersionNumber of our account is none of the keytab's versions",
        failed "the keytab (kerbridge.toml: kerberos.keytab) has the versions {keytab_versions} of the keys of {account}, and the directory has {key_version}",
        windows "ktpass /out kerbridge.keytab /princ {account}@{realm} /mapuser {account} /crypto AES256-SHA1 /ptype KRB5_NT_PRINCIPAL /kvno {key_version} /pass * -SetPass -SetUPN",
        samba "samba-tool domain exportkeytab kerbridge.keytab --principal={account}",
    }
    /// The keytab's key of the right version is wrong.
    OwnKeyWrong {
        "own.key_wrong", Own, "msDS-KeyVersionNumber",
        [error(OWN, ErrorCode::KDC_ERR_PREAUTH_FAILED, &[NtStatus::STATUS_WRONG_PASSWORD])],
        says "msDS-KeyVersionNumber of our account is one of the keytab's versions",
        failed "the key of version {key_version} in the keytab (kerbridge.toml: kerberos.keytab) is not that of {account}: made from another password, or for another name",
        windows "ktpass /out kerbridge.keytab /princ {account}@{realm} /mapuser {account} /crypto AES256-SHA1 /ptype KRB5_NT_PRINCIPAL /kvno {key_version} /pass * -SetPass -SetUPN",
        samba "samba-tool domain exportkeytab kerbridge.keytab --principal={account}",
    }
    /// Our password is wrong.
    OwnPasswordWrong {
        "own.password_wrong", Own, "unicodePwd",
        [error(OWN, ErrorCode::KDC_ERR_PREAUTH_FAILED, &[NtStatus::STATUS_WRONG_PASSWORD])],
        says "nothing: it is this cause where kerberos.password is configured",
        failed "the password (kerbridge.toml: kerberos.password) is not that of {account}",
        windows "Set-ADAccountPassword -Identity {account} -Reset",
        samba "samba-tool user setpassword {account}",
    }
    /// An authentication policy or a silo keeps the person out.
    UserPolicy {
        "user.authentication_policy", User, "msDS-AssignedAuthNPolicy",
        [error(S4U, ErrorCode::KDC_ERR_POLICY,
            &[NtStatus::STATUS_AUTHENTICATION_FIREWALL_FAILED, NtStatus::STATUS_ACCOUNT_RESTRICTION]),
         error(S4U, ErrorCode::KDC_ERR_CLIENT_REVOKED, &[NtStatus::STATUS_INVALID_WORKSTATION])],
        says "it is not asked: policies, silos, userWorkstations and selective authentication have many places",
        failed "an authentication policy, a silo, userWorkstations or selective authentication keeps {user} from {account}",
        windows "Set-ADUser -Identity {user} -AuthenticationPolicy $null -AuthenticationPolicySilo $null",
        samba "samba-tool user auth policy remove {user}",
    }
    /// The directory knows the person, the domain controller does not.
    UserUnknown {
        "user.unknown_to_kdc", User, "sAMAccountName",
        [error(SELF, ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, &[NtStatus::STATUS_NO_SUCH_USER]),
         error(SELF, ErrorCode::KDC_ERR_WRONG_REALM, &[]), sign(SELF, Shows::Referral)],
        says "the person's account is there",
        failed "the domain controller does not know {user}: kerberos.kdcs and directory.servers are not of one domain, or have not replicated",
        windows "repadmin /syncall /AdeP",
        samba "samba-tool drs showrepl",
    }
    /// Our own realm does not take evidence about people of others.
    ForeignEvidence {
        "trust.foreign_evidence_refused", Domain, "",
        [sign(SELF, Shows::EvidenceFromAbroad)],
        says "it is not asked: the person's account is another domain's",
        failed "the domain controllers of {realm} do not take evidence about {user} from another domain: Samba does not do S4U2Self across a trust, Windows and MIT krb5 do; or selective authentication keeps {user} out",
        windows "Get-ADTrust -Filter * -Properties SelectiveAuthentication, TrustDirection",
        samba "samba-tool domain trust list",
    }
    /// No trust leads to the person's realm.
    NoTrust {
        "trust.missing", Domain, "",
        [sign(OWN, Shows::NoTrust)],
        says "it is not asked: the person's account is another domain's",
        failed "the domain controllers of {realm} know no way to the realm of {user}: the trust with it is not there, or is not mutual",
        windows "Get-ADTrust -Filter * -Properties TrustDirection",
        samba "samba-tool domain trust list",
    }
    /// The clocks differ.
    ClockSkew {
        "clock.skew", Domain, "",
        [sign(ANY, Shows::ClocksDiffer), error(ANY, ErrorCode::KRB_AP_ERR_SKEW, &[NtStatus::STATUS_TIME_DIFFERENCE_AT_DC]),
         error(ANY, ErrorCode::KRB_AP_ERR_TKT_EXPIRED, &[]), error(ANY, ErrorCode::KRB_AP_ERR_TKT_NYV, &[])],
        says "currentTime of the root entry is minutes away from our clock",
        failed "the clock of {server} is {difference} from ours",
        windows "w32tm /resync /rediscover",
        samba "chronyc makestep",
    }
    /// Tickets rest on keys that have changed.
    Stale {
        "kdc.stale_tickets", Domain, "",
        [error(ANY, ErrorCode::KRB_AP_ERR_MODIFIED, &[]), error(ANY, ErrorCode::KRB_AP_ERR_BAD_INTEGRITY, &[]),
         error(ANY, ErrorCode::KRB_AP_ERR_BADKEYVER, &[]), error(ANY, ErrorCode::KDC_ERR_TGT_REVOKED, &[]),
         error(PROXY, ErrorCode::KDC_ERR_SERVER_NOMATCH, &[])],
        says "nothing",
        failed "a key of the domain or of {account} has changed, or domain controllers do not agree: new tickets were asked for once and refused too",
        windows "repadmin /syncall /AdeP",
        samba "samba-tool drs showrepl",
    }
    /// The domain controller misses something.
    Unavailable {
        "kdc.unavailable", Domain, "",
        [error(ANY, ErrorCode::KDC_ERR_SVC_UNAVAILABLE, &[])],
        says "nothing",
        failed "the domain controller cannot answer at the moment",
        windows "dcdiag /test:Services",
        samba "samba-tool processes",
    }
    /// The directory shows nothing that is missing.
    NotReplicated {
        "kdc.not_replicated", Domain, "",
        [],
        says "none of the causes that would explain the refusal holds",
        failed "{server} shows nothing that is missing: the domain controller that refused does not have its newest changes, or refuses for a reason of its own, which its log tells",
        windows "repadmin /syncall /AdeP",
        samba "samba-tool drs showrepl",
    }
    /// Anything else.
    Other {
        "kdc.other", Domain, "",
        [],
        says "nothing",
        failed "the domain controller refuses for a reason of its own, which its log tells",
        windows "Get-WinEvent -LogName Security -MaxEvents 50 -FilterXPath '*[System[EventID=4769 or EventID=4768]]'",
        samba "smbcontrol all debug 'kerberos:10 auth_audit:5'",
    }
}

impl Cause {
    /// The stable identifier.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.row().id
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests;
