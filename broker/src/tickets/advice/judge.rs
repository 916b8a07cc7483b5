//! The judgement: which of the causes in the table it is, from what was seen and what the directory says. Pure.

use std::cmp::Reverse;
use std::time::Duration;

use ldap_map::account::Account as Person;
use ldap_map::delegation::{AllowedToAct, Facts, Password, ServerClock, ServiceAccount, host_of, host_spn};
use ldap_map::logon_hours::HourOfWeek;
use ldap_map::schema::{EncryptionTypes, UserAccountControl, rid};
use ldap_map::security_descriptor::ActingForOthers;

use super::cause::Cause;
use super::symptom::{Fit, Symptom};

/// Clocks that are further apart than this explain a refusal for their sake; domain controllers allow five minutes, and the
/// directory tells whole seconds.
const CLOCKS_DIFFER: Duration = Duration::from_secs(240);

/// What is known beside the symptom.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the directory says.
    pub facts: &'a Facts,
    /// Our own service principal name.
    pub own_spn: &'a str,
    /// The versions of the keys in our keytab; `None` with a password.
    pub key_versions: Option<&'a [u32]>,
}

/// How sure a cause is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Certainty {
    /// The directory says so.
    Confirmed,
    /// It would explain what was seen; the directory was not read or does not tell.
    Possible,
}

impl Certainty {
    /// The word in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Possible => "possible",
        }
    }
}

/// Whether the directory says that a cause holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holds {
    Yes,
    No,
    Unknown,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Every cause that the symptom could have, the most probable first. Never empty.
#[must_use]
pub fn candidates(symptom: &Symptom) -> Vec<Cause> {
    fitting(symptom).into_iter().map(|(_, cause)| cause).collect()
}

/// Those of the [`candidates`] that fit best.
#[must_use]
pub fn most_probable(symptom: &Symptom) -> Vec<Cause> {
    let all = fitting(symptom);
    let best = all.first().map(|(fit, _)| *fit);
    all.into_iter().filter(|(fit, _)| Some(*fit) == best).map(|(_, cause)| cause).collect()
}

fn fitting(symptom: &Symptom) -> Vec<(Fit, Cause)> {
    let fit = |cause: Cause| -> Option<(Fit, Cause)> {
        let best = cause.row().signs.iter().filter_map(|sign| sign.fits(symptom)).min()?;
        Some((best, cause))
    };
    let mut found: Vec<(Fit, Cause)> = Cause::ALL.iter().filter_map(|cause| fit(*cause)).collect();
    found.sort();
    if found.is_empty() { vec![(Fit::Roughly, Cause::Other)] } else { found }
}

/// The causes that hold by the directory; where none is certain, those that it cannot tell; where it denies all, that it does.
/// The most probable first, never empty. `None` for `known` where the directory could not be read: every candidate is possible.
#[must_use]
pub fn judge(symptom: &Symptom, known: Option<&Known<'_>>) -> Vec<(Cause, Certainty)> {
    let candidates = candidates(symptom);
    let as_sure =
        |causes: Vec<Cause>, certainty| causes.into_iter().map(|cause| (cause, certainty)).collect();
    let Some(known) = known else { return as_sure(candidates, Certainty::Possible) };
    let that = |wanted: Holds| -> Vec<Cause> {
        candidates.iter().copied().filter(|cause| known.holds(*cause) == wanted).collect()
    };
    let confirmed = that(Holds::Yes);
    if !confirmed.is_empty() {
        return as_sure(known.in_order(confirmed), Certainty::Confirmed);
    }
    let untold = that(Holds::Unknown);
    if untold.is_empty() {
        return vec![(Cause::NotReplicated, Certainty::Possible)];
    }
    as_sure(untold, Certainty::Possible)
}

/// What the directory says is missing before anything was seen to fail. Where neither way of delegation is open, what is missing
/// for both.
#[must_use]
pub fn missing(known: &Known<'_>) -> Vec<Cause> {
    // These are told from others by a refusal: without one, a good key and an account that is there look the same.
    let only_with_a_refusal =
        |cause: Cause| matches!(cause, Cause::OwnKeyWrong | Cause::OwnPasswordWrong | Cause::UserUnknown);
    let holds = |cause: &Cause| !only_with_a_refusal(*cause) && known.holds(*cause) == Holds::Yes;
    known.in_order(Cause::ALL.iter().copied().filter(holds).collect())
}

impl Known<'_> {
    /// A target that keeps a list of its own is meant to be opened by it, unless our account keeps one too.
    fn in_order(&self, mut causes: Vec<Cause>) -> Vec<Cause> {
        let keeps_none = self.facts.own.as_ref().is_none_or(|own| own.allowed_to_delegate_to.is_empty());
        if keeps_none {
            causes.sort_by_key(|cause| Reverse(*cause == Cause::ListedOthers));
        }
        causes
    }

    /// The account that the service asked for runs as: the one that has its name, or else the host's computer.
    pub(crate) fn target(&self) -> Option<&ServiceAccount> {
        let target = self.facts.target.as_ref()?;
        let of_host = |account: &&ServiceAccount| {
            target.computer.as_ref().is_some_and(|computer| computer.object_sid == account.object_sid)
        };
        target.holders.iter().find(of_host).or_else(|| target.holders.first()).or(target.computer.as_ref())
    }

    /// An account that has a name it should not have: the target's, or ours.
    pub(crate) fn other(&self, cause: Cause) -> Option<&ServiceAccount> {
        let (holders, rightful) = match cause {
            Cause::TargetSpnTwice => (&self.facts.target.as_ref()?.holders, self.target()),
            _ => (&self.facts.own_spn_holders, self.facts.own.as_ref()),
        };
        holders.iter().find(|holder| rightful.is_none_or(|rightful| rightful.object_sid != holder.object_sid))
    }

    fn holds(&self, cause: Cause) -> Holds {
        match cause {
            Cause::NotListed | Cause::ListedOthers | Cause::NoList | Cause::OtherDomain => {
                self.delegation(cause)
            }
            Cause::TargetSpnMissing | Cause::TargetSpnTwice => self.target_name(cause),
            Cause::TargetDisabled | Cause::TargetNoKeys | Cause::TargetNoAes => self.target_account(cause),
            Cause::OwnUnknown => self.facts.own.is_none().into(),
            Cause::OwnSpnElsewhere => self.other(cause).is_some().into(),
            Cause::OwnKeyVersion | Cause::OwnKeyWrong | Cause::OwnPasswordWrong => self.key(cause),
            Cause::NoProtocolTransition
            | Cause::OwnSensitive
            | Cause::OwnProtected
            | Cause::OwnSpnMissing
            | Cause::OwnNoAes
            | Cause::OwnDisabled
            | Cause::OwnLocked
            | Cause::OwnExpired
            | Cause::OwnPasswordExpired => {
                self.facts.own.as_ref().map_or(Holds::Unknown, |own| self.own_account(own, cause).into())
            }
            Cause::UserSensitive
            | Cause::UserProtected
            | Cause::UserDisabled
            | Cause::UserLocked
            | Cause::UserExpired
            | Cause::UserOutsideHours
            | Cause::UserPasswordExpired => {
                self.facts.user.as_ref().map_or(Holds::Unknown, |user| self.person(user, cause).into())
            }
            Cause::UserUnknown => self.facts.user.is_some().into(),
            Cause::ClockSkew => difference(&self.facts.server)
                .map_or(Holds::Unknown, |(apart, _)| (apart >= CLOCKS_DIFFER).into()),
            Cause::UserPolicy
            | Cause::ForeignEvidence
            | Cause::NoTrust
            | Cause::Stale
            | Cause::Unavailable
            | Cause::NotReplicated
            | Cause::Other => Holds::Unknown,
        }
    }

    /// Classic delegation by our list, resource-based delegation by the target's; either is enough.
    fn delegation(&self, cause: Cause) -> Holds {
        let (Some(own), Some(asked)) = (&self.facts.own, &self.facts.target) else { return Holds::Unknown };
        if cause == Cause::OtherDomain {
            return is_elsewhere(own, &asked.spn).into();
        }
        let Some(target) = self.target() else { return Holds::Unknown };
        let is_let = target.lets_act(own) == Some(ActingForOthers::Allowed);
        if own.may_delegate_to(&asked.spn) || is_let {
            return Holds::No;
        }
        let has_list = target.allowed_to_act != AllowedToAct::NoList;
        match cause {
            Cause::ListedOthers => has_list.into(),
            Cause::NoList => (!has_list).into(),
            _ => Holds::Yes,
        }
    }

    fn target_name(&self, cause: Cause) -> Holds {
        let Some(target) = &self.facts.target else { return Holds::Unknown };
        match cause {
            Cause::TargetSpnMissing => target.holders.is_empty().into(),
            _ => (target.holders.len() > 1).into(),
        }
    }

    fn target_account(&self, cause: Cause) -> Holds {
        let Some(target) = self.target() else { return Holds::Unknown };
        match cause {
            Cause::TargetDisabled => {
                target.user_account_control.has(UserAccountControl::ACCOUNT_DISABLE).into()
            }
            Cause::TargetNoKeys => match target.password {
                Password::NeverSet => Holds::Yes,
                // It may have keys of other types only.
                Password::Set | Password::Unknown => Holds::Unknown,
            },
            _ => lacks_aes(target).into(),
        }
    }

    fn own_account(&self, own: &ServiceAccount, cause: Cause) -> bool {
        let computed = own.computed_account_control;
        match cause {
            Cause::NoProtocolTransition => {
                !own.user_account_control.has(UserAccountControl::TRUSTED_TO_AUTH_FOR_DELEGATION)
            }
            Cause::OwnSensitive => own.user_account_control.has(UserAccountControl::NOT_DELEGATED),
            Cause::OwnProtected => own.is_protected(),
            Cause::OwnSpnMissing => {
                let standing = host_spn(self.own_spn);
                !own.has_spn(self.own_spn) && !standing.is_some_and(|standing| own.has_spn(&standing))
            }
            Cause::OwnNoAes => lacks_aes(own),
            Cause::OwnDisabled => own.user_account_control.has(UserAccountControl::ACCOUNT_DISABLE),
            Cause::OwnLocked => computed.has(UserAccountControl::LOCKOUT),
            Cause::OwnExpired => own.account_expires.has_come(self.facts.server.local_time),
            _ => computed.has(UserAccountControl::PASSWORD_EXPIRED),
        }
    }

    fn key(&self, cause: Cause) -> Holds {
        let Some(versions) = self.key_versions else {
            return (cause == Cause::OwnPasswordWrong).into();
        };
        if cause == Cause::OwnPasswordWrong {
            return Holds::No;
        }
        let version = self.facts.own.as_ref().and_then(|own| own.key_version_number);
        let Some(version) = version else { return Holds::Unknown };
        // Older keytabs keep eight bits of the version.
        let is_there = versions.iter().any(|kept| *kept == version || *kept == version & 0xff);
        (is_there == (cause == Cause::OwnKeyWrong)).into()
    }

    fn person(&self, user: &Person, cause: Cause) -> bool {
        let control = user.user_account_control;
        let computed = user.computed_account_control.unwrap_or_default();
        let now = self.facts.server.local_time;
        match cause {
            Cause::UserSensitive => control.has(UserAccountControl::NOT_DELEGATED),
            Cause::UserProtected => {
                let group = user.object_sid.sibling(rid::PROTECTED_USERS);
                user.groups.iter().any(|member_of| member_of.sid == group)
            }
            Cause::UserDisabled => control.has(UserAccountControl::ACCOUNT_DISABLE),
            Cause::UserLocked => computed.has(UserAccountControl::LOCKOUT),
            Cause::UserExpired => user.account_expires.has_come(now),
            Cause::UserOutsideHours => {
                user.logon_hours.is_some_and(|hours| !hours.allow(HourOfWeek::of(now)))
            }
            _ => computed.has(UserAccountControl::PASSWORD_EXPIRED),
        }
    }
}

/// How far the server's clock is from ours, and whether it is ahead.
pub(crate) fn difference(server: &ServerClock) -> Option<(Duration, bool)> {
    let theirs = server.server_time?;
    Some(match theirs.duration_since(server.local_time) {
        Ok(ahead) => (ahead, true),
        Err(behind) => (behind.duration(), false),
    })
}

/// Without the attribute the domain's default holds, which is RC4 in Samba and in older Windows domains.
fn lacks_aes(account: &ServiceAccount) -> bool {
    !account.supported_encryption_types.is_some_and(EncryptionTypes::has_aes)
}

/// Whether the host of a service lies outside of the account's DNS domain.
fn is_elsewhere(own: &ServiceAccount, spn: &str) -> bool {
    let (Some(host), Some(domain)) = (host_of(spn), own.dn.dns_domain()) else { return false };
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    let is_short = !host.contains('.');
    !is_short && !host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests;
